# Maxima that a search may miss: the right values by R, each by densities of its own and from many starts.
# Run from the root of the repository: Rscript tests/reference/search/search.R; writes search.json beside it.
folder <- "tests/reference/search/"
read <- function(name) read.csv(paste0(folder, name, ".csv"))

# The highest of optim()'s maxima from `count` random starts around `start`, each polished until it no longer rises.
highest <- function(l, start, count) {
  best <- -Inf
  for (k in seq_len(count)) {
    begin <- start + rnorm(length(start), sd = if (k == 1) 0 else if (k %% 2) 1 else 3)
    if (!is.finite(l(begin))) next
    repeat {
      found <- optim(begin, l, method = "BFGS", control = list(fnscale = -1, maxit = 400, reltol = 1e-12))
      if (found$value <= l(begin) + 1e-7) break
      begin <- found$par
    }
    best <- max(best, found$value)
  }
  best
}

zero_inflated <- function(data, negative_binomial) {
  X <- model.matrix(~ att * st, data)
  p <- ncol(X)
  function(theta) {
    mu <- exp(pmin(X %*% theta[1:p], 50))
    zero <- plogis(X %*% theta[p + 1:p], log.p = TRUE)
    rest <- plogis(X %*% theta[p + 1:p], lower.tail = FALSE, log.p = TRUE)
    count <- if (negative_binomial) dnbinom(data$y, mu = mu, size = exp(-theta[2 * p + 1]), log = TRUE) else
      dpois(data$y, mu, log = TRUE)
    top <- pmax(zero, rest + count)
    value <- sum(ifelse(data$y == 0, top + log(exp(zero - top) + exp(rest + count - top)), rest + count))
    if (is.finite(value)) value else -1e10
  }
}
set.seed(11)
sparse <- lapply(c("sparse_counts", "sparse_counts_a", "sparse_counts_b"), function(name) {
  data <- read(name)
  start <- c(log(mean(data$y)), 0, 0, 0, -1, 0, 0, 0)
  list(name = name, zip = highest(zero_inflated(data, FALSE), start, 12),
       zinb = highest(zero_inflated(data, TRUE), c(start, -1), 12))
})

# Tweedie at power 1.02: the density as a sum over the number of gamma amounts.
amounts <- read("zeros_and_amounts")
power <- 1.02
mu <- fitted(glm(y ~ x, statmod::tweedie(var.power = power, link.power = 0), amounts,
                 control = glm.control(epsilon = 1e-14, maxit = 200)))
tweedie <- function(phi) {
  lambda <- mu^(2 - power) / (phi * (2 - power))
  scale <- phi * (power - 1) * mu^(power - 1)
  j <- 1:400
  sum(mapply(function(y, l, s) {
    if (y == 0) -l else log(sum(dpois(j, l) * dgamma(y, shape = j * (2 - power) / (power - 1), scale = s)))
  }, amounts$y, lambda, scale))
}
grid <- exp(seq(log(0.02), log(8), length.out = 2000))
top <- grid[which.max(vapply(grid, tweedie, 0))]
phi <- optimize(tweedie, top * c(0.99, 1.01), maximum = TRUE, tol = 1e-12)

# One intercept beside a large offset.
offset <- read("large_offset")
score <- function(a) sum(offset$dlt - plogis(a + offset$o))
a <- uniroot(score, c(-1000, 1000), tol = 1e-13)$root
eta <- a + offset$o
large <- list(intercept = a, std_error = 1 / sqrt(sum(plogis(eta) * plogis(-eta))),
              log_likelihood = sum(ifelse(offset$dlt == 1, plogis(eta, log.p = TRUE), plogis(-eta, log.p = TRUE))))

# A Bernoulli response: the Conway-Maxwell-Poisson's nu has no end, and its limit is the log-binomial.
set.seed(5)
x <- round(rnorm(60), 3)
y <- rbinom(60, 1, exp(-1.2 + 0.3 * pmin(x, 2)))
fit <- glm(y ~ x, binomial("log"), start = c(-1, 0), control = glm.control(epsilon = 1e-14, maxit = 200))
information <- solve(vcov(fit))
bernoulli <- list(x = x, y = y, coefficients = unname(coef(fit)), log_likelihood = as.numeric(logLik(fit)))

# Degrees of freedom: pscl and glmmTMB count all parameters, MASS's glm.nb those of the mean.
data <- read.csv("sample_data/orchard.csv")
freedom <- list(
  negative_binomial = MASS::glm.nb(fruits ~ spray, data)$df.residual,
  zero_inflated_negative_binomial = pscl::zeroinfl(fruits ~ spray | 1, data, dist = "negbin")$df.residual,
  hurdle_negative_binomial = pscl::hurdle(fruits ~ spray | 1, data, dist = "negbin")$df.residual,
  beta_binomial = df.residual(glmmTMB::glmmTMB(cbind(taken, grafts - taken) ~ spray, data, glmmTMB::betabinomial))
)
jsonlite::write_json(
  list(sparse = sparse, tweedie = list(phi = phi$maximum, log_likelihood = phi$objective), large_offset = large,
       bernoulli = bernoulli, residual_df = freedom),
  paste0(folder, "search.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE
)
