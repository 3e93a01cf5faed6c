# Rscript groups.R: writes grouped.csv and groups.json beside itself. No package of Debian has the group lasso, so that
# it is written out: accelerated proximal gradient steps (Beck & Teboulle 2009, restarted where the objective rises) on
#   -l(b) / N + lambda sum_g v_g (alpha sqrt(p_g) ||b_g|| + (1 - alpha) ||b_g||^2 / 2)
# with the centred columns of each term made orthonormal by QR, to 1e-14 of a coefficient; strengths from the fit of
# what is not penalised. Of one column QR gives its standard deviation, and that is glmnet's penalty.
library(jsonlite)
set.seed(21)
n <- 160
d <- data.frame(g = sample(c("a", "b", "c", "d"), n, TRUE, c(.4, .3, .2, .1)), h = sample(c("u", "v", "w"), n, TRUE),
                x1 = signif(rnorm(n), 6), x2 = signif(7 + 25 * rnorm(n), 6), x3 = signif(rnorm(n) / 50, 6))
eta <- 0.5 * (d$g == "b") - 0.7 * (d$g == "d") + 0.4 * d$x1 - 0.01 * d$x2 + 0.3 * (d$h == "w") * d$x1
d$y <- signif(1 + eta + rnorm(n), 6); d$hit <- rbinom(n, 1, plogis(eta)); d$count <- rpois(n, exp(0.2 + 0.6 * eta))
d$w <- round(runif(n, 0.2, 3), 3); d$o <- round(rnorm(n) / 3, 3)
write.csv(d, "grouped.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("grouped.csv", stringsAsFactors = TRUE)
X <- model.matrix(~ g + h + x1 + x2 + x3 + I(x1^2) + h:x1, d)
term <- attr(X, "assign"); X <- X[, -1]; term <- term[-1]
terms <- c("g", "h", "x1", "x2", "x3", "I(x1 ** 2)", "h:x1")

families <- list(gaussian = gaussian(), binomial = binomial(), poisson = poisson())
minimum <- function(Z, y, w, o, family, lambda, alpha, v, size, group, start) {
  N <- sum(w)
  value <- function(b) {
    eta <- o + drop(cbind(1, Z) %*% b)
    l <- switch(family, gaussian = -(y - eta)^2 / 2, binomial = y * eta - log1p(exp(eta)), poisson = y * eta - exp(eta))
    -sum(w * l) / N
  }
  slope <- function(b) -drop(crossprod(cbind(1, Z), w * (y - families[[family]]$linkinv(o + drop(cbind(1, Z) %*% b))))) / N
  prox <- function(b, t) {
    for (k in unique(group)) {
      at <- 1 + which(group == k); own <- b[at]
      first <- t * lambda * alpha * v[k] * sqrt(size[k]); long <- sqrt(sum(own^2))
      b[at] <- if (long <= first) 0 else own * (1 - first / long) / (1 + t * lambda * (1 - alpha) * v[k])
    }
    b
  }
  x <- z <- start; momentum <- 1; t <- 1; still <- 0
  for (iteration in 1:200000) {
    repeat {  # a step short enough for the quadratic bound
      to <- prox(z - t * slope(z), t); step <- to - z
      if (value(to) <= value(z) + sum(slope(z) * step) + sum(step^2) / (2 * t) + 1e-15) break
      t <- t / 2
    }
    after <- (1 + sqrt(1 + 4 * momentum^2)) / 2
    if (sum((z - to) * (to - x)) > 0) { after <- 1; z <- to } else z <- to + (momentum - 1) / after * (to - x)
    still <- if (max(abs(to - x)) < 1e-15) still + 1 else 0
    x <- to; momentum <- after
    if (still >= 5) break
  }
  x
}
told <- function(family, response, alpha, weights = NULL, offset = NULL, factors = NULL, standardize = TRUE) {
  y <- d[[response]]
  w <- if (is.null(weights)) rep(1, n) else d[[weights]]; o <- if (is.null(offset)) rep(0, n) else d[[offset]]
  v <- rep(1, length(terms)); v[terms %in% names(factors)] <- unlist(factors[terms[terms %in% names(factors)]])
  size <- as.vector(table(term))
  v <- v * ncol(X) / sum(v * size)
  # Z = (X - mean) R^-1 sqrt(N), or X as it is
  mean <- if (standardize) colSums(w * X) / sum(w) else rep(0, ncol(X))
  Z <- sweep(X, 2, mean); T <- diag(ncol(X))
  if (standardize) for (k in unique(term)) {
    at <- which(term == k)
    T[at, at] <- solve(qr.R(qr(sqrt(w / sum(w)) * Z[, at, drop = FALSE])))
  }
  Z <- Z %*% T
  free <- which(v[term] == 0)
  null <- coef(glm.fit(cbind(1, Z[, free]), y, w, offset = o, family = families[[family]], control = list(epsilon = 1e-16, maxit = 50)))
  r <- w * (y - families[[family]]$linkinv(o + drop(cbind(1, Z[, free]) %*% null))) / sum(w)
  pull <- sapply(seq_along(terms), function(k) sqrt(sum(crossprod(Z[, term == k, drop = FALSE], r)^2)) / (v[k] * sqrt(size[k])))
  most <- max(pull[v > 0]) / alpha
  lambda <- most * 1e-4^((0:99) / 99); at <- c(2, 8, 16, 25, 35, 50)
  b <- rep(0, 1 + ncol(X)); b[1] <- null[1]; b[1 + free] <- null[-1]
  found <- list()
  for (k in at) {
    b <- minimum(Z, y, w, o, family, lambda[k], alpha, v, size, term, b)
    own <- drop(T %*% b[-1])
    found[[length(found) + 1]] <- c(b[1] - sum(mean * own), own)
  }
  list(family = family, response = response, alpha = alpha, weights = weights, offset = offset, factors = factors,
       standardize = standardize, lambda = lambda[at], at = at - 1, names = c("Intercept", colnames(X)), coefficients = do.call(rbind, found))
}
cases <- list(
  told("gaussian", "y", 1), told("gaussian", "y", 0.5, weights = "w"), told("gaussian", "y", 1, standardize = FALSE),
  told("binomial", "hit", 1), told("binomial", "hit", 0.6, offset = "o"), told("binomial", "hit", 1, factors = list(h = 0, g = 2)),
  told("poisson", "count", 1), told("poisson", "count", 0.7, weights = "w", offset = "o"),
  told("poisson", "count", 1, factors = list("h:x1" = 0.5)))
write(toJSON(cases, digits = NA, auto_unbox = TRUE, null = "null"), "groups.json")
