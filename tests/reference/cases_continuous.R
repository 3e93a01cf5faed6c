# Continuous families whose parameters are all estimated together by maximum likelihood: lifetimes, location-scale,
# proportions, Tweedie. Run by write_reference.R; writes data/continuous.csv and continuous.json.
#
# R differentiates each density symbolically (deriv3); the Tweedie series, summed by hand, has its score by hand and its
# Hessian numerically. Each fit is held against R's own densities, differentiated by numDeriv, and a package's fit.

suppressPackageStartupMessages({
  library(survival)
  library(glmmTMB)
})

# ---- Data: simulated, so part of this project ------------------------------------------------------------------------

continuous <- "tests/reference/data/continuous.csv"
set.seed(20240301)
n <- 240
x <- round(runif(n), 4)
z <- round(rnorm(n), 3)
g <- sample(c("a", "b", "c"), n, replace = TRUE)
shift <- round(runif(n, -0.3, 0.3), 3)
eta <- 0.8 + 0.7 * x + c(a = 0, b = 0.4, c = -0.3)[g]
p <- plogis(eta - 1)
k <- exp(2 + 0.4 * z)
share <- pmin(pmax(rbeta(n, p * k, (1 - p) * k), 1e-3), 1 - 1e-3)
lump <- runif(n) < plogis(-1.5 + 0.8 * x)
slant <- 4 / sqrt(1 + 4^2)
events <- rpois(n, exp(0.4 * eta) / (0.9 * 0.4)) # Tweedie with power 1.6, phi 0.9
write.csv(data.frame(
  x, z, g, shift,
  w = round(runif(n, 0.4, 2.5), 3),
  waiting = round(rexp(n, exp(-eta)) + 1e-4, 4),
  weibull = round(rweibull(n, exp(0.5 + 0.3 * z), exp(eta)) + 1e-4, 4),
  lognormal = round(rlnorm(n, eta, exp(-0.5 + 0.3 * z)), 4),
  loglogistic = round(exp(rlogis(n, eta, exp(-1 - 0.2 * z))), 4),
  logistic = round(rlogis(n, eta, exp(-0.5 + 0.3 * z)), 4),
  gumbel = round(eta - exp(-0.4 + 0.3 * z) * log(-log(runif(n))), 4),
  heavy = round(eta + exp(-0.6 + 0.3 * z) * rt(n, 4), 4),
  skewed = round(eta + exp(0.2 * z) * (slant * abs(rnorm(n)) + sqrt(1 - slant^2) * rnorm(n)), 4),
  share = round(share, 5),
  lumped = ifelse(lump, as.numeric(runif(n) < plogis(0.5 - x)), round(share, 5)),
  amount = round(ifelse(events > 0, rgamma(n, pmax(events, 1) * 2 / 3, scale = 0.9 * 0.6 * exp(0.6 * eta)), 0), 4)
), continuous, row.names = FALSE, quote = FALSE, eol = "\n")

# ---- Densities: of e1, e2 ... on the link scales, mu or scale with the link of the case ------------------------------

logistic_log <- quote(-u - 2 * log(1 + exp(-u)))
beta_log <- quote(lgamma(exp(e2)) - lgamma(m * exp(e2)) - lgamma((1 - m) * exp(e2)) +
                  (m * exp(e2) - 1) * log(y) + ((1 - m) * exp(e2) - 1) * log(1 - y))
families <- list(
  "exponential" = list("mu", "log", quote(-log(m) - y / m), function(y, m) dexp(y, 1 / m, log = TRUE)),
  "weibull" = list(c("scale", "shape"), c("log", "log"), quote(e2 + (exp(e2) - 1) * log(y) - exp(e2) * log(m) - (y / m)^exp(e2)),
                   function(y, m, k) dweibull(y, k, m, log = TRUE)),
  "log-normal" = list(c("mu", "sigma"), c("identity", "log"),
                      quote(-log(y) - e2 - 0.5 * log(2 * pi) - 0.5 * ((log(y) - m) / exp(e2))^2),
                      function(y, m, s) dlnorm(y, m, s, log = TRUE)),
  "log-logistic" = list(c("scale", "shape"), c("log", "log"),
                        put(quote(e2 - log(y) + f), f = put(logistic_log, u = quote((exp(e2) * (log(y) - log(m)))))),
                        function(y, m, k) dlogis(log(y), log(m), 1 / k, log = TRUE) - log(y)),
  "logistic" = list(c("mu", "sigma"), c("identity", "log"),
                    put(quote(-e2 + f), f = put(logistic_log, u = quote(((y - m) / exp(e2))))),
                    function(y, m, s) dlogis(y, m, s, log = TRUE)),
  "gumbel" = list(c("mu", "sigma"), c("identity", "log"), quote(-e2 - (y - m) / exp(e2) - exp(-(y - m) / exp(e2))),
                  function(y, m, s) VGAM::dgumbel(y, m, s, log = TRUE)),
  "student-t" = list(c("mu", "sigma", "nu"), c("identity", "log", "log"),
                     quote(lgamma((exp(e3) + 1) / 2) - lgamma(exp(e3) / 2) - 0.5 * (e3 + log(pi)) - e2 -
                           (exp(e3) + 1) / 2 * log(1 + ((y - m) / exp(e2))^2 / exp(e3))),
                     function(y, m, s, nu) dt((y - m) / s, nu, log = TRUE) - log(s)),
  "skew-normal" = list(c("mu", "sigma", "slant"), c("identity", "log", "identity"),
                       quote(log(2) - e2 - 0.5 * log(2 * pi) - 0.5 * ((y - m) / exp(e2))^2 + log(pnorm(e3 * (y - m) / exp(e2)))),
                       function(y, m, s, alpha) sn::dsn(y, m, s, alpha, log = TRUE)),
  "beta" = list(c("mu", "precision"), c("logit", "log"), beta_log,
                function(y, m, k) dbeta(y, m * k, (1 - m) * k, log = TRUE)),
  "zero-one-inflated-beta" = list(
    c("mu", "precision", "zoi", "coi"), c("logit", "log", "logit", "logit"),
    put(quote(d * (e3 - log(1 + exp(e3)) + one * e4 - log(1 + exp(e4))) + (1 - d) * (f - log(1 + exp(e3)))), f = beta_log),
    function(y, m, k, zoi, coi) {
      inside <- y > 0 & y < 1
      ifelse(inside, log(1 - zoi) + dbeta(ifelse(inside, y, 0.5), m * k, (1 - m) * k, log = TRUE),
             log(zoi) + dbinom(round(y), 1, coi, log = TRUE))
    })
)

natural <- function(link, eta) eval(inverse_link(link), list(eta = eta))

symbolic <- function(family, links) {
  facts <- families[[family]]
  names <- paste0("e", seq_along(facts[[1]]))
  main <- do.call(substitute, list(inverse_link(links[1]), list(eta = quote(e1))))
  row <- deriv3(put(facts[[3]], m = main), names, function.arg = c(names, "y", "d", "one"))
  function(eta, y, w) {
    lump <- y == 0 | y == 1
    inner <- if (family == "zero-one-inflated-beta") ifelse(lump, 0.5, y) else y
    value <- do.call(row, c(lapply(seq_along(names), function(j) eta[, j]), list(inner, as.numeric(lump), as.numeric(y == 1))))
    list(l = as.vector(value), g = attr(value, "gradient"), h = attr(value, "hessian"))
  }
}

# Tweedie: eta = log mu, log phi, logit(power - 1); phi / w is a row's dispersion. The terms of the series are those of
# Dunn and Smyth (2005), in their notation: W_j = z^j / (j! Gamma(j a)), log z as below, and density W exp(...) / y.
tweedie_rows <- function(eta, y, w) {
  mu <- exp(eta[, 1]); phi <- exp(eta[, 2]) / w; p <- 1 + plogis(eta[, 3]); slope <- (p - 1) * (2 - p)
  kappa <- mu^(2 - p) / (2 - p); theta <- mu^(1 - p) / (1 - p)
  l <- -kappa / phi
  dkappa <- kappa * (1 / (2 - p) - log(mu)); dtheta <- theta * (1 / (1 - p) - log(mu))
  g <- cbind((y - mu) * mu^(1 - p) / phi, kappa / phi, -dkappa / phi * slope)
  # far from any maximum the series would have millions of terms
  if (max(y^(2 - p) / (phi * (2 - p))) > 1e4) return(list(l = l - Inf, g = g * NaN))
  for (i in which(y > 0)) {
    a <- (2 - p[i]) / (p[i] - 1); da <- -1 / (p[i] - 1)^2
    middle <- y[i]^(2 - p[i]) / (phi[i] * (2 - p[i]))
    j <- 1:ceiling(middle + 40 * sqrt(middle) + 60)
    log_z <- a * log(y[i]) - a * log(p[i] - 1) - (1 + a) * log(phi[i]) - log(2 - p[i])
    dlog_z <- da * (log(y[i]) - log(p[i] - 1) - log(phi[i])) - a / (p[i] - 1) + 1 / (2 - p[i])
    log_w <- j * log_z - lgamma(j + 1) - lgamma(j * a)
    top <- max(log_w)
    share <- exp(log_w - top); total <- sum(share); share <- share / total
    l[i] <- l[i] + y[i] * theta[i] / phi[i] + top + log(total) - log(y[i])
    g[i, 2] <- g[i, 2] - y[i] * theta[i] / phi[i] - (1 + a) * sum(share * j)
    g[i, 3] <- g[i, 3] + slope[i] * (y[i] * dtheta[i] / phi[i] + sum(share * j * (dlog_z - da * digamma(j * a))))
  }
  list(l = l, g = g)
}

tweedie_derivatives <- function(eta, y, w) {
  at <- tweedie_rows(eta, y, w)
  at$h <- array(0, c(length(y), 3, 3))
  for (k in 1:3) { # Richardson's extrapolation of central differences of the exact score, h = 1e-2, 5e-3, 2.5e-3, ...
    differences <- lapply(2^-(0:4) * 0.02, function(step) {
      up <- down <- eta; up[, k] <- up[, k] + step; down[, k] <- down[, k] - step
      (tweedie_rows(up, y, w)$g - tweedie_rows(down, y, w)$g) / (2 * step)
    })
    for (order in 1:4) differences <- Map(function(rough, fine) (4^order * fine - rough) / (4^order - 1),
                                          head(differences, -1), tail(differences, -1))
    at$h[, k, ] <- differences[[1]]
  }
  at$h <- (at$h + aperm(at$h, c(1, 3, 2))) / 2
  at
}

# ---- One case --------------------------------------------------------------------------------------------------------

# further: formulas of further parameters, by name; link: of the main parameter, where it is not the default.
family_case <- function(name, family, formula, further = list(), link = NULL, weights = NULL, offset = NULL,
                        data = continuous, start = NULL, fixed = NULL) {
  now$case <- name
  tweedie <- family == "tweedie"
  facts <- if (tweedie) list(c("mu", "phi", "power"), c("log", "log", "logit12")) else families[[family]]
  parameters <- facts[[1]]
  links <- replace(facts[[2]], 1, link %or% facts[[2]][1])
  texts <- c(formula, sprintf("%s ~ %s", names(further), unlist(further)))
  spec <- list(formulas = as.list(texts), family = family, weights = weights, offset = offset)
  if (!is.null(link)) spec$links <- setNames(list(link), parameters[1])
  formulas <- c(list(as.formula(formula)), lapply(parameters[-1], function(q) as.formula(paste("~", further[[q]] %or% "1"))))
  frame <- read_data(data, c(unlist(lapply(formulas, all.vars)), weights, offset), NULL)
  y <- model.response(model.frame(formulas[[1]], frame))
  w <- if (is.null(weights)) rep(1, nrow(frame)) else frame[[weights]]
  X <- lapply(formulas, function(f) model.matrix(delete.response(terms(f)), frame))
  terms <- lapply(seq_along(X), function(j) {
    mf <- model.frame(delete.response(terms(formulas[[j]])), frame)
    if (ncol(X[[j]]) == 1) "Intercept" else term_names(X[[j]], .getXlevels(terms(mf), mf))
  })
  zero <- rep(0, nrow(frame))
  predictors <- lapply(seq_along(X), function(j) list(X = X[[j]], offset = if (j == 1 && !is.null(offset)) frame[[offset]] else zero))
  derivatives <- if (tweedie) tweedie_derivatives else symbolic(family, links)
  rows <- if (tweedie) tweedie_rows else derivatives
  case_weight <- if (tweedie) 1 else w
  value <- function(theta) {
    l <- sum(case_weight * rows(linear_predictors(predictors, theta), y, w)$l)
    if (is.finite(l)) l else -1e10
  }
  slope <- function(theta) {
    g <- colSums(scores(predictors, case_weight * rows(linear_predictors(predictors, theta), y, w)$g))
    ifelse(is.finite(g), g, 0)
  }
  begin <- unlist(lapply(seq_along(X), function(j) c(start[j], rep(0, ncol(X[[j]]) - 1))))
  rough <- start_fit(optim(begin, value, slope, method = "BFGS",
                           control = list(fnscale = -1, maxit = 5000, reltol = 1e-15)))
  theta <- newton(predictors, derivatives, y, w, rough$par, case_weight)
  at <- derivatives(linear_predictors(predictors, theta), y, w)
  V <- inverse(information(predictors, case_weight * at$h))
  se <- sqrt(diag(V))
  own <- function(b) {
    eta <- linear_predictors(predictors, b)
    if (tweedie) return(sum(dtweedie(y, exp(eta[, 1]), exp(eta[, 2]) / w, 1 + plogis(eta[, 3]))))
    sum(w * do.call(facts[[4]], c(list(y), lapply(seq_along(parameters), function(j) natural(links[j], eta[, j])))))
  }
  agree(own(theta), value(theta), 1e-10, "log-likelihoods of R's own density")
  # second differences of sums over rows, where an uncentred covariate makes the information ill-conditioned
  agree(sqrt(diag(inverse(-numDeriv::hessian(own, theta)))), se, 1e-4, "numerical standard errors")
  if (max(abs(numDeriv::grad(own, theta) * se)) > 1e-6) stop(name, ": the gradient of R's density is not zero")
  if (value(theta) < rough$value - 1e-8) stop(name, ": Newton left the maximum of optim()")

  parameter <- rep(parameters, vapply(X, ncol, 0L))
  auxiliary <- list()
  for (q in parameters[-1]) if (sum(parameter == q) == 1) {
    b <- theta[parameter == q]
    s <- se[parameter == q]
    value_and_slope <- switch(links[parameters == q], log = exp(c(b, b)), identity = c(b, 1),
                              logit = c(plogis(b), dlogis(b)), logit12 = c(1 + plogis(b), dlogis(b)))
    auxiliary <- c(auxiliary, list(list(name = q, estimate = value_and_slope[1], std_error = value_and_slope[2] * s)))
  }
  l <- value(theta)
  fit <- list(log_likelihood = l, aic = -2 * l + 2 * length(theta), bic = -2 * l + log(length(y)) * length(theta))
  inference <- list(statistic = "z", p_values = 2 * pnorm(-abs(theta / se)))
  method <- if (tweedie) "the series of Dunn and Smyth" else "deriv3()"
  case <- finish(name, paste0("joint maximum likelihood: Newton with ", method), data, spec, parameter, unlist(terms), theta,
                 se, inference, auxiliary, fit, NULL)
  case$peer <- list(theta = theta, se = se, l = l, frame = frame)
  case
}

# A second opinion: estimates and standard errors of a package, in our order and on our scales.
second <- function(case, theta, se = NULL, l = NULL, tolerance = 1e-4) {
  now$case <- case$name
  agree(unname(theta), unname(case$peer$theta), tolerance, "estimates of the second opinion")
  if (!is.null(se)) agree(unname(se), unname(case$peer$se), 10 * tolerance, "standard errors of the second opinion")
  if (!is.null(l)) agree(as.numeric(l), case$peer$l, 1e-6, "log-likelihoods of the second opinion")
}

precise <- survreg.control(rel.tolerance = 1e-13, maxiter = 200)
survival_fit <- function(formula, dist, frame, weights = NULL) {
  frame$.w <- if (is.null(weights)) 1 else frame[[weights]]
  environment(formula) <- environment()
  survreg(formula, frame, weights = .w, dist = dist, control = precise)
}
# survreg's log(scale) is -log shape for weibull and log-logistic, log sigma for the others.
from_survreg <- function(case, fit, sign = 1) {
  k <- length(coef(fit))
  scale <- log(fit$scale)
  contrasts <- if (length(scale) > 1) c(scale[1], scale[-1] - scale[1]) else if (length(case$peer$theta) > k) scale
  se <- sqrt(diag(vcov(fit)))
  second(case, c(coef(fit), sign * contrasts), if (length(scale) == 1) se, fit$loglik[2], 1e-6)
}
from_glmmTMB <- function(case, fit, change = identity) {
  second(case, change(unlist(fixef(fit)[c("cond", "disp")])), l = if (!is.null(fit)) logLik(fit))
}

poisons <- "sample_data/poisons.csv"
air <- "sample_data/airquality.csv"
tobin <- "sample_data/tobin.csv"
cases <- list(
  family_case("exponential", "exponential", "waiting ~ x + g", start = 1),
  family_case("exponential_weights", "exponential", "waiting ~ x", weights = "w", offset = "shift", start = 1),
  family_case("weibull", "weibull", "weibull ~ x + g", start = c(1, 0)),
  family_case("weibull_shape", "weibull", "weibull ~ x", list(shape = "g"), weights = "w", offset = "shift", start = c(1, 0)),
  family_case("weibull_poisons", "weibull", "time ~ poison + treat", data = poisons, start = c(-1, 1)),
  family_case("lognormal", "log-normal", "lognormal ~ x + g", start = c(1, 0)),
  family_case("lognormal_sigma", "log-normal", "lognormal ~ x", list(sigma = "g"), weights = "w", start = c(1, 0)),
  family_case("lognormal_sigma_z", "log-normal", "lognormal ~ x + g", list(sigma = "z"), offset = "shift", start = c(1, 0)),
  family_case("loglogistic", "log-logistic", "loglogistic ~ x + g", start = c(1, 1)),
  family_case("loglogistic_shape", "log-logistic", "loglogistic ~ x", list(shape = "g"), weights = "w", offset = "shift", start = c(1, 1)),
  family_case("logistic", "logistic", "logistic ~ x + g", start = c(1, 0)),
  family_case("logistic_sigma", "logistic", "logistic ~ x", list(sigma = "g"), weights = "w", start = c(1, 0)),
  family_case("gumbel", "gumbel", "gumbel ~ x + g", start = c(1, 0)),
  family_case("gumbel_sigma", "gumbel", "gumbel ~ x + g", list(sigma = "z"), weights = "w", start = c(1, 0)),
  family_case("gumbel_air", "gumbel", "Ozone ~ Temp", list(sigma = "Temp"), data = air, start = c(30, 3)),
  family_case("student_t", "student-t", "heavy ~ x + g", start = c(1, 0, 1)),
  family_case("student_t_sigma", "student-t", "heavy ~ x", list(sigma = "z"), weights = "w", offset = "shift", start = c(1, 0, 1)),
  family_case("skew_normal", "skew-normal", "skewed ~ x + g", start = c(0, 0, 3)),
  family_case("skew_normal_sigma", "skew-normal", "skewed ~ x", list(sigma = "z"), offset = "shift", start = c(0, 0, 3)),
  family_case("skew_normal_weights", "skew-normal", "skewed ~ x", weights = "w", start = c(0, 0, 3)),
  family_case("beta", "beta", "share ~ x + g", start = c(0, 1)),
  family_case("beta_precision", "beta", "share ~ x + g", list(precision = "z"), weights = "w", offset = "shift", start = c(0, 1)),
  family_case("beta_probit", "beta", "share ~ x", list(precision = "g"), link = "probit", start = c(0, 1)),
  family_case("inflated_beta", "zero-one-inflated-beta", "lumped ~ x + g", start = c(0, 1, -1, 0)),
  family_case("inflated_beta_all", "zero-one-inflated-beta", "lumped ~ x", list(precision = "z", zoi = "x", coi = "g"),
              weights = "w", start = c(0, 1, -1, 0)),
  family_case("tweedie", "tweedie", "amount ~ x + g", start = c(1, 0, 0)),
  family_case("tweedie_phi", "tweedie", "amount ~ x + g", list(phi = "z"), offset = "shift", start = c(1, 0, 0)),
  family_case("tweedie_weights", "tweedie", "amount ~ x", list(power = "z"), weights = "w", start = c(1, 0, 0)),
  family_case("tweedie_tobin", "tweedie", "durable ~ age + quant", data = tobin, start = c(1, 1, 0))
)
names(cases) <- vapply(cases, `[[`, "", "name")

# ---- Second opinions -------------------------------------------------------------------------------------------------

simulated <- read.csv(continuous, stringsAsFactors = TRUE)
for (name in c("exponential", "weibull", "loglogistic")) {
  response <- c(exponential = "waiting", weibull = "weibull", loglogistic = "loglogistic")[[name]]
  from_survreg(cases[[name]], survival_fit(as.formula(paste0("Surv(", response, ") ~ x + g")), name, simulated), -1)
}
from_survreg(cases$exponential_weights,
             survival_fit(Surv(waiting) ~ x + offset(shift), "exponential", simulated, "w"))
from_survreg(cases$weibull_shape,
             survival_fit(Surv(weibull) ~ x + offset(shift) + strata(g), "weibull", simulated, "w"), -1)
from_survreg(cases$weibull_poisons,
             survival_fit(Surv(time) ~ poison + treat, "weibull", read.csv(poisons, stringsAsFactors = TRUE)), -1)
from_survreg(cases$loglogistic_shape,
             survival_fit(Surv(loglogistic) ~ x + offset(shift) + strata(g), "loglogistic", simulated, "w"), -1)
from_survreg(cases$lognormal, survival_fit(Surv(lognormal) ~ x + g, "lognormal", simulated))
from_survreg(cases$lognormal_sigma, survival_fit(Surv(lognormal) ~ x + strata(g), "lognormal", simulated, "w"))
from_survreg(cases$logistic, survival_fit(Surv(logistic) ~ x + g, "logistic", simulated))
from_survreg(cases$logistic_sigma, survival_fit(Surv(logistic) ~ x + strata(g), "logistic", simulated, "w"))
gls <- nlme::gls(log(lognormal) - shift ~ x + g, simulated, weights = nlme::varExp(form = ~z), method = "ML")
second(cases$lognormal_sigma_z, c(coef(gls), log(gls$sigma), coef(gls$modelStruct$varStruct, unconstrained = FALSE)))
# The smallest of -y is the largest of y: survreg's extreme values are those of minima.
mirrored <- survival_fit(Surv(-gumbel) ~ x + g, "extreme", simulated)
second(cases$gumbel, c(-coef(mirrored), log(mirrored$scale)), sqrt(diag(vcov(mirrored))), mirrored$loglik[2], 1e-6)
precise_vglm <- VGAM::vglm.control(epsilon = 1e-12, maxit = 200)
vglm <- VGAM::vglm(gumbel ~ x + g + z, VGAM::gumbel(zero = NULL), simulated, weights = w, control = precise_vglm,
                   constraints = list("(Intercept)" = diag(2), x = rbind(1, 0), g = rbind(1, 0), z = rbind(0, 1)))
second(cases$gumbel_sigma, VGAM::coef(vglm)[c(1, 3:5, 2, 6)], l = VGAM::logLik(vglm))
fit <- glmmTMB(heavy ~ x + g, simulated, family = t_family)
second(cases$student_t, c(unlist(fixef(fit)[c("cond", "disp")]), log(family_params(fit)[[1]])), l = logLik(fit))
selm <- suppressWarnings(sn::selm(skewed ~ x + g, data = simulated)) # its start by quantile regression may be one of many
direct <- sn::coef(selm, "DP")
second(cases$skew_normal, c(direct[1:4], log(direct[[5]]), direct[[6]]), l = sn::logLik(selm))
from_glmmTMB(cases$beta, glmmTMB(share ~ x + g, simulated, family = beta_family()))
from_glmmTMB(cases$beta_precision, glmmTMB(share ~ x + g + offset(shift), simulated, family = beta_family(),
                                            dispformula = ~z, weights = w))
from_glmmTMB(cases$beta_probit, glmmTMB(share ~ x, simulated, family = beta_family("probit"), dispformula = ~g))
# The likelihood of inflated proportions is a product of three: those inside, which are at an end, and which end.
parts <- function(case, inside, zoi, coi, weights) {
  frame <- simulated
  frame$lump <- frame$lumped %in% c(0, 1)
  if (!weights) frame$w <- 1
  body <- glmmTMB(inside$mean, frame[!frame$lump, ], family = beta_family(), dispformula = inside$precision, weights = w)
  at_end <- start_fit(glm(zoi, binomial, frame, weights = w))
  at_one <- start_fit(glm(coi, binomial, frame[frame$lump, ], weights = w))
  second(case, c(unlist(fixef(body)[c("cond", "disp")]), coef(at_end), coef(at_one)))
}
parts(cases$inflated_beta, list(mean = lumped ~ x + g, precision = ~1), lump ~ 1, lumped ~ 1, FALSE)
parts(cases$inflated_beta_all, list(mean = lumped ~ x, precision = ~z), lump ~ x, lumped ~ g, TRUE)
tweedie_peer <- function(fit) c(unlist(fixef(fit)[c("cond", "disp")]), qlogis(family_params(fit)[[1]] - 1))
fit <- glmmTMB(amount ~ x + g, simulated, family = glmmTMB::tweedie)
second(cases$tweedie, tweedie_peer(fit), l = logLik(fit))
fit <- glmmTMB(amount ~ x + g + offset(shift), simulated, family = glmmTMB::tweedie, dispformula = ~z)
second(cases$tweedie_phi, tweedie_peer(fit), l = logLik(fit))
fit <- glmmTMB(durable ~ age + quant, read.csv(tobin), family = glmmTMB::tweedie)
second(cases$tweedie_tobin, tweedie_peer(fit), l = logLik(fit), tolerance = 1e-3)
write_cases("continuous", lapply(unname(cases), function(case) case[names(case) != "peer"]))
