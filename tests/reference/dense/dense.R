# Reference fits of the likelihoods in sample_data/likelihoods, each written again in another way and maximised in R.
# Run from the root of the repository: Rscript tests/reference/dense/dense.R
# Written with R 4.2.2, survival 3.5-3, lme4 1.1-31, numDeriv 2016.8-1.1, jsonlite 1.8.4.
#
# A maximum is polished by Newton steps with derivatives by Richardson extrapolation until a step is below 1e-10 standard
# errors; the script stops where the program of the second opinion differs by more than its own tolerance.

library(survival)
options(digits = 17)

read_text <- function(name) {
  data <- read.csv(file.path("sample_data", paste0(name, ".csv")))
  text <- vapply(data, is.character, TRUE)
  data[text] <- lapply(data[text], function(x) factor(x, levels = sort(unique(x), method = "radix")))
  data
}

agree <- function(a, b, tolerance, what) {
  if (max(abs(a - b) / pmax(abs(b), 1e-2)) > tolerance) stop(what, ": ", paste(format(a), format(b), collapse = " / "))
}

# The maximum of sum(parts(theta)); parts gives the independent pieces of the log-likelihood. Differences are taken over
# a hundredth of a standard error, where rounding errors of l are out of sight.
maximise <- function(parts, start) {
  l <- function(theta) sum(parts(theta))
  theta <- optim(start, function(t) -l(t), method = "BFGS", control = list(reltol = 1e-14, maxit = 1000))$par
  unit <- sqrt(diag(solve(-numDeriv::hessian(l, theta))))
  fine <- list(eps = 0.02, r = 5)
  at <- function(f) function(z) f(theta + unit * z)
  zero <- 0 * theta
  for (i in 1:20) {
    H <- numDeriv::hessian(at(l), zero, method.args = fine)
    step <- solve(-H, numDeriv::grad(at(l), zero, method.args = fine))
    theta <- theta + unit * step
    if (max(abs(step)) < 1e-10) break
    if (i == 20) stop("no convergence: ", format(max(abs(step))))
  }
  bread <- unit * t(unit * solve(-numDeriv::hessian(at(l), zero, method.args = fine)))
  scores <- t(t(numDeriv::jacobian(at(parts), zero, method.args = fine)) / unit)
  list(estimate = theta, std_error = sqrt(diag(bread)), log_likelihood = l(theta), scores = scores, bread = bread)
}

robust <- function(fit, factor) sqrt(diag(factor * fit$bread %*% crossprod(fit$scores) %*% fit$bread))

# ---- Cox, Efron's ties: the sum over deaths one at a time, against coxph() ------------------------------------------

cox <- function() {
  data <- read_text("veteran")
  X <- model.matrix(~ trt + celltype + karno, data)[, -1]
  l <- function(beta) {
    risk <- exp(drop(X %*% beta))
    total <- 0
    for (t in unique(data$time[data$status == 1])) {
      dead <- data$time == t & data$status == 1
      for (k in seq_len(sum(dead)) - 1) {
        total <- total - log(sum(risk[data$time >= t]) - k / sum(dead) * sum(risk[dead]))
      }
      total <- total + sum(log(risk[dead]))
    }
    total
  }
  fit <- maximise(l, rep(0, ncol(X)))
  other <- coxph(Surv(time, status) ~ X, data, ties = "efron", control = coxph.control(eps = 1e-11, iter.max = 50))
  agree(fit$estimate, coef(other), 1e-8, "cox")
  agree(fit$std_error, sqrt(diag(vcov(other))), 1e-6, "cox SE")
  agree(fit$log_likelihood, other$loglik[2], 1e-12, "cox l")
  list(estimate = unname(coef(other)), std_error = unname(sqrt(diag(vcov(other)))), log_likelihood = other$loglik[2])
}

# ---- Logistic with a random intercept: the integral by the trapezoidal rule, against glmer() ------------------------

random_intercept <- function() {
  data <- read_text("bacteria")
  data$late <- data$week > 2
  X <- model.matrix(~ trt + late, data)
  y <- as.integer(data$y == "y")
  u <- seq(-10, 10, by = 0.01)
  prior <- dnorm(u, log = TRUE) + log(0.01)
  l <- function(theta) {
    eta <- outer(drop(X %*% theta[1:4]), exp(theta[5]) * u, "+")
    rows <- plogis(ifelse(y == 1, 1, -1) * eta, log.p = TRUE)
    child <- sweep(rowsum(rows, data$ID), 2, prior, "+")
    top <- apply(child, 1, max)
    top + log(rowSums(exp(child - top)))
  }
  fit <- maximise(l, c(2, 0, 0, 0, 0))
  other <- lme4::glmer(I(y == "y") ~ trt + late + (1 | ID), data, binomial, nAGQ = 25)
  agree(fit$estimate, c(lme4::fixef(other), log(lme4::getME(other, "theta"))), 2e-3, "random_intercept")
  agree(fit$std_error[1:4], sqrt(diag(as.matrix(vcov(other)))), 1e-2, "random_intercept SE")
  agree(fit$log_likelihood, as.numeric(logLik(other)), 1e-5, "random_intercept l")
  G <- nlevels(data$ID)
  c(fit[c("estimate", "std_error", "log_likelihood")], list(cluster = robust(fit, G / (G - 1))))
}

# ---- AR(1): the normal density with its covariance matrix, against arima() -----------------------------------------

ar1 <- function() {
  data <- read_text("lakehuron")
  X <- cbind(1, data$year - 1920)
  n <- nrow(data)
  l <- function(theta) {
    rho <- theta[3]
    if (abs(rho) >= 1) return(-1e10)
    V <- exp(2 * theta[4]) / (1 - rho^2) * rho^abs(outer(1:n, 1:n, "-"))
    R <- chol(V)
    z <- backsolve(R, data$level - X %*% theta[1:2], transpose = TRUE)
    -0.5 * sum(z^2) - sum(log(diag(R))) - 0.5 * n * log(2 * pi)
  }
  fit <- maximise(l, c(580, 0, 0.5, 0))
  other <- arima(data$level, c(1, 0, 0), xreg = data$year - 1920, method = "ML", optim.control = list(reltol = 1e-14))
  agree(fit$estimate, c(coef(other)[c(2, 3, 1)], log(other$sigma2) / 2), 1e-4, "ar1")
  agree(fit$std_error[1:3], sqrt(diag(vcov(other)))[c(2, 3, 1)], 1e-2, "ar1 SE")
  agree(fit$log_likelihood, other$loglik, 1e-9, "ar1 l")
  fit[c("estimate", "std_error", "log_likelihood")]
}

# ---- A mixture of two normals: dnorm() ------------------------------------------------------------------------------

mixture <- function() {
  y <- read_text("faithful")$waiting
  l <- function(theta) {
    w <- plogis(theta[1])
    log(w * dnorm(y, theta[2], exp(theta[4])) + (1 - w) * dnorm(y, theta[3], exp(theta[5])))
  }
  fit <- maximise(l, c(0, 55, 80, log(6), log(6)))
  n <- length(y)
  c(fit[c("estimate", "std_error", "log_likelihood")], list(hc0 = robust(fit, 1), hc1 = robust(fit, n / (n - 5))))
}

json <- jsonlite::toJSON(
  list(cox = cox(), random_intercept = random_intercept(), ar1 = ar1(), mixture = mixture()),
  digits = NA, auto_unbox = TRUE, pretty = TRUE
)
writeLines(json, "tests/reference/dense/dense.json")
