# Rscript glmnet.R: writes data.csv, wide.csv and glmnet.json beside itself. glmnet 4.1-6, thresh = 1e-24: at 1e-14 coefficients are right to 1e-6 or so.
# Of gaussian responses family = gaussian() is used: family = "gaussian" divides the squares in the penalty by sd(y),
# which no other family does; family = "poisson" begins the path without the covariates that are not penalised.
suppressMessages(library(glmnet))
library(jsonlite)
set.seed(18)
n <- 150; p <- 12
x <- matrix(rnorm(n * p), n, p) %*% (diag(p) * 0.8 + 0.2)
x[, 3] <- x[, 3] * 25 + 7; x[, 4] <- x[, 4] / 50
colnames(x) <- paste0("x", 1:p)
eta <- 0.6 * x[, 1] - 0.5 * x[, 2] + 0.02 * x[, 3] + 10 * x[, 4] - 0.3 * x[, 7]
d <- data.frame(y = signif(1 + eta + rnorm(n), 6), hit = rbinom(n, 1, plogis(eta - 0.2)),
                count = rpois(n, exp(0.3 + 0.4 * eta)), w = round(runif(n, 0.2, 3), 3), o = round(rnorm(n) / 3, 3),
                trials = sample(1:6, n, TRUE))
d$dead <- rbinom(n, d$trials, plogis(eta))
d$kind <- c("a", "b", "c")[1 + rbinom(n, 2, plogis(eta))]
d$fold <- sample(rep(1:5, length.out = n))
d <- cbind(d, signif(x, 8))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv"); x <- as.matrix(d[, colnames(x)])
m <- 40; q <- 60
z <- matrix(rnorm(m * q), m, q); colnames(z) <- paste0("z", 1:q)
v <- data.frame(y = signif(z[, 1] - z[, 2] + rnorm(m), 6), hit = rbinom(m, 1, plogis(z[, 1] - z[, 2])))
v <- cbind(v, signif(z, 8))
write.csv(v, "wide.csv", row.names = FALSE, quote = FALSE)
v <- read.csv("wide.csv"); z <- as.matrix(v[, colnames(z)])

g <- gaussian()
factors <- c(0, 2, rep(1, p - 3), 0.5)
cases <- list(
  list("gaussian", "y", "gaussian", 1), list("gaussian", "y", g, 0.5), list("gaussian", "y", g, 0),
  list("binomial", "hit", "binomial", 1), list("binomial", "hit", "binomial", 0.5), list("binomial", "hit", "binomial", 0),
  list("poisson", "count", "poisson", 1), list("poisson", "count", "poisson", 0.5), list("poisson", "count", "poisson", 0),
  list("gaussian", "y", g, 0.5, weights = "w"), list("poisson", "count", "poisson", 1, weights = "w", offset = "o"),
  list("binomial", "hit", "binomial", 0.7, offset = "o"), list("binomial", "hit", "binomial", 0.7, weights = "w"),
  list("gaussian", "y", "gaussian", 1, factors = TRUE), list("binomial", "hit", "binomial", 0.5, factors = TRUE),
  list("poisson", "count", poisson(), 0, factors = TRUE),
  list("gaussian", "y", g, 0.5, standardize = FALSE), list("poisson", "count", "poisson", 1, standardize = FALSE),
  list("gaussian", "y", "gaussian", 1, intercept = FALSE), list("binomial", "hit", "binomial", 0.5, intercept = FALSE),
  list("binomial", "dead/trials", "binomial", 0.5), list("gamma", "exp(y)", Gamma("log"), 0.5),
  list("binomial-probit", "hit", binomial("probit"), 0.5),
  list("gaussian", "y", "gaussian", 1, data = "wide"), list("binomial", "hit", "binomial", 0.5, data = "wide"))
told <- function(case) {
  own <- function(name, default) if (is.null(case[[name]])) default else case[[name]]
  wide <- !is.null(case$data); frame <- if (wide) v else d; X <- if (wide) z else x
  y <- switch(case[[2]], "dead/trials" = cbind(d$trials - d$dead, d$dead), "exp(y)" = exp(d$y), frame[[case[[2]]]])
  k <- ncol(X)
  fit <- glmnet(X, y, family = case[[3]], alpha = case[[4]], thresh = 1e-24, maxit = 1e8,
                weights = if (is.null(case$weights)) NULL else frame[[case$weights]],
                offset = if (is.null(case$offset)) NULL else frame[[case$offset]],
                penalty.factor = if (is.null(case$factors)) rep(1, k) else factors,
                standardize = own("standardize", TRUE), intercept = own("intercept", TRUE))
  at <- unique(round(seq(2, length(fit$lambda), length.out = 7)))
  list(family = case[[1]], response = case[[2]], alpha = case[[4]], data = own("data", "data"),
       weights = case$weights, offset = case$offset, factors = !is.null(case$factors),
       standardize = own("standardize", TRUE), intercept = own("intercept", TRUE),
       lambda = fit$lambda, explained = fit$dev.ratio, nonzero = fit$df, at = at - 1,
       coefficients = t(as.matrix(coef(fit)[, at])))
}
glmnet.control(fdev = 0, devmax = 1, epsnr = 1e-20, mxitnr = 200)
write(toJSON(lapply(cases, told), digits = NA, auto_unbox = TRUE, null = "null"), "glmnet.json")
validated <- function(case) {
  y <- switch(case[[2]], "dead/trials" = cbind(d$trials - d$dead, d$dead), d[[case[[2]]]])
  weights <- if (is.null(case$weights)) rep(1, n) else d[[case$weights]]
  with <- list(x, y, family = case[[3]], alpha = case[[4]], weights = weights, thresh = 1e-24, maxit = 1e8,
               offset = if (is.null(case$offset)) NULL else d[[case$offset]])
  # without strengths cv.glmnet takes those of each fold's own path and interpolates between them
  cv <- do.call(cv.glmnet, c(with, list(foldid = d$fold, lambda = do.call(glmnet, with)$lambda)))
  list(family = case[[1]], response = case[[2]], alpha = case[[4]], weights = case$weights, offset = case$offset,
       lambda = cv$lambda, mean = cv$cvm, error = cv$cvsd, min = cv$lambda.min, one_error = cv$lambda.1se)
}
folds <- list(list("gaussian", "y", "gaussian", 1), list("gaussian", "y", g, 0.5, weights = "w"),
              list("binomial", "hit", "binomial", 1), list("binomial", "hit", "binomial", 0),
              list("binomial", "dead/trials", "binomial", 0.5), list("poisson", "count", "poisson", 0.5),
              list("poisson", "count", "poisson", 1, weights = "w", offset = "o"))
write(toJSON(lapply(folds, validated), digits = NA, auto_unbox = TRUE, null = "null"), "cv.json")
