# Residuals and influence of R: Rscript tests/reference/after/residuals.R (from the root); writes residuals.json.
#
# residuals.glm by type, hatvalues, cooks.distance, dffits, covratio and dfbeta of glm(). Quantile residuals: statmod's
# qresiduals where the response is continuous; of counts the tails between which one is drawn, Pr(Y <= y - 1) `below`,
# Pr(Y <= y) `at`, and from the other end Pr(Y > y) `above` and Pr(Y > y - 1) `from`. Zero-inflated counts: pscl.
# linktest and checks: glm with the square of the linear predictor; car::vif; Hosmer and Lemeshow's sums by their formula.

suppressMessages({
  library(MASS); library(statmod); library(pscl); library(car); library(jsonlite)
})
options(digits = 17)
interior <- read.csv("tests/reference/data/interior.csv", stringsAsFactors = TRUE)
tight <- glm.control(epsilon = 1e-15, maxit = 200)
path <- "tests/reference/data/interior.csv"
cases <- list()
add <- function(name, spec, columns, ...) cases[[length(cases) + 1]] <<- list(name = name, data = path, spec = spec,
                                                                             columns = columns, ...)
plain <- function(x) unname(as.vector(x))

glm_case <- function(name, formula, glmfit, object, family, link, quantile = NULL, ends = NULL, dispersion = NULL,
                     r_weights = NULL, ...) {
  frame <- interior
  frame$weights_ <- if (is.null(r_weights)) rep(1, nrow(frame)) else frame[[r_weights]]
  fit <- suppressWarnings(glm(as.formula(formula), object, frame, weights = weights_, control = tight))
  for (again in 1:3)  # glm stops by the deviance, which is flat: three more steps
    fit <- suppressWarnings(glm(as.formula(formula), object, frame, weights = weights_, start = coef(fit), control = tight))
  infl <- influence(fit)
  phi <- if (is.null(dispersion)) summary(fit)$dispersion else dispersion
  columns <- list(
    fitted = plain(fitted(fit)), response = plain(residuals(fit, "response")),
    pearson = plain(residuals(fit, "pearson")), deviance = plain(residuals(fit, "deviance")),
    working = plain(residuals(fit, "working")), leverage = plain(hatvalues(fit)),
    cooks_distance = plain(cooks.distance(fit, dispersion = phi)), dffits = plain(dffits(fit)),
    covratio = plain(covratio(fit)))
  if (!is.null(quantile)) columns$quantile <- plain(quantile(fit))
  if (!is.null(ends)) columns <- c(columns, lapply(ends(fit), plain))
  spec <- list(formulas = list(glmfit), family = family, links = list(mu = link), ...)
  add(name, spec, columns, dfbeta = unname(apply(dfbeta(fit), 2, plain, simplify = FALSE)))
  invisible(fit)
}
normal_quantile <- function(fit) residuals(fit, "response") * sqrt(fit$prior.weights) / sqrt(summary(fit)$dispersion)
ends <- function(cdf, y) list(below = cdf(y - 1), at = cdf(y), above = cdf(y, lower.tail = FALSE),
                             from = cdf(y - 1, lower.tail = FALSE))
poisson_ends <- function(fit) ends(function(q, ...) ppois(q, fitted(fit), ...), fit$y)
binomial_ends <- function(fit) {
  m <- fit$prior.weights
  ends(function(q, ...) pbinom(q, m, fitted(fit), ...), round(fit$y * m))
}

glm_case("gaussian", "normal ~ x * g + z", "normal ~ x * g + z", gaussian(), "gaussian", "identity", normal_quantile)
glm_case("gaussian_weights", "normal ~ x + g", "normal ~ x + g", gaussian(), "gaussian", "identity", normal_quantile,
         r_weights = "w", weights = "w")
glm_case("gaussian_log", "positive ~ x + g", "positive ~ x + g", gaussian("log"), "gaussian", "log", normal_quantile)
glm_case("binomial_trials", "cbind(successes, failures) ~ x + z + g", "successes/trials ~ x + z + g", binomial(),
         "binomial", "logit", ends = binomial_ends)
glm_case("binomial_cloglog", "cbind(successes, failures) ~ x + g", "cbind(successes, failures) ~ x + g",
         binomial("cloglog"), "binomial", "cloglog", ends = binomial_ends)
glm_case("binomial_binary", "binary ~ x + z", "binary ~ x + z", binomial(), "binomial", "logit", ends = binomial_ends)
glm_case("poisson_offset", "count ~ x + g + offset(log(years))", "count ~ x + g", poisson(), "poisson", "log",
         ends = poisson_ends, exposure = "years")
glm_case("poisson_weights", "count ~ x + g", "count ~ x + g", poisson(), "poisson", "log", ends = poisson_ends,
         r_weights = "w", weights = "w")
glm_case("poisson_sqrt", "count ~ x", "count ~ x", poisson("sqrt"), "poisson", "sqrt", ends = poisson_ends)
glm_case("gamma_log", "positive ~ x + z + g", "positive ~ x + z + g", Gamma("log"), "gamma", "log", qresiduals)
glm_case("gamma_inverse_weights", "positive ~ x + g", "positive ~ x + g", Gamma(), "gamma", "inverse", qresiduals,
         r_weights = "w", weights = "w")
glm_case("inverse_gaussian", "skewed ~ x + g", "skewed ~ x + g", inverse.gaussian("log"), "inverse-gaussian", "log",
         function(fit) statmod:::qres.invgauss(fit, summary(fit)$dispersion))  # its own is that of the deviance
glm_case("quasi_poisson", "overdispersed ~ x + g", "overdispersed ~ x + g", quasipoisson(), "quasi-poisson", "log")
glm_case("negative_binomial", "overdispersed ~ x + g", "overdispersed ~ x + g", negative.binomial(2), "negative-binomial",
         "log", ends = function(fit) ends(function(q, ...) pnbinom(q, size = 2, mu = fitted(fit), ...), fit$y),
         dispersion = 1, fixed = list(alpha = 0.5))

# ---- Models that are no GLMs: the mean, Pearson's residual, and the ends of the quantile ----

# at glmfit's own precision: the maximum again from pscl's, by Newton's method on the analytic gradient
zip <- zeroinfl(overdispersed ~ x | z, interior, dist = "poisson", control = zeroinfl.control(reltol = 1e-15))
X <- model.matrix(~ x, interior); Z <- model.matrix(~ z, interior); y <- interior$overdispersed
score <- function(t) {
  mu <- exp(drop(X %*% t[1:2])); p <- plogis(drop(Z %*% t[3:4])); zero <- y == 0; f0 <- p + (1 - p) * exp(-mu)
  by_mu <- ifelse(zero, -(1 - p) * exp(-mu) * mu / f0, y - mu)
  by_p <- ifelse(zero, (1 - exp(-mu)) * p * (1 - p) / f0, -p)
  c(crossprod(X, by_mu), crossprod(Z, by_p))
}
theta <- c(zip$coefficients$count, zip$coefficients$zero)
for (step in 1:6) theta <- theta - solve(numDeriv::jacobian(score, theta), score(theta))
mu <- exp(drop(X %*% theta[1:2])); p <- plogis(drop(Z %*% theta[3:4])); mean <- (1 - p) * mu
cdf <- function(q, lower.tail = TRUE)
  if (lower.tail) ifelse(q < 0, 0, p + (1 - p) * ppois(q, mu)) else ifelse(q < 0, 1, (1 - p) * ppois(q, mu, lower.tail = FALSE))
add("zero_inflated_poisson", list(formulas = list("overdispersed ~ x", "zero ~ z"), family = "zero-inflated-poisson"),
    c(list(fitted = plain(mean), response = plain(y - mean), pearson = plain((y - mean) / sqrt(mean * (1 + p * mu)))),
      lapply(ends(cdf, y), plain)))

# ---- The fit at a glance ----

checks <- list()
binary <- glm(binary ~ x + z + g, binomial(), interior, control = tight)
eta <- binary$linear.predictors
again <- glm(binary$y ~ eta + I(eta^2), family = binomial(), control = tight)
groups <- cut(fitted(binary), quantile(fitted(binary), 0:10 / 10), include.lowest = TRUE)
seen <- tapply(binary$y, groups, sum); meant <- tapply(fitted(binary), groups, sum); size <- tapply(binary$y, groups, length)
hl <- sum((seen - meant)^2 / meant + (seen - meant)^2 / (size - meant))
ranks <- rank(fitted(binary)); ones <- binary$y == 1
auc <- (sum(ranks[ones]) - sum(ones) * (sum(ones) + 1) / 2) / (sum(ones) * sum(!ones))
checks$binomial <- list(
  spec = list(formulas = list("binary ~ x + z + g"), family = "binomial", se = "expected"),
  link = coef(summary(again))[3, 3], hosmer_lemeshow = hl, hosmer_lemeshow_p = pchisq(hl, 8, lower.tail = FALSE), auc = auc,
  brier = mean((binary$y - fitted(binary))^2), vif = list(x = vif(binary)["x", 1], z = vif(binary)["z", 1], g = vif(binary)["g", 1]))
counts <- glm(count ~ x + z + g, poisson(), interior, control = tight)
eta <- counts$linear.predictors
again <- glm(counts$y ~ eta + I(eta^2), family = poisson(), control = tight)
chi2 <- sum(residuals(counts, "pearson")^2)
p0 <- dpois(0, fitted(counts))
checks$poisson <- list(
  spec = list(formulas = list("count ~ x + z + g"), family = "poisson"), link = coef(summary(again))[3, 3], dispersion = chi2,
  dispersion_p = 2 * min(pchisq(chi2, counts$df.residual), pchisq(chi2, counts$df.residual, lower.tail = FALSE)),
  zeros = sum(counts$y == 0), expected_zeros = sum(p0), zeros_z = (sum(counts$y == 0) - sum(p0)) / sqrt(sum(p0 * (1 - p0))),
  vif = list(x = vif(counts)["x", 1], z = vif(counts)["z", 1], g = vif(counts)["g", 1]))

write(toJSON(list(cases = cases, checks = checks), auto_unbox = TRUE, digits = I(17), null = "null", na = "null"),
      "tests/reference/after/residuals.json")
