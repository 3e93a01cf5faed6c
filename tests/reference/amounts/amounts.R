# Reference fits of amounts with exact zeros: hurdle gamma, inverse Gaussian, log-normal and Weibull.
# Run from the root of the repository: Rscript tests/reference/amounts/amounts.R
# Written with R 4.2.2, glmmTMB 1.1.5, statmod 1.5.0, survival 3.5-3, numDeriv 2016.8-1.1, jsonlite 1.8.4.
#
# The log-likelihood is written out with R's own densities, its maximum found by Newton steps from the two parts fitted
# alone (glm, lm or survreg for the amounts, a binomial glm for the zeros), with derivatives by Richardson extrapolation.
# The script stops if parts and whole differ by more than 1e-6 standard errors, or the gamma from glmmTMB's ziGamma.

suppressMessages({ library(glmmTMB); library(survival) })
options(digits = 17, warn = 1)
path <- "tests/reference/data/continuous.csv"
data <- read.csv(path, stringsAsFactors = TRUE)
stopifnot(any(data$amount == 0))
tight <- glm.control(epsilon = 1e-15, maxit = 100)

densities <- list(
  "gamma" = function(y, eta, v) dgamma(y, exp(-v), scale = exp(eta + v), log = TRUE),
  "inverse-gaussian" = function(y, eta, v) statmod::dinvgauss(y, exp(eta), dispersion = exp(v), log = TRUE),
  "log-normal" = function(y, eta, v) dlnorm(y, eta, exp(v), log = TRUE),
  "weibull" = function(y, eta, v) dweibull(y, exp(v), exp(eta), log = TRUE)
)
second <- c("gamma" = "phi", "inverse-gaussian" = "phi", "log-normal" = "sigma", "weibull" = "shape")

# The amounts alone: coefficients of the first parameter, and a start for the other.
amounts <- list(
  "gamma" = function(f, d) {
    m <- suppressWarnings(glm(f, Gamma("log"), d, weights = w, control = tight)); c(coef(m), log(summary(m)$dispersion)) },
  "inverse-gaussian" = function(f, d) {
    m <- suppressWarnings(glm(f, inverse.gaussian("log"), d, weights = w, control = tight)); c(coef(m), log(m$deviance / sum(d$w))) },
  "log-normal" = function(f, d) {
    m <- lm(update(f, log(.) ~ .), d, weights = w)
    c(coef(m), 0.5 * log(sum(d$w * residuals(m)^2) / sum(d$w))) },
  "weibull" = function(f, d) {
    m <- survreg(update(f, Surv(.) ~ .), d, weights = w, dist = "weibull", control = survreg.control(rel.tolerance = 1e-14, maxiter = 100))
    c(coef(m), -log(m$scale)) }
)

cases <- list()
reference <- function(name, family, formula, zero, weights = FALSE) {
  frame <- data
  if (!weights) frame$w <- 1
  X <- model.matrix(formula, frame)
  Z <- model.matrix(zero, frame)
  positive <- frame$amount > 0
  none <- suppressWarnings(glm(update(zero, (amount == 0) ~ .), binomial, frame, weights = w, control = tight))
  part <- amounts[[family]](formula, frame[positive, ])
  start <- c(part, coef(none))
  p <- ncol(X)
  l <- function(theta) {
    eta <- drop(X %*% theta[1:p])
    pi <- drop(Z %*% theta[-(1:(p + 1))])
    above <- densities[[family]](frame$amount[positive], eta[positive], theta[p + 1])
    sum(frame$w * plogis(pi * ifelse(positive, -1, 1), log.p = TRUE)) + sum(frame$w[positive] * above)
  }
  theta <- start
  for (i in 1:20) {
    g <- numDeriv::grad(l, theta, method.args = list(r = 6))
    H <- numDeriv::hessian(l, theta, method.args = list(r = 6))
    step <- solve(H, -g)
    length <- 1
    while (!isTRUE(l(theta + length * step) >= l(theta) - 1e-9)) length <- length / 2
    theta <- theta + length * step
    if (max(abs(step)) < 1e-11) break
  }
  se <- sqrt(diag(solve(-H)))
  same <- function(a, b, unit, what, tolerance) {
    if (max(abs(a - b) / unit) > tolerance) stop(name, ": ", what, " differ by ", format(max(abs(a - b) / unit)))
  }
  # For log links the coefficients of a gamma or an inverse gaussian do not depend on phi.
  same(theta[-(p + 1)], start[-(p + 1)], se[-(p + 1)], "parts and whole", 1e-6)
  if (family == "gamma") {
    m <- glmmTMB(formula, frame, ziformula = zero, family = ziGamma("log"), weights = w,
                 control = glmmTMBControl(optCtrl = list(rel.tol = 1e-14, x.tol = 1e-14)))
    f <- fixef(m)
    same(theta, c(f$cond, 2 * log(sigma(m)), f$zi), se, "glmmTMB", 1e-4)
    same(l(theta), c(logLik(m)), 1, "log-likelihoods", 1e-6)
  }
  text <- function(f, left) paste(left, paste(deparse(f[[length(f)]]), collapse = ""), sep = " ~ ")
  spec <- list(formulas = c(text(formula, "amount"), text(zero, "zero")), family = paste0("hurdle-", family))
  if (family != "log-normal") spec$links <- setNames(list("log"), if (family == "weibull") "scale" else "mu")
  if (weights) spec$weights <- "w"
  cases[[length(cases) + 1]] <<- list(name = name, spec = spec, second = second[[family]], estimates = unname(theta),
                                      std_errors = unname(se), log_likelihood = l(theta))
  cat(name, "\n")
}
for (family in names(densities)) {
  reference(family, family, amount ~ x + g, ~ x)
  reference(paste(family, "with weights"), family, amount ~ x, ~ z, weights = TRUE)
}
write(jsonlite::toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/amounts/amounts.json")
