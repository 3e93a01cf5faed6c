# Robust standard errors of other packages themselves: CR2 with Satterthwaite's degrees of freedom by clubSandwich, and
# those of sandwich, whose bread is the expected information (--bread expected). Run by write_reference.R; writes
# clusters.json.

suppressPackageStartupMessages(library(clubSandwich))
interior <- "tests/reference/data/interior.csv"

# `fit` at the maximum: one more step of Fisher scoring from where Newton's method ended.
robust_case <- function(name, path, formula, family, link, ..., r_formula = NULL) {
  now$case <- name
  spec <- list(formulas = list(formula), family = family, links = list(mu = link), ...)
  object <- glm_family(family, link, list())
  p <- prepare(spec, path, r_formula, object)
  beta <- newton(list(list(X = p$X, offset = p$offset)), edm_derivatives(family, link, list()), p$y, p$w, coef(p$fit),
                 p$case_weight)
  frame <- list(y = p$y, X = p$X, w = p$w, o = p$offset)
  fit <- start_fit(glm(y ~ 0 + X, object, frame, weights = w, offset = o, start = unname(beta),
                       control = glm.control(epsilon = 1e-14, maxit = 200)))
  agree(coef(fit), beta, 1e-8, "coefficients of glm()")
  df <- NULL
  if (identical(spec$small_sample, "cr2")) {
    if (family == "gaussian") fit <- lm(y ~ 0 + X, frame, weights = w) # whose residuals have no working weights
    club <- if (family == "gaussian") vcovCR(fit, p$groups[[1]], "CR2", inverse_var = TRUE) else
      vcovCR(fit, p$groups[[1]], "CR2")
    se <- sqrt(diag(club))
    df <- coef_test(fit, club, test = "Satterthwaite")$df_Satt
  } else if (grepl("^cluster", spec$se)) {
    se <- sqrt(diag(sandwich::vcovCL(fit, p$groups, type = "HC0", cadjust = TRUE, multi0 = FALSE)))
    df <- rep(min(lengths(lapply(p$groups, unique))) - 1, length(beta))
    naive <- coef_test(fit, vcovCR(fit, p$groups[[1]], "CR1"), test = "naive-t")
    if (length(p$groups) == 1) agree(naive$p_t, 2 * pt(-abs(beta / se), df), 1e-5, "p-values of clubSandwich")
    now$clusters <- df[1] + 1
  } else {
    se <- sqrt(diag(sandwich::vcovHC(fit, toupper(spec$se))))
  }
  case <- finish(name, sprintf("%s; %s", r_call(spec, r_formula, object), if (is.null(spec$small_sample)) "sandwich"
                               else "clubSandwich"), path, spec, rep("mu", length(beta)), p$terms, beta, se, NULL, list(),
                 list(deviance = sum(object$dev.resids(p$y, fitted(fit), p$w))), NULL)
  if (!is.null(df)) {
    case$statistic <- "t"
    case$p_values <- as.list(unname(2 * pt(-abs(beta / se), df)))
    case$df <- as.list(unname(df))
  }
  case
}

cases <- list(
  robust_case("cr2_bacteria", "sample_data/bacteria.csv", "y ~ ap + hilo + week", "binomial", "logit", se = "cluster:ID",
              small_sample = "cr2"),
  robust_case("cr2_quine", "sample_data/quine.csv", "Days ~ Eth + Sex + Lrn", "gaussian", "identity", se = "cluster:Age",
              small_sample = "cr2"),
  robust_case("cr2_epil", "sample_data/epil.csv", "y ~ lbase * trt + lage + V4", "poisson", "log", se = "cluster:subject",
              small_sample = "cr2"),
  robust_case("cr2_weighted", interior, "normal ~ x + g", "gaussian", "identity", weights = "w", se = "cluster:firm",
              small_sample = "cr2"),
  robust_case("cr2_offset", interior, "count ~ x + g", "poisson", "log", offset = "z", se = "cluster:firm",
              small_sample = "cr2"),
  robust_case("cr2_trials", interior, "cbind(successes, failures) ~ x", "binomial", "logit", se = "cluster:firm",
              small_sample = "cr2"),
  robust_case("cr2_probit", interior, "binary ~ x + z", "binomial", "probit", se = "cluster:town", bread = "expected",
              small_sample = "cr2"),
  robust_case("cr2_gamma", interior, "positive ~ x + g", "gamma", "log", se = "cluster:firm", bread = "expected",
              small_sample = "cr2")
)
links <- list(c("binomial", "binary ~ x + z", "probit"), c("binomial", "binary ~ x + z", "cloglog"),
              c("gamma", "positive ~ x + g", "inverse"), c("poisson", "count ~ x + g", "sqrt"))
for (model in links) {
  for (kind in c("hc0", "hc1", "hc2", "hc3", "cluster:firm", "cluster:firm,town")) {
    name <- gsub("[^a-z0-9]+", "_", paste(kind, model[1], model[3], "expected"))
    cases[[length(cases) + 1]] <- robust_case(name, interior, model[2], model[1], model[3], se = kind, bread = "expected")
  }
}
write_cases("clusters", cases)
