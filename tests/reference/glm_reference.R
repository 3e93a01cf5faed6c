# Maximum likelihood to machine precision, with every covariance that glmfit offers: what the reference cases share.
# R 4.2.2, MASS 7.3-58.2, statmod 1.5.0, sandwich 3.0-2, numDeriv 2016.8-1.1, jsonlite 1.8.4. Run by write_reference.R.
#
# A model is a list of predictors (parameter, X, offset) and the derivatives of each row's log-density in the linear
# predictors eta: g = dl/deta, h = d2l/deta2. R differentiates them symbolically (D, deriv3); glm() gives the start,
# Newton steps the last digits. Each fit is then held against an independent computation: see check_edm, check_joint.

suppressPackageStartupMessages({
  library(MASS)
  library(statmod)
})

# ---- Links: mu as an expression in eta -------------------------------------------------------------------------------

inverse_link <- function(name) {
  if (startsWith(name, "power:")) return(bquote(eta^.(1 / as.numeric(sub("power:", "", name)))))
  switch(name,
    "identity" = quote(eta), "log" = quote(exp(eta)), "inverse" = quote(1 / eta), "sqrt" = quote(eta^2),
    "inverse-squared" = quote(eta^(-0.5)), "logit" = quote(1 / (1 + exp(-eta))), "probit" = quote(pnorm(eta)),
    "cauchit" = quote(atan(eta) / pi + 0.5), "cloglog" = quote(1 - exp(-exp(eta))),
    "loglog" = quote(exp(-exp(-eta))), "log-complement" = quote(1 - exp(eta)), stop("unknown link ", name)
  )
}

# R's link object for glm(): its own where it has one, else built from the same two formulas.
glm_link <- function(name) {
  by_hand <- function(linkfun, linkinv, mu.eta, valideta) {
    structure(list(linkfun = linkfun, linkinv = linkinv, mu.eta = mu.eta, valideta = valideta, name = name),
              class = "link-glm")
  }
  if (startsWith(name, "power:")) { # R's power() turns a negative power into the logarithm
    K <- as.numeric(sub("power:", "", name))
    return(by_hand(function(mu) mu^K, function(eta) eta^(1 / K), function(eta) eta^(1 / K - 1) / K,
                   function(eta) all(eta > 0)))
  }
  switch(name,
    "loglog" = by_hand(function(mu) -log(-log(mu)), function(eta) exp(-exp(-eta)),
                       function(eta) exp(-eta - exp(-eta)), function(eta) TRUE),
    "log-complement" = by_hand(function(mu) log1p(-mu), function(eta) -expm1(eta), function(eta) -exp(eta),
                               function(eta) all(eta < 0)),
    "inverse-squared" = make.link("1/mu^2"),
    make.link(name)
  )
}

glm_family <- function(family, link, fixed) {
  object <- glm_link(link)
  switch(family,
    "gaussian" = gaussian(object), "binomial" = binomial(object), "poisson" = poisson(object), "gamma" = Gamma(object),
    "inverse-gaussian" = inverse.gaussian(object), "quasi-poisson" = quasipoisson(object),
    "quasi-binomial" = quasibinomial(object), "geometric" = negative.binomial(1, object),
    "negative-binomial" = negative.binomial(1 / fixed$alpha, object),
    "tweedie" = tweedie(fixed$power, switch(link, "log" = 0, "identity" = 1, "sqrt" = 0.5,
                                            as.numeric(sub("power:", "", link)))),
    stop("unknown family ", family)
  )
}

variance <- function(family, fixed) {
  switch(family,
    "gaussian" = quote(1), "poisson" = , "quasi-poisson" = quote(mu),
    "binomial" = , "quasi-binomial" = quote(mu * (1 - mu)), "gamma" = quote(mu^2),
    "inverse-gaussian" = quote(mu^3), "geometric" = quote(mu + mu^2),
    "negative-binomial" = bquote(mu + .(fixed$alpha) * mu^2), "tweedie" = bquote(mu^.(fixed$power))
  )
}

put <- function(expression, ...) do.call(substitute, list(expression, list(...)))

# ---- Row derivatives -------------------------------------------------------------------------------------------------

# Exponential dispersion model, phi = 1: l' = w (y - mu) mu' / V(mu), l'' by D(), expected information w mu'^2 / V.
edm_derivatives <- function(family, link, fixed) {
  mu <- inverse_link(link)
  slope <- D(mu, "eta")
  V <- put(variance(family, fixed), mu = mu)
  score <- put(quote(w * (y - mu) * slope / V), mu = mu, slope = slope, V = V)
  information <- put(quote(w * slope^2 / V), slope = slope, V = V)
  curvature <- D(score, "eta")
  function(eta, y, w) {
    values <- list(eta = eta[, 1], y = y, w = w)
    at <- function(expression) rep_len(eval(expression, values), length(y))
    list(g = cbind(at(score)), h = array(at(curvature), c(length(y), 1, 1)), expected = at(information), mu = at(mu))
  }
}

# Two predictors: the mean and log alpha (negative binomial) or log phi, here called s.
joint_density <- function(family, link) {
  density <- switch(family,
    "negative-binomial" = quote(w * (lgamma(y + exp(-s)) - lgamma(exp(-s)) - lgamma(y + 1) + y * (s + log(mu)) -
                                     (y + exp(-s)) * log(1 + exp(s) * mu))),
    "gaussian" = quote(-0.5 * log(2 * pi) - 0.5 * s + 0.5 * log(w) - w * (y - mu)^2 * exp(-s) / 2),
    "gamma" = quote(w * exp(-s) * (log(w) - s - log(mu)) + (w * exp(-s) - 1) * log(y) - w * exp(-s) * y / mu -
                    lgamma(w * exp(-s))),
    "inverse-gaussian" = quote(-0.5 * (log(2 * pi) + s - log(w) + 3 * log(y)) -
                               w * (y - mu)^2 * exp(-s) / (2 * mu^2 * y))
  )
  put(density, mu = inverse_link(link))
}

joint_derivatives <- function(family, link) {
  row <- deriv3(joint_density(family, link), c("eta", "s"), function.arg = c("eta", "s", "y", "w"))
  mu <- inverse_link(link)
  function(eta, y, w) {
    value <- row(eta[, 1], eta[, 2], y, w)
    list(l = as.vector(value), g = attr(value, "gradient"), h = attr(value, "hessian"),
         mu = eval(mu, list(eta = eta[, 1])))
  }
}

# R's own densities, for the log-likelihood and for the check of the symbolic derivatives; phi/w is a row's dispersion.
log_density <- function(family, y, mu, w, trials, phi, alpha, power = NULL) {
  switch(family,
    "gaussian" = dnorm(y, mu, sqrt(phi / w), log = TRUE),
    "gamma" = dgamma(y, shape = w / phi, rate = w / (phi * mu), log = TRUE),
    "inverse-gaussian" = dinvgauss(y, mean = mu, dispersion = phi / w, log = TRUE),
    "poisson" = w * dpois(y, mu, log = TRUE),
    "binomial" = w / trials * dbinom(round(y * trials), trials, mu, log = TRUE),
    "geometric" = w * dgeom(y, 1 / (1 + mu), log = TRUE),
    "negative-binomial" = w * dnbinom(y, size = 1 / alpha, mu = mu, log = TRUE),
    "tweedie" = dtweedie(y, mu, phi / w, power)
  )
}

# A Poisson number j of gamma amounts, for 1 < power < 2: the sum over j, about the j at which its terms are largest.
dtweedie <- function(y, mu, phi, power) {
  one <- function(y, mu, phi, power) {
    events <- mu^(2 - power) / (phi * (2 - power))
    if (y == 0) return(-events)
    middle <- y^(2 - power) / (phi * (2 - power))
    j <- max(1, floor(middle - 20 * sqrt(middle) - 20)):ceiling(middle + 30 * sqrt(middle) + 50)
    terms <- dpois(j, events, log = TRUE) +
      dgamma(y, j * (2 - power) / (power - 1), scale = phi * (power - 1) * mu^(power - 1), log = TRUE)
    max(terms) + log(sum(exp(terms - max(terms))))
  }
  mapply(one, y, mu, phi, power)
}

# ---- Newton and covariances ------------------------------------------------------------------------------------------

linear_predictors <- function(predictors, theta) {
  from <- cumsum(c(0, vapply(predictors, function(p) ncol(p$X), 0)))
  do.call(cbind, lapply(seq_along(predictors), function(k) {
    p <- predictors[[k]]
    drop(p$X %*% theta[from[k] + seq_len(ncol(p$X))]) + p$offset
  }))
}

scores <- function(predictors, g) do.call(cbind, lapply(seq_along(predictors), function(k) predictors[[k]]$X * g[, k]))

information <- function(predictors, h) {
  block <- function(j, k) -crossprod(predictors[[j]]$X * h[, j, k], predictors[[k]]$X)
  each <- seq_along(predictors)
  do.call(rbind, lapply(each, function(j) do.call(cbind, lapply(each, function(k) block(j, k)))))
}

# Inverse of a positive definite matrix after scaling its diagonal to one, which keeps the digits of unlike columns.
inverse <- function(A) {
  s <- 1 / sqrt(diag(A))
  s * t(s * chol2inv(chol(A * outer(s, s))))
}

# Newton steps until the gradient is rounding error; a step that lowers the log-density (where it is known) is halved.
newton <- function(predictors, derivatives, y, w, theta, case_weight = 1) {
  previous <- Inf
  for (iteration in 1:200) {
    at <- derivatives(linear_predictors(predictors, theta), y, w)
    gradient <- colSums(scores(predictors, case_weight * at$g))
    step <- drop(inverse(information(predictors, case_weight * at$h)) %*% gradient)
    decrement <- sqrt(abs(sum(gradient * step)))
    if (decrement < 1e-7 && decrement >= previous / 2) break
    previous <- decrement
    size <- 1
    while (!is.null(at$l) && size > 1e-6) {
      l <- derivatives(linear_predictors(predictors, theta + size * step), y, w)$l
      if (all(is.finite(l)) && sum(case_weight * l) > sum(case_weight * at$l) - 1e-9) break
      size <- size / 2
    }
    theta <- theta + size * step
  }
  if (decrement > 1e-10) stop("Newton stalled at a decrement of ", decrement)
  theta
}

cluster_meat <- function(S, groups) {
  one <- function(group) {
    sums <- rowsum(S, group)
    nrow(sums) / (nrow(sums) - 1) * crossprod(sums)
  }
  if (length(groups) == 1) return(one(groups[[1]]))
  one(groups[[1]]) + one(groups[[2]]) - one(interaction(groups, drop = TRUE))
}

# bread: inverse observed information at phi = 1; S: weighted row scores at phi = 1; phi cancels in a sandwich.
covariance <- function(kind, bread, S, expected, leverage, phi, groups, case_weight) {
  n <- nrow(S)
  sandwich <- function(meat) bread %*% meat %*% bread
  switch(sub(":.*", "", kind),
    "hessian" = phi * bread,
    "expected" = phi * expected,
    "hc0" = sandwich(crossprod(S)),
    "hc1" = n / (n - ncol(S)) * sandwich(crossprod(S)),
    "hc2" = sandwich(crossprod(S / sqrt(1 - leverage))),
    "hc3" = sandwich(crossprod(S / (1 - leverage))),
    "cluster" = {
      now$clusters <- min(vapply(groups, function(g) length(unique(g)), 1))
      sandwich(cluster_meat(S, groups))
    },
    "sampling" = n / (n - 1) * sandwich(crossprod(case_weight * S))
  )
}
