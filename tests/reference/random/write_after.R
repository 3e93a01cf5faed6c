# What comes after a fit with random effects, from glmmTMB 1.1.5 polished by Newton steps on TMB's exact gradient: joint covariance of
# coefficients, variances and modes by TMB's generalized delta method (the inverse of its joint precision), averages over random
# effects by integrate() or in closed form, and their standard errors by numDeriv. Reads the data of random.json, writes after.json.
#   Rscript tests/reference/random/write_after.R
suppressMessages({ library(glmmTMB); library(TMB); library(jsonlite); library(numDeriv) })
frames <- lapply(fromJSON("tests/reference/random/random.json")$frames, as.data.frame, stringsAsFactors = FALSE)
frames$cbpp$period <- factor(frames$cbpp$period)

polished <- function(m) {
  par <- m$fit$par
  for (i in 1:8) par <- par - solve(numDeriv::jacobian(m$obj$gr, par), as.vector(m$obj$gr(par)))
  stopifnot(max(abs(m$obj$gr(par))) < 1e-7)
  H <- numDeriv::jacobian(m$obj$gr, par); H <- (H + t(H)) / 2
  value <- m$obj$fn(par)
  Q <- sdreport(m$obj, par.fixed = par, hessian.fixed = H, getJointPrecision = TRUE)$jointPrecision
  all <- m$obj$env$last.par
  list(par = par, all = all, H = H, joint = as.matrix(solve(Q)), names = rownames(Q), Z = m$obj$env$data$Z, X = m$obj$env$data$X)
}

over <- function(f, s) if (s == 0) f(0) else integrate(function(u) f(s * u) * dnorm(u), -12, 12, rel.tol = 1e-12, subdivisions = 2000L)$value
correlated <- function(theta) { r <- theta[3] / sqrt(1 + theta[3]^2); S <- exp(theta[1:2]); outer(S, S) * matrix(c(1, r, r, 1), 2) }
spread <- list(one = function(theta, x) rep(exp(theta), length(x)), crossed = function(theta, x) rep(sqrt(sum(exp(2 * theta))), length(x)),
               slope = function(theta, x) { z <- cbind(1, x); sqrt(rowSums((z %*% correlated(theta)) * z)) })

# mean(eta, s) averages over effects; by rows, and over all rows with the slope in x, where that is asked for
told <- function(name, data, m, asked, rows, x, kind, mean, slope = NULL, link = "identity", quantile = NULL) {
  p <- polished(m); d <- frames[[data]]; xs <- if (is.null(x)) rep(0, nrow(d)) else d[[x]]
  inner <- p$all[names(p$all) %in% c("beta", "b")]
  reml <- !("beta" %in% names(p$par))
  J <- cbind(as.matrix(p$X), as.matrix(p$Z)); at <- p$names %in% c("beta", "b")
  eta <- as.vector(J %*% inner); V <- p$joint[at, at]
  psi <- c(p$all[names(p$all) == "beta"], p$all[names(p$all) == "theta"])
  W <- p$joint[p$names %in% c("beta", "theta"), p$names %in% c("beta", "theta")]
  k <- ncol(p$X)
  f <- function(psi, i) mean(as.vector(as.matrix(p$X)[i, , drop = FALSE] %*% psi[1:k]), spread[[kind]](psi[-(1:k)], xs[i]))
  delta <- function(f) { g <- numDeriv::grad(f, psi); sqrt(sum(g * (W %*% g))) }
  out <- list(name = name, data = data, glmfit = asked, rows = rows, new = d[rows, , drop = FALSE],
       include = list(link = eta[rows], error = sqrt(rowSums((J %*% V) * J))[rows]),
       population = list(mean = sapply(rows, function(i) f(psi, i)), error = sapply(rows, function(i) delta(function(psi) f(psi, i)))))
  if (!is.null(slope)) {
    whole <- function(psi) base::mean(f(psi, seq_len(nrow(d))))
    ame <- function(psi) base::mean(slope(psi, as.vector(as.matrix(p$X) %*% psi[1:k]), spread[[kind]](psi[-(1:k)], xs), xs))
    out$average <- list(mean = whole(psi), mean_error = delta(whole), slope = ame(psi), slope_error = delta(ame))
  }
  if (!is.null(quantile)) {
    X <- as.matrix(p$X)[rows, , drop = FALSE]
    out$quantiles <- mapply(quantile, as.vector(X %*% psi[1:k]), spread[[kind]](psi[-(1:k)], xs[rows]), SIMPLIFY = FALSE)
  }
  out
}
each <- function(f) function(eta, s) mapply(function(e, s) over(function(b) f(e + b), s), eta, s)
of_counts <- function(eta, s) sapply(c(.025, .975), function(q) {
  y <- 0; while (over(function(b) ppois(y, exp(eta + b)), s) < q) y <- y + 1; y })
frames$late <- frames$sleepstudy[-(1:15), ]
cbpp <- frames$cbpp; sim <- frames$sim; sleep <- frames$sleepstudy
cases <- list(
  told("cbpp", "cbpp", glmmTMB(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial),
       list(formulas = "incidence/size ~ C(period) + (1 | herd)", family = "binomial"), c(1, 6, 30, 56), NULL, "one", each(plogis)),
  told("crossed", "sim", glmmTMB(yes ~ x + (1 | g) + (1 | h), sim, binomial),
       list(formulas = "yes ~ x + (1 | g) + (1 | h)", family = "binomial"), c(1, 7, 99, 400), "x", "crossed", each(plogis),
       function(psi, eta, s, x) psi[2] * each(dlogis)(eta, s)),
  told("slopes", "sim", glmmTMB(count ~ x + (x | g), sim, poisson), list(formulas = "count ~ x + (x | g)", family = "poisson"),
       c(2, 8, 100, 401), "x", "slope", function(eta, s) exp(eta + s^2 / 2),
       function(psi, eta, s, x) { S <- correlated(psi[3:5]); exp(eta + s^2 / 2) * (psi[2] + S[1, 2] + S[2, 2] * x) },
       quantile = of_counts),
  told("probit", "sim", glmmTMB(yes ~ x + (x | g), sim, binomial("probit")),
       list(formulas = "yes ~ x + (x | g)", family = "binomial", links = list(mu = "probit")), c(3, 9, 101, 402), "x", "slope",
       function(eta, s) pnorm(eta / sqrt(1 + s^2)),
       function(psi, eta, s, x) { S <- correlated(psi[3:5]); r <- sqrt(1 + s^2)
         dnorm(eta / r) * (psi[2] / r - eta * (S[1, 2] + S[2, 2] * x) / r^3) }),
  told("sleepstudy", "sleepstudy", glmmTMB(Reaction ~ Days + (Days | Subject), sleep),
       list(formulas = "Reaction ~ Days + (Days | Subject)"), c(1, 12, 90, 180), "Days", "slope", function(eta, s) eta),
  told("reml", "late", glmmTMB(Reaction ~ Days + (Days | Subject), frames$late, REML = TRUE),
       list(formulas = "Reaction ~ Days + (Days | Subject)", reml = TRUE), c(1, 12, 90, 165), "Days", "slope",
       function(eta, s) eta)
)
# models of the same data, from small to large, with tests of each against one before it: chi-square on df, or a half on df - 1
value <- function(m) { p <- polished(m); -m$obj$fn(p$par) }
ladder <- function(data, family, asked, models, tests) {
  l <- sapply(models, function(f) { if (is.null(lme4::findbars(f))) as.numeric(logLik(glm(f, family, frames[[data]]))) else
    value(glmmTMB(f, frames[[data]], family)) })
  p <- sapply(tests, function(t) { x <- 2 * (l[t[1]] - l[t[2]]); k <- t[3]
    if (t[4] == 1) (pchisq(x, k, lower.tail = FALSE) + (if (k > 1) pchisq(x, k - 1, lower.tail = FALSE) else 0)) / 2 else
      pchisq(x, k, lower.tail = FALSE) })
  list(data = data, asked = asked, formulas = sapply(models, function(f) paste(deparse(f), collapse = "")), log_likelihood = unname(l),
       tests = tests, p_value = unname(p))
}
ladders <- list(
  ladder("sim", poisson(), list(family = "poisson"), list(count ~ 1 + (1 | g), count ~ x + (1 | g), count ~ x + (x | g)),
         list(c(2, 1, 1, 0), c(3, 2, 2, 1))),
  ladder("sim", gaussian(), list(family = "gaussian"), list(gauss ~ x, gauss ~ x + (1 | h), gauss ~ x + (1 | h) + (1 | g)),
         list(c(2, 1, 1, 1), c(3, 2, 1, 1))),
  ladder("cbpp", binomial(), list(family = "binomial"),
         list(cbind(incidence, size - incidence) ~ period, cbind(incidence, size - incidence) ~ period + (1 | herd)), list(c(2, 1, 1, 1)))
)
write_json(list(frames = frames["late"], cases = cases, ladders = ladders), "tests/reference/random/after.json", digits = 15, auto_unbox = TRUE, dataframe = "columns")
