# Writes smooths.csv, bases.json and fits.json beside this script: mgcv's bases, penalties and fits.
#
#   Rscript tests/reference/smooths/write_smooths.R      R 4.2.2, mgcv 1.8-41, jsonlite
#
# Fits are converged further than mgcv's default. Dispersions are Pearson's, as glmfit reports them, and not Fletcher's.

suppressMessages({library(mgcv); library(jsonlite)})
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
set.seed(20)
n <- 200
d <- data.frame(x = round(10 * runif(n)^2, 4), z = round(rnorm(n), 4), v = round(runif(n, 1, 3), 4),
                g = sample(c("a", "b", "c"), n, TRUE), h = sample(letters[1:8], n, TRUE), w = sample(1:3, n, TRUE))
f <- sin(d$x) + 0.5 * d$z^2 - 0.5
effects <- c(-0.6, 0.5, 0.2, -0.1, 0.7, -0.5, 0.3, -0.4)[match(d$h, letters)]
d$normal <- round(f + effects + rnorm(n) * 0.5, 5)
d$spread <- round(f + rnorm(n) * exp(-0.6 + 0.4 * d$z), 5)
d$count <- rpois(n, exp(0.5 + 0.6 * f + effects))
d$event <- rbinom(n, 1, plogis(1.5 * f))
d$positive <- round(rgamma(n, 4, 4 / exp(0.5 * f)), 5)
d$over <- rnbinom(n, mu = exp(1 + 0.6 * f), size = 2)
d$share <- round(pmin(pmax(rbeta(n, 6 * plogis(f), 6 * (1 - plogis(f))), 0.001), 0.999), 6)
d$ordered <- as.integer(cut(2 * f + rlogis(n), c(-Inf, -1, 0.5, 2, Inf)))
write.csv(d, file.path(here, "smooths.csv"), row.names = FALSE, quote = FALSE)
d$g <- factor(d$g); d$h <- factor(d$h)
new <- data.frame(x = c(-1, 0.5, 3, 9, 12), z = c(-4, -1, 0, 1, 4), v = c(1, 2, 1.5, 2.5, 3),
                  g = factor(c("a", "b", "c", "a", "b"), levels = levels(d$g)),
                  h = factor(c("a", "b", "c", "d", "h"), levels = levels(d$h)))

terms <- c("s(x)", "s(x, k=20)", "s(x, bs='cr')", "s(x, bs='ps')", "s(x, bs='ps', k=15)", "s(x, k=6, bs='cr', by=v)",
           "s(x, by=g)", "s(z, bs='tp', by=v)", "te(x, z)", "te(x, z, k=c(4, 6))", "te(x, z, v, k=c(4, 3, 3))",
           "s(h, bs='re')")
one_basis <- function(term) {
  lapply(smoothCon(eval(parse(text = term)), data = d, absorb.cons = TRUE), function(s)
    list(X = s$X[seq(1, n, 4), ], S = s$S, new = PredictMat(s, new), free = unbox(as.integer(s$null.space.dim))))
}
write_json(setNames(lapply(terms, one_basis), terms), file.path(here, "bases.json"), digits = NA)

one_fit <- function(formula, family, method = "REML", weights = rep(1, n)) {
  d$weights <- weights
  dispersion <- gam.control(scale.est = "pearson", epsilon = 1e-12, newton = list(conv.tol = 1e-10))
  b <- gam(formula, family = family, data = d, method = method, weights = weights, control = dispersion)
  s <- summary(b)
  p <- predict(b, type = "link", se.fit = TRUE)
  at <- predict(b, newdata = new, type = "link", se.fit = TRUE)
  list(method = unbox(tolower(sub("\\..*", "", method))), score = unbox(as.numeric(b$gcv.ubre)),
       strengths = as.numeric(b$sp), dispersion = unbox(b$sig2),
       fitted = as.matrix(p$fit)[seq(1, n, 5), , drop = FALSE], se = as.matrix(p$se.fit)[seq(1, n, 5), , drop = FALSE],
       new = as.matrix(at$fit), new_se = as.matrix(at$se.fit),
       smooths = data.frame(edf = s$s.table[, 1], ref_df = s$s.table[, 2], statistic = s$s.table[, 3],
                            p_value = s$s.table[, 4]),
       aic = unbox(b$aic), deviance = unbox(deviance(b)), explained = unbox(s$dev.expl),
       theta = if (is.null(b$family$getTheta)) NULL else b$family$getTheta(TRUE))
}
fits <- list(
  gaussian = one_fit(normal ~ s(x, bs = "cr"), gaussian()),
  gaussian_ml = one_fit(normal ~ s(x, bs = "cr") + s(z), gaussian(), "ML"),
  gaussian_gcv = one_fit(normal ~ s(x, bs = "cr"), gaussian(), "GCV.Cp"),
  gaussian_tp = one_fit(normal ~ s(x, k = 15) + g, gaussian()),
  gaussian_weights = one_fit(normal ~ s(x, bs = "ps"), gaussian(), weights = d$v),
  gaussian_te = one_fit(normal ~ te(x, z), gaussian()),
  gaussian_by = one_fit(normal ~ g + s(x, by = g), gaussian()),
  gaussian_numeric_by = one_fit(normal ~ s(x, by = v, k = 6), gaussian()),
  gaussian_re = one_fit(normal ~ s(x) + s(h, bs = "re"), gaussian()),
  poisson = one_fit(count ~ s(x, bs = "cr") + s(z), poisson()),
  poisson_ml = one_fit(count ~ s(x, bs = "cr") + s(z), poisson(), "ML"),
  poisson_gcv = one_fit(count ~ s(x, bs = "cr") + s(z), poisson(), "GCV.Cp"),
  poisson_re = one_fit(count ~ s(x) + s(h, bs = "re"), poisson()),
  poisson_te = one_fit(count ~ te(x, z, k = c(4, 5)), poisson()),
  binomial = one_fit(event ~ s(x, bs = "cr") + z, binomial()),
  probit = one_fit(event ~ s(x, bs = "cr"), binomial("probit")),
  gamma = one_fit(positive ~ s(x, bs = "cr") + s(z), Gamma(link = "log")),
  gamma_gcv = one_fit(positive ~ s(x, bs = "cr"), Gamma(link = "log"), "GCV.Cp"),
  negative_binomial = one_fit(over ~ s(x, bs = "cr") + s(z), nb()),
  negative_binomial_re = one_fit(over ~ s(x, bs = "cr") + s(h, bs = "re"), nb()),
  beta = one_fit(share ~ s(x, bs = "cr"), betar()),
  ordinal = one_fit(ordered ~ s(x, bs = "cr"), ocat(R = 4)),
  gaulss = one_fit(list(spread ~ s(x, bs = "cr"), ~ s(z, bs = "cr")), gaulss(b = 0))
)
write_json(fits, file.path(here, "fits.json"), digits = NA, pretty = TRUE)
