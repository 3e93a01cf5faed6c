# Reference intervals for glmfit confint: bootstrap percentile and BCa intervals from given draws, and profiles.
# Run from the root of the repository: Rscript tests/reference/after/intervals.R
# Written with R 4.2.2, boot 1.3-28.1, survival 3.5-3, jsonlite 1.8.4.
#
# `draws` are the units of each replicate, from 0 up: boot's own. Bases and levels are those of the data in all replicates,
# which is what glm does again here, where no transform learns from the rows and no level is lost.

library(boot)
library(survival)
library(jsonlite)
options(digits = 17)

exact <- list(epsilon = 1e-15, maxit = 100)
text <- function(name) {
  data <- read.csv(file.path("sample_data", paste0(name, ".csv")))
  chars <- vapply(data, is.character, TRUE)
  data[chars] <- lapply(data[chars], function(x) factor(x, levels = sort(unique(x), method = "radix")))
  data
}

# Coefficients, and phi from Pearson's chi-square where the family has one.
estimates <- function(formula, data, family, phi) {
  fit <- suppressWarnings(glm(formula, family, data, control = exact))
  c(coef(fit), if (phi) c(phi = sum(residuals(fit, "pearson")^2) / fit$df.residual))
}

resampled <- function(name, formula, family, spec, cluster = NULL, replicates = 199, phi = FALSE) {
  data <- text(name)
  units <- if (is.null(cluster)) seq_len(nrow(data)) else sort(unique(as.character(data[[cluster]])), method = "radix")
  rows <- if (is.null(cluster)) as.list(units) else lapply(units, function(u) which(data[[cluster]] == u))
  statistic <- function(u, i) estimates(formula, data[unlist(rows[i]), ], family, phi)
  set.seed(15)
  found <- boot(units, statistic, R = replicates)
  intervals <- lapply(seq_along(found$t0), function(j) {
    jack <- empinf(data = units, statistic = function(u, i) statistic(u, i)[j], type = "jack", stype = "i")
    ci <- suppressWarnings(boot.ci(found, conf = 0.9, type = c("perc", "bca"), index = j, L = jack))
    list(percentile = ci$percent[4:5], bca = ci$bca[4:5])
  })
  list(
    name = name, data = paste0("sample_data/", name, ".csv"), formula = deparse1(formula), spec = spec,
    by = if (is.null(cluster)) "rows" else paste0("cluster:", cluster),
    draws = unname(boot.array(found, indices = TRUE) - 1), terms = names(found$t0), estimates = unname(found$t0),
    intervals = intervals
  )
}

# Cox's partial likelihood: b is held by an offset, the others maximised; the ends are where l has fallen by q^2 / 2.
cox <- function() {
  data <- text("veteran")
  X <- model.matrix(~ karno + celltype, data)[, -1]
  control <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 100)
  fit <- coxph(Surv(time, status) ~ X, data, ties = "efron", control = control)
  l <- function(j, b) {
    coxph(Surv(time, status) ~ X[, -j] + offset(b * X[, j]), data, ties = "efron", control = control)$loglik[2]
  }
  ends <- lapply(seq_len(ncol(X)), function(j) {
    estimate <- coef(fit)[[j]]
    error <- sqrt(vcov(fit)[j, j])
    fall <- function(b) 2 * (fit$loglik[2] - l(j, b)) - qchisq(0.95, 1)
    vapply(c(-1, 1), function(side) {
      range <- sort(estimate + side * error * c(0.5, 5))
      uniroot(fall, range, tol = 1e-13)$root
    }, 1)
  })
  list(terms = colnames(X), ends = ends)
}

out <- list(
  resampled = list(
    resampled("warpbreaks", breaks ~ wool + tension, poisson, list(family = "poisson")),
    resampled("mtcars", mpg ~ wt + hp, gaussian, list(family = "gaussian"), phi = TRUE),
    resampled("trees", Volume ~ log(Girth) + Height, Gamma(link = "log"),
      list(family = "gamma", links = list(mu = "log")), phi = TRUE),
    resampled("bacteria", y ~ ap + week, binomial, list(family = "binomial"), cluster = "ID")
  ),
  cox = cox()
)
write_json(out, "tests/reference/after/intervals.json", digits = NA, auto_unbox = TRUE)
