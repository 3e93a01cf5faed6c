# Predictions of lme4 1.1-31 with random effects (re.form = NULL), at 0 (re.form = NA) and with 0 for new levels, of models whose
# optimum is polished by Newton steps on lme4's own deviance; standard errors at 0 are sqrt(x'Vx), V from that deviance's Hessian
# (glmer) or vcov (lmer, REML); and the residuals of some rows. Reads the data from random.json and writes predict.json.
#   Rscript tests/reference/random/write_predict.R
suppressMessages({ library(lme4); library(jsonlite); library(numDeriv) })
frames <- lapply(fromJSON("tests/reference/random/random.json")$frames, as.data.frame, stringsAsFactors = FALSE)
frames$cbpp$period <- factor(frames$cbpp$period)

polish <- function(dev, par) {
  for (i in 1:6) par <- par - solve(numDeriv::hessian(dev, par), numDeriv::grad(dev, par))
  stopifnot(max(abs(numDeriv::grad(dev, par))) < 1e-4)
  par
}

by_lmer <- function(data, formula) {
  parts <- lFormula(formula, data, REML = TRUE)
  dev <- do.call(mkLmerDevfun, parts)
  par <- polish(dev, getME(lmer(formula, data, REML = TRUE), "theta"))
  m <- mkMerMod(environment(dev), list(par = par, fval = dev(par), conv = 0, message = ""), parts$reTrms, parts$fr)
  list(m = m, V = as.matrix(vcov(m)))
}

by_glmer <- function(data, formula, family) {
  parts <- glFormula(formula, data, family = family)
  control <- glmerControl(tolPwrss = 1e-13)
  dev <- do.call(mkGlmerDevfun, c(parts, list(control = control)))
  start <- suppressWarnings(glmer(formula, data, family))
  dev <- updateGlmerDevfun(dev, parts$reTrms)
  par <- polish(dev, c(getME(start, "theta"), fixef(start)))
  value <- dev(par)
  V <- 2 * solve(numDeriv::hessian(dev, par)); beta <- length(getME(start, "theta")) + seq_along(fixef(start))
  value <- dev(par)
  m <- mkMerMod(environment(dev), list(par = par, fval = value, conv = 0, message = ""), parts$reTrms, parts$fr)
  list(m = m, V = V[beta, beta, drop = FALSE])
}

told <- function(name, data, fit, known, new, glmfit, fixed) {
  X <- model.matrix(fixed, known, xlev = lapply(Filter(is.factor, known), levels))
  both <- function(...) list(link = unname(predict(fit$m, ..., type = "link")), mean = unname(predict(fit$m, ..., type = "response")))
  at <- suppressWarnings(as.integer(rownames(known)))
  types <- if (nrow(known) < max(at)) c("response", "pearson", if (inherits(fit$m, "glmerMod")) "deviance")  # rows of the data
  left <- sapply(types, function(type) unname(residuals(fit$m, type = type)[at]), simplify = FALSE)
  list(name = name, data = data, glmfit = glmfit, known = known, new = new, residuals = left, rows = at,
       include = both(newdata = known, re.form = NULL), zero = both(newdata = known, re.form = NA),
       std_error = unname(sqrt(rowSums((X %*% fit$V) * X))), allowed = both(newdata = new, re.form = NULL, allow.new.levels = TRUE))
}

sleep <- frames$sleepstudy; sim <- frames$sim; cbpp <- frames$cbpp
cases <- list(
  told("sleepstudy", "sleepstudy", by_lmer(sleep, Reaction ~ Days + (Days | Subject)),
       data.frame(Days = c(0, 2.5, 9, 12), Subject = sleep$Subject[c(1, 11, 21, 180)]),
       data.frame(Days = c(1, 4), Subject = c("999", sleep$Subject[31])),
       list(formulas = "Reaction ~ Days + (Days | Subject)", reml = TRUE), ~ Days),
  told("nested", "sim", by_lmer(sim, gauss ~ x + (1 | g/k) + (1 | h)), sim[c(1, 7, 99, 400), c("x", "g", "k", "h")],
       data.frame(x = c(.2, -1, 1), g = c("g01", "g02", "new"), k = c("a", "z", "b"), h = c("h1", "h2", "h0")),
       list(formulas = "gauss ~ x + (1 | g/k) + (1 | h)", reml = TRUE), ~ x),
  told("cbpp", "cbpp", by_glmer(cbpp, cbind(incidence, size - incidence) ~ period + (1 | herd), binomial),
       cbpp[c(1, 6, 30, 56), c("period", "herd", "size")],
       data.frame(period = factor(c("4", "2"), levels(cbpp$period)), herd = c("h99", "h3"), size = c(5, 9)),
       list(formulas = "incidence/size ~ C(period) + (1 | herd)", family = "binomial"), ~ period),
  told("slopes", "sim", by_glmer(sim, count ~ x + (x | g), poisson), sim[c(2, 8, 100, 401), c("x", "g")],
       data.frame(x = c(.5, -.3), g = c("g77", "g03")), list(formulas = "count ~ x + (x | g)", family = "poisson"), ~ x)
)
write_json(cases, "tests/reference/random/predict.json", digits = 15, auto_unbox = TRUE, dataframe = "columns")
