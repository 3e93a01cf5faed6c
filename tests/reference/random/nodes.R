# The integral over random effects of one factor by adaptive Gauss-Hermite quadrature, summed node by node: write_quadrature.R, write_wine.R.
library(statmod)

families <- list(  # log-density, its slope and minus its curvature in eta
  binomial = function(y, n, eta, a) { p <- plogis(eta); list(dbinom(y, n, p, log = TRUE), y - n * p, n * p * (1 - p)) },
  poisson = function(y, n, eta, a) { m <- exp(eta); list(dpois(y, m, log = TRUE), y - m, m) },
  nb = function(y, n, eta, a) { m <- exp(eta); s <- 1 + a * m
    list(dnbinom(y, size = 1 / a, mu = m, log = TRUE), (y - m) / s, m * (1 + a * y) / s^2) },
  ordinal = function(y, n, eta, a) { cuts <- c(-Inf, a, Inf); low <- plogis(cuts[y] - eta); high <- plogis(cuts[y + 1] - eta)
    list(log(high - low), low + high - 1, low * (1 - low) + high * (1 - high)) })

integrated <- function(beta, L, a, X, Z, y, n, g, family, points) {  # the log-likelihood: all levels at once, effects L u, u standard normal
  rule <- gauss.quad.prob(points, "normal"); d <- ncol(Z); m <- max(g)
  z <- as.matrix(expand.grid(rep(list(rule$nodes), d))); w <- apply(expand.grid(rep(list(rule$weights), d)), 1, prod)
  eta <- as.vector(X %*% beta); W <- Z %*% L; u <- matrix(0, m, d); one <- families[[family]]
  at <- function(u) one(y, n, eta + rowSums(W * u[g, , drop = FALSE]), a)
  j <- function(u) rowsum(at(u)[[1]], g)[, 1] - rowSums(u^2) / 2
  curvature <- function(v) lapply(1:d, function(r) rowsum(W * W[, r] * v[[3]], g) + outer(rep(1, m), as.numeric(1:d == r)))
  for (k in 1:200) {
    v <- at(u); slope <- rowsum(W * v[[2]], g) - u; H <- curvature(v)
    step <- if (d == 1) slope / H[[1]] else
      cbind(H[[2]][, 2] * slope[, 1] - H[[1]][, 2] * slope[, 2], H[[1]][, 1] * slope[, 2] - H[[1]][, 2] * slope[, 1]) /
        (H[[1]][, 1] * H[[2]][, 2] - H[[1]][, 2]^2)
    if (!all(is.finite(step))) return(NaN)
    t <- rep(1, m); now <- j(u)
    for (halving in 1:30) { low <- !(j(u + t * step) >= now - 1e-9); low <- low | is.na(low); if (!any(low)) break; t[low] <- t[low] / 2 }
    u <- u + t * step; if (max(abs(step)) < 1e-13) break
  }
  H <- curvature(at(u)); l1 <- sqrt(H[[1]][, 1]); log_det <- log(l1)
  if (d == 2) { l21 <- H[[1]][, 2] / l1; l2 <- sqrt(H[[2]][, 2] - l21^2); log_det <- log_det + log(l2) }
  f <- sapply(seq_along(w), function(q) {
    s <- if (d == 1) cbind(z[q, 1] / l1) else cbind(z[q, 1] / l1 - z[q, 2] * l21 / (l1 * l2), z[q, 2] / l2)
    j(u + s) + sum(z[q, ]^2) / 2 + log(w[q])
  })
  top <- apply(f, 1, max)
  sum(top + log(rowSums(exp(f - top))) - log_det)
}
