# One reference case: a glmfit specification in, R's numbers out. Run by write_reference.R.
#
# edm_case(): the dispersion is held while the mean is fitted, as in glm(). joint_case(): the mean and a second
# predictor (log alpha, log phi) together. Both stop where two independent computations disagree.

source("tests/reference/glm_reference.R")

estimated_dispersion <- c("gaussian", "gamma", "inverse-gaussian", "tweedie", "quasi-poisson", "quasi-binomial")
# Those with a dispersion and a density; a Tweedie's is known between the powers 1 and 2.
has_phi <- function(family, fixed) {
  family %in% c("gaussian", "gamma", "inverse-gaussian") || (family == "tweedie" && 1 < fixed$power && fixed$power < 2)
}
`%or%` <- function(a, b) if (is.null(a)) b else a

now <- new.env() # the case at work, for messages, and how many clusters it has at least

agree <- function(a, b, tolerance, what) {
  difference <- max(abs(a - b) / pmax(abs(b), 1e-8 + 1e-3 * max(abs(b))))
  if (!is.finite(difference) || difference > tolerance) stop(now$case, ": ", what, " differ by ", format(difference))
}

# A two-way cluster covariance may have negative diagonals; such a case is no reference.
standard_errors <- function(V) {
  if (any(diag(V) < 0, na.rm = TRUE)) stop(now$case, ": a negative variance")
  sqrt(diag(V))
}

# ---- Data ------------------------------------------------------------------------------------------------------------

# Text becomes a factor with levels in code-point order; rows with a missing value in a column of the model go.
read_data <- function(path, columns, frequency) {
  data <- read.csv(path, na.strings = "NA")
  text <- vapply(data, is.character, TRUE)
  data[text] <- lapply(data[text], function(x) factor(x, levels = sort(unique(x), method = "radix")))
  data <- data[complete.cases(data[intersect(names(data), columns)]), ]
  if (!is.null(frequency)) data <- data[rep(seq_len(nrow(data)), data[[frequency]]), ]
  data
}

# Terms as glmfit writes them: R's "woolB:tensionM" is "wool[T.B]:tension[T.M]", or "wool[B]:..." without a base level.
term_names <- function(X, levels) {
  clean <- gsub("`", "", colnames(X), fixed = TRUE)
  group <- attr(X, "assign")
  pieces <- strsplit(clean, ":", fixed = TRUE)
  shown <- function(variable, j) {
    Filter(function(level) paste0(variable, level) %in% unlist(pieces[group == j]), levels[[variable]])
  }
  name_piece <- function(piece, j) {
    for (variable in names(levels)) {
      level <- shown(variable, j)
      hit <- level[paste0(variable, level) == piece]
      form <- if (length(level) < length(levels[[variable]])) "%s[T.%s]" else "%s[%s]"
      if (length(hit)) return(sprintf(form, variable, hit))
    }
    piece <- sub("^((poly|bs)\\(.*\\))(\\d+)$", "\\1[\\3]", piece)
    gsub("^I\\((\\w+)\\^(\\w+)\\)$", "I(\\1 ** \\2)", sub("(Intercept)", "Intercept", piece, fixed = TRUE))
  }
  vapply(seq_along(pieces), function(i) paste(vapply(pieces[[i]], name_piece, "", j = group[i]), collapse = ":"), "")
}

# Everything the two kinds of case need: frame, X, y, weights, and glm()'s fit of the mean.
prepare <- function(spec, data_path, r_formula, family_object, second = NULL, flat = NULL) {
  formula <- as.formula(r_formula %or% spec$formulas[[1]])
  clusters <- if (grepl("^cluster", spec$se %or% "")) strsplit(sub("cluster:", "", spec$se), ",")[[1]]
  used <- c(all.vars(formula), all.vars(second), spec$weights, spec$sampling_weights, spec$offset, spec$exposure,
            spec$freq_weights, clusters)
  data <- read_data(data_path, used, spec$freq_weights)
  prior <- if (is.null(spec$weights)) rep(1, nrow(data)) else data[[spec$weights]]
  data <- data[prior > 0, ]
  data$.prior <- prior[prior > 0]
  # As survey::svyglm: only the ratios of sampling weights mean anything.
  pw <- data[[spec$sampling_weights %or% "none"]]
  data$.sampling <- if (is.null(pw)) 1 else pw / mean(pw)
  data$.offset <- 0
  if (!is.null(spec$offset)) data$.offset <- data[[spec$offset]]
  if (!is.null(spec$exposure)) data$.offset <- log(data[[spec$exposure]])
  environment(formula) <- environment()
  start <- if (!is.null(flat)) c(family_object$linkfun(flat), rep(0, ncol(model.matrix(formula, data)) - 1))
  fit <- start_fit(glm(formula, family_object, data, weights = .prior * .sampling, offset = .offset, x = TRUE,
                       start = start, control = glm.control(epsilon = 1e-14, maxit = 200)))
  if (anyNA(coef(fit))) stop(now$case, ": aliased terms ", paste(names(coef(fit))[is.na(coef(fit))], collapse = ", "))
  response <- model.response(fit$model)
  w <- unname(fit$prior.weights / data$.sampling)
  y <- unname(fit$y)
  trials <- if (is.matrix(response)) unname(rowSums(response)) else if (any(y != round(y))) w else rep(1, length(y))
  list(fit = fit, data = data, X = fit$x, y = y, w = w, trials = trials, offset = fit$offset,
       case_weight = rep_len(data$.sampling, length(y)), terms = term_names(fit$x, fit$xlevels),
       intercept = attr(fit$terms, "intercept") == 1, null_start = if (!is.null(flat)) start[1],
       groups = unname(data[clusters]))
}

# glm() is the start alone: that it stopped short, or took weights for trials, is no matter here.
start_fit <- function(fit) {
  known <- "non-integer|did not converge|step size truncated|NaNs produced"
  withCallingHandlers(fit, warning = function(w) if (grepl(known, conditionMessage(w))) invokeRestart("muffleWarning"))
}

# The mean under the intercept alone, or under the offset alone where the model has no intercept.
null_mean <- function(p, derivatives, family_object) {
  if (!p$intercept) return(family_object$linkinv(p$offset))
  ones <- list(list(X = matrix(1, length(p$y)), offset = p$offset))
  start <- coef(start_fit(glm(p$y ~ 1, family_object, weights = p$w * p$case_weight, offset = p$offset,
                              start = p$null_start, control = glm.control(epsilon = 1e-14, maxit = 200))))
  derivatives(linear_predictors(ones, newton(ones, derivatives, p$y, p$w, start, p$case_weight)), p$y, p$w)$mu
}

# ---- Cases -----------------------------------------------------------------------------------------------------------

# `...` are fields of the specification; r_formula where R writes the model another way; rename: term names by hand;
# flat: the mean that glm() starts from in every row, where it finds no start of its own.
edm_case <- function(name, data, formula, family, link, ..., r_formula = NULL, rename = NULL, flat = NULL,
                     tolerance = NULL) {
  now$case <- name
  spec <- list(formulas = if (!is.null(formula)) list(formula), family = family, links = list(mu = link), ...)
  fixed <- as.list(spec$fixed)
  object <- glm_family(family, link, fixed)
  p <- prepare(spec, data, r_formula, object, flat = flat)
  derivatives <- edm_derivatives(family, link, fixed)
  model <- list(list(X = p$X, offset = p$offset))
  beta <- newton(model, derivatives, p$y, p$w, coef(p$fit), p$case_weight)
  at <- derivatives(linear_predictors(model, beta), p$y, p$w)
  n <- length(p$y)
  df <- n - ncol(p$X)

  deviance <- function(mu) sum(object$dev.resids(p$y, mu, p$w * p$case_weight))
  chi2 <- sum(p$w * p$case_weight * (p$y - at$mu)^2 / object$variance(at$mu))
  estimated <- is.character(spec$dispersion) || (is.null(spec$dispersion) && family %in% estimated_dispersion)
  method <- if (is.numeric(spec$dispersion)) "fixed" else spec$dispersion %or% if (estimated) "pearson" else "fixed"
  sampling <- !is.null(spec$sampling_weights)
  phi_ml <- if (!sampling && has_phi(family, fixed)) ml_dispersion(family, p, at$mu, deviance(at$mu), fixed$power)
  phi <- switch(method, fixed = if (is.numeric(spec$dispersion)) spec$dispersion else 1, pearson = chi2 / df,
                deviance = deviance(at$mu) / df, ml = phi_ml)

  bread <- inverse(information(model, p$case_weight * at$h))
  expected <- inverse(crossprod(p$X * sqrt(p$case_weight * at$expected)))
  leverage <- p$case_weight * at$expected * rowSums((p$X %*% expected) * p$X)
  agree(leverage, unname(hatvalues(p$fit)), 1e-4, "leverages")
  kind <- if (sampling) "sampling" else spec$se %or% "hessian"
  V <- covariance(kind, bread, scores(model, at$g), expected, leverage, phi, p$groups, p$case_weight)
  check_edm(p, model, beta, object, bread, expected, V, kind, deviance(at$mu), family, fixed)

  se <- standard_errors(V)
  p_values <- if (estimated) 2 * pt(-abs(beta / se), df) else 2 * pnorm(-abs(beta / se))
  fit <- list(deviance = deviance(at$mu), null_deviance = deviance(null_mean(p, derivatives, object)),
              pearson_chi2 = chi2, df_residual = df, df_null = n - p$intercept)
  agree(fit$null_deviance, p$fit$null.deviance, 1e-7, "null deviances")
  likelihood <- edm_likelihood(family, p, at$mu, phi_ml, spec, fixed, length(beta))
  # With sampling weights an estimated dispersion has no one definition, nor the t statistics that rest on it.
  inference <- list(statistic = if (estimated) "t" else "z", p_values = p_values, dispersion = phi)
  finish(name, r_call(spec, r_formula, object), data, spec, rep("mu", length(beta)), rename %or% p$terms, beta, se,
         if (!sampling || !estimated) inference, list(), c(likelihood, fit), tolerance)
}

# The ML dispersion at the fitted mean; for gamma the root of 2 sum w (log(w/phi) - digamma(w/phi)) = deviance.
ml_dispersion <- function(family, p, mu, deviance, power) {
  if (family == "tweedie") {
    value <- function(s) sum(log_density(family, p$y, mu, p$w, p$trials, exp(s), NULL, power))
    return(exp(optimize(value, log(deviance / length(p$y)) + c(-3, 3), maximum = TRUE, tol = 1e-8)$maximum))
  }
  if (family != "gamma") return(deviance / length(p$y))
  equation <- function(s) 2 * sum(p$w * (log(p$w) - s - digamma(p$w * exp(-s)))) - deviance
  phi <- exp(uniroot(equation, c(-20, 5), tol = 1e-15)$root)
  agree(phi, 1 / gamma.shape(p$fit, eps.max = 1e-8, it.lim = 50)$alpha, 1e-6, "gamma shapes")
  phi
}

# A quasi-likelihood has none: null. Under sampling weights, or a dispersion given to a count, it is left out.
edm_likelihood <- function(family, p, mu, phi_ml, spec, fixed, k) {
  if (family %in% estimated_dispersion && !has_phi(family, fixed)) {
    return(list(log_likelihood = NA, aic = NA, bic = NA))
  }
  own_phi <- !is.null(phi_ml)
  if (!is.null(spec$sampling_weights) || (!own_phi && !is.null(spec$dispersion))) return(list())
  free_phi <- own_phi && !is.numeric(spec$dispersion)
  l <- sum(log_density(family, p$y, mu, p$w, p$trials, if (free_phi) phi_ml else spec$dispersion, fixed$alpha,
                       fixed$power))
  # R's own, where it means the same (its gamma has another shape, its weighted inverse Gaussian another dispersion).
  peers <- c("gaussian", "poisson", "binomial", if (all(p$w == 1)) "inverse-gaussian")
  if (family %in% peers && !is.numeric(spec$dispersion)) agree(l, as.numeric(logLik(p$fit)), 1e-9, "log-likelihoods")
  list(log_likelihood = l, aic = -2 * l + 2 * (k + free_phi), bic = -2 * l + log(length(p$y)) * (k + free_phi))
}

# Held against: glm's coefficients and expected standard errors (to 1e-4: Fisher scoring stops early where it converges
# linearly, as with the log-complement link) and deviance; the score through R's family object, differentiated
# numerically; sandwich's covariances where the link is canonical.
check_edm <- function(p, model, beta, object, bread, expected, V, kind, deviance, family, fixed) {
  agree(beta, coef(p$fit), 1e-4, "coefficients of glm()")
  agree(sqrt(diag(expected)), sqrt(diag(summary(p$fit, dispersion = 1)$cov.unscaled)), 1e-4, "expected standard errors")
  agree(deviance, p$fit$deviance, 1e-9, "deviances")
  score <- function(b) {
    eta <- linear_predictors(model, b)[, 1]
    mu <- object$linkinv(eta)
    colSums(p$X * p$case_weight * p$w * (p$y - mu) * object$mu.eta(eta) / object$variance(mu))
  }
  agree(sqrt(diag(inverse(-numDeriv::jacobian(score, beta)))), sqrt(diag(bread)), 1e-6, "numerical standard errors")
  canonical <- max(abs(bread - expected) / outer(sqrt(diag(bread)), sqrt(diag(bread)))) < 1e-7
  if (!canonical || kind %in% c("hessian", "expected")) return(invisible())
  peer <- if (kind == "sampling") sandwich::vcovHC(p$fit, "HC0") * length(p$y) / (length(p$y) - 1)
    else if (grepl("cluster", kind)) sandwich::vcovCL(p$fit, p$groups, type = "HC0", cadjust = TRUE, multi0 = FALSE)
    else sandwich::vcovHC(p$fit, toupper(kind))
  agree(sqrt(diag(V)), sqrt(diag(peer)), 1e-6, "standard errors of sandwich")
}

# predictor: the formula of log alpha or log phi, or NULL for a negative binomial's single alpha.
joint_case <- function(name, data, formula, family, link, predictor = NULL, ..., r_formula = NULL,
                       tolerance = NULL) {
  now$case <- name
  parameter <- if (family == "negative-binomial") "alpha" else "phi"
  spec <- list(formulas = as.list(c(formula, if (!is.null(predictor)) paste(parameter, "~", predictor))),
               family = family, links = list(mu = link), ...)
  second_formula <- as.formula(paste("~", predictor %or% "1"))
  start <- if (parameter == "phi") glm_family(family, link, list()) else glm_family("poisson", link, list())
  p <- prepare(spec, data, r_formula, start, second_formula)
  frame <- model.frame(second_formula, p$data)
  Z <- if (is.null(predictor)) matrix(1, length(p$y)) else model.matrix(second_formula, frame)
  z_terms <- if (is.null(predictor)) "Intercept" else term_names(Z, .getXlevels(terms(frame), frame))
  model <- list(list(X = p$X, offset = p$offset), list(X = Z, offset = rep(0, length(p$y))))
  derivatives <- joint_derivatives(family, link)
  first <- log(max(sum((p$y - fitted(p$fit))^2 / start$variance(fitted(p$fit))) / p$fit$df.residual - 1, 0.1))
  if (parameter == "alpha") first <- -log(theta.ml(p$y, fitted(p$fit), limit = 100))
  theta <- newton(model, derivatives, p$y, p$w, c(coef(p$fit), first, rep(0, ncol(Z) - 1)), p$case_weight)
  at <- derivatives(linear_predictors(model, theta), p$y, p$w)

  bread <- inverse(information(model, p$case_weight * at$h))
  kind <- if (!is.null(spec$sampling_weights)) "sampling" else spec$se %or% "hessian"
  mean_terms <- seq_len(ncol(p$X))
  expected <- bread * NA
  if (kind == "expected") {
    object <- glm_family(family, link, list(alpha = exp(theta[length(theta)])))
    slope <- object$mu.eta(linear_predictors(model, theta)[, 1])
    expected[mean_terms, mean_terms] <- inverse(crossprod(p$X * slope * sqrt(p$w / object$variance(at$mu))))
  }
  V <- covariance(kind, bread, scores(model, at$g), expected, NULL, 1, p$groups, p$case_weight)
  check_joint(p, model, theta, bread, family, link, parameter)
  se <- standard_errors(V)

  l <- sum(at$l)
  k <- length(theta)
  fit <- list(log_likelihood = l, aic = -2 * l + 2 * k, bic = -2 * l + log(length(p$y)) * k)
  auxiliary <- list()
  if (is.null(predictor)) {
    alpha <- exp(theta[k])
    auxiliary <- list(list(name = parameter, estimate = unname(alpha), std_error = unname(alpha * se[k])))
    object <- glm_family(family, link, list(alpha = alpha))
    deviance <- function(mu) sum(object$dev.resids(p$y, mu, p$w * p$case_weight))
    null <- null_mean(p, edm_derivatives(family, link, list(alpha = alpha)), object)
    fit <- c(if (is.null(spec$sampling_weights)) fit, list(
      deviance = deviance(at$mu), null_deviance = deviance(null),
      pearson_chi2 = sum(p$w * p$case_weight * (p$y - at$mu)^2 / object$variance(at$mu)),
      df_residual = length(p$y) - ncol(p$X), df_null = length(p$y) - p$intercept))
  }
  inference <- c(list(statistic = "z", p_values = 2 * pnorm(-abs(theta / se))),
                 if (parameter == "alpha") list(dispersion = 1))
  finish(name, paste0("joint maximum likelihood: Newton with deriv3(); standard errors: ", kind), data, spec,
         rep(c("mu", parameter), c(ncol(p$X), ncol(Z))), c(p$terms, z_terms), theta, se, inference, auxiliary, fit,
         tolerance)
}

# Held against the Hessian of R's own density by numDeriv, and the gradient against zero.
check_joint <- function(p, model, theta, bread, family, link, parameter) {
  mu <- inverse_link(link)
  value <- function(b) {
    eta <- linear_predictors(model, b)
    aux <- exp(eta[, 2])
    sum(p$case_weight * log_density(family, p$y, eval(mu, list(eta = eta[, 1])), p$w, p$trials, aux, aux))
  }
  agree(sqrt(diag(inverse(-numDeriv::hessian(value, theta)))), sqrt(diag(bread)), 1e-5, "numerical standard errors")
  gradient <- numDeriv::grad(value, theta) * sqrt(diag(bread))
  if (max(abs(gradient)) > 1e-5) stop(now$case, ": gradient of R's density is not zero: ", max(abs(gradient)))
}

r_call <- function(spec, r_formula, object) {
  extra <- c(if (!is.null(spec$weights)) paste("weights =", spec$weights),
             if (!is.null(spec$offset)) paste("offset =", spec$offset),
             if (!is.null(spec$exposure)) sprintf("offset = log(%s)", spec$exposure),
             if (!is.null(spec$freq_weights)) sprintf("data[rep(1:n, %s), ]", spec$freq_weights),
             if (!is.null(spec$sampling_weights)) paste("weights =", spec$sampling_weights))
  family <- sprintf("%s(%s)", object$family, object$link)
  if (spec$family == "tweedie") family <- sprintf("tweedie(%s, %s)", spec$fixed$power, spec$links$mu)
  call <- paste(c(r_formula %or% spec$formulas[[1]], family, extra), collapse = ", ")
  kind <- if (!is.null(spec$sampling_weights)) "sampling" else spec$se %or% "hessian"
  sprintf("glm(%s); standard errors: %s", call, kind)
}

finish <- function(name, r, data, spec, parameter, term, estimate, se, inference, auxiliary, fit, tolerance) {
  stopifnot(length(term) == length(estimate), !anyDuplicated(paste(parameter, term)))
  estimate <- unname(estimate)
  se <- unname(se)
  row <- function(i) list(parameter = parameter[i], term = term[i], estimate = estimate[i], std_error = se[i])
  if (grepl("^cluster", spec$se %or% "") && !is.null(inference)) { # t with G - 1 degrees of freedom, as fixest has it
    inference$statistic <- "t"
    inference$p_values <- 2 * pt(-abs(estimate / se), now$clusters - 1)
  }
  if (!is.null(inference$p_values)) inference$p_values <- as.list(unname(inference$p_values))
  spec <- Filter(Negate(is.null), spec)
  c(list(name = name, r = r, data = data, spec = spec, coefficients = lapply(seq_along(term), row)),
    inference, list(auxiliary = auxiliary, fit = fit, tolerance = tolerance))
}

# Numbers go out in the fewest of 15 or 17 digits that give the double back (jsonlite stops at 15).
exact <- function(x) {
  if (is.list(x)) return(lapply(x, exact))
  if (!is.numeric(x) || is.na(x)) return(x)
  short <- sprintf("%.15g", x)
  paste0("@", if (as.numeric(short) == x) short else sprintf("%.17g", x), "@")
}

write_cases <- function(subject, cases) {
  names <- vapply(cases, `[[`, "", "name")
  if (anyDuplicated(names)) stop("two cases are called ", names[duplicated(names)][1])
  json <- jsonlite::toJSON(exact(cases), auto_unbox = TRUE, null = "null", na = "null", pretty = 1)
  writeLines(gsub('"@([^@"]*)@"', "\\1", json), file.path("tests/reference", paste0(subject, ".json")))
  cat(subject, ":", length(cases), "cases\n")
}
