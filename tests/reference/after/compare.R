# Likelihood-ratio and F tests between nested models, and information criteria: Rscript tests/reference/after/compare.R
# (from the root). anova() of glm, lm and glm.nb, AIC(), BIC(); AICc and Akaike weights by their definitions.

suppressMessages({ library(MASS); library(jsonlite) })
tight <- glm.control(epsilon = 1e-14, maxit = 200)
read <- function(path) { d <- read.csv(path); d[] <- lapply(d, function(x) if (is.character(x)) factor(x) else x); d }
interior <- read("tests/reference/data/interior.csv")
quine <- read("sample_data/quine.csv")

# R finds the dispersion with the weights of the step before the last: started from the maximum, both are the same.
again <- function(m) update(m, start = coef(m))

cases <- list()
add <- function(name, data, spec, formulas, small, large, kind, statistic, p, df, df_residual = NULL, criteria = TRUE) {
  models <- lapply(list(small, large), function(m) {
    l <- logLik(m); k <- attr(l, "df"); n <- nobs(m); aic <- AIC(m)
    list(log_likelihood = as.numeric(l), n_parameters = k, aic = aic, bic = BIC(m), aicc = aic + 2 * k * (k + 1) / (n - k - 1))
  })
  aic <- sapply(models, `[[`, "aic"); w <- exp(-(aic - min(aic)) / 2); w <- w / sum(w)
  for (i in 1:2) models[[i]] <- c(models[[i]], list(delta_aic = aic[i] - min(aic), weight = w[i]))
  test <- list(statistic = statistic, statistic_kind = kind, p_value = p, df = df)
  if (!is.null(df_residual)) test$df_residual <- df_residual
  cases[[length(cases) + 1]] <<- list(name = name, data = data, spec = spec, formulas = formulas,
                                      models = if (criteria) models else NULL, test = test)
}
inside <- "tests/reference/data/interior.csv"
a <- glm(count ~ x + offset(log(years)), poisson, interior, control = tight)
b <- glm(count ~ x * g + z + offset(log(years)), poisson, interior, control = tight)
t <- anova(a, b, test = "Chisq")
add("poisson", inside, list(family = "poisson", exposure = "years"), c("count ~ x", "count ~ x * g + z"), a, b, "chi2",
    t$Deviance[2], t$`Pr(>Chi)`[2], t$Df[2])
a <- lm(normal ~ x, interior); b <- lm(normal ~ x * g + z, interior); t <- anova(a, b)
add("gaussian", inside, list(family = "gaussian"), c("normal ~ x", "normal ~ x * g + z"), a, b, "F", t$F[2], t$`Pr(>F)`[2],
    t$Df[2], t$Res.Df[2])
a <- glm(positive ~ x, Gamma("log"), interior, control = tight)
b <- glm(positive ~ x + g + z, Gamma("log"), interior, control = tight)
a <- again(a); b <- again(b); t <- anova(a, b, test = "F")
add("gamma", inside, list(family = "gamma"), c("positive ~ x", "positive ~ x + g + z"), a, b, "F", t$F[2], t$`Pr(>F)`[2],
    t$Df[2], t$`Resid. Df`[2], criteria = FALSE) # R's AIC of a Gamma takes the dispersion to be deviance / n
a <- glm(count ~ x, quasipoisson, interior, control = tight)
b <- glm(count ~ x + g + z, quasipoisson, interior, control = tight)
a <- again(a); b <- again(b); t <- anova(a, b, test = "F")
add("quasi_poisson", inside, list(family = "quasi-poisson"), c("count ~ x", "count ~ x + g + z"), a, b, "F", t$F[2],
    t$`Pr(>F)`[2], t$Df[2], t$`Resid. Df`[2], criteria = FALSE)
a <- glm(count ~ x, poisson, interior, control = tight); b <- glm(count ~ x + g + z, poisson, interior, control = tight)
t <- anova(a, b, test = "Chisq", dispersion = 1.7)
add("poisson_scaled", inside, list(family = "poisson", dispersion = 1.7), c("count ~ x", "count ~ x + g + z"), a, b, "chi2",
    t$Deviance[2] / 1.7, t$`Pr(>Chi)`[2], t$Df[2])
a <- glm.nb(Days ~ Sex + Eth, quine, control = tight); b <- glm.nb(Days ~ Sex * Age + Eth, quine, control = tight)
lr <- 2 * as.numeric(logLik(b) - logLik(a)); k <- attr(logLik(b), "df") - attr(logLik(a), "df")
add("negative_binomial", "sample_data/quine.csv", list(family = "negative-binomial"),
    c("Days ~ Sex + Eth", "Days ~ Sex * Age + Eth"), a, b, "chi2", lr, pchisq(lr, k, lower.tail = FALSE), k)

writeLines(toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE, null = "null"), "tests/reference/after/compare.json")
