# Reference fits of the generalized Poisson to counts that vary less than a Poisson's: alpha is negative.
# Run from the root of the repository: Rscript tests/reference/underdispersed/underdispersed.R
# Written with R 4.2.2, glmmTMB 1.1.5, numDeriv 2016.8-1.1, jsonlite 1.8.4.
#
# The log-likelihood of Consul and Famoye, as it stands for any alpha, maximised by Newton steps with derivatives by
# Richardson extrapolation in eta = log(1 + 2 alpha). With a constant alpha the script stops where glmmTMB's genpois, whose
# dispersion is (1 + alpha)^2, differs by more than 1e-4 standard errors.

suppressMessages(library(glmmTMB))
options(digits = 17, warn = 1)
data <- read.csv("tests/reference/data/underdispersed.csv")
cases <- list()
reference <- function(name, alpha) {
  X <- model.matrix(~x, data)
  Z <- model.matrix(alpha, data)
  y <- data$y
  l <- function(theta) {
    mu <- exp(drop(X %*% theta[1:2]))
    a <- expm1(drop(Z %*% theta[-(1:2)])) / 2
    m <- mu / (1 + a)
    r <- a / (1 + a)
    suppressWarnings(sum(log(m) + (y - 1) * log(m + r * y) - m - r * y - lgamma(y + 1)))
  }
  theta <- c(coef(glm(y ~ x, poisson, data)), -0.5, rep(0, ncol(Z) - 1))
  for (i in 1:30) {
    g <- numDeriv::grad(l, theta, method.args = list(r = 6, d = 1e-3))
    H <- numDeriv::hessian(l, theta, method.args = list(r = 6, d = 1e-2))
    step <- solve(H, -g)
    length <- 1
    while (!isTRUE(l(theta + length * step) >= l(theta) - 1e-9)) length <- length / 2
    theta <- theta + length * step
    if (max(abs(step)) < 1e-11) break
  }
  se <- sqrt(diag(solve(-H)))
  if (ncol(Z) == 1) {
    peer <- glmmTMB(y ~ x, data, family = genpois, control = glmmTMBControl(optCtrl = list(rel.tol = 1e-14)))
    found <- c(fixef(peer)$cond, log(2 * sqrt(sigma(peer)) - 1))
    if (max(abs(theta - found) / se) > 1e-4 || abs(l(theta) - logLik(peer)) > 1e-6) stop(name, ": glmmTMB differs")
  }
  cases[[length(cases) + 1]] <<- list(name = name, alpha = paste("alpha", paste(deparse(alpha), collapse = "")),
                                      estimates = unname(theta), std_errors = unname(se), log_likelihood = l(theta))
}
reference("constant", ~1)
reference("covariate", ~x)
write(jsonlite::toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE),
      "tests/reference/underdispersed/underdispersed.json")
