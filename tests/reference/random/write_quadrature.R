# Adaptive Gauss-Hermite quadrature of random effects, summed here node by node (statmod's nodes), and maximised by Newton's method on
# Richardson's differences (numDeriv). Writes quadrature.json, with the data.
#   Rscript tests/reference/random/write_quadrature.R
# `glmer` is the logLik of lme4 1.1-31's glmer(nAGQ = points) with the log-likelihood of the saturated model added, which its logLik lacks
# for nAGQ > 1. Where `points` is null the rule is fine enough for the integral itself.
# bacteria: A. Leach, in Venables & Ripley (2002), Modern Applied Statistics with S; toenail: De Backer et al. (1998), J. American Academy of
# Dermatology 38; Contraception: Bangladesh Fertility Survey 1989, Huq & Cleland (1990); cbpp, sim: as in write_random.R.
suppressMessages({ library(lme4); library(jsonlite); library(numDeriv) })
source("tests/reference/random/nodes.R")
data(cbpp); data(bacteria, package = "MASS"); data(Contraception, package = "mlmRev"); data(toenail, package = "HSAUR3")
sim <- as.data.frame(read_json("tests/reference/random/random.json", simplifyVector = TRUE)$frames$sim)
frames <- list(
  cbpp = data.frame(y = cbpp$incidence, size = cbpp$size, period = cbpp$period, g = paste0("h", cbpp$herd)),
  bacteria = data.frame(y = as.integer(bacteria$y == "y"), trt = bacteria$trt, late = as.integer(bacteria$week > 2), g = bacteria$ID),
  toenail = data.frame(y = as.integer(toenail$outcome != "none or mild"), treatment = as.integer(toenail$treatment == "terbinafine"),
                       time = round(toenail$time, 6), g = paste0("p", toenail$patientID)),
  contraception = data.frame(y = as.integer(Contraception$use == "Y"), age = Contraception$age, livch = Contraception$livch,
                             urban = Contraception$urban, g = paste0("d", Contraception$district)),
  sim = data.frame(y = sim$count, x = sim$x, g = sim$g), over = data.frame(y = sim$over, x = sim$x, g = sim$h))

maximised <- function(name, data, formula, family, points, ask, slope = FALSE, start = NULL) {
  d <- frames[[data]]; X <- model.matrix(formula, d); n <- if (is.null(d$size)) rep(1, nrow(d)) else d$size; p <- ncol(X)
  Z <- if (slope) cbind(1, d$x) else matrix(1, nrow(d), 1); k <- if (slope) 3 else 1
  value <- function(par) {
    th <- par[p + 1:k]; L <- if (slope) matrix(c(exp(th[1]), th[2], 0, exp(th[3])), 2) else matrix(exp(th))
    integrated(par[1:p], L, exp(par[p + k + 1]), X, Z, d$y, n, as.integer(factor(d$g)), family, if (is.null(points)) 15 else points)
  }
  glmer_value <- NULL; par <- start
  if (!is.null(points)) {
    formula1 <- update(formula, if (data == "cbpp") cbind(y, size - y) ~ . + (1 | g) else y ~ . + (1 | g))
    m <- suppressWarnings(glmer(formula1, d, family, nAGQ = points, control = glmerControl(tolPwrss = 1e-13)))
    saturated <- if (family == "poisson") sum(dpois(d$y, d$y, log = TRUE)) else sum(dbinom(d$y, n, d$y / n, log = TRUE))
    glmer_value <- as.numeric(logLik(m)) + saturated; par <- c(fixef(m), log(getME(m, "theta")))
  }
  if (is.null(points)) par <- optim(par, function(par) { v <- -value(par); if (is.finite(v)) v else 1e9 }, method = "BFGS", control = list(reltol = 1e-12))$par
  for (i in 1:4) { s <- grad(value, par); if (max(abs(s)) < 1e-6) break; par <- par - solve(hessian(value, par), s) }
  se <- sqrt(diag(solve(-hessian(value, par)))); th <- par[p + 1:k]
  sd <- if (slope) c(exp(th[1]), sqrt(th[2]^2 + exp(2 * th[3]))) else exp(th)
  cat(name, value(par), glmer_value, max(abs(grad(value, par))), "\n")
  list(name = name, data = data, points = points, log_likelihood = value(par), glmer = glmer_value, estimate = unname(par[1:p]),
       std_error = unname(se[1:p]), sd = unname(sd), log_sd_error = if (slope) NULL else unname(se[p + 1]),
       alpha = if (family == "nb") unname(exp(par[p + k + 1])), glmfit = ask)
}
ask <- function(formulas, family, nodes) list(formulas = formulas, family = family, quadrature = nodes)
cases <- list(
  maximised("cbpp", "cbpp", ~ period, "binomial", 9, ask("y/size ~ C(period) + (1 | g)", "binomial", 9)),
  maximised("bacteria", "bacteria", ~ trt + late, "binomial", 25, ask("y ~ C(trt, contr.treatment(base='placebo')) + late + (1 | g)", "binomial", 25)),
  maximised("toenail", "toenail", ~ treatment * time, "binomial", 9, ask("y ~ treatment * time + (1 | g)", "binomial", 9)),
  maximised("contraception", "contraception", ~ age + I(age^2) + livch + urban, "binomial", 7,
            ask("y ~ age + I(age**2) + C(livch) + C(urban) + (1 | g)", "binomial", 7)),
  maximised("poisson", "sim", ~ x, "poisson", 5, ask("y ~ x + (1 | g)", "poisson", 5)),
  maximised("slopes", "sim", ~ x, "poisson", NULL, ask("y ~ x + (x | g)", "poisson", 15), TRUE, c(.3, .5, -.3, .2, -.8)),
  maximised("negative binomial", "over", ~ x, "nb", NULL, ask("y ~ x + (1 | g)", "negative-binomial", 21), FALSE, c(.5, .5, -.7, 0)))
write_json(list(frames = frames, cases = cases), "tests/reference/random/quadrature.json", digits = 15, auto_unbox = TRUE,
           dataframe = "columns", null = "null")
