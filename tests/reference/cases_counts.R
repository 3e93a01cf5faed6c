# Counts of another spread than the Poisson's, and the wrappers: zero-inflated, hurdle, zero-truncated; beta-binomial.
# Run by write_reference.R; writes data/counts.csv and counts.json.
#
# Each density and its score on the working scales (log mu, log alpha, logit zero ...) is written here from its textbook
# formula: by deriv(), by Bessel functions, by sums. The Hessian is a Richardson extrapolation of differences of the
# score. R's own densities and the fits of pscl, glmmTMB and VGAM are held against them.

# ---- Data: simulated, so part of this project ------------------------------------------------------------------------

counts <- "tests/reference/data/counts.csv"
set.seed(20240303)
n <- 260
x <- round(runif(n), 4)
z <- round(rnorm(n), 3)
g <- sample(c("a", "b", "c"), n, replace = TRUE)
shift <- round(runif(n, -0.3, 0.3), 3)
mean <- exp(0.9 + 0.8 * x + c(a = 0, b = 0.4, c = -0.3)[g])
spread <- exp(-0.3 + 0.4 * z)
progeny <- function(m, a) { # of Poisson(m) founders, where everyone has Poisson(a) children
  total <- now <- rpois(length(m), m)
  while (any(now > 0)) total <- total + (now <- rpois(length(m), a * now))
  total
}
from_terms <- function(log_terms) sample(seq_along(log_terms) - 1, 1, prob = exp(log_terms - max(log_terms)))
even <- function(m, nu) mapply(function(m, nu) from_terms(nu * (0:80 * log(m) - lfactorial(0:80))), m, nu)
above_zero <- function(draw) {
  y <- draw()
  while (any(y == 0)) y <- ifelse(y == 0, draw(), y)
  y
}
keep <- runif(n) > plogis(-0.8 + 0.5 * z)
trials <- sample(3:14, n, replace = TRUE)
p <- plogis(-0.5 + x + c(a = 0, b = 0.5, c = -0.4)[g])
k <- exp(1 + 0.4 * z)
write.csv(data.frame(
  x, z, g, shift,
  w = round(runif(n, 0.4, 2.5), 3),
  nb1 = rnbinom(n, mu = mean, size = mean / spread),
  progeny = progeny(mean / (1 + 0.6 * spread), 0.6 * spread / (1 + 0.6 * spread)),
  even = even(mean + 0.5, exp(0.7 + 0.4 * z)),
  uneven = even(mean, 0.5),
  pig = rpois(n, mean * statmod::rinvgauss(n, 1, dispersion = spread)),
  inflated = keep * rpois(n, mean),
  spread_inflated = keep * rnbinom(n, mu = mean * 1.5, size = 1.3),
  positive = above_zero(function() rpois(n, 0.6 * mean)),
  spread_positive = above_zero(function() rnbinom(n, mu = mean, size = 1.3)),
  trials,
  successes = rbinom(n, trials, rbeta(n, p * k, (1 - p) * k)),
  inflated_successes = keep * rbinom(n, trials, p),
  spread_successes = keep * rbinom(n, trials, rbeta(n, 6 * p, 6 * (1 - p)))
), counts, row.names = FALSE, quote = FALSE, eol = "\n")

# ---- Densities: l (n) and score g (n, K) on the working scales -------------------------------------------------------

symbolic_rows <- function(density, k) {
  names <- paste0("e", seq_len(k))
  row <- deriv(density, names, function.arg = c(names, "y", "m"))
  function(eta, y, m) {
    value <- do.call(row, c(lapply(seq_len(k), function(j) eta[, j]), list(y, m)))
    list(l = as.vector(value), g = unname(attr(value, "gradient")))
  }
}

log_choose <- quote(lgamma(m + 1) - lgamma(y + 1) - lgamma(m - y + 1))
beta_density <- quote(lgamma(y + a) - lgamma(a) + lgamma(m - y + b) - lgamma(b) - lgamma(m + a + b) + lgamma(a + b))
beta_density <- put(beta_density, a = quote((exp(e2) / (1 + exp(-e1)))), b = quote((exp(e2) / (1 + exp(e1)))))

# Poisson(mu v), v inverse Gaussian with mean 1 and variance a: Bessel functions of the third kind, and their recurrence.
pig_rows <- function(eta, y, m) {
  mu <- exp(eta[, 1]); a <- exp(eta[, 2]); nu <- y - 0.5
  s2 <- 1 + 2 * a * mu; z <- sqrt(s2) / a
  K <- function(order) besselK(z, abs(order), expon.scaled = TRUE)
  dlogK <- -(K(nu - 1) + K(nu + 1)) / (2 * K(nu))
  l <- 1 / a - z + 0.5 * log(2 / (pi * a)) + y * log(mu) - lgamma(y + 1) - nu / 2 * log(s2) + log(K(nu))
  cbind_score <- cbind(y - nu * a * mu / s2 + dlogK * mu / sqrt(s2),
                       -1 / a - 0.5 - nu * a * mu / s2 + dlogK * (mu / sqrt(s2) - z))
  list(l = l, g = cbind_score)
}

# lambda^j / (j!)^nu with the lambda that gives the mean by Newton's method. d l / d mu = (y - mu) / V, and
# d l / d nu = (y - mu) Cov(j, log j!) / V - log y! + E log j!.
cmp_rows <- function(eta, y, m) {
  mu <- exp(eta[, 1]); nu <- exp(eta[, 2])
  j <- 0:120; lf <- lfactorial(j)
  shares <- function(x) {
    a <- outer(x, j) - outer(nu, lf)
    top <- a[cbind(seq_along(x), max.col(a, "first"))]
    e <- exp(a - top)
    list(p = e / rowSums(e), log_sum = top + log(rowSums(e)))
  }
  x <- ifelse(mu + 0.5 - 0.5 / nu > 0.1, nu * log(pmax(mu + 0.5 - 0.5 / nu, 0.1)), log(mu / (1 + mu)))
  for (i in 1:60) {
    p <- shares(x)$p
    first <- drop(p %*% j)
    miss <- log(mu / first)
    x <- x + pmax(-1, pmin(1, miss * first / (drop(p %*% j^2) - first^2)))
    if (anyNA(miss) || max(abs(miss)) < 1e-8) break
  }
  at <- shares(x)
  V <- drop(at$p %*% j^2) - mu^2
  mean_lf <- drop(at$p %*% lf)
  covariance <- drop(at$p %*% (j * lf)) - mu * mean_lf
  list(l = y * x - nu * lgamma(y + 1) - at$log_sum, V = V,
       g = cbind(mu * (y - mu) / V, nu * ((y - mu) * covariance / V - lgamma(y + 1) + mean_lf)))
}

bases <- list(
  "poisson" = list("mu", symbolic_rows(quote(y * e1 - exp(e1) - lgamma(y + 1)), 1), function(q) q[[1]]),
  "geometric" = list("mu", symbolic_rows(quote(y * e1 - (y + 1) * log(1 + exp(e1))), 1), function(q) q[[1]] + q[[1]]^2),
  "negative-binomial" = list(
    c("mu", "alpha"),
    symbolic_rows(quote(lgamma(y + exp(-e2)) - lgamma(exp(-e2)) - lgamma(y + 1) + y * (e1 + e2) -
                        (y + exp(-e2)) * log(1 + exp(e1 + e2))), 2), function(q) q[[1]] + q[[2]] * q[[1]]^2),
  "negative-binomial-1" = list(
    c("mu", "alpha"),
    symbolic_rows(quote(lgamma(y + exp(e1 - e2)) - lgamma(exp(e1 - e2)) - lgamma(y + 1) + y * e2 -
                        (y + exp(e1 - e2)) * log(1 + exp(e2))), 2), function(q) q[[1]] * (1 + q[[2]])),
  "generalized-poisson" = list(
    c("mu", "alpha"),
    symbolic_rows(quote(e1 - log(1 + exp(e2)) + (y - 1) * log((exp(e1) + exp(e2) * y) / (1 + exp(e2))) -
                        (exp(e1) + exp(e2) * y) / (1 + exp(e2)) - lgamma(y + 1)), 2),
    function(q) q[[1]] * (1 + q[[2]])^2),
  "poisson-inverse-gaussian" = list(c("mu", "alpha"), pig_rows, function(q) q[[1]] + q[[2]] * q[[1]]^2),
  "conway-maxwell-poisson" = list(c("mu", "nu"), cmp_rows, function(q) {
    cmp_rows(log(cbind(q[[1]], q[[2]])), rep(0, length(q[[1]])), NULL)$V
  }),
  "binomial" = list("mu", symbolic_rows(put(quote(f + y * e1 - m * log(1 + exp(e1))), f = log_choose), 1),
                    function(q, m) m * q[[1]] * (1 - q[[1]])),
  "beta-binomial" = list(
    c("mu", "precision"), symbolic_rows(put(quote(f + d), f = log_choose, d = beta_density), 2),
    function(q, m) m * q[[1]] * (1 - q[[1]]) * (1 + (m - 1) / (1 + q[[2]])))
)

# The wrappers' densities and scores by the product and chain rules, from those of the family inside.
wrappers <- list(
  "zero-inflated" = function(rows, k) function(eta, y, m) {
    inner <- rows(eta[, 1:k, drop = FALSE], y, m)
    pi <- plogis(eta[, k + 1]); none <- y == 0
    f <- ifelse(none, pi, 0) + (1 - pi) * exp(inner$l)
    own <- (1 - pi) * exp(inner$l) / f # the probability that a zero comes from inside
    list(l = ifelse(none, log(f), log(1 - pi) + inner$l),
         g = cbind(inner$g * ifelse(none, own, 1),
                   ifelse(none, pi * (1 - pi) * (1 - exp(inner$l)) / f, -pi)))
  },
  "hurdle" = function(rows, k) function(eta, y, m) {
    inner <- rows(eta[, 1:k, drop = FALSE], y, m)
    at_0 <- rows(eta[, 1:k, drop = FALSE], 0 * y, m)
    pi <- plogis(eta[, k + 1]); none <- y == 0
    list(l = ifelse(none, log(pi), log(1 - pi) + inner$l - log(1 - exp(at_0$l))),
         g = cbind((inner$g + at_0$g * exp(at_0$l) / (1 - exp(at_0$l))) * !none, none - pi))
  },
  "zero-truncated" = function(rows, k) function(eta, y, m) {
    inner <- rows(eta, y, m)
    at_0 <- rows(eta, 0 * y, m)
    list(l = inner$l - log(1 - exp(at_0$l)), g = inner$g + at_0$g * exp(at_0$l) / (1 - exp(at_0$l)))
  }
)

# A family: its parameters, their scales, and its rows.
family_of <- function(name) {
  wrapper <- Filter(function(one) startsWith(name, paste0(one, "-")), names(wrappers))
  base <- if (length(wrapper)) sub(paste0(wrapper, "-"), "", name, fixed = TRUE) else name
  parameters <- bases[[base]][[1]]
  rows <- bases[[base]][[2]]
  if (length(wrapper)) {
    rows <- wrappers[[wrapper]](bases[[base]][[2]], length(bases[[base]][[1]]))
    if (wrapper != "zero-truncated") parameters <- c(parameters, "zero")
  }
  scales <- ifelse(parameters == "zero" | (parameters == "mu" & grepl("binomial$", base) & !grepl("negative", base)),
                   "logit", "log")
  list(parameters = parameters, scales = scales, rows = rows, base = base, wrapper = wrapper,
       trials = base %in% c("binomial", "beta-binomial"), variance = bases[[base]][[3]])
}

# ---- One case --------------------------------------------------------------------------------------------------------

# From linear predictors to working scales and back, with the slope; links are named where they are not the scale's own.
on_scales <- function(family, links, rows) function(eta, y, m) {
  slope <- work <- eta
  for (j in seq_along(family$parameters)) {
    at <- list(eta = eta[, j])
    value <- eval(inverse_link(links[j]), at)
    d <- eval(D(inverse_link(links[j]), "eta"), at)
    log_scale <- family$scales[j] == "log"
    work[, j] <- if (links[j] == family$scales[j]) eta[, j] else if (log_scale) log(value) else qlogis(value)
    slope[, j] <- if (links[j] == family$scales[j]) 1 else d / if (log_scale) value else value * (1 - value)
  }
  at <- rows(work, y, m)
  list(l = at$l, g = at$g * slope)
}

with_hessian <- function(rows) function(eta, y, w) {
  m <- now$trials
  at <- rows(eta, y, m)
  at$h <- array(0, c(length(y), ncol(eta), ncol(eta)))
  for (k in seq_len(ncol(eta))) { # Richardson's extrapolation of central differences of the score
    differences <- lapply(2^-(0:4) * 0.02, function(step) {
      up <- down <- eta; up[, k] <- up[, k] + step; down[, k] <- down[, k] - step
      (rows(up, y, m)$g - rows(down, y, m)$g) / (2 * step)
    })
    for (order in 1:4) differences <- Map(function(rough, fine) (4^order * fine - rough) / (4^order - 1),
                                          head(differences, -1), tail(differences, -1))
    at$h[, k, ] <- differences[[1]]
  }
  at$h <- (at$h + aperm(at$h, c(1, 3, 2))) / 2
  at
}

# further: formulas of further parameters, by name; links: those that are not the default.
count_case <- function(name, family, formula, further = list(), links = list(), weights = NULL, offset = NULL,
                       data = counts, se = NULL, start = NULL) {
  now$case <- name
  facts <- family_of(family)
  parameters <- facts$parameters
  texts <- c(formula, sprintf("%s ~ %s", names(further), unlist(further)))
  spec <- list(formulas = as.list(texts), family = family, weights = weights, offset = offset, se = se)
  if (length(links)) spec$links <- links
  all_links <- ifelse(parameters %in% names(links), unlist(links)[parameters], facts$scales)
  left <- as.formula(formula)[[2]]
  formulas <- c(list(as.formula(formula)[-2]), lapply(parameters[-1], function(q) as.formula(paste("~", further[[q]] %or% "1"))))
  clusters <- if (grepl("^cluster", se %or% "")) strsplit(sub("cluster:", "", se), ",")[[1]]
  frame <- read_data(data, c(all.vars(left), unlist(lapply(formulas, all.vars)), weights, offset, clusters), NULL)
  y <- if (facts$trials) frame[[as.character(left[[2]])]] else eval(left, frame)
  now$trials <- if (facts$trials) frame[[as.character(left[[3]])]]
  w <- if (is.null(weights)) rep(1, nrow(frame)) else frame[[weights]]
  X <- lapply(formulas, function(f) model.matrix(f, frame))
  terms <- lapply(seq_along(X), function(j) {
    mf <- model.frame(formulas[[j]], frame)
    if (ncol(X[[j]]) == 1) "Intercept" else term_names(X[[j]], .getXlevels(terms(mf), mf))
  })
  zero <- rep(0, nrow(frame))
  predictors <- lapply(seq_along(X), function(j) {
    list(X = X[[j]], offset = if (j == 1 && !is.null(offset)) frame[[offset]] else zero)
  })
  rows <- on_scales(facts, all_links, facts$rows)
  value <- function(theta) {
    l <- sum(w * suppressWarnings(rows(linear_predictors(predictors, theta), y, now$trials)$l))
    if (is.finite(l)) l else -1e10
  }
  slope <- function(theta) {
    g <- colSums(scores(predictors, w * suppressWarnings(rows(linear_predictors(predictors, theta), y, now$trials)$g)))
    ifelse(is.finite(g), g, 0)
  }
  start <- start %or% c(if (facts$scales[1] == "log") log(mean(y) + 0.1) else 0,
                        ifelse(parameters[-1] == "zero", -1, ifelse(parameters[-1] == "precision", 1, -0.3)))
  begin <- unlist(lapply(seq_along(X), function(j) c(start[j], rep(0, ncol(X[[j]]) - 1))))
  check <- numDeriv::grad(value, begin)
  if (max(abs(check - slope(begin)) / pmax(1, abs(check))) > 1e-6) stop(name, ": the score is not that of the density")
  rough <- optim(begin, value, slope, method = "BFGS", control = list(fnscale = -1, maxit = 2000, reltol = 1e-14))
  derivatives <- with_hessian(rows)
  theta <- newton(predictors, derivatives, y, w, rough$par, w)
  at <- derivatives(linear_predictors(predictors, theta), y, w)
  bread <- inverse(information(predictors, w * at$h))
  V <- covariance(se %or% "hessian", bread, scores(predictors, w * at$g), NULL, NULL, 1, unname(frame[clusters]), w)
  se_numbers <- sqrt(diag(V))
  agree(sqrt(diag(inverse(-numDeriv::hessian(value, theta)))), sqrt(diag(bread)), 1e-4, "numerical standard errors")
  if (value(theta) < rough$value - 1e-8) stop(name, ": Newton left the maximum of optim()")

  parameter <- rep(parameters, vapply(X, ncol, 0L))
  auxiliary <- list()
  for (j in seq_along(parameters)[-1]) if (sum(parameter == parameters[j]) == 1 && !(parameters[j] %in% names(further))) {
    b <- theta[parameter == parameters[j]]
    at_b <- list(eta = b)
    s <- se_numbers[parameter == parameters[j]] * abs(eval(D(inverse_link(all_links[j]), "eta"), at_b))
    auxiliary <- c(auxiliary, list(list(name = parameters[j], estimate = unname(eval(inverse_link(all_links[j]), at_b)),
                                        std_error = unname(s))))
  }
  l <- value(theta)
  fit <- list(log_likelihood = l, aic = -2 * l + 2 * length(theta), bic = -2 * l + log(length(y)) * length(theta),
              deviance = NA, null_deviance = NA)
  if (!length(further)) fit$pearson_chi2 <- pearson(facts, predictors, all_links, theta, y, w)
  inference <- list(statistic = "z", p_values = 2 * pnorm(-abs(theta / se_numbers)), dispersion = 1)
  case <- finish(name, paste("joint maximum likelihood: Newton; standard errors:", se %or% "hessian"), data, spec,
                 parameter, unlist(terms), theta, se_numbers, inference, auxiliary, fit, NULL)
  case$peer <- list(theta = theta, se = se_numbers, l = l, frame = frame, eta = linear_predictors(predictors, theta), y = y)
  case
}

# Mean and variance of what is wrapped by the laws of total expectation and variance.
pearson <- function(facts, predictors, links, theta, y, w) {
  eta <- linear_predictors(predictors, theta)
  q <- lapply(seq_along(links), function(j) eval(inverse_link(links[j]), list(eta = eta[, j])))
  m <- now$trials
  first <- if (facts$trials) m * q[[1]] else q[[1]]
  second <- (if (facts$trials) facts$variance(q, m) else facts$variance(q)) + first^2
  if (length(facts$wrapper)) {
    inner <- seq_along(bases[[facts$base]][[1]])
    working <- sapply(inner, function(j) if (facts$scales[j] == "log") log(q[[j]]) else qlogis(q[[j]]))
    f0 <- exp(bases[[facts$base]][[2]](matrix(working, length(y)), 0 * y, m)$l)
    share <- if (facts$wrapper == "zero-truncated") 1 / (1 - f0) else 1 - q[[length(q)]]
    if (facts$wrapper == "hurdle") share <- share / (1 - f0)
    first <- share * first; second <- share * second
  }
  sum(w * (y - first)^2 / (second - first^2))
}

two <- function(label, family, response, further, ...) {
  list(count_case(paste0(label, "_formula"), family, paste(response, "~ x + g"), further, ...),
       count_case(paste0(label, "_weights"), family, paste(response, "~ x"), weights = "w", offset = "shift", ...))
}
by_z <- function(parameter) setNames(list("z"), parameter)
quine <- "sample_data/quine.csv"
articles <- "sample_data/articles.csv"
all_articles <- "art ~ fem + mar + kid5 + phd + ment"
cases <- c(
  two("nb1", "negative-binomial-1", "nb1", by_z("alpha")),
  two("generalized_poisson", "generalized-poisson", "progeny", by_z("alpha")),
  two("cmp_even", "conway-maxwell-poisson", "even", by_z("nu")),
  two("cmp_uneven", "conway-maxwell-poisson", "uneven", by_z("nu")),
  two("pig", "poisson-inverse-gaussian", "pig", by_z("alpha")),
  two("beta_binomial", "beta-binomial", "successes / trials", by_z("precision")),
  two("zi_poisson", "zero-inflated-poisson", "inflated", by_z("zero")),
  two("zi_nb", "zero-inflated-negative-binomial", "spread_inflated", by_z("zero")),
  two("zi_nb1", "zero-inflated-negative-binomial-1", "spread_inflated", by_z("zero")),
  two("zi_geometric", "zero-inflated-geometric", "spread_inflated", by_z("zero")),
  two("zi_gp", "zero-inflated-generalized-poisson", "spread_inflated", by_z("zero")),
  two("zi_cmp", "zero-inflated-conway-maxwell-poisson", "inflated", by_z("zero")),
  two("zi_pig", "zero-inflated-poisson-inverse-gaussian", "spread_inflated", by_z("zero")),
  two("zi_binomial", "zero-inflated-binomial", "inflated_successes / trials", by_z("zero")),
  two("zi_beta_binomial", "zero-inflated-beta-binomial", "spread_successes / trials", by_z("zero")),
  two("hurdle_poisson", "hurdle-poisson", "inflated", by_z("zero")),
  two("hurdle_nb", "hurdle-negative-binomial", "spread_inflated", by_z("zero")),
  two("hurdle_nb1", "hurdle-negative-binomial-1", "spread_inflated", by_z("zero")),
  two("hurdle_geometric", "hurdle-geometric", "spread_inflated", by_z("zero")),
  two("hurdle_gp", "hurdle-generalized-poisson", "spread_inflated", by_z("zero")),
  two("hurdle_cmp", "hurdle-conway-maxwell-poisson", "inflated", by_z("zero")),
  two("hurdle_pig", "hurdle-poisson-inverse-gaussian", "spread_inflated", by_z("zero")),
  two("zt_poisson", "zero-truncated-poisson", "positive", list()),
  two("zt_nb", "zero-truncated-negative-binomial", "spread_positive", by_z("alpha")),
  two("zt_nb1", "zero-truncated-negative-binomial-1", "spread_positive", by_z("alpha")),
  two("zt_geometric", "zero-truncated-geometric", "spread_positive", list()),
  two("zt_gp", "zero-truncated-generalized-poisson", "spread_positive", by_z("alpha")),
  two("zt_cmp", "zero-truncated-conway-maxwell-poisson", "positive", by_z("nu")),
  two("zt_pig", "zero-truncated-poisson-inverse-gaussian", "spread_positive", by_z("alpha")),
  list(
    count_case("quine_nb1", "negative-binomial-1", "Days ~ Eth + Sex + Age + Lrn", data = quine),
    count_case("quine_gp_hc0", "generalized-poisson", "Days ~ Eth + Sex + Age + Lrn", data = quine, se = "hc0"),
    count_case("articles_zip", "zero-inflated-poisson", all_articles, list(zero = "fem + mar + kid5 + phd + ment"),
               data = articles),
    count_case("articles_zinb", "zero-inflated-negative-binomial", all_articles, list(zero = "ment"), data = articles),
    count_case("articles_hurdle", "hurdle-negative-binomial", all_articles, list(zero = "fem + mar + kid5 + phd + ment"),
               data = articles),
    count_case("zip_probit", "zero-inflated-poisson", "inflated ~ x + g", list(zero = "z"), list(zero = "probit")),
    count_case("zip_sqrt", "zero-inflated-poisson", "inflated ~ x", list(zero = "z"), list(mu = "sqrt"), start = c(1.8, -1)),
    count_case("zip_cluster", "zero-inflated-poisson", "inflated ~ x", se = "cluster:trials"),
    count_case("litters", "beta-binomial", "dead / n ~ group", list(precision = "hb"), data = "sample_data/lirat.csv")
  )
)
names(cases) <- vapply(cases, `[[`, "", "name")

# ---- Second opinions: R's densities, and the estimates, standard errors and log-likelihoods of packages --------------

second_opinion <- function(name, theta, se = NULL, l = NULL, tolerance = 1e-4) {
  now$case <- name
  peer <- cases[[name]]$peer
  agree(unname(theta), unname(peer$theta), tolerance, "estimates of the second opinion")
  if (!is.null(se)) agree(unname(se), unname(peer$se), 10 * tolerance, "standard errors of the second opinion")
  if (!is.null(l)) agree(as.numeric(l), peer$l, 1e-6, "log-likelihoods of the second opinion")
}
own_density <- function(name, density) {
  now$case <- name
  peer <- cases[[name]]$peer
  agree(sum(density(peer$y, peer$eta, peer$frame)), peer$l, 1e-9, "log-likelihoods of R's density")
}
alpha_of <- function(eta) exp(eta[, 2])
own_density("nb1_formula", function(y, eta, d) dnbinom(y, mu = exp(eta[, 1]), size = exp(eta[, 1]) / alpha_of(eta), log = TRUE))
own_density("pig_formula", function(y, eta, d) {
  actuar::dpoisinvgauss(y, exp(eta[, 1]), shape = exp(eta[, 1]) / alpha_of(eta), log = TRUE)
})
own_density("zt_pig_formula", function(y, eta, d) {
  mu <- exp(eta[, 1]); shape <- mu / alpha_of(eta)
  actuar::dpoisinvgauss(y, mu, shape = shape, log = TRUE) - log(1 - actuar::dpoisinvgauss(0 * y, mu, shape = shape))
})
own_density("zi_pig_formula", function(y, eta, d) {
  mu <- exp(eta[, 1]); zero <- plogis(eta[, 3])
  log(zero * (y == 0) + (1 - zero) * actuar::dpoisinvgauss(y, mu, shape = mu / alpha_of(eta)))
})
own_density("beta_binomial_formula", function(y, eta, d) {
  VGAM::dbetabinom(y, d$trials, plogis(eta[, 1]), 1 / (1 + exp(eta[, 2])), log = TRUE)
})
own_density("generalized_poisson_formula", function(y, eta, d) {
  alpha <- alpha_of(eta)
  VGAM::dgenpois0(y, exp(eta[, 1]) / (1 + alpha), alpha / (1 + alpha), log = TRUE)
})

simulated <- read_data(counts, character(), NULL)
TMB <- glmmTMB::glmmTMB
with_TMB <- function(name, fit, second_sign = 1, tolerance = 2e-4) {
  parts <- glmmTMB::fixef(fit)
  disp <- if (fit$modelInfo$family$family %in% c("poisson", "truncated_poisson", "binomial")) NULL else second_sign * parts$disp
  k <- c(rep(1, length(parts$cond)), rep(second_sign, length(disp)), rep(1, length(parts$zi)))
  se <- sqrt(diag(vcov(fit, full = TRUE)))[c(seq_along(parts$cond), length(parts$cond) + length(parts$zi) + seq_along(disp),
                                             length(parts$cond) + seq_along(parts$zi))]
  second_opinion(name, c(parts$cond, disp, parts$zi), if (length(se) == length(k)) se, logLik(fit), tolerance)
}
with_TMB("nb1_formula", TMB(nb1 ~ x + g, simulated, family = glmmTMB::nbinom1, dispformula = ~z))
with_TMB("cmp_even_formula", TMB(even ~ x + g, simulated, family = glmmTMB::compois, dispformula = ~z), -1)
with_TMB("cmp_uneven_formula", TMB(uneven ~ x + g, simulated, family = glmmTMB::compois, dispformula = ~z), -1)
with_TMB("beta_binomial_formula", TMB(cbind(successes, trials - successes) ~ x + g, simulated,
                                      family = glmmTMB::betabinomial, dispformula = ~z))
with_TMB("zi_nb_formula", TMB(spread_inflated ~ x + g, simulated, family = glmmTMB::nbinom2, ziformula = ~z), -1)
with_TMB("zi_nb1_formula", TMB(spread_inflated ~ x + g, simulated, family = glmmTMB::nbinom1, ziformula = ~z))
with_TMB("zi_cmp_formula", TMB(inflated ~ x + g, simulated, family = glmmTMB::compois, ziformula = ~z), -1)
with_TMB("zi_binomial_formula", TMB(cbind(inflated_successes, trials - inflated_successes) ~ x + g, simulated,
                                    family = binomial, ziformula = ~z))
with_TMB("zi_beta_binomial_formula", TMB(cbind(spread_successes, trials - spread_successes) ~ x + g, simulated,
                                         family = glmmTMB::betabinomial, ziformula = ~z))
with_TMB("zt_poisson_formula", TMB(positive ~ x + g, simulated, family = glmmTMB::truncated_poisson))
with_TMB("zt_nb_formula", TMB(spread_positive ~ x + g, simulated, family = glmmTMB::truncated_nbinom2, dispformula = ~z), -1)
with_TMB("zt_nb1_formula", TMB(spread_positive ~ x + g, simulated, family = glmmTMB::truncated_nbinom1, dispformula = ~z))
with_TMB("zt_cmp_formula", TMB(positive ~ x + g, simulated, family = glmmTMB::truncated_compois, dispformula = ~z), -1)
with_TMB("hurdle_nb1_formula", TMB(spread_inflated ~ x + g, simulated, family = glmmTMB::truncated_nbinom1, ziformula = ~z))
with_TMB("hurdle_cmp_formula", TMB(inflated ~ x + g, simulated, family = glmmTMB::truncated_compois, ziformula = ~z), -1)
# glmmTMB's generalized Poisson has log (1 + alpha)^2 as its predictor: the same model where alpha is one number.
genpois <- function(name, fit) {
  parts <- glmmTMB::fixef(fit)
  second_opinion(name, c(parts$cond, log(expm1(parts$disp / 2)), parts$zi), l = logLik(fit), tolerance = 2e-4)
}
genpois("quine_gp_hc0", TMB(Days ~ Eth + Sex + Age + Lrn, cases$quine_gp_hc0$peer$frame, family = glmmTMB::genpois))
genpois("zi_gp_formula", TMB(spread_inflated ~ x + g, simulated, family = glmmTMB::genpois, ziformula = ~z))
genpois("hurdle_gp_formula", TMB(spread_inflated ~ x + g, simulated, family = glmmTMB::truncated_genpois, ziformula = ~z))

# pscl has log theta = -log alpha, not in coef(), between the two parts; its hurdle models y > 0.
with_pscl <- function(name, fit, zero_sign = 1, tolerance = 1e-4) {
  counts_part <- fit$coefficients$count
  theta <- if (fit$dist[[1]] == "negbin") -log(fit$theta[1])
  se <- sqrt(diag(fit$vcov))
  k <- length(counts_part)
  own <- cases[[name]]$peer$se
  all_se <- c(se[1:k], if (length(theta)) own[k + 1], se[-(1:k)])
  second_opinion(name, c(counts_part, theta, zero_sign * fit$coefficients$zero), all_se, fit$loglik, tolerance)
}
zero_control <- pscl::zeroinfl.control(reltol = 1e-15, maxit = 20000)
hurdle_control <- pscl::hurdle.control(reltol = 1e-15, maxit = 20000)
zeroinfl <- function(formula, data, ...) pscl::zeroinfl(formula, data, ..., control = zero_control)
hurdle <- function(formula, data, ...) pscl::hurdle(formula, data, ..., control = hurdle_control)
with_pscl("zi_poisson_formula", zeroinfl(inflated ~ x + g | z, simulated))
with_pscl("zi_poisson_weights", pscl::zeroinfl(inflated ~ x + offset(shift) | 1, simulated, weights = w,
                                               control = zero_control))
with_pscl("zip_probit", zeroinfl(inflated ~ x + g | z, simulated, link = "probit"))
with_pscl("zi_geometric_formula", zeroinfl(spread_inflated ~ x + g | z, simulated, dist = "geometric"))
with_pscl("zi_nb_formula", zeroinfl(spread_inflated ~ x + g | z, simulated, dist = "negbin"), tolerance = 3e-4)
with_pscl("hurdle_poisson_formula", hurdle(inflated ~ x + g | z, simulated), -1)
with_pscl("hurdle_poisson_weights", pscl::hurdle(inflated ~ x + offset(shift) | 1, simulated, weights = w,
                                                 control = hurdle_control), -1)
with_pscl("hurdle_geometric_formula", hurdle(spread_inflated ~ x + g | z, simulated, dist = "geometric"), -1)
with_pscl("hurdle_nb_formula", hurdle(spread_inflated ~ x + g | z, simulated, dist = "negbin"), -1)
published <- cases$articles_zip$peer$frame
with_pscl("articles_zip", zeroinfl(art ~ fem + mar + kid5 + phd + ment, published), tolerance = 1e-3)
with_pscl("articles_zinb", zeroinfl(art ~ fem + mar + kid5 + phd + ment | ment, published, dist = "negbin"), tolerance = 1e-3)
with_pscl("articles_hurdle", hurdle(art ~ fem + mar + kid5 + phd + ment, published, dist = "negbin"), -1, tolerance = 1e-3)

write_cases("counts", lapply(unname(cases), function(case) case[names(case) != "peer"]))
