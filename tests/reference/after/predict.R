# Predictions of R on new rows, with their standard errors: Rscript tests/reference/after/predict.R (from the root).
#
# glm(), glm.nb(), clm(), multinom(), survreg() and glmmTMB() are asked by their own predict(). Zero-inflated and hurdle
# models are maximised here again, from pscl's estimates, by Newton's method with numDeriv; their standard errors are
# the delta method's, J V J', by numDeriv as well. The script stops where that and pscl disagree.

suppressMessages({
  library(MASS); library(pscl); library(nnet); library(ordinal); library(survival); library(glmmTMB); library(numDeriv)
  library(splines); library(jsonlite)
})
options(digits = 17)
here <- "tests/reference/after"
tight <- glm.control(epsilon = 1e-15, maxit = 200)
text_factors <- function(d) { d[] <- lapply(d, function(x) if (is.character(x)) factor(x) else x); d }
read <- function(path) text_factors(read.csv(path))

interior <- read("tests/reference/data/interior.csv")
counts <- read("tests/reference/data/counts.csv")
continuous <- read("tests/reference/data/continuous.csv")

# New rows: every seventh, in another order, with covariates inside the range of the old ones but not among them.
fresh <- function(d, path, numeric) {
  new <- d[rev(seq(2, nrow(d), by = 7)), ][1:12, ]
  for (name in numeric) {
    inside <- 0.9 * (new[[name]] - mean(d[[name]])) + mean(d[[name]])
    new[[name]] <- round(inside, 4)
  }
  write.csv(new, path, row.names = FALSE, quote = FALSE, na = "")
  new
}
new_interior <- fresh(interior, file.path(here, "new_interior.csv"), c("x", "z"))
new_counts <- fresh(counts, file.path(here, "new_counts.csv"), c("x", "z"))
new_continuous <- fresh(continuous, file.path(here, "new_continuous.csv"), c("x", "z"))

cases <- list()
add <- function(name, r, data, new, spec, of, tolerance = c(1e-8, 1e-6)) {
  cases[[length(cases) + 1]] <<- list(name = name, r = r, data = data, new = new, spec = spec, of = of,
                                      tolerance = list(estimate = tolerance[1], std_error = tolerance[2]))
}
pair <- function(p) list(estimate = unname(as.vector(p$fit)), std_error = unname(as.vector(p$se.fit)))

# ---- glm ----

glm_case <- function(name, r_formula, formula, family, object, link, offset = NULL, ...) {
  fit <- suppressWarnings(glm(as.formula(r_formula), object, interior, control = tight))
  spec <- list(formulas = list(formula), family = family, links = list(mu = link), se = "expected", ...)
  of <- list(link = pair(predict(fit, new_interior, type = "link", se.fit = TRUE)),
             mean = pair(predict(fit, new_interior, type = "response", se.fit = TRUE)))
  add(name, paste0("glm(", r_formula, ", ", object$family, "(", object$link, "))"),
      "tests/reference/data/interior.csv", file.path(here, "new_interior.csv"), spec, of)
}
glm_case("gaussian_poly", "normal ~ poly(x, 2) * g + z", "normal ~ poly(x, 2) * g + z", "gaussian", gaussian(), "identity")
glm_case("gaussian_log", "positive ~ x + g", "positive ~ x + g", "gaussian", gaussian("log"), "log")
for (link in c("logit", "probit", "cauchit", "cloglog"))
  glm_case(paste0("binomial_", link), "cbind(successes, failures) ~ x + scale(z) + g",
           "successes/trials ~ x + scale(z) + g", "binomial", binomial(link), link)
glm_case("binomial_binary", "binary ~ bs(x, df = 5) + g", "binary ~ bs(x, df=5) + g", "binomial", binomial(), "logit")
glm_case("poisson_offset", "count ~ x:g + z + offset(log(years))", "count ~ x:g + z + offset(log(years))", "poisson",
         poisson(), "log")
glm_case("poisson_exposure", "count ~ x + g + offset(log(years))", "count ~ x + C(g, contr.sum)",
         "poisson", poisson(), "log", exposure = "years")
glm_case("poisson_sqrt", "count ~ x + g", "count ~ x + g", "poisson", poisson("sqrt"), "sqrt")
glm_case("gamma_log", "positive ~ x * z + h", "positive ~ x * z + h", "gamma", Gamma("log"), "log")
glm_case("gamma_inverse", "positive ~ x + g", "positive ~ x + g", "gamma", Gamma(), "inverse")
glm_case("inverse_gaussian", "skewed ~ x + g", "skewed ~ x + g", "inverse-gaussian", inverse.gaussian("log"), "log")
glm_case("quasi_poisson", "overdispersed ~ x + g", "overdispersed ~ x + g", "quasi-poisson", quasipoisson(), "log")
glm_case("quasi_binomial", "cbind(successes, failures) ~ x + g", "successes/trials ~ x + g", "quasi-binomial",
         quasibinomial(), "logit")

# ---- lm: intervals ----

fit <- lm(normal ~ poly(x, 3) + g, interior)
confidence <- predict(fit, new_interior, interval = "confidence", level = 0.9)
new_response <- predict(fit, new_interior, interval = "prediction", level = 0.9)
add("lm_intervals", "lm(normal ~ poly(x, 3) + g), level 0.9", "tests/reference/data/interior.csv",
    file.path(here, "new_interior.csv"),
    list(formulas = list("normal ~ poly(x, 3) + g"), family = "gaussian", level = 0.9),
    list(mean = list(estimate = unname(confidence[, "fit"]), conf_low = unname(confidence[, "lwr"]),
                     conf_high = unname(confidence[, "upr"]), pred_low = unname(new_response[, "lwr"]),
                     pred_high = unname(new_response[, "upr"]))))

# ---- glm.nb: the mean's standard errors from the expected information, theta taken as known ----

fit <- glm.nb(overdispersed ~ x + g + offset(shift), interior, control = glm.control(epsilon = 1e-14, maxit = 200))
add("glm_nb", "glm.nb(overdispersed ~ x + g + offset(shift))", "tests/reference/data/interior.csv",
    file.path(here, "new_interior.csv"),
    list(formulas = list("overdispersed ~ x + g"), family = "negative-binomial", offset = "shift", se = "expected"),
    list(link = pair(predict(fit, new_interior, type = "link", se.fit = TRUE)),
         mean = pair(predict(fit, new_interior, type = "response", se.fit = TRUE))), c(1e-7, 1e-6))

# ---- Zero-inflated and hurdle: Newton and the delta method by numDeriv ----

polish <- function(loglik, theta) {
  for (i in 1:20) {
    step <- solve(-hessian(loglik, theta), grad(loglik, theta))
    theta <- theta + step
    if (max(abs(step)) < 1e-11) break
  }
  list(theta = theta, V = solve(-hessian(loglik, theta)))
}
delta <- function(f, at) {
  J <- jacobian(f, at$theta)
  list(estimate = f(at$theta), std_error = sqrt(rowSums((J %*% at$V) * J)))
}
two_part <- function(name, kind, family, glmfit_family, response) {
  f <- as.formula(paste(response, "~ x + g | z"))
  fit <- if (kind == "zeroinfl") zeroinfl(f, counts, dist = family) else hurdle(f, counts, dist = family)
  X <- model.matrix(~ x + g, counts); Z <- model.matrix(~ z, counts)
  Xn <- model.matrix(~ x + g, new_counts); Zn <- model.matrix(~ z, new_counts)
  k <- ncol(X); m <- ncol(Z); y <- counts[[response]]
  density <- function(y, mu, theta, log) {
    if (family == "poisson") dpois(y, mu, log = log) else dnbinom(y, mu = mu, size = exp(theta), log = log)
  }
  parts <- function(t, X, Z) {
    list(mu = exp(drop(X %*% t[1:k])), zero = plogis(drop(Z %*% t[k + 1:m])), size = t[k + m + 1])
  }
  loglik <- function(t) {
    p <- parts(t, X, Z)
    f0 <- density(0, p$mu, p$size, FALSE)
    l <- if (kind == "zeroinfl") ifelse(y == 0, log(p$zero + (1 - p$zero) * f0), log1p(-p$zero) + density(y, p$mu, p$size, TRUE))
         else ifelse(y == 0, log(p$zero), log1p(-p$zero) + density(y, p$mu, p$size, TRUE) - log1p(-f0))
    sum(l)
  }
  zero <- if (kind == "zeroinfl") coef(fit, "zero") else -coef(fit, "zero") # pscl's hurdle models Pr(y > 0)
  start <- c(coef(fit, "count"), zero, if (family == "negbin") log(fit$theta))
  if (kind == "hurdle" && family == "negbin") start[k + m + 1] <- log(fit$theta["count"])
  at <- polish(loglik, unname(start))
  mean_of <- function(t) {
    p <- parts(t, Xn, Zn)
    if (kind == "zeroinfl") (1 - p$zero) * p$mu else (1 - p$zero) * p$mu / (1 - density(0, p$mu, p$size, FALSE))
  }
  zero_of <- function(t) {
    p <- parts(t, Xn, Zn)
    if (kind == "zeroinfl") p$zero + (1 - p$zero) * density(0, p$mu, p$size, FALSE) else p$zero
  }
  tail_of <- function(t) {
    p <- parts(t, Xn, Zn)
    above <- if (family == "poisson") ppois(2, p$mu, lower.tail = FALSE)
             else pnbinom(2, mu = p$mu, size = exp(p$size), lower.tail = FALSE)
    if (kind == "zeroinfl") (1 - p$zero) * above else (1 - p$zero) * above / (1 - density(0, p$mu, p$size, FALSE))
  }
  expected <- unname(predict(fit, new_counts, type = "response"))
  if (max(abs(mean_of(at$theta) / expected - 1)) > 1e-3) stop(name, ": pscl disagrees")
  add(name, paste0("pscl::", kind, "(", response, " ~ x + g | z, ", family, "), by Newton and the delta method again"),
      "tests/reference/data/counts.csv", file.path(here, "new_counts.csv"),
      list(formulas = list(paste(response, "~ x + g"), "zero ~ z"), family = glmfit_family),
      list(mean = delta(mean_of, at), zero = delta(zero_of, at), "tail:2" = delta(tail_of, at)), c(1e-7, 1e-5))
}
two_part("zero_inflated_poisson", "zeroinfl", "poisson", "zero-inflated-poisson", "inflated")
two_part("zero_inflated_nb", "zeroinfl", "negbin", "zero-inflated-negative-binomial", "spread_inflated")
two_part("hurdle_poisson", "hurdle", "poisson", "hurdle-poisson", "inflated")
two_part("hurdle_nb", "hurdle", "negbin", "hurdle-negative-binomial", "spread_inflated")

# ---- Categories ----

housing <- read("sample_data/housing.csv")
housing$Sat <- factor(housing$Sat, c("Low", "Medium", "High"))
new_housing <- unique(housing[c("Infl", "Type", "Cont")])[c(3, 1, 7, 12, 20), ]
write.csv(new_housing, file.path(here, "new_housing.csv"), row.names = FALSE, quote = FALSE)
long <- function(p, se) list(estimate = as.vector(t(p)), std_error = as.vector(t(se)))

for (link in c("logit", "probit", "cloglog")) {
  fit <- clm(Sat ~ Infl + Type + Cont, weights = Freq, data = housing, link = link,
             control = clm.control(gradTol = 1e-12, maxIter = 200))
  p <- predict(fit, new_housing, type = "prob", se.fit = TRUE)
  add(paste0("ordinal_", link), paste0("ordinal::clm(Sat ~ Infl + Type + Cont, link = ", link, ")"),
      "sample_data/housing.csv", file.path(here, "new_housing.csv"),
      list(formulas = list("Sat ~ Infl + Type + Cont"), family = "ordinal", levels = list("Low", "Medium", "High"),
           links = list(location = link), freq_weights = "Freq"),
      list(probabilities = long(p$fit, p$se.fit)), c(1e-7, 1e-6))
}
polr_fit <- polr(Sat ~ Infl + Type + Cont, housing, weights = Freq, Hess = TRUE)
clm_fit <- clm(Sat ~ Infl + Type + Cont, weights = Freq, data = housing)
stopifnot(max(abs(predict(polr_fit, new_housing, type = "probs") - predict(clm_fit, new_housing, type = "prob")$fit)) < 1e-4)

fit <- multinom(Sat ~ Infl + Type + Cont, housing, weights = Freq, Hess = TRUE, trace = FALSE, reltol = 1e-15,
                abstol = 1e-12, maxit = 2000)
Xn <- model.matrix(~ Infl + Type + Cont, new_housing)
X <- model.matrix(~ Infl + Type + Cont, housing)
level <- as.integer(housing$Sat)
scores <- function(t, X) cbind(0, X %*% matrix(t, ncol(X)))
loglik <- function(t) {
  s <- scores(t, X)
  sum(housing$Freq * (s[cbind(seq_along(level), level)] - log(rowSums(exp(s)))))
}
at <- polish(loglik, as.vector(t(coef(fit))))
shares <- function(t) { e <- exp(scores(t, Xn)); as.vector(t(e / rowSums(e))) }
stopifnot(max(abs(shares(at$theta) - as.vector(t(predict(fit, new_housing, type = "probs"))))) < 1e-4)
add("multinomial", "nnet::multinom(Sat ~ Infl + Type + Cont), by Newton and the delta method again",
    "sample_data/housing.csv", file.path(here, "new_housing.csv"),
    list(formulas = list("Sat ~ Infl + Type + Cont"), family = "multinomial", levels = list("Low", "Medium", "High"),
         freq_weights = "Freq"),
    list(probabilities = delta(shares, at)), c(1e-7, 1e-5))

# ---- Beta ----

fit <- glmmTMB(share ~ x + g, dispformula = ~ z, data = continuous, family = beta_family(),
               control = glmmTMBControl(optCtrl = list(iter.max = 1000, eval.max = 1000, rel.tol = 1e-15)))
add("beta", "glmmTMB(share ~ x + g, dispformula = ~ z, family = beta_family())", "tests/reference/data/continuous.csv",
    file.path(here, "new_continuous.csv"),
    list(formulas = list("share ~ x + g", "precision ~ z"), family = "beta"),
    list(mean = pair(predict(fit, new_continuous, type = "response", se.fit = TRUE)),
         link = pair(predict(fit, new_continuous, type = "link", se.fit = TRUE))), c(1e-6, 1e-5))

# ---- survreg: quantiles of lifetimes, censored ----

veteran <- read("sample_data/veteran.csv")
new_veteran <- data.frame(karno = c(35, 60, 72.5, 90), celltype = c("adeno", "large", "smallcell", "squamous"))
write.csv(new_veteran, file.path(here, "new_veteran.csv"), row.names = FALSE, quote = FALSE)
for (pair_of in list(c("weibull", "weibull"), c("lognormal", "log-normal"), c("loglogistic", "log-logistic"))) {
  fit <- survreg(Surv(time, status) ~ karno + celltype, veteran, dist = pair_of[1],
                 control = survreg.control(rel.tolerance = 1e-13, maxiter = 200))
  p <- predict(fit, new_veteran, type = "quantile", p = c(0.1, 0.5, 0.9), se.fit = TRUE)
  of <- lapply(1:3, function(j) list(estimate = unname(p$fit[, j]), std_error = unname(p$se.fit[, j])))
  names(of) <- paste0("quantile:", c(0.1, 0.5, 0.9))
  add(paste0("survreg_", pair_of[1]), paste0("survreg(Surv(time, status) ~ karno + celltype, ", pair_of[1], ")"),
      "sample_data/veteran.csv", file.path(here, "new_veteran.csv"),
      list(formulas = list("time ~ karno + celltype"), family = pair_of[2], event = "status"), of, c(1e-7, 1e-6))
}

write_json(cases, file.path(here, "predict.json"), digits = NA, auto_unbox = TRUE, pretty = TRUE, null = "null")
cat(length(cases), "cases\n")
