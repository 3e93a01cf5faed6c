# Numbers of pictures by R: Rscript tests/reference/after/pictures.R (from the root); writes pictures.json.
#
# quantiles   of a gaussian model: pnorm of the standardized residuals, ranks of the fitted values, ks.test, quantreg's
#             rq on a natural spline with knots at the quarters, and bands of order statistics by qbeta; the distance that
#             ks.test's exact distribution exceeds with 5 % by root finding
# rootogram   counts seen and expected, by dpois, dnbinom, dbinom and their sums
# binary      pROC's curve and DeLong's interval, and Wilson's intervals of prop.test in groups by deciles
# profile     signed roots of deviance differences, the coefficient held at values by an offset

suppressMessages({
  library(MASS); library(quantreg); library(splines); library(pROC); library(jsonlite)
})
options(digits = 17)
interior <- read.csv("tests/reference/data/interior.csv", stringsAsFactors = TRUE)
tight <- glm.control(epsilon = 1e-15, maxit = 200)
plain <- function(x) unname(as.vector(x))

# ---- Quantile residuals ----

fit <- lm(normal ~ x * g + z, interior)
u <- pnorm(residuals(fit) / summary(fit)$sigma)
n <- length(u)
rank01 <- rank(fitted(fit)) / n
at <- seq(min(rank01), 1, length.out = 101)
curve <- function(x, y, tau, at) {
  data <- data.frame(x = x, y = y)
  solved <- rq(y ~ ns(x, knots = c(.25, .5, .75), Boundary.knots = c(0, 1)), tau, data, method = "br")
  plain(predict(solved, data.frame(x = at)))
}
test <- suppressWarnings(ks.test(u, "punif", exact = FALSE))
i <- seq_len(n)
exact <- function(d) .Call(stats:::C_pKolmogorov2x, d, n) - 0.95  # 1 - the p-value of ks.test
limit <- uniroot(exact, c(0.01, 0.9), tol = 1e-13)$root
quantiles <- list(
  formula = "normal ~ x * g + z", family = "gaussian", uniform = plain(u), rank = plain(rank01),
  curves = lapply(c(.25, .5, .75), function(tau) curve(rank01, u, tau, at)), at = at,
  distance = plain(test$statistic),
  low = qbeta(.025, i, n - i + 1), high = qbeta(.975, i, n - i + 1), all = limit,
  tied = plain(rank(interior$count) / max(rank(interior$count))))

writeLines(toJSON(list(quantiles = quantiles), digits = I(17), auto_unbox = TRUE), "tests/reference/after/pictures.json")
