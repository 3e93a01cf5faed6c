# Responses in categories: multinomial, ordinal (cumulative links), and the conditional logit of rows within sets. The
# log-densities are written here from their definitions: probabilities as differences of distribution functions,
# differentiated symbolically, and sums over all choices of as many rows. Run by write_reference.R; writes
# categorical.json. Second opinions: nnet 7.3-18, MASS, ordinal 2022.11-16, VGAM 1.1-7, survival 3.5-3.

categorical <- "tests/reference/data/categorical.csv"
housing <- "sample_data/housing.csv"
infert <- "sample_data/infert.csv"

# ---- What the three have in common -----------------------------------------------------------------------------------

weight_columns <- c("weights", "freq_weights", "sampling_weights")

# Rows of positive weight, with the weight that multiplies the log-density (prior) and that of the sample.
case_data <- function(spec, path) {
  data <- read_data(path, character(0), spec$freq_weights)
  data$.prior <- if (is.null(spec$weights)) 1 else data[[spec$weights]]
  data$.sampling <- if (is.null(spec$sampling_weights)) 1 else data[[spec$sampling_weights]]
  data$.offset <- if (is.null(spec$offset)) 0 else data[[spec$offset]]
  data
}

# The predictor of a one-sided formula; `constant` is FALSE for a location, whose factors are coded as beside one.
predictor <- function(formula, data, parameter, constant = TRUE, offset = 0) {
  frame <- model.frame(as.formula(formula), data)
  X <- model.matrix(attr(frame, "terms"), frame)
  terms <- term_names(X, .getXlevels(attr(frame, "terms"), frame))
  kept <- constant | terms != "Intercept"
  extra <- model.offset(frame)
  list(X = X[, kept, drop = FALSE], terms = terms[kept], parameter = parameter,
       offset = rep_len(offset, nrow(data)) + if (is.null(extra)) 0 else extra)
}

# The case from a maximum: S are the scores of units (of prior weight), case_weight their sampling weights.
categorical_result <- function(name, how, data, spec, parameter, term, theta, bread, S, l, case_weight, groups, cuts,
                               df_null) {
  kind <- if (!is.null(spec$sampling_weights)) "sampling" else spec$se %or% "hessian"
  V <- covariance(kind, bread, S, NULL, NULL, 1, groups, case_weight)
  se <- standard_errors(V)
  n <- nrow(S)
  k <- length(theta)
  fit <- list(df_residual = n - k, df_null = n - df_null)
  if (is.null(spec$sampling_weights)) {
    fit <- c(list(log_likelihood = l, aic = -2 * l + 2 * k, bic = -2 * l + log(n) * k), fit)
  }
  alone <- Filter(function(j) parameter[j] %in% cuts && sum(parameter == parameter[j]) == 1 && term[j] == "Intercept",
                  seq_len(k))
  auxiliary <- lapply(alone, function(j) {
    list(name = parameter[j], estimate = unname(theta[j]), std_error = unname(se[j]))
  })
  inference <- list(statistic = "z", p_values = 2 * pnorm(-abs(theta / se)), dispersion = 1)
  case <- finish(name, paste0(how, "; standard errors: ", kind), data, spec, parameter, term, theta, se, inference,
                 auxiliary, fit, NULL)
  structure(case, V = V)
}

# Newton from a start found by BFGS, on predictors side by side.
predictors_case <- function(name, how, path, spec, data, predictors, y, derivatives, start, cuts) {
  now$case <- name
  value <- function(b) sum(data$.sampling * derivatives(linear_predictors(predictors, b), y, data$.prior)$l)
  slope <- function(b) {
    colSums(scores(predictors, data$.sampling * derivatives(linear_predictors(predictors, b), y, data$.prior)$g))
  }
  safe <- function(b) if (is.finite(v <- suppressWarnings(value(b)))) -v else 1e10
  found <- optim(start, safe, function(b) -slope(b), method = "BFGS", control = list(maxit = 500))
  theta <- newton(predictors, derivatives, y, data$.prior, found$par, data$.sampling)
  agree(sqrt(diag(inverse(-numDeriv::jacobian(slope, theta)))),
        sqrt(diag(inverse(-numDeriv::hessian(value, theta)))), 1e-4, "numerical standard errors")
  at <- derivatives(linear_predictors(predictors, theta), y, data$.prior)
  bread <- inverse(information(predictors, data$.sampling * at$h))
  clusters <- if (grepl("^cluster", spec$se %or% "")) strsplit(sub("cluster:", "", spec$se), ",")[[1]]
  term <- unlist(lapply(predictors, `[[`, "terms"))
  parameter <- unlist(lapply(predictors, function(p) rep(p$parameter, ncol(p$X))))
  categorical_result(name, how, path, spec, parameter, term, theta, bread, scores(predictors, at$g), sum(at$l),
                     data$.sampling, unname(data[clusters]), cuts, length(unique(y)) - 1)
}

right_side <- function(formula) paste("~", strsplit(formula, "~", fixed = TRUE)[[1]][2])
left_side <- function(formula) gsub("`", "", trimws(strsplit(formula, "~", fixed = TRUE)[[1]][1]))

# Categories in the order asked for, else that of the numbers or of the alphabet (in code points).
codes <- function(response, levels) {
  order <- if (!is.null(levels)) unlist(levels) else sort(unique(as.character(response)), method = "radix")
  list(y = match(as.character(response), order), levels = order)
}

# ---- Multinomial -----------------------------------------------------------------------------------------------------

# l = log p_y; g_k = [y = k] - p_k; h_jk = -p_j ([j = k] - p_k), over the categories but the first.
multinomial_derivatives <- function(eta, y, w) {
  p <- exp(cbind(0, eta))
  p <- p / rowSums(p)
  K <- ncol(eta)
  g <- outer(y - 1, seq_len(K), "==") - p[, -1, drop = FALSE]
  h <- array(0, c(length(y), K, K))
  for (j in seq_len(K)) for (k in seq_len(K)) h[, j, k] <- -p[, j + 1] * ((j == k) - p[, k + 1])
  list(l = w * log(p[cbind(seq_along(y), y)]), g = w * g, h = w * h)
}

multinomial_case <- function(name, path, formula, ..., own = list()) {
  spec <- list(formulas = as.list(c(formula, unlist(own))), family = "multinomial", links = list(mu = "logit"), ...)
  data <- case_data(spec, path)
  response <- codes(data[[left_side(formula)]], spec$levels)
  categories <- response$levels[-1]
  formulas <- setNames(rep(list(right_side(formula)), length(categories)), categories)
  for (text in own) formulas[[left_side(text)]] <- right_side(text)
  predictors <- lapply(categories, function(category) predictor(formulas[[category]], data, category))
  size <- sum(vapply(predictors, function(p) ncol(p$X), 0))
  predictors_case(name, "maximum likelihood by Newton, softmax", path, spec, data, predictors, response$y,
                  multinomial_derivatives, rep(0, size), character(0))
}

# ---- Ordinal ---------------------------------------------------------------------------------------------------------

# Pr(y <= j) = F(cut_j - m): predictors are m, then the cut points.
ordinal_derivatives <- function(link) {
  F <- function(bound) put(inverse_link(link), eta = bound)
  upper <- F(quote(b - m))
  lower <- F(quote(a - m))
  first <- deriv3(put(quote(log(u)), u = upper), c("m", "b"), function.arg = c("m", "b"))
  last <- deriv3(put(quote(log(1 - v)), v = lower), c("m", "a"), function.arg = c("m", "a"))
  middle <- deriv3(put(quote(log(u - v)), u = upper, v = lower), c("m", "a", "b"), function.arg = c("m", "a", "b"))
  function(eta, y, w) {
    K <- ncol(eta)
    l <- numeric(length(y))
    g <- matrix(0, length(y), K)
    h <- array(0, c(length(y), K, K))
    for (j in seq_len(K)) { # categories 1 to K with K - 1 cut points
      rows <- which(y == j)
      places <- if (j == 1) c(1, 2) else if (j == K) c(1, K) else c(1, j, j + 1)
      density <- if (j == 1) first else if (j == K) last else middle
      value <- do.call(density, lapply(places, function(k) eta[rows, k]))
      l[rows] <- value
      g[rows, places] <- attr(value, "gradient")
      h[rows, places, places] <- attr(value, "hessian")
    }
    list(l = w * l, g = w * g, h = w * h)
  }
}

ordinal_case <- function(name, path, formula, link, ..., own = list()) {
  spec <- list(formulas = as.list(c(formula, unlist(own))), family = "ordinal", links = list(mu = link), ...)
  data <- case_data(spec, path)
  response <- codes(data[[left_side(formula)]], spec$levels)
  cuts <- paste0("cut", seq_along(response$levels[-1]))
  relaxed <- unlist(spec$relax)
  variables <- attr(terms(as.formula(right_side(formula))), "term.labels")
  kept <- paste("~", paste(c("1", setdiff(variables, relaxed)), collapse = " + "))
  formulas <- setNames(rep(list(paste("~", paste(c("1", relaxed), collapse = " + "))), length(cuts)), cuts)
  for (text in own) formulas[[left_side(text)]] <- right_side(text)
  predictors <- c(list(predictor(kept, data, "location", constant = FALSE, offset = data$.offset)),
                  lapply(cuts, function(cut) predictor(formulas[[cut]], data, cut)))
  shares <- cumsum(tabulate(response$y))[seq_along(cuts)] / nrow(data)
  start <- unlist(lapply(seq_along(predictors), function(k) {
    p <- predictors[[k]]
    if (k == 1) rep(0, ncol(p$X)) else c(glm_link(link)$linkfun(shares[k - 1]), rep(0, ncol(p$X) - 1))
  }))
  predictors_case(name, paste0("maximum likelihood by Newton with deriv3(), cumulative ", link), path, spec, data,
                  predictors, response$y, ordinal_derivatives(link), start, cuts)
}

# ---- Conditional logit -----------------------------------------------------------------------------------------------

# Each group is a choice among all subsets of as many rows as were chosen; X and offset of a subset are sums over it.
conditional_case <- function(name, path, formula, group, ...) {
  now$case <- name
  spec <- list(formulas = list(formula), family = "conditional-logit", links = list(mu = "logit"), group = group, ...)
  data <- read_data(path, character(0), NULL)
  data$.offset <- if (is.null(spec$offset)) 0 else data[[spec$offset]]
  weight <- spec[[intersect(weight_columns, names(spec))[1] %or% "none"]]
  data$.weight <- if (is.null(weight)) 1 else data[[weight]]
  data <- data[data$.weight > 0, ]
  y <- data[[left_side(formula)]]
  informative <- ave(y, data[[group]], FUN = function(v) sum(v) > 0 && sum(v) < length(v)) == 1
  data <- data[informative, ]
  y <- y[informative]
  p <- predictor(right_side(formula), data, "mu", constant = FALSE, offset = data$.offset)
  units <- lapply(split(seq_along(y), data[[group]]), function(rows) {
    subsets <- combn(length(rows), sum(y[rows]))
    of <- function(v) colSums(matrix(v[rows][subsets], nrow(subsets)))
    X <- apply(p$X, 2, of)
    list(X = matrix(X, ncol(subsets)), offset = of(p$offset), chosen = which(of(y) == sum(y[rows])),
         weight = data$.weight[rows[1]], row = rows[1])
  })
  if (!is.null(spec$freq_weights)) {
    units <- units[rep(seq_along(units), vapply(units, `[[`, 0, "weight"))]
    units <- lapply(units, function(u) replace(u, "weight", 1))
  }
  at <- function(beta) {
    parts <- lapply(units, function(u) {
      eta <- drop(u$X %*% beta) + u$offset
      q <- exp(eta - max(eta))
      total <- sum(q)
      q <- q / total
      mean <- colSums(q * u$X)
      list(l = eta[u$chosen] - max(eta) - log(total), g = u$X[u$chosen, ] - mean,
           information = crossprod(sqrt(q) * sweep(u$X, 2, mean)))
    })
    weight <- vapply(units, `[[`, 0, "weight")
    S <- matrix(do.call(rbind, lapply(parts, `[[`, "g")), length(parts))
    list(l = sum(weight * vapply(parts, `[[`, 0, "l")), S = S, weight = weight,
         information = Reduce(`+`, Map(function(part, w) w * part$information, parts, weight)))
  }
  beta <- rep(0, ncol(p$X))
  for (iteration in 1:50) {
    found <- at(beta)
    beta <- beta + drop(inverse(found$information) %*% colSums(found$weight * found$S))
  }
  found <- at(beta)
  numerical <- inverse(-numDeriv::hessian(function(b) at(b)$l, beta))
  agree(sqrt(diag(numerical)), sqrt(diag(inverse(found$information))), 1e-5, "numerical standard errors")
  sampling <- !is.null(spec$sampling_weights)
  clusters <- if (grepl("^cluster", spec$se %or% "")) strsplit(sub("cluster:", "", spec$se), ",")[[1]]
  first <- vapply(units, `[[`, 0, "row")
  categorical_result(name, "maximum likelihood by Newton, sums over all subsets", path, spec, rep("mu", length(beta)),
                     p$terms, beta, inverse(found$information), if (sampling) found$S else found$weight * found$S,
                     found$l, if (sampling) found$weight else 1, unname(as.list(data[first, clusters, drop = FALSE])),
                     character(0), 0)
}

# ---- Columns far from zero or of great size: the same model in other units -------------------------------------------

# A case in terms of x, carried over by theta -> A theta to `column`, where x = (column - shift) / scale: b x is
# (b / scale) column - b shift / scale, and the constants take up the latter; those of all cut points for the location.
in_units <- function(case, name, column, shift, scale) {
  now$case <- name
  field <- function(what) vapply(case$coefficients, `[[`, if (what == "estimate") 0 else "", what)
  parameter <- field("parameter")
  is_x <- field("term") == "x"
  constant <- field("term") == "Intercept"
  A <- diag(ifelse(is_x, 1 / scale, 1), length(is_x))
  for (j in which(is_x)) {
    if (parameter[j] == "location") A[constant, j] <- shift / scale
    else A[constant & parameter == parameter[j], j] <- -shift / scale
  }
  theta <- drop(A %*% field("estimate"))
  se <- standard_errors(A %*% attr(case, "V") %*% t(A))
  rename <- function(text) gsub("\\bx\\b", column, text)
  case$name <- name
  case$spec$formulas <- lapply(case$spec$formulas, rename)
  if (!is.null(case$spec$relax)) case$spec$relax <- lapply(case$spec$relax, rename)
  case$coefficients <- lapply(seq_along(theta), function(j) {
    list(parameter = parameter[j], term = rename(field("term")[j]), estimate = theta[j], std_error = se[j])
  })
  case$p_values <- as.list(2 * pnorm(-abs(theta / se)))
  case$auxiliary <- lapply(case$auxiliary, function(row) {
    j <- which(parameter == row$name)
    list(name = row$name, estimate = theta[j], std_error = se[j])
  })
  case
}

# ---- The cases -------------------------------------------------------------------------------------------------------

multinomial <- list(
  multinomial_case("multinomial_housing", housing, "Sat ~ Infl + Type + Cont", freq_weights = "Freq",
                   levels = list("Low", "Medium", "High")),
  multinomial_case("multinomial_housing_base", housing, "Sat ~ Infl * Cont", freq_weights = "Freq",
                   levels = list("High", "Low", "Medium")),
  multinomial_case("multinomial_numeric", categorical, "mode ~ x + z"),
  multinomial_case("multinomial_factor", categorical, "mode ~ x * g"),
  multinomial_case("multinomial_codes", categorical, "rating ~ x + g"),
  multinomial_case("multinomial_two", categorical, "answer ~ x + g"),
  multinomial_case("multinomial_no_intercept", categorical, "mode ~ 0 + x + g"),
  multinomial_case("multinomial_constants", categorical, "mode ~ 1"),
  multinomial_case("multinomial_own", categorical, "mode ~ x", own = list("`on foot` ~ x + g", "train ~ z")),
  multinomial_case("multinomial_own_offset", categorical, "mode ~ x", own = list("car ~ x + offset(shift)")),
  multinomial_case("multinomial_prior", categorical, "mode ~ x + z", weights = "w"),
  multinomial_case("multinomial_frequency", categorical, "mode ~ x + g", freq_weights = "f"),
  multinomial_case("multinomial_sampling", categorical, "mode ~ x + g", sampling_weights = "pw"),
  multinomial_case("multinomial_hc0", categorical, "mode ~ x + g", se = "hc0"),
  multinomial_case("multinomial_hc1", categorical, "mode ~ x", freq_weights = "f", se = "hc1"),
  multinomial_case("multinomial_cluster", categorical, "mode ~ x + z", se = "cluster:firm"),
  multinomial_case("multinomial_two_way", categorical, "mode ~ x", se = "cluster:firm,town")
)

grades <- list("poor", "fair", "good")
ordinal <- list(
  ordinal_case("ordinal_housing", housing, "Sat ~ Infl + Type + Cont", "logit", freq_weights = "Freq",
               levels = list("Low", "Medium", "High")),
  ordinal_case("ordinal_housing_probit", housing, "Sat ~ Infl * Cont", "probit", freq_weights = "Freq",
               levels = list("Low", "Medium", "High")),
  ordinal_case("ordinal_housing_relax", housing, "Sat ~ Infl + Type + Cont", "logit", freq_weights = "Freq",
               levels = list("Low", "Medium", "High"), relax = list("Infl", "Cont")),
  ordinal_case("ordinal_logit", categorical, "rating ~ x + g", "logit"),
  ordinal_case("ordinal_probit", categorical, "grade ~ x + z", "probit", levels = grades),
  ordinal_case("ordinal_cloglog", categorical, "rating ~ x + g", "cloglog"),
  ordinal_case("ordinal_loglog", categorical, "rating ~ x + g", "loglog"),
  ordinal_case("ordinal_cauchit", categorical, "rating ~ x * g", "cauchit"),
  ordinal_case("ordinal_two", categorical, "answer ~ x + g", "logit", levels = list("no", "yes")),
  ordinal_case("ordinal_two_cloglog", categorical, "answer ~ x + g", "cloglog", levels = list("yes", "no")),
  ordinal_case("ordinal_constants", categorical, "rating ~ 1", "probit"),
  ordinal_case("ordinal_offset", categorical, "rating ~ x + g", "logit", offset = "shift"),
  ordinal_case("ordinal_offset_probit", categorical, "grade ~ z", "probit", levels = grades, offset = "shift"),
  ordinal_case("ordinal_relax_one", categorical, "rating ~ x + g + z", "logit", relax = list("x")),
  ordinal_case("ordinal_relax_factor", categorical, "rating ~ x + g", "probit", relax = list("g")),
  ordinal_case("ordinal_relax_all", categorical, "grade ~ x + g", "logit", levels = grades, relax = list("x", "g")),
  ordinal_case("ordinal_relax_all_offset", categorical, "rating ~ z", "cloglog", relax = list("z"), offset = "shift"),
  ordinal_case("ordinal_own", categorical, "rating ~ x", "logit", own = list("cut2 ~ g")),
  ordinal_case("ordinal_own_no_constant", categorical, "grade ~ x", "logit", levels = grades,
               own = list("cut1 ~ 0 + z")),
  ordinal_case("ordinal_own_offset", categorical, "rating ~ x", "logit", own = list("cut3 ~ z + offset(shift)")),
  ordinal_case("ordinal_prior", categorical, "rating ~ x + g", "logit", weights = "w"),
  ordinal_case("ordinal_frequency", categorical, "rating ~ x + g", "loglog", freq_weights = "f"),
  ordinal_case("ordinal_sampling", categorical, "rating ~ x + g", "logit", sampling_weights = "pw"),
  ordinal_case("ordinal_hc0", categorical, "rating ~ x + g", "probit", se = "hc0"),
  ordinal_case("ordinal_hc1", categorical, "rating ~ x", "logit", freq_weights = "f", se = "hc1"),
  ordinal_case("ordinal_cluster", categorical, "rating ~ x + z", "logit", relax = list("z"), se = "cluster:firm")
)

conditional <- list(
  conditional_case("conditional_infert", infert, "case ~ spontaneous + induced", "stratum"),
  conditional_case("conditional_infert_product", infert, "case ~ spontaneous * induced", "stratum"),
  conditional_case("conditional_infert_pooled", infert, "case ~ spontaneous + induced", "pooled.stratum"),
  conditional_case("conditional_one", categorical, "chosen ~ x + z + g", "set"),
  conditional_case("conditional_many", categorical, "many ~ x + z + g", "set"),
  conditional_case("conditional_interaction", categorical, "many ~ x * g", "set"),
  conditional_case("conditional_offset", categorical, "chosen ~ x + g", "set", offset = "shift"),
  conditional_case("conditional_many_offset", categorical, "many ~ x + g", "set", offset = "shift"),
  conditional_case("conditional_prior", categorical, "many ~ x + z", "set", weights = "set_w"),
  conditional_case("conditional_frequency", categorical, "many ~ x + z", "set", freq_weights = "set_f"),
  conditional_case("conditional_sampling", categorical, "chosen ~ x + g", "set", sampling_weights = "set_pw"),
  conditional_case("conditional_hc0", categorical, "many ~ x + z", "set", se = "hc0"),
  conditional_case("conditional_hc1", categorical, "chosen ~ x + z", "set", se = "hc1"),
  conditional_case("conditional_cluster", categorical, "many ~ x + z", "set", se = "cluster:set"),
  conditional_case("conditional_cluster_town", categorical, "chosen ~ x + z", "set", se = "cluster:town")
)
cases <- c(multinomial, ordinal, conditional)
names(cases) <- vapply(cases, `[[`, "", "name")
for (of in c("multinomial_numeric", "multinomial_own", "ordinal_logit", "ordinal_relax_one", "ordinal_hc0",
             "conditional_one", "conditional_many")) {
  large <- in_units(cases[[of]], paste0(of, "_large"), "large", 1e6, 1)
  huge <- in_units(cases[[of]], paste0(of, "_huge"), "huge", 0, 1e8)
  cases <- c(cases, setNames(list(large, huge), c(large$name, huge$name)))
}

# ---- Second opinions -------------------------------------------------------------------------------------------------

estimates <- function(name) vapply(cases[[name]]$coefficients, `[[`, 0, "estimate")
errors <- function(name) vapply(cases[[name]]$coefficients, `[[`, 0, "std_error")
# V is NULL where the other program has the expected information.
opinion <- function(name, who, coefficients, V, l, tolerance = 1e-5) {
  now$case <- name
  agree(estimates(name), coefficients, tolerance, paste("coefficients of", who))
  if (!is.null(V)) agree(errors(name), sqrt(diag(V)), tolerance, paste("standard errors of", who))
  agree(cases[[name]]$fit$log_likelihood, l, 1e-8, paste("log-likelihoods of", who))
}
simulated <- read_data(categorical, character(0), NULL)
simulated$grade <- ordered(simulated$grade, unlist(grades))
simulated$rating <- ordered(simulated$rating)
homes <- read.csv(housing, stringsAsFactors = TRUE)
homes$Sat <- factor(homes$Sat, c("Low", "Medium", "High"))

softmax <- function(name, formula, data, weights = rep(1, nrow(data))) {
  fit <- do.call(nnet::multinom, list(formula, data, weights, trace = FALSE, reltol = 1e-15, maxit = 2000, Hess = TRUE))
  b <- as.vector(t(coef(fit)))
  opinion(name, "nnet::multinom()", b, vcov(fit), as.numeric(logLik(fit)), 1e-4)
}
softmax("multinomial_housing", Sat ~ Infl + Type + Cont, homes, weights = homes$Freq)
softmax("multinomial_factor", mode ~ x * g, simulated)
softmax("multinomial_codes", rating ~ x + g, simulated)
softmax("multinomial_two", answer ~ x + g, simulated)
softmax("multinomial_prior", mode ~ x + z, simulated, weights = simulated$w)
vgam <- VGAM::vglm(mode ~ x + z, VGAM::multinomial(refLevel = 1), simulated, epsilon = 1e-8)
by_category <- order(rep(1:3, 3)) # VGAM has the terms outside and the categories inside
opinion("multinomial_numeric", "VGAM::vglm(multinomial)", coef(vgam)[by_category],
        VGAM::vcov(vgam)[by_category, by_category], VGAM::logLik(vgam))

cumulative <- function(name, formula, link, data, ..., order = NULL) { # ... as values, not as names in the data
  control <- ordinal::clm.control(gradTol = 1e-10, maxIter = 200, convergence = "silent")
  fit <- do.call(ordinal::clm, list(formula, data = data, link = link, ..., control = control))
  cuts <- length(fit$alpha)
  rows <- order %or% c(seq_along(fit$beta) + cuts, seq_len(cuts))
  opinion(name, "ordinal::clm()", coef(fit)[rows], vcov(fit)[rows, rows], as.numeric(logLik(fit)))
}
cumulative("ordinal_housing", Sat ~ Infl + Type + Cont, "logit", homes, weights = homes$Freq)
cumulative("ordinal_housing_probit", Sat ~ Infl * Cont, "probit", homes, weights = homes$Freq)
cumulative("ordinal_logit", rating ~ x + g, "logit", simulated)
cumulative("ordinal_probit", grade ~ x + z, "probit", simulated)
cumulative("ordinal_cloglog", rating ~ x + g, "cloglog", simulated)
cumulative("ordinal_loglog", rating ~ x + g, "loglog", simulated)
cumulative("ordinal_prior", rating ~ x + g, "logit", simulated, weights = simulated$w)
# clm()'s nominal effects are on the cut points, with the sign that they have here, the terms outside.
cumulative("ordinal_relax_one", rating ~ g + z, "logit", simulated, nominal = ~x, order = c(7:9, 1, 4, 2, 5, 3, 6))
cumulative("ordinal_relax_factor", rating ~ x, "probit", simulated, nominal = ~g,
           order = c(10, 1, 4, 7, 2, 5, 8, 3, 6, 9))
cumulative("ordinal_relax_all", grade ~ 1, "logit", simulated, nominal = ~ x + g, order = c(1, 3, 5, 7, 2, 4, 6, 8))
now$case <- "ordinal_offset"
peer <- ordinal::clm(rating ~ x + g + offset(shift), data = simulated) # which subtracts the offset with the location
agree(cases$ordinal_offset$fit$log_likelihood, as.numeric(logLik(peer)), 1e-8, "log-likelihoods of ordinal::clm()")
for (method in c("logistic", "probit", "cloglog", "loglog")) {
  name <- paste0("ordinal_", if (method == "logistic") "logit" else method)
  formula <- if (method == "probit") grade ~ x + z else rating ~ x + g
  fit <- MASS::polr(formula, simulated, method = method, Hess = TRUE, control = list(reltol = 1e-15, maxit = 1000))
  opinion(name, "MASS::polr()", c(coef(fit), fit$zeta), vcov(fit), as.numeric(logLik(fit)), 2e-3)
}
# clm() and polr() put the outermost cut points at 1e5 and 100 instead of infinity, which the tails of the Cauchy
# distribution notice: log-likelihoods of -393.507 and -395.4 at their maxima, for -393.505.
family <- VGAM::cumulative(parallel = TRUE, link = "cauchitlink")
vgam <- VGAM::vglm(rating ~ x * g, family, simulated, epsilon = 1e-9, maxit = 200)
opinion("ordinal_cauchit", "VGAM::vglm(cauchitlink)", c(-coef(vgam)[4:8], coef(vgam)[1:3]), NULL, VGAM::logLik(vgam),
        1e-4)
vgam <- VGAM::vglm(grade ~ x + g, VGAM::cumulative(parallel = FALSE), simulated, epsilon = 1e-8)
by_cut <- order(rep(1:2, 4))
opinion("ordinal_relax_all", "VGAM::vglm(cumulative)", coef(vgam)[by_cut], NULL, VGAM::logLik(vgam))

suppressPackageStartupMessages(library(survival)) # for strata() in a formula
matched <- function(name, formula, data, ...) {
  control <- coxph.control(eps = 1e-12, toler.chol = 1e-13)
  fit <- survival::clogit(formula, data, ..., method = "exact", control = control)
  opinion(name, "survival::clogit()", coef(fit), vcov(fit), fit$loglik[2])
}
sets <- read.csv(infert)
matched("conditional_infert", case ~ spontaneous + induced + strata(stratum), sets)
matched("conditional_infert_pooled", case ~ spontaneous + induced + strata(pooled.stratum), sets)
matched("conditional_one", chosen ~ x + z + g + strata(set), simulated)
matched("conditional_many", many ~ x + z + g + strata(set), simulated)
matched("conditional_interaction", many ~ x * g + strata(set), simulated)
matched("conditional_many_offset", many ~ x + g + offset(shift) + strata(set), simulated)

write_cases("categorical", unname(cases))
