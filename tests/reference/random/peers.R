# What write_random.R and write_datasets.R share: fits of glmmTMB (Laplace's approximation), polished by Newton steps on their own objective
# until the gradient is rounding error.
polish <- function(par, fn, gr) {  # the minimum, to the last digit: Newton on differences of an exact gradient
  for (i in 1:8) {
    g <- gr(par); if (max(abs(g)) < 1e-9) break
    step <- solve(optimHess(par, fn, gr), g); t <- 1
    while (t > 1e-4 && !(fn(par - t * step) <= fn(par) + 1e-12)) t <- t / 2
    par <- par - t * step
  }
  par
}

by_tmb <- function(name, data, formula, family, glm, ...) {
  m <- glmmTMB(formula, frames[[data]], family = family, ...)
  par <- polish(m$fit$par, m$obj$fn, m$obj$gr)
  value <- m$obj$fn(par); H <- optimHess(par, m$obj$fn, m$obj$gr, control = list(ndeps = rep(1e-4, length(par))))
  se <- sqrt(diag(solve(H)))
  fixed <- names(par) %in% c("beta", "betazi", "betad")
  stopifnot(max(abs(m$obj$gr(par))) < 1e-5)
  variances <- grepl("^theta", names(par)); theta <- par[variances]
  c(list(name = name, data = data, log_likelihood = -value, parameter = names(par)[fixed], estimate = unname(par[fixed]),
         std_error = unname(se[fixed]), theta = unname(theta), theta_error = unname(se[variances])), glm)
}

ask <- function(formulas, family = "gaussian", ...) list(glmfit = list(formulas = formulas, family = family, ...))
