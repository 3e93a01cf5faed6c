# Reference fits with Jeffreys' penalty, and profile likelihoods with and without it.
# Run from the root of the repository: Rscript tests/reference/firth/firth.R
# Written with R 4.2.2, brglm2 0.9, MASS 7.3-58.2, numDeriv 2016.8-1.1, jsonlite 1.8.4.
#
# The penalised log-likelihood is written out and maximised by Newton steps with derivatives by Richardson extrapolation;
# where brglm2 has the model (AS_mean for canonical links, else MPL_Jeffreys) the script stops if the two differ by more
# than 1e-7 standard errors, and brglm2's estimates are kept. Profiles are maximised the same way with one coefficient
# held, and their ends found by bisection and Newton; those without penalty are checked against MASS's interpolated ones.

suppressMessages(library(brglm2))
library(MASS)
options(digits = 17, warn = 1)

read_text <- function(name) {
  data <- read.csv(file.path("sample_data", paste0(name, ".csv")))
  text <- vapply(data, is.character, TRUE)
  data[text] <- lapply(data[text], function(x) factor(x, levels = sort(unique(x), method = "radix")))
  data
}

# log-densities of single responses; w are prior weights (trials of a binomial).
densities <- list(
  binomial = function(y, mu, w, phi) dbinom(round(y * w), w, mu, log = TRUE),
  poisson = function(y, mu, w, phi) w * dpois(y, mu, log = TRUE),
  gaussian = function(y, mu, w, phi) dnorm(y, mu, sqrt(phi / w), log = TRUE),
  Gamma = function(y, mu, w, phi) dgamma(y, shape = w / phi, scale = mu * phi / w, log = TRUE),
  inverse.gaussian = function(y, mu, w, phi) statmod::dinvgauss(y, mu, dispersion = phi / w, log = TRUE)
)
density_of <- function(family) {
  theta <- sub("Negative Binomial\\((.*)\\)", "\\1", family$family)
  if (theta != family$family) return(function(y, mu, w, phi) w * dnbinom(y, size = as.numeric(theta), mu = mu, log = TRUE))
  densities[[family$family]]
}

# beta -> log-likelihood plus `penalty` times log det (X' W X).
objective <- function(p, phi, penalty) {
  density <- density_of(p$family)
  function(beta) {
    eta <- drop(p$X %*% beta) + p$offset
    mu <- p$family$linkinv(eta)
    value <- sum(density(p$y, mu, p$w, phi))
    if (penalty == 0) return(value)
    W <- p$w * p$family$mu.eta(eta)^2 / p$family$variance(mu) / phi
    value + penalty * c(determinant(crossprod(sqrt(W) * p$X))$modulus)
  }
}

# The maximum of f from `start`, the coefficients `free` alone being moved; steps in units of `unit`.
maximise <- function(f, start, unit, free = seq_along(start)) {
  if (!length(free)) return(start)
  at <- function(theta, z) { theta[free] <- theta[free] + unit[free] * z; f(theta) }
  fine <- list(eps = 0.01, d = 0.01, r = 6)
  zero <- 0 * free
  theta <- start
  for (i in 1:200) {
    g <- numDeriv::grad(function(z) at(theta, z), zero, method.args = fine)
    H <- numDeriv::hessian(function(z) at(theta, z), zero, method.args = fine)
    step <- solve(H - diag(max(0, max(eigen(H, TRUE)$values) + 1e-3), length(free)), -g)
    if (max(abs(step)) < 1e-10) break
    length <- 1
    while (!isTRUE(at(theta, length * step) >= f(theta) - 1e-11 * abs(f(theta)))) {
      length <- length / 2
      if (length < 1e-12) break
    }
    theta[free] <- theta[free] + unit[free] * length * step
    if (length < 1e-12) break
  }
  if (max(abs(g)) > 1e-6) stop("no maximum: gradient ", format(max(abs(g))))
  theta
}

# Signed roots against 0, and the ends of the intervals at `quantile`, of coefficients; V is their covariance.
profiles <- function(f, best, V, quantile, which = seq_along(best)) {
  top <- f(best)
  unit <- sqrt(diag(V))
  one <- function(j) {
    held <- function(b) {
      start <- best + (b - best[j]) * V[, j] / V[j, j]
      2 * (top - f(maximise(f, start, unit, setdiff(seq_along(best), j))))
    }
    end <- function(side) {
      far <- quantile
      while (held(best[j] + side * far * unit[j]) < quantile^2) far <- 1.3 * far
      uniroot(function(t) sqrt(max(0, held(best[j] + side * t * unit[j]))) - quantile, c(0.2 * quantile, far), tol = 1e-11)$root
    }
    c(sign(best[j]) * sqrt(held(0)), best[j] - unit[j] * end(-1), best[j] + unit[j] * end(1))
  }
  vapply(which, one, c(0, 0, 0))
}

cases <- list()
same <- function(a, b, unit, tolerance, what) {
  if (max(abs(a - b) / unit) > tolerance) stop(what, " differ by ", format(max(abs(a - b) / unit)), " standard errors")
}

# `phi`: a number holds it, "pearson" finds it with the coefficients, NULL where it is 1. `spec` goes to glmfit.
firth <- function(name, data, formula, family, spec, phi = NULL, brglm = TRUE, intervals = TRUE) {
  frame <- read_text(data)
  m <- suppressWarnings(glm(formula, family, frame, x = TRUE))
  p <- list(X = m$x, y = m$y, w = m$prior.weights, offset = if (is.null(m$offset)) 0 else m$offset, family = family)
  W <- function(beta) {
    eta <- drop(p$X %*% beta) + p$offset
    p$w * family$mu.eta(eta)^2 / family$variance(family$linkinv(eta))
  }
  covariance <- function(beta, phi) phi * solve(crossprod(sqrt(W(beta)) * p$X))
  errors <- function(beta, phi) sqrt(diag(covariance(beta, phi)))
  pearson <- function(beta) {
    mu <- family$linkinv(drop(p$X %*% beta) + p$offset)
    sum(p$w * (p$y - mu)^2 / family$variance(mu)) / (length(p$y) - ncol(p$X))
  }
  at <- if (is.null(phi)) 1 else if (phi == "pearson") summary(m)$dispersion else phi
  canonical <- family$link == list(binomial = "logit", poisson = "log", Gamma = "inverse", gaussian = "identity")[[family$family]]
  if (brglm) {
    type <- if (isTRUE(canonical)) "AS_mean" else "MPL_Jeffreys"
    b <- suppressWarnings(update(m, method = "brglm_fit", type = type, epsilon = 1e-14, maxit = 5000))
    if (!is.null(phi)) at <- b$dispersion
  }
  beta <- if (brglm) coef(b) else coef(m)
  repeat {
    f <- objective(p, at, 0.5)
    beta <- maximise(f, beta, errors(beta, at))
    if (is.null(phi) || brglm || abs(pearson(beta) / at - 1) < 1e-11) break
    at <- pearson(beta)
  }
  se <- errors(beta, at)
  if (brglm) same(beta, coef(b), se, 1e-7, paste0(name, ": estimates"))
  if (brglm && !is.null(phi)) spec$dispersion <- at
  case <- list(name = name, data = paste0("sample_data/", data, ".csv"), spec = c(spec, bias_reduction = "firth"),
               estimates = unname(if (brglm) coef(b) else beta), std_errors = unname(se), phi = at)
  if (is.null(phi)) case <- c(case, log_likelihood = objective(p, 1, 0)(beta), penalised_log_likelihood = f(beta))
  if (intervals) {
    quantile <- if (identical(phi, "pearson") && !brglm) qt(0.975, length(p$y) - ncol(p$X)) else qnorm(0.975)
    found <- profiles(f, beta, covariance(beta, at), quantile)
    case <- c(case, list(roots = found[1, ], low = found[2, ], high = found[3, ]))
  }
  cases[[length(cases) + 1]] <<- case
  cat(name, "\n")
}

# Profiles without a penalty: the others by glm() with the held term as an offset, to the last digit.
profiled <- function(name, data, formula, family, spec, phi = NULL) {
  frame <- read_text(data)
  tight <- glm.control(epsilon = 1e-15, maxit = 200)
  m <- suppressWarnings(glm(formula, family, frame, x = TRUE, control = tight))  # 1e-15 is below rounding error
  df <- m$df.residual
  beta <- coef(m)
  for (i in 1:20) {  # more steps of Fisher scoring, which converges slowly where the link is not canonical
    beta <- suppressWarnings(glm.fit(m$x, m$y, m$prior.weights, start = beta, family = family, offset = m$offset,
                                     control = glm.control(epsilon = 1e-15, maxit = 1)))$coefficients
  }
  at <- if (is.null(phi)) 1 else sum(m$weights * m$residuals^2) / df
  quantile <- if (is.null(phi)) qnorm(0.975) else qt(0.975, df)
  se <- sqrt(diag(vcov(m)))
  offset <- if (is.null(m$offset)) rep(0, nrow(m$x)) else m$offset
  one <- function(j) {
    root <- function(b) {
      d <- suppressWarnings(glm.fit(m$x[, -j, drop = FALSE], m$y, m$prior.weights, family = family, control = tight,
                                    offset = offset + b * m$x[, j], mustart = fitted(m)))$deviance
      sqrt(max(0, (d - m$deviance) / at))
    }
    end <- function(side) {
      far <- quantile
      while (root(beta[j] + side * far * se[j]) < quantile) far <- 1.3 * far
      beta[j] + side * se[j] * uniroot(function(t) root(beta[j] + side * t * se[j]) - quantile, c(0.2 * quantile, far), tol = 1e-12)$root
    }
    c(sign(beta[j]) * root(0), end(-1), end(1))
  }
  found <- vapply(seq_along(beta), one, c(0, 0, 0))
  if (family$family %in% c("binomial", "poisson")) same(t(found[2:3, ]), suppressMessages(confint(m)), se, 1e-3, paste0(name, ": intervals"))
  cases[[length(cases) + 1]] <<- list(name = name, data = paste0("sample_data/", data, ".csv"), spec = spec,
    estimates = unname(beta), roots = found[1, ], low = found[2, ], high = found[3, ], phi = at)
  cat(name, "\n")
}

model <- function(formula, family, link, ...) list(formulas = I(formula), family = family, links = list(mu = link), ...)

firth("separated", "mtcars", vs ~ factor(cyl), binomial(), model("vs ~ C(cyl)", "binomial", "logit"))
firth("separated with a covariate", "mtcars", vs ~ factor(cyl) + wt, binomial(),
      model("vs ~ C(cyl) + wt", "binomial", "logit"))
firth("separated probit", "mtcars", vs ~ factor(cyl), binomial("probit"), model("vs ~ C(cyl)", "binomial", "probit"))
firth("binary", "birthwt", low ~ age + lwt + race + smoke, binomial(),
      model("low ~ age + lwt + race + smoke", "binomial", "logit"), intervals = FALSE)
for (link in c("logit", "probit", "cloglog", "cauchit")) {
  firth(paste("trials", link), "beetles", cbind(dead, n - dead) ~ dose, binomial(link),
        list(y = "dead/n", x = I("dose"), family = "binomial", links = list(mu = link)))
}
firth("poisson", "warpbreaks", breaks ~ wool * tension, poisson(), model("breaks ~ wool*tension", "poisson", "log"))
firth("poisson sqrt", "warpbreaks", breaks ~ wool + tension, poisson("sqrt"),
      model("breaks ~ wool + tension", "poisson", "sqrt"), intervals = FALSE)
firth("poisson with an empty cell", "mtcars", vs ~ factor(cyl) + wt, poisson(),
      model("vs ~ C(cyl) + wt", "poisson", "log"))
firth("poisson with an offset", "insurance", Claims ~ District + Group + offset(log(Holders)), poisson(),
      model("Claims ~ District + Group + offset(log(Holders))", "poisson", "log"), intervals = FALSE)
firth("geometric", "quine", Days ~ Sex + Age, negative.binomial(1), model("Days ~ Sex + Age", "geometric", "log"),
      brglm = FALSE)
firth("negative binomial", "quine", Days ~ Sex + Lrn, negative.binomial(1.25),
      model("Days ~ Sex + Lrn", "negative-binomial", "log", fixed = list(alpha = 0.8)), brglm = FALSE)
firth("gamma", "clotting", time ~ log(concentration) * lot, Gamma(),
      model("time ~ log(concentration)*lot", "gamma", "inverse"), phi = "pearson", intervals = FALSE)
firth("gamma log", "clotting", time ~ log(concentration) * lot, Gamma("log"),
      model("time ~ log(concentration)*lot", "gamma", "log"), phi = "pearson", intervals = FALSE)
firth("gamma inverse with Pearson's phi", "clotting", time ~ log(concentration) + lot, Gamma(),
      model("time ~ log(concentration) + lot", "gamma", "inverse"), phi = "pearson", brglm = FALSE, intervals = FALSE)
firth("inverse gaussian with Pearson's phi", "clotting", time ~ log(concentration) + lot, inverse.gaussian("log"),
      model("time ~ log(concentration) + lot", "inverse-gaussian", "log"), phi = "pearson", brglm = FALSE,
      intervals = FALSE)
firth("gaussian log", "mtcars", mpg ~ wt + hp, gaussian("log"), model("mpg ~ wt + hp", "gaussian", "log"),
      phi = "pearson", brglm = FALSE, intervals = FALSE)

profiled("profile logit", "birthwt", low ~ age + lwt + race + smoke, binomial(),
         model("low ~ age + lwt + race + smoke", "binomial", "logit", ci = "profile"))
profiled("profile cloglog", "beetles", cbind(dead, n - dead) ~ dose, binomial("cloglog"),
         list(y = "dead/n", x = I("dose"), family = "binomial", links = list(mu = "cloglog"), ci = "profile"))
profiled("profile poisson", "warpbreaks", breaks ~ wool * tension, poisson(),
         model("breaks ~ wool*tension", "poisson", "log", ci = "profile"))
profiled("profile negative binomial", "quine", Days ~ Sex + Age, negative.binomial(1.25),
         model("Days ~ Sex + Age", "negative-binomial", "log", fixed = list(alpha = 0.8), ci = "profile"))
profiled("profile gamma", "clotting", time ~ log(concentration) * lot, Gamma("log"),
         model("time ~ log(concentration)*lot", "gamma", "log", ci = "profile"), phi = "pearson")
profiled("profile quasi-poisson", "warpbreaks", breaks ~ wool + tension, quasipoisson(),
         model("breaks ~ wool + tension", "quasi-poisson", "log", ci = "profile"), phi = "pearson")
profiled("profile gaussian", "mtcars", mpg ~ wt + hp, gaussian(),
         model("mpg ~ wt + hp", "gaussian", "identity", ci = "profile"), phi = "pearson")

write(jsonlite::toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/firth/firth.json")
