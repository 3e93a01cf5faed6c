# Vuong's test: Rscript tests/reference/after/vuong.R (from the root). pscl's vuong() of counts, whose printed statistics
# are read with all their digits, and the same by the densities of gaussian and Gamma models at their maximum likelihood.
# pscl counts coefficients, glmfit parameters: their difference is the same in these cases. Its p-values are one-sided.

suppressMessages({ library(MASS); library(pscl); library(jsonlite) })
options(digits = 15)
tight <- glm.control(epsilon = 1e-14, maxit = 200)
written <- "sample_data/articles.csv"; articles <- read.csv(written)
inside <- "tests/reference/data/interior.csv"; interior <- read.csv(inside)
articles$fem <- factor(articles$fem); interior$g <- factor(interior$g)

cases <- list()
add <- function(name, data, a, b, v) {
  cases[[length(cases) + 1]] <<- list(name = name, data = data, models = list(a, b), statistic = v, p_value = 2 * pnorm(-abs(v)))
}
spec <- function(..., family, links = NULL) c(list(formulas = I(c(...)), family = family), if (!is.null(links)) list(links = links))
by_pscl <- function(a, b) {
  lines <- grep("^(Raw|AIC-corrected|BIC-corrected)", capture.output(vuong(a, b)), value = TRUE)
  as.numeric(sapply(strsplit(lines, " +"), `[`, 2))
}
zi <- function(f, dist) zeroinfl(f, data = articles, dist = dist, EM = FALSE, reltol = 1e-15, maxit = 10000)
p <- glm(art ~ fem + kid5 + ment, poisson, articles, control = tight)
nb <- glm.nb(art ~ fem + kid5 + ment, articles, control = tight)
f <- "art ~ fem + kid5 + ment"
add("zip against poisson", written, spec(f, "zero ~ ment", family = "zero-inflated-poisson"), spec(f, family = "poisson"),
    by_pscl(zi(art ~ fem + kid5 + ment | ment, "poisson"), p))
add("zinb against nb", written, spec(f, "zero ~ ment", family = "zero-inflated-negative-binomial"),
    spec(f, family = "negative-binomial"), by_pscl(zi(art ~ fem + kid5 + ment | ment, "negbin"), nb))
add("zip against zip", written, spec(f, "zero ~ ment", family = "zero-inflated-poisson"),
    spec("art ~ phd + mar", family = "zero-inflated-poisson"),
    by_pscl(zi(art ~ fem + kid5 + ment | ment, "poisson"), zi(art ~ phd + mar | 1, "poisson")))
add("poisson against poisson", written, spec(f, family = "poisson"), spec("art ~ phd + mar", family = "poisson"),
    by_pscl(p, glm(art ~ phd + mar, poisson, articles, control = tight)))

by_density <- function(la, lb, more) {
  m <- la - lb; n <- length(m)
  sapply(c(0, more, more / 2 * log(n)), function(c) (sum(m) - c) / (sd(m) * sqrt(n)))
}
normal <- function(m) dnorm(m$model[[1]], fitted(m), sqrt(mean(residuals(m)^2)), log = TRUE)
add("gaussian", inside, spec("normal ~ x + g", family = "gaussian"), spec("normal ~ z", family = "gaussian"),
    by_density(normal(lm(normal ~ x + g, interior)), normal(lm(normal ~ z, interior)), 2))
log_normal <- function(m) dlnorm(interior$positive, fitted(m), sqrt(mean(residuals(m)^2)), log = TRUE)
gamma_density <- function(m) { a <- gamma.shape(m, it.lim = 100, eps.max = 1e-14)$alpha; mu <- fitted(m); dgamma(m$y, a, a / mu, log = TRUE) }
g <- glm(positive ~ x + g, Gamma("log"), interior, control = tight)
add("gamma against log-normal", inside, spec("positive ~ x + g", family = "gamma"), spec("positive ~ z", family = "log-normal"),
    by_density(gamma_density(g), log_normal(lm(log(positive) ~ z, interior)), 2))

writeLines(toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/after/vuong.json")
