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

# ---- Rootograms ----

fitted_glm <- function(formula, family) {
  fit <- glm(formula, family, interior, control = tight)
  for (again in 1:3) fit <- glm(formula, family, interior, start = coef(fit), control = tight)
  fit
}
rootograms <- list()
add <- function(name, spec, y, mass, low = 0:max(y), width = 1) {
  seen <- vapply(low, function(k) sum(y >= k & y < k + width), 0)
  expected <- vapply(low, function(k) sum(sapply(k + seq_len(width) - 1, mass)), 0)
  rootograms[[length(rootograms) + 1]] <<- list(name = name, spec = spec, low = low, observed = seen, expected = expected)
}
po <- fitted_glm(count ~ x + g + offset(log(years)), poisson())
add("poisson", list(formulas = list("count ~ x + g"), family = "poisson", exposure = "years"), interior$count,
    function(k) sum(dpois(k, fitted(po))))
nb <- fitted_glm(overdispersed ~ x + g, negative.binomial(2))
add("negative-binomial", list(formulas = list("overdispersed ~ x + g"), family = "negative-binomial",
    fixed = list(alpha = 0.5)), interior$overdispersed, function(k) sum(dnbinom(k, size = 2, mu = fitted(nb))))
bi <- fitted_glm(cbind(successes, failures) ~ x + z, binomial())
add("binomial", list(formulas = list("successes/trials ~ x + z"), family = "binomial"), interior$successes,
    function(k) sum(dbinom(k, interior$trials, fitted(bi))))
far <- transform(interior, far = 37 * count)  # up to some hundreds: in steps
fp <- glm(far ~ x + g, poisson(), far, control = tight)
for (again in 1:3) fp <- glm(far ~ x + g, poisson(), far, start = coef(fp), control = tight)
width <- c(1, 2, 5, 10, 20, 50, 100, 200)
width <- width[which((max(far$far) + 1) / width <= 50)[1]]
add("steps", list(formulas = list("I(37*count) ~ x + g"), family = "poisson"), far$far,
    function(k) sum(dpois(k, fitted(fp))), seq(0, max(far$far), by = width), width)

# ---- A response of 0 and 1 ----

lo <- fitted_glm(binary ~ x + z + g, binomial())
p <- fitted(lo)
ro <- suppressMessages(roc(interior$binary, p, direction = "<"))
ci <- as.numeric(ci.auc(ro, method = "delong"))
group <- cut(p, unique(quantile(p, 0:10 / 10)), include.lowest = TRUE)
seen <- tapply(interior$binary, group, sum); size <- tapply(interior$binary, group, length)
wilson <- mapply(function(s, n) prop.test(s, n, correct = FALSE)$conf.int, seen, size)
binary <- list(
  formula = "binary ~ x + z + g", area = as.numeric(auc(ro)), std_error = sqrt(var(ro, method = "delong")),
  conf_low = ci[1], conf_high = ci[3], sensitivity = rev(ro$sensitivities), specificity = rev(ro$specificities),
  predicted = plain(tapply(p, group, mean)), observed = plain(seen / size), n = plain(size),
  low = plain(wilson[1, ]), high = plain(wilson[2, ]))

# ---- Profiles ----

held <- function(fit, name, value) {  # the deviance with one coefficient held
  X <- model.matrix(fit)
  rest <- glm.fit(X[, colnames(X) != name, drop = FALSE], fit$y, fit$prior.weights,
                  offset = (if (is.null(fit$offset)) 0 else fit$offset) + value * X[, name], family = fit$family,
                  control = tight)
  rest$deviance
}
root <- function(fit, name, value, phi) {
  sign(value - coef(fit)[[name]]) * sqrt(max(held(fit, name, value) - fit$deviance, 0) / phi)
}
profiles <- list()
add_profile <- function(fit, name, term, spec, phi = 1) {
  values <- coef(fit)[[name]] + c(-2.2, -1.4, -0.6, 0.7, 1.5, 2.3) * sqrt(vcov(fit)[name, name])
  profiles[[length(profiles) + 1]] <<- list(
    term = term, spec = spec, values = values, roots = sapply(values, function(v) root(fit, name, v, phi)))
}
add_profile(po, "gb", "g[T.b]", list(formulas = list("count ~ x + g"), family = "poisson", exposure = "years"))
ga <- fitted_glm(positive ~ x + z, Gamma("log"))
add_profile(ga, "z", "z", list(formulas = list("positive ~ x + z"), family = "gamma"), summary(ga)$dispersion)

document <- list(quantiles = quantiles, rootograms = rootograms, binary = binary, profiles = profiles)
writeLines(toJSON(document, digits = I(17), auto_unbox = TRUE), "tests/reference/after/pictures.json")
