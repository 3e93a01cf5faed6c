# Writes mixed.csv and mixed.json beside this script: smooths with random effects, which are smooths too in mgcv, and
# correlated random effects beside a smooth in gamm4.
#
#   Rscript tests/reference/smooths/write_mixed.R      R 4.2.2, mgcv 1.8-41, gamm4 0.2-6, jsonlite
#
# Fits are converged further than mgcv's and lme4's defaults.

suppressMessages({library(mgcv); library(gamm4); library(jsonlite)})
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
set.seed(7)
n <- 800
d <- data.frame(x = round(runif(n), 3), z = round(runif(n), 3), f = sample(c("a", "b"), n, TRUE),
                g = sample(c(1:230, sample(1:230, n - 230, TRUE))), h = sample(letters[1:12], n, TRUE))
eta <- sin(6 * d$x) + d$z^2 + ifelse(d$f == "a", 0, 0.5 * cos(5 * d$x))
eta <- eta + rnorm(230, 0, 0.6)[d$g] + (rnorm(12, 0, 0.5)[match(d$h, letters)]) + (rnorm(12, 0, 0.8)[match(d$h, letters)]) * d$x
d$normal <- round(eta + rnorm(n) * 0.7, 3)
d$spread <- round(eta + rnorm(n) * exp(-0.6 + d$z), 3)
d$count <- rpois(n, exp(0.3 + 0.7 * eta))
d$event <- rbinom(n, 1, plogis(eta))
d$over <- rnbinom(n, mu = exp(0.8 + 0.6 * eta), size = 2)
d$g <- paste0("g", d$g)
write.csv(d, file.path(here, "mixed.csv"), row.names = FALSE, quote = FALSE)
for (name in c("f", "g", "h")) d[[name]] <- factor(d[[name]])

one_fit <- function(formula, family = gaussian(), method = "REML") {
  b <- gam(formula, family = family, data = d, method = method,
           control = gam.control(epsilon = 1e-13, newton = list(conv.tol = 1e-11)))
  s <- summary(b)$s.table
  smooth <- !grepl("^s(\\.1)?\\((x,)?[gh]", rownames(s))
  p <- predict(b, type = "link")
  apart <- predict(b, type = "link", se.fit = TRUE, exclude = rownames(s)[!smooth])
  sd <- suppressWarnings(gam.vcomp(b))
  if (is.list(sd)) sd <- sd$all else sd <- sd[, 1]
  first <- function(x) as.matrix(x)[seq(1, n, 10), 1]
  list(score = unbox(as.numeric(b$gcv.ubre)), sd = as.list(sd), dispersion = unbox(b$sig2), fitted = first(p),
       smooth = first(apart$fit), se = first(apart$se.fit),
       smooths = data.frame(edf = s[smooth, 1], ref_df = s[smooth, 2], statistic = s[smooth, 3], p_value = s[smooth, 4]),
       theta = if (is.null(b$family$getTheta)) NULL else b$family$getTheta(TRUE))
}
lmer_fit <- function(formula, random, REML) {
  b <- gamm4(formula, random = random, data = d, REML = REML,
             control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))
  v <- as.data.frame(VarCorr(b$mer))
  v <- v[v$grp %in% c("h", "Residual"), ]
  list(sd = v$sdcor, log_likelihood = unbox(as.numeric(logLik(b$mer))),
       smooth = as.numeric(predict(b$gam))[seq(1, n, 10)], edf = unbox(summary(b$gam)$s.table[1, 1]))
}
fits <- list(
  poisson = one_fit(count ~ s(x) + s(g, bs = "re"), poisson()),
  poisson_ml = one_fit(count ~ s(x) + s(g, bs = "re"), poisson(), "ML"),
  binomial = one_fit(event ~ s(x, bs = "cr") + z + s(h, bs = "re"), binomial()),
  negative_binomial = one_fit(over ~ s(x) + s(z) + s(h, bs = "re"), nb()),
  gaussian_by = one_fit(normal ~ f + s(x, by = f) + s(g, bs = "re") + s(h, bs = "re")),
  gaussian_ml = one_fit(normal ~ s(x, bs = "ps") + s(g, bs = "re"), method = "ML"),
  gaussian_te = one_fit(normal ~ te(x, z) + s(h, bs = "re") + s(x, h, bs = "re")),
  gaulss = one_fit(list(spread ~ s(x, bs = "cr") + s(h, bs = "re"), ~ s(z, bs = "cr")), gaulss(b = 0))
)
correlated <- list(reml = lmer_fit(normal ~ s(x, bs = "cr"), ~ (x | h), TRUE),
                   ml = lmer_fit(normal ~ s(x, bs = "cr"), ~ (x | h), FALSE))
write_json(list(gam = fits, gamm4 = correlated), file.path(here, "mixed.json"), digits = NA, pretty = TRUE)
