# Average effects, contrasts and adjusted predictions of R: Rscript tests/reference/after/margins.R (from the root).
#
# emmeans gives adjusted predictions, contrasts and their adjusted p-values; MASS::dose.p inverse predictions; survey the
# predictive margins under sampling weights. Average effects are the delta method's, J V J', by numDeriv on R's own model
# matrices, the slope of each row by central differences of fourth order. The script stops where emmeans, predict() or
# survey disagree with these. Python's marginaleffects and statsmodels are asked by margins.py beside this file.

suppressMessages({
  library(MASS); library(emmeans); library(survey); library(pscl); library(nnet); library(ordinal); library(numDeriv)
  library(splines); library(jsonlite)
})
options(digits = 17, contrasts = c("contr.treatment", "contr.poly"))
here <- "tests/reference/after"
tight <- glm.control(epsilon = 1e-15, maxit = 200)
text_factors <- function(d) { d[] <- lapply(d, function(x) if (is.character(x)) factor(x) else x); d }
read <- function(path) text_factors(read.csv(path))
interior_path <- "tests/reference/data/interior.csv"
interior <- read(interior_path)
counts <- read("tests/reference/data/counts.csv")

cases <- list()
add <- function(name, r, data, spec, asked, rows, tolerance = c(1e-8, 1e-6))
  cases[[length(cases) + 1]] <<- list(name = name, r = r, data = data, spec = spec, asked = asked, rows = rows,
                                      tolerance = list(estimate = tolerance[1], std_error = tolerance[2]))
one <- function(kind, term = NULL, contrast = NULL, level = NULL, by = NULL, at = NULL, ...)
  c(Filter(Negate(is.null), list(kind = kind, term = term, contrast = contrast, level = level, by = by, at = at)), list(...))

# ---- Average effects by the delta method ----

delta <- function(f, theta, V) {
  J <- jacobian(f, theta)
  list(estimate = f(theta), std_error = sqrt(rowSums((J %*% V) * J)))
}
# The derivative of h(data) in a column, row by row.
step <- 1e-3
slope <- function(h, d, x, by = step) {
  moved <- function(k) { d[[x]] <- d[[x]] + k * by; h(d) }
  (moved(-2) - 8 * moved(-1) + 8 * moved(1) - moved(2)) / (12 * by)
}
set <- function(d, x, value) {
  d[[x]] <- if (is.factor(d[[x]])) factor(rep(value, nrow(d)), levels(d[[x]])) else rep(value, nrow(d))
  d
}
predictor <- function(fit) {
  terms <- delete.response(terms(fit))
  function(b, d) {
    frame <- model.frame(terms, d, xlev = fit$xlevels)
    offset <- model.offset(frame)
    eta <- drop(model.matrix(terms, frame, contrasts.arg = fit$contrasts) %*% b)
    if (is.null(offset)) eta else eta + offset
  }
}
# Average slopes, differences and ratios of a glm; `what` are lists of kind, term and levels.
effects_of <- function(fit, d, what, by = NULL, w = rep(1, nrow(d)), V = vcov(fit), at = list()) {
  eta <- predictor(fit)
  mean_of <- function(b, d) fit$family$linkinv(eta(b, d))
  stopifnot(max(abs(mean_of(coef(fit), d) / predict(fit, d, type = "response") - 1)) < 1e-10)
  for (x in names(at)) d <- set(d, x, at[[x]])
  groups <- if (is.null(by)) list(seq_len(nrow(d))) else split(seq_len(nrow(d)), interior[[by]])
  rows <- list()
  for (effect in what) for (g in seq_along(groups)) {
    i <- groups[[g]]; x <- effect$term
    average <- function(v) sum(w[i] * v) / sum(w[i])
    f <- function(b) {
      h <- function(new) mean_of(b, new)
      if (effect$kind == "slope") average(slope(h, d[i, ], x))
      else {
        top <- average(h(set(d[i, ], x, effect$levels[[1]]))); base <- average(h(set(d[i, ], x, effect$levels[[2]])))
        if (isTRUE(effect$ratio)) top / base else top - base
      }
    }
    found <- delta(f, coef(fit), V)
    label <- if (effect$kind == "contrast")
      paste(effect$levels[[1]], if (isTRUE(effect$ratio)) "/" else "-", effect$levels[[2]])
    value <- if (isTRUE(effect$ratio)) log(found$estimate) else found$estimate
    error <- if (isTRUE(effect$ratio)) found$std_error / found$estimate else found$std_error
    p <- if (fit$family$family %in% c("poisson", "binomial") || inherits(fit, "negbin") || inherits(fit, "svyglm"))
      2 * pnorm(-abs(value / error)) else 2 * pt(-abs(value / error), fit$df.residual)
    rows[[length(rows) + 1]] <- one(effect$kind, x, label, by = if (!is.null(by)) setNames(list(names(groups)[g]), by),
                                    at = if (length(at)) at, estimate = found$estimate, std_error = found$std_error,
                                    statistic = value / error, p_value = p)
  }
  rows
}
S <- function(term) list(kind = "slope", term = term)
D <- function(term, b, a, ratio = FALSE) list(kind = "contrast", term = term, levels = list(b, a), ratio = ratio)
others <- function(term, levels, ratio = FALSE) lapply(levels[-1], function(b) D(term, b, levels[1], ratio))
glm_fit <- function(formula, object, ...) suppressWarnings(glm(as.formula(formula), object, interior, control = tight, ...))
abc <- levels(interior$g)

effects_case <- function(name, r_formula, formula, family, object, what, link = object$link, asked = list(), by = NULL,
                         at = list(), ...) {
  fit <- glm_fit(r_formula, object)
  spec <- list(formulas = list(formula), family = family, links = list(mu = link), se = "expected", ...)
  add(name, paste0("glm(", r_formula, ", ", object$family, "(", link, ")), numDeriv"), interior_path, spec, asked,
      effects_of(fit, interior, what, by, at = at))
}
effects_case("poisson_interaction", "count ~ x * g + z", "count ~ x * g + z", "poisson", poisson(),
             c(list(S("x")), others("g", abc), list(S("z"))))
effects_case("logit_poly", "binary ~ poly(x, 3) * h + z", "binary ~ poly(x, 3) * h + z", "binomial", binomial(),
             c(list(S("x")), others("h", levels(interior$h)), list(S("z"))))
step <- 1e-5 # across a knot the error is of second order, on few rows
effects_case("probit_ns", "binary ~ ns(x, 4) + x:z", "binary ~ ns(x, 4) + x:z", "binomial", binomial("probit"),
             list(S("x"), S("z")))
effects_case("cloglog_bs", "binary ~ bs(x, df = 5):h + g", "binary ~ bs(x, df=5):h + g", "binomial", binomial("cloglog"),
             c(others("g", abc), list(S("x")), others("h", levels(interior$h))))
step <- 1e-3
effects_case("poisson_transforms", "count ~ exp(x / 2) + I(x^2 * z) + scale(z) + sin(x) + offset(log(years))",
             "count ~ exp(x / 2) + I(x^2 * z) + scale(z) + sin(x) + offset(log(years))", "poisson", poisson(),
             list(S("x"), S("z")))
effects_case("gaussian_t", "normal ~ x * z + g", "normal ~ x * z + g", "gaussian", gaussian(),
             c(list(S("x"), S("z")), others("g", abc)))
effects_case("gamma_inverse", "positive ~ x + g", "positive ~ x + g", "gamma", Gamma(), c(list(S("x")), others("g", abc)))
effects_case("poisson_ratio", "count ~ x * g + z", "count ~ x * g + z", "poisson", poisson("sqrt"),
             others("g", abc, TRUE), asked = list(terms = list("g"), ratio = TRUE))
effects_case("by_groups", "binary ~ x * g + z", "binary ~ x * g + z", "binomial", binomial(), list(S("x"), S("z")),
             asked = list(terms = list("x", "z"), by = list("g")), by = "g")
effects_case("slopes_at", "count ~ x * z + g", "count ~ x * z + g", "poisson", poisson(), list(S("x")),
             asked = list(terms = list("x"), at = list("x=0.5", "z=-1")), at = list(x = 0.5, z = -1))
effects_case("binary_column", "count ~ binary * x", "count ~ binary * x", "poisson", poisson(),
             list(D("binary", 1, 0), S("x")))
effects_case("sequential", "count ~ x * g", "count ~ x * g", "poisson", poisson(),
             lapply(2:length(abc), function(i) D("g", abc[i], abc[i - 1])), asked = list(contrast = list("g:sequential")))
effects_case("exposure", "count ~ x * g + offset(log(years))", "count ~ x * g", "poisson", poisson(),
             c(list(S("x")), others("g", abc)), exposure = "years")
effects_case("other_reference", "count ~ x + relevel(g, 'b')", "count ~ x + C(g, ref='b')", "poisson", poisson(),
             list(D("g", "a", "b"), D("g", "c", "b")), asked = list(terms = list("g")))

negative <- glm.nb(overdispersed ~ x * g, interior, control = glm.control(epsilon = 1e-14, maxit = 200))
add("glm_nb", "glm.nb(overdispersed ~ x * g), theta taken as known, numDeriv", interior_path,
    list(formulas = list("overdispersed ~ x * g"), family = "negative-binomial", se = "expected"), list(),
    effects_of(negative, interior, c(list(S("x")), others("g", abc))), c(1e-7, 1e-6))

# ---- Weights: survey ----

design <- svydesign(ids = ~1, weights = ~pw, data = interior)
fit <- suppressWarnings(svyglm(count ~ x * g, design, family = poisson(), control = tight))
rows <- effects_of(fit, interior, c(list(S("x")), others("g", abc)), w = interior$pw, V = vcov(fit))
margins_of <- suppressWarnings(svypredmeans(svyglm(count ~ x, design, family = poisson(), control = tight), ~g))
simple <- suppressWarnings(svyglm(count ~ x + g, design, family = poisson(), control = tight))
of_simple <- sapply(abc, function(b)
  sum(interior$pw * exp(predictor(simple)(coef(simple), set(interior, "g", b)))) / sum(interior$pw))
stopifnot(max(abs(of_simple / coef(margins_of)[abc] - 1)) < 1e-6)
add("survey", "survey::svyglm(count ~ x * g), numDeriv", interior_path,
    list(formulas = list("count ~ x * g"), family = "poisson", sampling_weights = "pw"), list(), rows, c(1e-8, 1e-5))
fit <- glm(count ~ x * g, poisson, interior, weights = f, control = tight)
add("frequency_weights", "glm(count ~ x * g, poisson, weights = f), numDeriv", interior_path,
    list(formulas = list("count ~ x * g"), family = "poisson", freq_weights = "f"), list(),
    effects_of(fit, interior, c(list(S("x")), others("g", abc)), w = interior$f))

# ---- emmeans: adjusted predictions and contrasts ----

fit <- glm_fit("count ~ x * g + z", poisson())
means_of <- list(x = mean(interior$x), z = mean(interior$z))
here_at <- list(x = c(-0.5, 0.5), z = mean(interior$z))
means <- summary(emmeans(fit, ~ g | x, at = here_at, type = "response"))
add("emmeans_means", "emmeans(glm(count ~ x * g + z, poisson), ~ g | x)", interior_path,
    list(formulas = list("count ~ x * g + z"), family = "poisson"),
    list(at = list("means", "x=-0.5,0.5", "g=a,b,c")),
    lapply(seq_len(nrow(means)), function(i) {
      k <- which(means$x == rep(here_at$x, each = 3)[i] & means$g == rep(abc, 2)[i])
      one("prediction", at = list(x = means$x[k], z = means_of$z, g = as.character(means$g[k])), estimate = means$rate[k],
          std_error = means$SE[k], conf_low = means$asymp.LCL[k], conf_high = means$asymp.UCL[k])
    }))
pair_rows <- function(grid, adjust, term, at, type = "link") {
  found <- summary(contrast(grid, "revpairwise"), adjust = adjust, infer = c(TRUE, TRUE), type = type)
  plain <- summary(contrast(grid, "revpairwise"), adjust = "none", infer = c(TRUE, TRUE), type = type)
  pick <- function(s, names) s[[intersect(names, colnames(s))[1]]]
  lapply(seq_len(nrow(found)), function(i)
    one("contrast", term, as.character(found$contrast[i]), at = at, estimate = pick(plain, c("estimate", "ratio", "odds.ratio"))[i],
        std_error = plain$SE[i], statistic = pick(plain, c("z.ratio", "t.ratio"))[i], p_value = plain$p.value[i],
        conf_low = pick(plain, c("asymp.LCL", "lower.CL"))[i], conf_high = pick(plain, c("asymp.UCL", "upper.CL"))[i],
        p_adjusted = found$p.value[i]))
}
for (pair in list(c("holm", "holm"), c("bonferroni", "bonferroni"), c("fdr", "bh"), c("mvt", "single-step"))) {
  set.seed(1)
  add(paste0("pairs_", pair[2]), paste0("pairs(emmeans(glm(count ~ x * g + z, poisson), ~ g), adjust = ", pair[1], ")"),
      interior_path, list(formulas = list("count ~ x * g + z"), family = "poisson"),
      list(pairwise = list("g"), at = list("means"), of = "link", adjust = pair[2]),
      pair_rows(emmeans(fit, ~ g), pair[1], "g", means_of))
}
add("pairs_ratio", "pairs(emmeans(glm(count ~ x * g + z, poisson), ~ g), type = response)", interior_path,
    list(formulas = list("count ~ x * g + z"), family = "poisson"),
    list(pairwise = list("g"), at = list("means"), ratio = TRUE, adjust = "holm"), 
    pair_rows(emmeans(fit, ~ g), "holm", "g", means_of, "response"))
linear <- glm_fit("normal ~ x + g * h", gaussian())
add("pairs_t", "pairs(emmeans(glm(normal ~ x + g * h), ~ g, weights = outer)) ", interior_path,
    list(formulas = list("normal ~ x + g * h"), family = "gaussian"),
    list(pairwise = list("g"), at = list("means"), adjust = "holm"),
    pair_rows(emmeans(linear, ~ g, weights = "outer"), "holm", "g", means_of["x"]))

# ---- dose.p, and Fieller's interval by its formula ----

budworm <- read("sample_data/budworm.csv")
budworm$ldose <- log2(budworm$dose)
fit <- glm(cbind(dead, alive) ~ sex + ldose, binomial, budworm, control = tight)
fieller <- function(b, V, eta, level = 0.95) { # of (eta - b0) / b1
  q <- qnorm(0.5 + level / 2)
  quadratic <- c((b[1] - eta)^2 - q^2 * V[1, 1], 2 * ((b[1] - eta) * b[2] - q^2 * V[1, 2]), b[2]^2 - q^2 * V[2, 2])
  root <- sqrt(quadratic[2]^2 - 4 * quadratic[1] * quadratic[3])
  sort((-quadratic[2] + c(-1, 1) * root) / (2 * quadratic[3]))
}
for (who in c("female", "male")) {
  p <- c(0.5, 0.9)
  L <- rbind(c(1, who == "male", 0), c(0, 0, 1))
  b <- drop(L %*% coef(fit)); V <- L %*% vcov(fit) %*% t(L)
  refit <- glm(cbind(dead, alive) ~ relevel(sex, who) + ldose, binomial, budworm, control = tight)
  dose <- dose.p(refit, cf = c(1, 3), p = p)
  add(paste0("dose_", who), "MASS::dose.p(glm(cbind(dead, alive) ~ sex + log2(dose), binomial)), Fieller's formula",
      "sample_data/budworm.csv", list(formulas = list("dead/n ~ sex + log2(dose)"), family = "binomial"),
      list(inverse = list("dose=0.5,0.9"), at = list(paste0("sex=", who))),
      lapply(1:2, function(i) {
        ends <- 2^fieller(b, V, qlogis(p[i])); x <- 2^as.numeric(dose)[i]
        error <- log(2) * x * attr(dose, "SE")[i, 1]
        one("inverse", "dose", paste("mean =", p[i]), at = list(sex = who), estimate = x, std_error = error,
            conf_low = x - qnorm(0.975) * error, conf_high = x + qnorm(0.975) * error, fieller_low = ends[1],
            fieller_high = ends[2])
      }))
}

# ---- Zero-inflated, ordinal, multinomial: maximised here again by Newton ----

polish <- function(loglik, theta) {
  for (i in 1:20) {
    step <- solve(-hessian(loglik, theta), grad(loglik, theta))
    theta <- theta + step
    if (max(abs(step)) < 1e-11) break
  }
  list(theta = theta, V = solve(-hessian(loglik, theta)))
}
rows_of <- function(found, labels) lapply(seq_along(found$estimate), function(i)
  c(labels[[i]], list(estimate = found$estimate[i], std_error = found$std_error[i])))

fit <- zeroinfl(inflated ~ x * g | z + x, counts)
X <- function(d) model.matrix(~ x * g, d)
Z <- function(d) model.matrix(~ z + x, d)
k <- ncol(X(counts)); y <- counts$inflated
parts <- function(t, d) list(mu = exp(drop(X(d) %*% t[1:k])), zero = plogis(drop(Z(d) %*% t[-(1:k)])))
loglik <- function(t) {
  p <- parts(t, counts)
  sum(ifelse(y == 0, log(p$zero + (1 - p$zero) * exp(-p$mu)), log1p(-p$zero) + dpois(y, p$mu, log = TRUE)))
}
at <- polish(loglik, unname(c(coef(fit, "count"), coef(fit, "zero"))))
mean_of <- function(t, d) { p <- parts(t, d); (1 - p$zero) * p$mu }
stopifnot(max(abs(mean_of(at$theta, counts) / predict(fit, counts) - 1)) < 1e-3)
spec <- list(formulas = list("inflated ~ x * g", "zero ~ z + x"), family = "zero-inflated-poisson")
of <- list(mean = mean_of, "parameter:zero" = function(t, d) parts(t, d)$zero,
           zero = function(t, d) { p <- parts(t, d); p$zero + (1 - p$zero) * exp(-p$mu) })
for (what in names(of)) {
  h <- of[[what]]
  all <- c("x", "z", "g b", "g c")
  f <- function(t) c(mean(slope(function(d) h(t, d), counts, "x")),
                     if (what != "parameter:zero")
                       sapply(c("b", "c"), function(l) mean(h(t, set(counts, "g", l)) - h(t, set(counts, "g", "a")))),
                     mean(slope(function(d) h(t, d), counts, "z")))
  labels <- list(one("slope", "x"), one("contrast", "g", "b - a"), one("contrast", "g", "c - a"), one("slope", "z"))
  found <- delta(function(t) unname(f(t)), at$theta, at$V)
  terms <- list("x", "g", "z")
  if (what == "parameter:zero") { labels <- labels[c(1, 4)]; terms <- list("x", "z") }
  add(paste0("zero_inflated_", what), "pscl::zeroinfl(inflated ~ x * g | z + x), by Newton and the delta method again",
      "tests/reference/data/counts.csv", spec, list(of = what, terms = terms), rows_of(found, labels), c(1e-7, 1e-5))
}

housing <- read("sample_data/housing.csv")
housing$Sat <- factor(housing$Sat, c("Low", "Medium", "High"))
level <- as.integer(housing$Sat)
category_case <- function(name, r, family, shares, theta, spec) {
  loglik <- function(t) sum(housing$Freq * log(shares(t, housing)[cbind(seq_along(level), level)]))
  at <- polish(loglik, theta)
  average <- function(t, d) colSums(housing$Freq * shares(t, d)) / sum(housing$Freq)
  infl <- levels(housing$Infl)
  f <- function(t) as.vector(sapply(infl[-1], function(l)
    average(t, set(housing, "Infl", l)) - average(t, set(housing, "Infl", infl[1]))))
  labels <- list()
  for (l in infl[-1]) for (s in levels(housing$Sat))
    labels[[length(labels) + 1]] <- one("contrast", "Infl", paste(l, "-", infl[1]), s)
  add(name, r, "sample_data/housing.csv", spec, list(terms = list("Infl")), rows_of(delta(f, at$theta, at$V), labels),
      c(1e-7, 1e-5))
  at
}
fit <- polr(Sat ~ Infl + Type + Cont, housing, weights = Freq, Hess = TRUE)
ordinal_shares <- function(t, d) {
  eta <- drop(model.matrix(~ Infl + Type + Cont, d)[, -1] %*% t[-(1:2)])
  below <- cbind(plogis(t[1] - eta), plogis(t[2] - eta), 1)
  below - cbind(0, below[, 1:2])
}
at <- category_case("ordinal", "MASS::polr(Sat ~ Infl + Type + Cont), by Newton and the delta method again", "ordinal",
              ordinal_shares, unname(c(fit$zeta, coef(fit))),
              list(formulas = list("Sat ~ Infl + Type + Cont"), family = "ordinal", freq_weights = "Freq",
                   levels = list("Low", "Medium", "High")))
stopifnot(max(abs(ordinal_shares(at$theta, housing) - fitted(fit))) < 1e-4)
fit <- multinom(Sat ~ Infl + Type + Cont, housing, weights = Freq, Hess = TRUE, trace = FALSE, reltol = 1e-15, maxit = 2000)
multinomial_shares <- function(t, d) {
  X <- model.matrix(~ Infl + Type + Cont, d)
  e <- exp(cbind(0, X %*% matrix(t, ncol(X))))
  e / rowSums(e)
}
at <- category_case("multinomial", "nnet::multinom(Sat ~ Infl + Type + Cont), by Newton and the delta method again",
              "multinomial", multinomial_shares, as.vector(t(coef(fit))),
              list(formulas = list("Sat ~ Infl + Type + Cont"), family = "multinomial", freq_weights = "Freq",
                   levels = list("Low", "Medium", "High")))
stopifnot(max(abs(multinomial_shares(at$theta, housing) - fitted(fit))) < 1e-4)

# Slopes of ordinal probabilities.
categorical <- read("tests/reference/data/categorical.csv")
categorical$grade <- factor(categorical$grade, c("poor", "fair", "good"))
fit <- polr(grade ~ x * z + g, categorical, Hess = TRUE)
grade <- as.integer(categorical$grade)
grade_shares <- function(t, d) {
  eta <- drop(model.matrix(~ x * z + g, d)[, -1] %*% t[-(1:2)])
  below <- cbind(plogis(t[1] - eta), plogis(t[2] - eta), 1)
  below - cbind(0, below[, 1:2])
}
loglik <- function(t) sum(log(grade_shares(t, categorical)[cbind(seq_along(grade), grade)]))
at <- polish(loglik, unname(c(fit$zeta, coef(fit))))
stopifnot(max(abs(grade_shares(at$theta, categorical) - fitted(fit))) < 1e-4)
f <- function(t) c(sapply(c("x", "z"), function(x) sapply(1:3, function(j)
  mean(slope(function(d) grade_shares(t, d)[, j], categorical, x)))))
labels <- list()
for (x in c("x", "z")) for (l in levels(categorical$grade)) labels[[length(labels) + 1]] <- one("slope", x, level = l)
add("ordinal_slopes", "MASS::polr(grade ~ x * z + g), by Newton and the delta method again",
    "tests/reference/data/categorical.csv",
    list(formulas = list("grade ~ x * z + g"), family = "ordinal", levels = list("poor", "fair", "good")),
    list(terms = list("x", "z")), rows_of(delta(f, at$theta, at$V), labels), c(1e-7, 1e-5))

write_json(cases, file.path(here, "margins.json"), digits = NA, auto_unbox = TRUE, pretty = FALSE, null = "null")
cat(length(cases), "cases\n")
