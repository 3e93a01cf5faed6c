# Censored responses: right by an event column, left and right by limits of measurement, intervals by two columns.
# Run by write_reference.R; writes data/censored.csv and censored.json.
#
# Row by row the log-likelihood is written with R's own densities and distribution functions on the log scale, and
# differentiated in the linear predictors by Richardson's extrapolation of central differences. Each fit is held against
# numDeriv, and where survreg() fits the same model against that.

suppressPackageStartupMessages(library(survival))

# ---- Data: simulated, so part of this project ------------------------------------------------------------------------

censored <- "tests/reference/data/censored.csv"
set.seed(20240302)
n <- 220
x <- round(runif(n), 4)
z <- round(rnorm(n), 3)
g <- sample(c("a", "b", "c"), n, replace = TRUE)
eta <- 0.8 + 0.7 * x + c(a = 0, b = 0.4, c = -0.3)[g]
time <- rweibull(n, exp(0.4 + 0.2 * z), exp(eta)) + 1e-3
value <- eta + 0.7 * rnorm(n)
between <- function(y, step) { # exact, before the first visit, after the last one, or between two
  kind <- sample(c("exact", "left", "right", "interval"), n, replace = TRUE, prob = c(3, 1.5, 2, 3.5))
  lower <- y - step * runif(n)
  list(lower = ifelse(kind == "exact", y, ifelse(kind == "left", NA, lower)),
       upper = ifelse(kind == "exact", y, ifelse(kind == "right", NA, lower + step * (1 + runif(n)))))
}
times <- between(log(time), 0.8)
values <- between(value, 0.9)
lapsed <- rep(FALSE, n)
lapsed[c(17, 90, 133)] <- TRUE # nothing is known of these
limit <- rexp(n, 1 / 6)
frame <- data.frame(
  x, z, g,
  shift = round(runif(n, -0.3, 0.3), 3),
  w = round(runif(n, 0.4, 2.5), 3),
  f = sample(0:3, n, replace = TRUE),
  firm = sample(sprintf("f%02d", 1:20), n, replace = TRUE),
  time = round(pmin(time, limit), 4), seen = as.numeric(time <= limit),
  after = ifelse(lapsed, NA, round(exp(times$lower), 4)), before = ifelse(lapsed, NA, round(exp(times$upper), 4)),
  low = round(values$lower, 4), high = round(values$upper, 4),
  near = round(value, 3), nearly = sprintf("%.9f", round(value, 3) + 1e-9), # apart by what a spreadsheet rounds
  close = round(time, 3), closer = sprintf("%.9f", round(time, 3) + 1e-9),
  measured = round(pmin(pmax(value, 0.4), 2.2), 4),
  share = round(plogis(2 * (value - 1.2)), 4),
  skewed = round(x + 0.97 * abs(rnorm(n)) + 0.24 * rnorm(n), 4),
  heavy = round(eta + exp(-0.6 + 0.3 * z) * rt(n, 4), 4)
)
write.csv(frame, censored, row.names = FALSE, quote = FALSE, eol = "\n")

# ---- Families: parameters, links, log-density, log of the distribution function or of its complement -----------------

gumbel <- list(d = function(y, m, s) -log(s) - (y - m) / s - exp(-(y - m) / s),
               p = function(y, m, s, lower) if (lower) -exp(-(y - m) / s) else log(-expm1(-exp(-(y - m) / s))))
families <- list(
  "exponential" = list("mu", "log", d = function(y, m) dexp(y, 1 / m, TRUE), p = function(y, m, lower) pexp(y, 1 / m, lower, TRUE)),
  "weibull" = list(c("scale", "shape"), c("log", "log"), d = function(y, m, k) dweibull(y, k, m, TRUE),
                   p = function(y, m, k, lower) pweibull(y, k, m, lower, TRUE)),
  "log-normal" = list(c("mu", "sigma"), c("identity", "log"), d = function(y, m, s) dlnorm(y, m, s, TRUE),
                      p = function(y, m, s, lower) plnorm(y, m, s, lower, TRUE)),
  "log-logistic" = list(c("scale", "shape"), c("log", "log"),
                        d = function(y, m, k) dlogis(log(y), log(m), 1 / k, TRUE) - log(y),
                        p = function(y, m, k, lower) plogis(log(y), log(m), 1 / k, lower, TRUE)),
  "gaussian" = list(c("mu", "phi"), c("identity", "log"), d = function(y, m, phi) dnorm(y, m, sqrt(phi), TRUE),
                    p = function(y, m, phi, lower) pnorm(y, m, sqrt(phi), lower, TRUE)),
  "logistic" = list(c("mu", "sigma"), c("identity", "log"), d = function(y, m, s) dlogis(y, m, s, TRUE),
                    p = function(y, m, s, lower) plogis(y, m, s, lower, TRUE)),
  "gumbel" = c(list(c("mu", "sigma"), c("identity", "log")), gumbel),
  "student-t" = list(c("mu", "sigma", "nu"), c("identity", "log", "log"),
                     d = function(y, m, s, nu) dt((y - m) / s, nu, log = TRUE) - log(s),
                     p = function(y, m, s, nu, lower) pt((y - m) / s, nu, lower.tail = lower, log.p = TRUE)),
  "gamma" = list(c("mu", "phi"), c("log", "log"),
                 d = function(y, m, phi) dgamma(y, 1 / phi, scale = m * phi, log = TRUE),
                 p = function(y, m, phi, lower) pgamma(y, 1 / phi, scale = m * phi, lower.tail = lower, log.p = TRUE)),
  "inverse-gaussian" = list(
    c("mu", "phi"), c("log", "log"), d = function(y, m, phi) statmod::dinvgauss(y, m, dispersion = phi, log = TRUE),
    p = function(y, m, phi, lower) statmod::pinvgauss(y, m, dispersion = phi, lower.tail = lower, log.p = TRUE)),
  "beta" = list(c("mu", "precision"), c("logit", "log"), d = function(y, m, k) dbeta(y, m * k, (1 - m) * k, log = TRUE),
                p = function(y, m, k, lower) pbeta(y, m * k, (1 - m) * k, lower.tail = lower, log.p = TRUE)),
  # its distribution function by adaptive quadrature of its density, as R has none on the log scale
  "skew-normal" = list(
    c("mu", "sigma", "slant"), c("identity", "log", "identity"),
    d = function(y, m, s, a) log(2 / s) + dnorm((y - m) / s, log = TRUE) + pnorm(a * (y - m) / s, log.p = TRUE),
    p = function(y, m, s, a, lower) mapply(function(q, a) {
      density <- function(t) 2 * dnorm(t) * pnorm(a * t)
      cuts <- if (lower) c(rev(q - c(0, 0.5, 1, 2, 4, 8, 16))) else q + c(0, 0.5, 1, 2, 4, 8, 16)
      log(sum(mapply(function(from, to) integrate(density, from, to, rel.tol = 1e-13)$value, head(cuts, -1), cuts[-1])))
    }, (y - m) / s, a))
)
natural_links <- list(identity = identity, log = exp, logit = plogis)

# The log-likelihood of each row: `ends` are its bounds, NA where there is none.
row_log_likelihood <- function(facts, ends, parameters) {
  take <- function(rows) lapply(parameters, function(value) value[rows])
  at <- function(f, y, rows, ...) do.call(f, c(list(y[rows]), take(rows), list(...)))
  l <- rep(NA_real_, nrow(ends))
  exact <- which(ends$lower == ends$upper)
  right <- which(is.na(ends$upper))
  left <- which(is.na(ends$lower))
  narrow <- which(ends$upper > ends$lower & ends$upper < ends$lower + 1e-6)
  inside <- setdiff(seq_along(l), c(exact, right, left, narrow))
  l[exact] <- at(facts$d, ends$lower, exact)
  if (length(narrow)) { # the density in the middle, times the width
    l[narrow] <- at(facts$d, (ends$lower + ends$upper) / 2, narrow) + log(ends$upper[narrow] - ends$lower[narrow])
  }
  if (length(right)) l[right] <- at(facts$p, ends$lower, right, FALSE)
  if (length(left)) l[left] <- at(facts$p, ends$upper, left, TRUE)
  if (length(inside)) {
    below <- at(facts$p, ends$upper, inside, TRUE) < at(facts$p, ends$lower, inside, FALSE)
    more <- less <- rep(NA_real_, length(inside))
    for (lower in c(TRUE, FALSE)) if (any(below == lower)) {
      rows <- inside[below == lower]
      more[below == lower] <- at(facts$p, if (lower) ends$upper else ends$lower, rows, lower)
      less[below == lower] <- at(facts$p, if (lower) ends$lower else ends$upper, rows, lower)
    }
    l[inside] <- more + log(-expm1(less - more))
  }
  l
}

extrapolate <- function(differences) {
  for (order in seq_len(length(differences) - 1)) {
    differences <- Map(function(rough, fine) (4^order * fine - rough) / (4^order - 1), head(differences, -1), differences[-1])
  }
  differences[[1]]
}

# Value, score and Hessian of every row in its linear predictors (n, K).
numerical_rows <- function(value, eta) {
  K <- ncol(eta)
  moved <- function(k, by, j = k, also = 0) {
    eta[, k] <- eta[, k] + by
    eta[, j] <- eta[, j] + also
    value(eta)
  }
  l <- value(eta)
  steps <- 0.1 * 2^-(0:4)
  g <- matrix(0, nrow(eta), K)
  h <- array(0, c(nrow(eta), K, K))
  for (k in seq_len(K)) {
    up <- lapply(steps, function(s) moved(k, s))
    down <- lapply(steps, function(s) moved(k, -s))
    g[, k] <- extrapolate(Map(function(a, b, s) (a - b) / (2 * s), up, down, steps))
    h[, k, k] <- extrapolate(Map(function(a, b, s) (a - 2 * l + b) / s^2, up, down, steps))
    for (j in seq_len(k - 1)) {
      h[, j, k] <- h[, k, j] <- extrapolate(lapply(steps, function(s) {
        (moved(k, s, j, s) - moved(k, s, j, -s) - moved(k, -s, j, s) + moved(k, -s, j, -s)) / (4 * s^2)
      }))
    }
  }
  list(l = l, g = g, h = h)
}

# ---- One case --------------------------------------------------------------------------------------------------------

# `ends`: a function of the data that gives the bounds; `...`: event, censor and other fields of the specification.
censored_case <- function(name, family, formula, data, ends, ..., further = list(), link = NULL, start = 0) {
  now$case <- name
  facts <- families[[family]]
  links <- replace(facts[[2]], 1, link %or% facts[[2]][1])
  spec <- list(formulas = as.list(c(formula, sprintf("%s ~ %s", names(further), unlist(further)))), family = family,
               links = list(mu = links[1]), ...)
  estimated <- setdiff(facts[[1]], names(spec$fixed))
  sides <- c(list(as.formula(sub("^[^~]*", "", formula))), lapply(estimated[-1], function(q) as.formula(paste("~", further[[q]] %or% "1"))))
  clusters <- if (grepl("^cluster", spec$se %or% "")) sub("cluster:", "", spec$se)
  frame <- read_data(data, c(unlist(lapply(sides, all.vars)), spec$weights, spec$offset, spec$freq_weights), spec$freq_weights)
  bounds <- ends(frame)
  known <- !(is.na(bounds$lower) & is.na(bounds$upper))
  frame <- frame[known, ]
  bounds <- bounds[known, ]
  X <- lapply(sides, function(f) model.matrix(f, frame))
  terms <- lapply(seq_along(X), function(j) {
    mf <- model.frame(sides[[j]], frame)
    if (ncol(X[[j]]) == 1) "Intercept" else term_names(X[[j]], .getXlevels(terms(mf), mf))
  })
  w <- if (is.null(spec$weights)) rep(1, nrow(frame)) else frame[[spec$weights]]
  has_phi <- "phi" %in% facts[[1]]
  predictors <- lapply(seq_along(X), function(j) list(X = X[[j]], offset = rep(0, nrow(frame))))
  if (!is.null(spec$offset)) predictors[[1]]$offset <- frame[[spec$offset]]
  case_weight <- if (has_phi) 1 else w
  value <- function(eta) {
    parameters <- lapply(facts[[1]], function(q) {
      if (!q %in% estimated) return(rep(spec$fixed[[q]], nrow(eta)))
      natural <- natural_links[[links[match(q, facts[[1]])]]](eta[, match(q, estimated)])
      if (q == "phi") natural / w else natural # Var = phi V / w
    })
    row_log_likelihood(facts, bounds, parameters)
  }
  derivatives <- function(eta, y, w) numerical_rows(value, eta)
  total <- function(theta) sum(case_weight * value(linear_predictors(predictors, theta)))
  safe <- function(theta) if (is.finite(l <- suppressWarnings(total(theta)))) l else -1e10
  begin <- unlist(lapply(seq_along(X), function(j) c(rep_len(start, length(X))[j], rep(0, ncol(X[[j]]) - 1))))
  rough <- optim(begin, safe, control = list(fnscale = -1, maxit = 20000, reltol = 1e-12))
  rough <- optim(rough$par, safe, method = "BFGS", control = list(fnscale = -1, maxit = 2000, reltol = 1e-14))
  theta <- newton(predictors, derivatives, NULL, w, rough$par, case_weight)
  at <- derivatives(linear_predictors(predictors, theta))
  bread <- inverse(information(predictors, case_weight * at$h))
  S <- scores(predictors, case_weight * at$g)
  V <- covariance(spec$se %or% "hessian", bread, S, NULL, NULL, 1, unname(frame[clusters]), 1)
  se <- standard_errors(V)
  agree(sqrt(diag(inverse(-numDeriv::hessian(total, theta)))), sqrt(diag(bread)), 1e-4, "numerical standard errors")
  if (max(abs(numDeriv::grad(total, theta) * sqrt(diag(bread)))) > 1e-6) stop(name, ": the gradient is not zero")
  if (total(theta) < rough$value - 1e-8) stop(name, ": Newton left the maximum of optim()")

  parameter <- rep(estimated, vapply(X, ncol, 0L))
  auxiliary <- list()
  for (q in estimated[-1]) if (sum(parameter == q) == 1) {
    at_log <- links[match(q, facts[[1]])] == "log"
    b <- theta[parameter == q]
    auxiliary <- c(auxiliary, list(list(name = q, estimate = if (at_log) exp(b) else b,
                                        std_error = unname((if (at_log) exp(b) else 1) * se[parameter == q]))))
  }
  l <- total(theta)
  k <- length(theta)
  fit <- list(log_likelihood = l, deviance = NA, pearson_chi2 = NA, aic = -2 * l + 2 * k, bic = -2 * l + log(nrow(frame)) * k,
              n_parameters = k)
  inference <- list(statistic = "z", p_values = 2 * pnorm(-abs(theta / se)))
  case <- finish(name, "R's densities and distribution functions; Newton with Richardson's extrapolation", data, spec,
                 parameter, unlist(terms), theta, se, inference, auxiliary, fit, NULL)
  case$peer <- list(theta = theta, se = sqrt(diag(bread)), l = l)
  case
}

event <- function(time, status) function(d) data.frame(lower = d[[time]], upper = ifelse(d[[status]] == 1, d[[time]], NA))
columns <- function(lower, upper) function(d) data.frame(lower = d[[lower]], upper = as.numeric(d[[upper]]))
limits <- function(y, low = -Inf, high = Inf) function(d) {
  data.frame(lower = ifelse(d[[y]] <= low, NA, pmin(d[[y]], high)), upper = ifelse(d[[y]] >= high, NA, pmax(d[[y]], low)))
}
veteran <- "sample_data/veteran.csv"
tobin <- "sample_data/tobin.csv"
lived <- event("time", "status")
right <- event("time", "seen")
visits <- columns("after", "before")
range <- columns("low", "high")

cases <- list(
  censored_case("veteran_exponential", "exponential", "time ~ trt + celltype + karno", veteran, lived, event = "status", start = 4),
  censored_case("veteran_weibull", "weibull", "time ~ trt + celltype + karno", veteran, lived, event = "status", start = c(4, 0)),
  censored_case("veteran_weibull_shape", "weibull", "time ~ celltype + karno", veteran, lived, event = "status",
                further = list(shape = "trt"), start = c(4, 0)),
  censored_case("veteran_lognormal", "log-normal", "time ~ trt + celltype + karno", veteran, lived, event = "status", start = c(4, 0)),
  censored_case("veteran_loglogistic", "log-logistic", "time ~ trt + celltype + karno", veteran, lived, event = "status",
                start = c(4, 0)),
  censored_case("veteran_gamma", "gamma", "time ~ trt + celltype + karno", veteran, lived, event = "status", start = c(4, 0)),
  censored_case("right_weibull_weights", "weibull", "time ~ x + g", censored, right, event = "seen", weights = "w", offset = "shift",
                start = c(1, 0)),
  censored_case("right_weibull_cluster", "weibull", "time ~ x + g", censored, right, event = "seen", further = list(shape = "z"),
                se = "cluster:firm", start = c(1, 0)),
  censored_case("right_gamma_frequency", "gamma", "time ~ x + g", censored, right, event = "seen", freq_weights = "f", start = c(1, 0)),
  censored_case("right_gamma_weights", "gamma", "time ~ x + g", censored, right, event = "seen", weights = "w", start = c(1, 0)),
  censored_case("right_gamma_phi", "gamma", "time ~ x", censored, right, event = "seen", further = list(phi = "z"), se = "hc0",
                start = c(1, 0)),
  censored_case("right_inverse_gaussian", "inverse-gaussian", "time ~ x", censored, right, event = "seen", link = "log", start = c(1, 0)),
  censored_case("interval_exponential", "exponential", "~ x + g", censored, visits, censor = "after,before", start = 1),
  censored_case("interval_weibull", "weibull", "~ x + g", censored, visits, censor = "after,before", start = c(1, 0)),
  censored_case("interval_lognormal", "log-normal", "~ x + g", censored, visits, censor = "after,before", start = c(1, 0)),
  censored_case("interval_loglogistic", "log-logistic", "after ~ x + g", censored, visits, censor = "after,before",
                further = list(shape = "z"), start = c(1, 0)),
  censored_case("interval_gamma", "gamma", "~ x + g", censored, visits, censor = "after,before", start = c(1, 0)),
  censored_case("interval_inverse_gaussian", "inverse-gaussian", "~ x", censored, visits, censor = "after,before", link = "log",
                start = c(1, 0)),
  censored_case("interval_gaussian", "gaussian", "~ x + g", censored, range, censor = "low,high", start = c(1, 0)),
  censored_case("interval_logistic", "logistic", "high ~ x + g", censored, range, censor = "low,high", start = c(1, 0)),
  censored_case("interval_gumbel", "gumbel", "~ x + g", censored, range, censor = "low,high", start = c(1, 0)),
  censored_case("interval_student_fixed", "student-t", "~ x + g", censored, range, censor = "low,high", fixed = list(nu = 4),
                start = c(1, 0)),
  censored_case("limits_skew_normal", "skew-normal", "skewed ~ x", censored, limits("skewed", -0.3, 2.4), censor = "-0.3,2.4",
                start = c(0, 0, 3)),
  censored_case("limits_student", "student-t", "heavy ~ x", censored, limits("heavy", high = 2), censor = ",2", further = list(sigma = "z"),
                start = c(1, 0, 1.5)),
  censored_case("narrow_gaussian", "gaussian", "~ x + g", censored, columns("near", "nearly"), censor = "near,nearly", start = c(1, 0)),
  censored_case("narrow_gamma", "gamma", "~ x + g", censored, columns("close", "closer"), censor = "close,closer", start = c(1, 0)),
  censored_case("tobin_gaussian", "gaussian", "durable ~ age + quant", tobin, limits("durable", 0), censor = "0,", start = c(10, 3)),
  censored_case("tobin_student", "student-t", "durable ~ age + quant", tobin, limits("durable", 0), censor = "0,",
                fixed = list(nu = 6), start = c(10, 1)),
  censored_case("limits_gaussian", "gaussian", "measured ~ x + g", censored, limits("measured", 0.4, 2.2), censor = "0.4,2.2",
                start = c(1, 0)),
  censored_case("limits_gaussian_weights", "gaussian", "measured ~ x", censored, limits("measured", 0.4, 2.2), censor = "0.4,2.2",
                weights = "w", offset = "shift", start = c(1, 0)),
  censored_case("limits_logistic", "logistic", "measured ~ x + g", censored, limits("measured", high = 2.2), censor = ",2.2",
                further = list(sigma = "z"), start = c(1, 0)),
  censored_case("limits_beta", "beta", "share ~ x + g", censored, limits("share", 0.2, 0.8), censor = "0.2,0.8", start = c(0, 1)),
  censored_case("limits_gamma", "gamma", "time ~ x", censored, limits("time", 0.5), censor = "0.5,", start = c(1, 0))
)
names(cases) <- vapply(cases, `[[`, "", "name")

# ---- Second opinions -------------------------------------------------------------------------------------------------

veterans <- read_data(veteran, character(), NULL)
simulated <- read_data(censored, character(), NULL)
households <- read.csv(tobin)
# In our order and on our scales: survreg's log(scale) is -log shape, log sigma, or half of log phi.
held_against <- function(name, fit, factor) {
  now$case <- name
  own <- cases[[name]]$peer
  agree(unname(c(coef(fit), if (!is.null(factor)) factor * log(fit$scale))), unname(own$theta), 1e-6, "estimates of survreg()")
  scale <- c(rep(1, length(coef(fit))), rep(abs(factor %or% 1), length(fit$scale)))[seq_along(own$se)]
  agree(unname(sqrt(diag(vcov(fit))) * scale), unname(own$se), 1e-5, "standard errors of survreg()")
  agree(fit$loglik[2], own$l, 1e-9, "log-likelihoods of survreg()")
}
precise <- survreg.control(rel.tolerance = 1e-14, toler.chol = 1e-14, maxiter = 100)
fitted_by <- function(formula, dist, data, ...) do.call(survreg, list(formula, data, dist = dist, control = precise, ...))
for (pair in list(c("exponential", "exponential"), c("weibull", "weibull"), c("lognormal", "lognormal"), c("loglogistic", "loglogistic"))) {
  factor <- list(exponential = NULL, weibull = -1, lognormal = 1, loglogistic = -1)[[pair[1]]]
  held_against(paste0("veteran_", pair[1]), fitted_by(Surv(time, status) ~ trt + celltype + karno, pair[2], veterans), factor)
}
for (dist in c("exponential", "weibull", "lognormal")) {
  factor <- list(exponential = NULL, weibull = -1, lognormal = 1)[[dist]]
  held_against(paste0("interval_", dist), fitted_by(Surv(after, before, type = "interval2") ~ x + g, dist, simulated), factor)
}
held_against("right_weibull_weights",
             fitted_by(Surv(time, seen) ~ x + g + offset(shift), "weibull", simulated, weights = simulated$w), -1)
for (dist in c("gaussian", "logistic")) {
  factor <- c(gaussian = 2, logistic = 1)[[dist]]
  held_against(paste0("interval_", dist), fitted_by(Surv(low, high, type = "interval2") ~ x + g, dist, simulated), factor)
}
held_against("interval_student_fixed",
             fitted_by(Surv(low, high, type = "interval2") ~ x + g, "t", simulated, parms = 4), 1)
held_against("tobin_gaussian", fitted_by(Surv(durable, durable > 0, type = "left") ~ age + quant, "gaussian", households), 2)
held_against("tobin_student",
             fitted_by(Surv(durable, durable > 0, type = "left") ~ age + quant, "t", households, parms = 6), 1)
simulated$from <- limits("measured", 0.4, 2.2)(simulated)$lower
simulated$to <- limits("measured", 0.4, 2.2)(simulated)$upper
held_against("limits_gaussian", fitted_by(Surv(from, to, type = "interval2") ~ x + g, "gaussian", simulated), 2)

write_cases("censored", lapply(unname(cases), function(case) case[names(case) != "peer"]))
