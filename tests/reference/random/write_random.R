# Random effects: lme4 1.1-31 (Gaussian responses, ML and REML) and glmmTMB 1.1.5 (Laplace's approximation), each polished by Newton
# steps on its own objective until the gradient is rounding error. Writes random.json, with the data.
#   Rscript tests/reference/random/write_random.R
# cbpp: Lesnoff et al. (2004), Preventive Veterinary Medicine 62; sleepstudy: Belenky et al. (2003), J. Sleep Research 12;
# Penicillin: Davies & Goldsmith (1972), Statistical Methods in Research and Production; Dyestuff2: Box & Tiao (1973), simulated;
# grouseticks: Elston et al. (2001), Parasitology 122. All else is simulated here.
suppressMessages({ library(lme4); library(glmmTMB); library(jsonlite); library(Matrix); library(numDeriv) })
source("tests/reference/random/peers.R")

set.seed(20)
n <- 480
d <- data.frame(g = sample(sprintf("g%02d", 1:24), n, TRUE), h = sample(sprintf("h%d", 1:9), n, TRUE), x = round(rnorm(n), 3),
                z = round(runif(n, -1, 1), 3))
d$k <- sample(c("a", "b", "c"), n, TRUE)
gi <- as.integer(factor(d$g)); hi <- as.integer(factor(d$h)); ki <- as.integer(interaction(d$g, d$k))
b <- matrix(rnorm(48), 24) %*% chol(matrix(c(.5, .15, .15, .2), 2)); v <- rnorm(9, 0, .5); u <- rnorm(max(ki), 0, .4)
eta <- 0.4 + 0.5 * d$x + b[gi, 1] + b[gi, 2] * d$x
mu <- exp(eta); p <- plogis(eta + v[hi])
d$gauss <- round(eta + v[hi] + u[ki] + rnorm(n, 0, .7), 4); d$count <- rpois(n, mu); d$yes <- rbinom(n, 1, p)
d$over <- rnbinom(n, mu = mu * exp(v[hi]), size = 1.5); d$zeros <- rbinom(n, 1, plogis(1 + v[hi])) * rpois(n, exp(1 + .3 * d$x + b[gi, 1]))
d$pos <- round(rgamma(n, 3, 3 / mu), 5); d$share <- round(pmin(pmax(rbeta(n, 6 * plogis(eta), 6 * (1 - plogis(eta))), 1e-3), 1 - 1e-3), 5)

data(cbpp); data(sleepstudy); data(Penicillin); data(Dyestuff2); data(grouseticks)
grouseticks$height <- round(grouseticks$HEIGHT - mean(grouseticks$HEIGHT), 6)
cbpp$herd <- paste0("h", cbpp$herd)
frames <- list(sim = d, sleepstudy = sleepstudy, cbpp = cbpp, Penicillin = Penicillin, Dyestuff2 = Dyestuff2,
               grouseticks = grouseticks[, c("INDEX", "TICKS", "BROOD", "YEAR", "LOCATION", "height")])

by_lmer <- function(name, data, formula, REML, glm) {
  parts <- lFormula(formula, frames[[data]], REML = REML)
  dev <- do.call(mkLmerDevfun, c(parts, list(control = lmerControl())))
  m <- suppressMessages(lmer(formula, frames[[data]], REML = REML)); theta <- getME(m, "theta")
  for (i in 1:8) if (!isSingular(m)) theta <- theta - solve(numDeriv::hessian(dev, theta), numDeriv::grad(dev, theta))
  if (isSingular(m)) theta <- 0 * theta
  m <- mkMerMod(environment(dev), list(par = theta, fval = dev(theta), conv = 0, message = ""), parts$reTrms, parts$fr)
  vc <- VarCorr(m); sd <- unlist(lapply(vc, attr, "stddev")); r <- ranef(m, condVar = TRUE)
  modes <- r[[1]]; pv <- attr(modes, "postVar")
  each <- if (is.list(pv)) pv else lapply(seq_len(dim(pv)[1]), function(j) pv[j, j, , drop = FALSE])
  c(list(name = name, data = data, log_likelihood = as.numeric(logLik(m)), estimate = unname(fixef(m)),
         std_error = unname(sqrt(diag(as.matrix(vcov(m))))), sd = unname(sd), sigma = sigma(m),
         levels = rownames(modes), modes = unname(as.matrix(modes)), errors = unname(sqrt(sapply(each, as.vector)))), glm)
}

cases <- list(
  by_lmer("sleepstudy_ml", "sleepstudy", Reaction ~ Days + (Days | Subject), FALSE, ask("Reaction ~ Days + (Days | Subject)")),
  by_lmer("sleepstudy_reml", "sleepstudy", Reaction ~ Days + (Days | Subject), TRUE,
          ask("Reaction ~ Days + (Days | Subject)", reml = TRUE)),
  by_lmer("sleepstudy_apart", "sleepstudy", Reaction ~ Days + (Days || Subject), TRUE,
          ask("Reaction ~ Days + (1 + Days || Subject)", reml = TRUE)),
  by_lmer("penicillin", "Penicillin", diameter ~ 1 + (1 | plate) + (1 | sample), TRUE,
          ask("diameter ~ 1 + (1 | plate) + (1 | sample)", reml = TRUE)),
  by_lmer("dyestuff2", "Dyestuff2", Yield ~ 1 + (1 | Batch), FALSE, ask("Yield ~ 1 + (1 | Batch)")),
  by_lmer("nested", "sim", gauss ~ x + (1 | g/k) + (1 | h), FALSE, ask("gauss ~ x + (1 | g/k) + (1 | h)")),
  by_tmb("cbpp", "cbpp", cbind(incidence, size - incidence) ~ period + (1 | herd), binomial,
         ask("incidence/size ~ C(period) + (1 | herd)", "binomial")),
  by_tmb("grouseticks", "grouseticks", TICKS ~ YEAR + height + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION), poisson,
         ask("TICKS ~ C(YEAR) + height + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)", "poisson")),
  by_tmb("slopes", "sim", count ~ x + (x | g), poisson, ask("count ~ x + (x | g)", "poisson")),
  by_tmb("slope_alone", "sim", count ~ x + (0 + x | g), poisson, ask("count ~ x + (0 + x | g)", "poisson")),
  by_tmb("logit_crossed", "sim", yes ~ x + (1 | g) + (1 | h), binomial, ask("yes ~ x + (1 | g) + (1 | h)", "binomial")),
  by_tmb("probit", "sim", yes ~ x + (x | g), binomial("probit"), ask("yes ~ x + (x | g)", "binomial", link = "probit")),
  by_tmb("gamma", "sim", pos ~ x + (1 | g), Gamma("log"), ask("pos ~ x + (1 | g)", "gamma", link = "log")),
  by_tmb("beta", "sim", share ~ x + z + (x | g), beta_family, ask("share ~ x + z + (x | g)", "beta")),
  by_tmb("negative_binomial", "sim", over ~ x + z + (x || g) + (1 | h), nbinom2,
         ask("over ~ x + z + (1 + x || g) + (1 | h)", "negative-binomial")),
  by_tmb("zero_inflated", "sim", zeros ~ x + (1 | g), poisson, ziformula = ~ 1 + (1 | h),
         ask(c("zeros ~ x + (1 | g)", "zero ~ 1 + (1 | h)"), "zero-inflated-poisson")),
  by_tmb("dispersion", "sim", gauss ~ x + (1 | g), gaussian, dispformula = ~ z, ask(c("gauss ~ x + (1 | g)", "phi ~ z")))
)
write_json(list(frames = frames, cases = cases), "tests/reference/random/random.json", digits = 15, auto_unbox = TRUE,
           dataframe = "columns", null = "null")
