# Wild cluster bootstraps by their definitions: every vector of weights there is, and for the linear models a fit of each
# bootstrapped response. Run from the root of the repository: Rscript tests/reference/wild/wild.R; writes wild.json.
# R 4.2.2, jsonlite 1.8.4.

values <- list(rademacher = c(1, -1), webb = c(sqrt(c(0.5, 1, 1.5)), -sqrt(c(0.5, 1, 1.5))))
level <- 0.95
data_of <- function(path) read.csv(path, stringsAsFactors = TRUE)
all_vectors <- function(kind, count) as.matrix(expand.grid(rep(list(values[[kind]]), count)))
cluster_sums <- function(scores, g) rowsum(scores, g)
sandwiched <- function(bread, sums) bread %*% crossprod(sums) %*% bread

# |t| of coefficient j of a least-squares fit against b, clustered; the factor G/(G - 1) is common to all.
linear_t <- function(X, y, w, f, g, j, b) {
  fit <- lm.wfit(X, y, w * f)
  bread <- chol2inv(fit$qr$qr[, seq_len(ncol(X)), drop = FALSE])
  variance <- sandwiched(bread, cluster_sums(w * f * fit$residuals * X, g))[j, j]
  abs(fit$coefficients[[j]] - b) / sqrt(variance)
}
# The statistic of the data at b, and those of all bootstrapped responses.
linear_all <- function(X, y, w, f, g, V, j) function(b) {
  rest <- lm.wfit(X[, -j, drop = FALSE], y - b * X[, j], w * f)
  fitted <- y - rest$residuals
  drawn <- apply(V, 1, function(v) linear_t(X, fitted + v[as.integer(g)] * rest$residuals, w, f, g, j, b))
  list(data = linear_t(X, y, w, f, g, j, b), drawn = drawn)
}
# Score statistics: the model fitted with coefficient j held at b, its scores, and the expected information there.
score_all <- function(X, y, w, family, offset, g, V, j) function(b) {
  rest <- suppressWarnings(glm.fit(X[, -j, drop = FALSE], y, w, family = family, offset = offset + b * X[, j],
                                   control = glm.control(epsilon = 1e-15, maxit = 500)))
  eta <- rest$linear.predictors
  mu <- family$linkinv(eta)
  slope <- family$mu.eta(eta)
  a <- drop(cluster_sums(w * (y - mu) * slope / family$variance(mu) * X, g) %*%
              solve(crossprod(X * sqrt(w) * slope / sqrt(family$variance(mu))))[, j])
  list(data = abs(sum(a)) / sqrt(sum(a^2)), drawn = abs(drop(V %*% a)) / sqrt(drop(V^2 %*% a^2)))
}
p_at <- function(found) mean(found$drawn >= found$data * (1 - 1e-9))
# The end on one side: where the data's statistic passes the one that it has to exceed to be rejected. Vectors of one
# value give the statistic of the data, and are never exceeded.
end_of <- function(all, estimate, error, side, V) {
  other <- apply(V, 1, function(v) any(v != v[1]))
  most <- floor((1 - level) * nrow(V) + 1e-9) - sum(!other)
  excess <- function(t) {
    found <- all(estimate + side * t * error)
    found$data - sort(found$drawn[other], decreasing = TRUE)[most + 1]
  }
  far <- 1
  while (excess(far) <= 0) far <- 1.5 * far
  near <- if (far == 1) 1e-3 else far / 1.5
  t <- uniroot(excess, c(near, far), tol = 1e-13)$root
  b <- estimate + side * t * error
  # inside the end the value is not rejected, outside it is
  stopifnot(p_at(all(b - side * 1e-5 * error)) > 1 - level, p_at(all(b + side * 1e-5 * error)) <= 1 - level)
  b
}

wild_case <- function(name, path, formula, cluster, kind, family = gaussian(), w = NULL, f = NULL, options = list(),
                      ends = TRUE) {
  message(name)
  data <- data_of(path)
  frame <- model.frame(formula, data)
  X <- model.matrix(formula, frame)
  y <- as.numeric(model.response(frame))
  if (is.factor(model.response(frame))) y <- y - 1
  g <- factor(data[[cluster]])
  one <- rep(1, length(y))
  w <- if (is.null(w)) one else data[[w]]
  f <- if (is.null(f)) one else data[[f]]
  offset <- if (is.null(model.offset(frame))) 0 * one else model.offset(frame)
  V <- all_vectors(kind, nlevels(g))
  linear <- family$family == "gaussian" && family$link == "identity"
  fit <- glm.fit(X, y, w * f, family = family, offset = offset, control = glm.control(epsilon = 1e-15, maxit = 500))
  mu <- fit$fitted.values
  slope <- family$mu.eta(fit$linear.predictors)
  scores <- w * f * (y - mu) * slope / family$variance(mu) * X
  bread <- solve(crossprod(X * sqrt(w * f) * slope / sqrt(family$variance(mu))))
  G <- nlevels(g)
  error <- sqrt(diag(sandwiched(bread, cluster_sums(scores, g))) * G / (G - 1))
  rows <- lapply(seq_len(ncol(X)), function(j) {
    all <- if (linear) linear_all(X, y, w, f, g, V, j) else score_all(X, y, w * f, family, offset, g, V, j)
    b <- fit$coefficients[[j]]
    ends <- if (ends) vapply(c(-1, 1), function(side) end_of(all, b, error[j], side, V), 0) else c(NA, NA)
    list(estimate = b, std_error = error[[j]], p_value = p_at(all(0)), conf_low = ends[1], conf_high = ends[2])
  })
  c(list(name = name, data = path, formula = options$formula, family = options$family, cluster = cluster, kind = kind,
         options = options$more, samples = nrow(V)), list(coefficients = rows))
}

interior <- "tests/reference/data/interior.csv"
cases <- list(
  wild_case("linear", interior, normal ~ x + z, "town", "rademacher",
            options = list(formula = "normal ~ x + z", family = "gaussian")),
  wild_case("linear, prior weights", interior, normal ~ x + g, "town", "rademacher", w = "w",
            options = list(formula = "normal ~ x + g", family = "gaussian", more = list(weights = "w"))),
  wild_case("linear, frequency weights", interior, normal ~ x + z, "town", "rademacher", f = "f",
            options = list(formula = "normal ~ x + z", family = "gaussian", more = list(freq_weights = "f"))),
  wild_case("linear, sampling weights", interior, normal ~ x + z, "town", "rademacher", w = "pw",
            options = list(formula = "normal ~ x + z", family = "gaussian", more = list(sampling_weights = "pw"))),
  wild_case("linear, Webb's weights", "sample_data/quine.csv", Days ~ Eth + Sex, "Age", "webb",
            options = list(formula = "Days ~ Eth + Sex", family = "gaussian")),
  wild_case("logit", interior, binary ~ x + z, "town", "rademacher", binomial(),
            options = list(formula = "binary ~ x + z", family = "binomial")),
  wild_case("poisson, offset", interior, count ~ x + offset(log(years)), "town", "rademacher", poisson(),
            options = list(formula = "count ~ x + offset(log(years))", family = "poisson")),
  wild_case("gamma, prior weights", interior, positive ~ x + z, "town", "rademacher", Gamma("log"), w = "w",
            options = list(formula = "positive ~ x + z", family = "gamma",
                           more = list(weights = "w", bread = "expected"))),
  wild_case("poisson, Webb's weights", "sample_data/quine.csv", Days ~ Eth + Sex, "Age", "webb", poisson(), ends = FALSE,
            options = list(formula = "Days ~ Eth + Sex", family = "poisson"))
)
jsonlite::write_json(cases, "tests/reference/wild/wild.json", auto_unbox = TRUE, digits = 17, pretty = TRUE, null = "null",
                     na = "null")
