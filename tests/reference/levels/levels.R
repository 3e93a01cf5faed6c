# Robust standard errors beside a factor of many levels: R's glm with all its dummies, and sandwich.
# Run from the root of the repository: Rscript tests/reference/levels/levels.R   (R 4.2.2, sandwich 3.0-2, jsonlite 1.8.4)

set.seed(20261128)
n <- 1760
levels <- 220
g <- sprintf("g%03d", rep_len(seq_len(levels), n))
x <- round(rnorm(n), 3)
z <- round(runif(n), 3)
firm <- sample(450, n, replace = TRUE)
effect <- setNames(rnorm(levels, 0, 0.4), unique(g))
y <- rpois(n, exp(1.2 + 0.3 * x - 0.4 * z + effect[g] + rnorm(450, 0, 0.3)[firm])) + (seq_len(n) <= levels)
d <- data.frame(y, x, z, g, firm)
fit <- glm(y ~ x + z + g, poisson, d, control = glm.control(epsilon = 1e-15, maxit = 50))
shown <- c("(Intercept)", "x", "z", "gg002", "gg111", "gg220")
clustered <- function(by) {
  root <- function(groups) sandwich::vcovCL(fit, groups, type = "HC0", cadjust = TRUE, multi0 = FALSE)
  sqrt(diag(root(d[by])))
}
errors <- list(
  hessian = sqrt(diag(vcov(fit))),
  hc0 = sqrt(diag(sandwich::vcovHC(fit, "HC0"))),
  hc1 = sqrt(diag(sandwich::vcovHC(fit, "HC1"))),
  hc2 = sqrt(diag(sandwich::vcovHC(fit, "HC2"))),
  hc3 = sqrt(diag(sandwich::vcovHC(fit, "HC3"))),
  "cluster:firm" = clustered("firm"),
  "cluster:g" = clustered("g"),
  "cluster:g,firm" = clustered(c("g", "firm"))
)
jsonlite::write_json(
  list(data = d, terms = sub("^gg(.*)", "g[T.g\\1]", sub("[(]Intercept[)]", "Intercept", shown)), estimates = unname(coef(fit)[shown]),
       errors = lapply(errors, function(se) unname(se[shown]))),
  "tests/reference/levels/levels.json", digits = NA, auto_unbox = TRUE, dataframe = "columns"
)
