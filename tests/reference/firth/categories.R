# Reference fits of multinomial and ordinal models with Jeffreys' penalty, and their profiles.
# Run from the root of the repository: Rscript tests/reference/firth/categories.R
# Written with R 4.2.2, brglm2 0.9, numDeriv 2016.8-1.1, jsonlite 1.8.4.
#
# The log-likelihood plus half the log-determinant of the expected information is written out and maximised by Newton
# steps with derivatives by Richardson extrapolation. Multinomial fits are held against brglm2's brmultinom(type =
# "MPL_Jeffreys"): the script stops if they differ by more than 1e-6 standard errors.

suppressMessages(library(brglm2))
options(digits = 17, warn = 1)
for (one in parse("tests/reference/firth/firth.R")) { # the search and the profiles of that script
  if (identical(one[[1]], as.name("<-")) && as.character(one[[2]])[1] %in% c("maximise", "profiles")) eval(one)
}

read_text <- function(name) {
  data <- read.csv(file.path("sample_data", paste0(name, ".csv")))
  text <- vapply(data, is.character, TRUE)
  data[text] <- lapply(data[text], function(x) factor(x, levels = sort(unique(x), method = "radix")))
  data
}

# theta -> probabilities (n, J) and, by category, their derivatives (n, p) in theta.
softmax <- function(X, size) function(theta) {
  eta <- cbind(0, X %*% matrix(theta, ncol(X)))
  P <- exp(eta - apply(eta, 1, max))
  P <- P / rowSums(P)
  slopes <- lapply(seq_len(size), function(j) {
    do.call(cbind, lapply(2:size, function(k) P[, j] * ((j == k) - P[, k]) * X))
  })
  list(P = P, slopes = slopes)
}
cumulative <- function(X, size, link) {
  F <- if (link == "logit") plogis else pnorm
  f <- if (link == "logit") dlogis else dnorm
  function(theta) {
    eta <- drop(X %*% theta[seq_len(ncol(X))])
    cuts <- theta[-seq_len(ncol(X))]
    if (is.unsorted(cuts, strictly = TRUE)) return(NULL)
    upper <- function(j) if (j == 0) 0 else if (j == size) 1 else F(cuts[j] - eta)
    slope <- function(j) {
      if (j %in% c(0, size)) return(matrix(0, nrow(X), length(theta)))
      height <- f(cuts[j] - eta)
      cbind(-height * X, outer(height, as.numeric(seq_along(cuts) == j)))
    }
    list(P = vapply(seq_len(size), function(j) upper(j) - upper(j - 1) + 0 * eta, eta),
         slopes = lapply(seq_len(size), function(j) slope(j) - slope(j - 1)))
  }
}

cases <- list()
penalised <- function(name, data, y, w, model, start, spec, peer = NULL, intervals = seq_along(start)) {
  information <- function(at) {
    Reduce(`+`, lapply(seq_along(at$slopes), function(j) crossprod(at$slopes[[j]] * sqrt(w / at$P[, j]))))
  }
  plain <- function(theta) { at <- model(theta); if (is.null(at)) -Inf else sum(w * log(at$P[cbind(seq_along(y), y)])) }
  f <- function(theta) {
    at <- model(theta)
    if (is.null(at) || any(at$P <= 0)) return(-Inf)
    sum(w * log(at$P[cbind(seq_along(y), y)])) + 0.5 * c(determinant(information(at))$modulus)
  }
  unit <- sqrt(diag(solve(information(model(start)))))
  theta <- maximise(f, start, unit)
  V <- solve(information(model(theta)))
  se <- sqrt(diag(V))
  if (!is.null(peer) && max(abs(theta - peer) / se) > 1e-6) stop(name, ": brglm2 differs by ", max(abs(theta - peer) / se))
  case <- list(name = name, data = paste0("sample_data/", data, ".csv"), spec = c(spec, bias_reduction = "firth"),
               estimates = theta, std_errors = se, log_likelihood = plain(theta), penalised_log_likelihood = f(theta))
  if (length(intervals)) {
    found <- profiles(f, theta, V, qnorm(0.975), intervals)
    case <- c(case, list(roots = I(found[1, ]), low = I(found[2, ]), high = I(found[3, ])))
  }
  cases[[length(cases) + 1]] <<- case
  cat(name, "\n")
}

multinomial <- function(name, data, formula, spec, weights = NULL, levels = NULL, intervals = TRUE) {
  frame <- read_text(data)
  frame$w <- if (is.null(weights)) 1 else frame[[weights]]
  response <- all.vars(formula)[1]
  frame[[response]] <- factor(frame[[response]], levels = if (is.null(levels)) sort(unique(frame[[response]])) else levels)
  X <- model.matrix(formula, frame)
  m <- suppressWarnings(brmultinom(formula, frame, weights = w, ref = 1, type = "MPL_Jeffreys", epsilon = 1e-13, maxit = 5000))
  peer <- c(t(coef(m)))
  penalised(name, data, as.integer(frame[[response]]), frame$w, softmax(X, nlevels(frame[[response]])), peer,
            c(spec, family = "multinomial"), peer, if (intervals) seq_along(peer))
}
ordinal <- function(name, data, formula, spec, link = "logit", weights = NULL, levels = NULL, intervals = TRUE) {
  frame <- read_text(data)
  w <- if (is.null(weights)) rep(1, nrow(frame)) else frame[[weights]]
  response <- all.vars(formula)[1]
  y <- factor(frame[[response]], levels = if (is.null(levels)) sort(unique(frame[[response]])) else levels)
  X <- model.matrix(formula, frame)[, -1, drop = FALSE]
  shares <- cumsum(tapply(w, y, sum))[-nlevels(y)] / sum(w)
  start <- c(rep(0, ncol(X)), (if (link == "logit") qlogis else qnorm)(shares))
  penalised(name, data, as.integer(y), w, cumulative(X, nlevels(y), link), unname(start),
            c(spec, family = "ordinal", list(links = list(mu = link))), NULL,
            if (intervals) seq_len(ncol(X)))
}
order <- c("Low", "Medium", "High")
multinomial("multinomial separated", "mtcars", gear ~ factor(cyl), list(formulas = I("gear ~ C(cyl)")))
multinomial("multinomial separated with a covariate", "mtcars", gear ~ wt + factor(am),
            list(formulas = I("gear ~ wt + C(am)")), intervals = FALSE)
multinomial("multinomial", "housing", Sat ~ Infl + Cont,
            list(formulas = I("Sat ~ Infl + Cont"), levels = order, freq_weights = "Freq"), "Freq", order, FALSE)
ordinal("ordinal separated", "mtcars", gear ~ am, list(formulas = I("gear ~ am")))
ordinal("ordinal separated probit", "mtcars", gear ~ am + wt, list(formulas = I("gear ~ am + wt")), "probit", intervals = FALSE)
ordinal("ordinal", "housing", Sat ~ Infl + Cont,
        list(formulas = I("Sat ~ Infl + Cont"), levels = order, freq_weights = "Freq"), "logit", "Freq", order, FALSE)

write(jsonlite::toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/firth/categories.json")
