# Tests of terms: Rscript tests/reference/after/anova.R (from the root). anova() of glm and lm (type I; Chisq, F, Rao),
# car::Anova (types II and III; LR, F, Wald), drop1(), and differences of log-likelihoods of MASS's glm.nb, pscl's zeroinfl,
# MASS's polr and nnet's multinom.

suppressMessages({ library(MASS); library(car); library(pscl); library(nnet); library(sandwich); library(jsonlite) })
tight <- glm.control(epsilon = 1e-14, maxit = 200)
read <- function(path) { d <- read.csv(path); d[] <- lapply(d, function(x) if (is.character(x)) factor(x) else x); d }
inside <- "tests/reference/data/interior.csv"; interior <- read(inside)
days <- "sample_data/quine.csv"; quine <- read(days)
air <- "sample_data/airquality.csv"; airquality <- na.omit(read(air)[c("Ozone", "Wind", "Solar.R", "Temp")])
sum_coded <- list(g = "contr.sum")

# R finds the dispersion with the weights of the step before the last: started from the maximum, both are the same.
again <- function(m) update(m, start = coef(m))

cases <- list()
add <- function(name, data, spec, asked, term, ...) {
  rows <- data.frame(term = term, ..., row.names = NULL)
  cases[[length(cases) + 1]] <<- list(name = name, data = data, spec = spec, asked = asked, rows = rows)
}
spec <- function(..., family) c(list(formulas = I(c(...))), list(family = family))

# One parameter: type I by anova(), II and III by car.
type_one <- function(name, data, spec, m, test) {
  t <- anova(m, test = test)[-1, ]
  scale <- if (m$family$family %in% c("poisson", "binomial")) 1 else summary(m)$dispersion
  statistic <- switch(test, Chisq = t$Deviance / scale, F = t$F, Rao = t$Rao / scale)
  p <- t[[ncol(t)]]
  add(name, data, spec, list(type = 1, test = switch(test, Chisq = "lr", F = "f", Rao = "score")), rownames(t),
      df = t$Df, statistic = statistic, p_value = p, deviance = t$Deviance, df_residual = t$`Resid. Df`,
      residual_deviance = t$`Resid. Dev`)
}
type_two <- function(name, data, spec, m, type, test, sum_contrasts = FALSE, ...) {
  t <- Anova(m, type = type, test.statistic = test, ...)
  t <- t[!(rownames(t) %in% c("(Intercept)", "Residuals")), ]
  p <- t[[ncol(t)]]; statistic <- t[[intersect(c("LR Chisq", "F", "F value", "F values", "Chisq"), names(t))[1]]]
  add(name, data, spec, list(type = type, test = tolower(test), sum_contrasts = sum_contrasts), rownames(t),
      df = t$Df, statistic = statistic, p_value = p)
}

f <- count ~ x * g + z + offset(log(years)); text <- "count ~ x * g + z + offset(log(years))"
poisson_case <- spec(text, family = "poisson")
m <- glm(f, poisson, interior, control = tight)
for (test in c("Chisq", "Rao")) type_one(paste("poisson I", test), inside, poisson_case, m, test)
for (type in 2:3) for (test in c("LR", "Wald")) type_two(paste("poisson", type, test), inside, poisson_case, m, type, test)
s <- glm(f, poisson, interior, control = tight, contrasts = sum_coded)
for (test in c("LR", "Wald")) type_two(paste("poisson 3 sum", test), inside, poisson_case, s, 3, test, TRUE)
t <- Anova(m, type = 2, test.statistic = "Wald", vcov. = vcovHC(m, type = "HC0"))
t <- t[rownames(t) != "Residuals", ]
add("poisson 2 robust", inside, c(poisson_case, se = "hc0"), list(type = 2), rownames(t), df = t$Df, statistic = t$Chisq,
    p_value = t[[ncol(t)]])

m <- lm(normal ~ x * g + z, interior); s <- lm(normal ~ x * g + z, interior, contrasts = sum_coded)
gaussian_case <- spec("normal ~ x * g + z", family = "gaussian")
t <- anova(m); k <- nrow(t) - 1
add("gaussian I F", inside, gaussian_case, list(type = 1), rownames(t)[1:k], df = t$Df[1:k], statistic = t$`F value`[1:k],
    p_value = t$`Pr(>F)`[1:k], deviance = t$`Sum Sq`[1:k])
type_two("gaussian 2 F", inside, gaussian_case, m, 2, "F")
type_two("gaussian 3 F sum", inside, gaussian_case, s, 3, "F", TRUE)
m <- glm(normal ~ x * g + z, gaussian, interior)
type_one("gaussian I Rao", inside, gaussian_case, m, "Rao")

m <- again(glm(positive ~ x * g + z, Gamma("log"), interior, control = tight))
gamma_case <- spec("positive ~ x * g + z", family = "gamma")
for (test in c("Chisq", "F", "Rao")) type_one(paste("gamma I", test), inside, gamma_case, m, test)
type_two("gamma 2 F", inside, gamma_case, m, 2, "F")
type_two("gamma 2 LR", inside, gamma_case, m, 2, "LR")
type_two("gamma 3 LR", inside, gamma_case, m, 3, "LR")
m <- again(glm(count ~ x + g + z, quasipoisson, interior, control = tight))
quasi_case <- spec("count ~ x + g + z", family = "quasi-poisson")
type_one("quasi-poisson I F", inside, quasi_case, m, "F")
type_two("quasi-poisson 2 F", inside, quasi_case, m, 2, "F")

m <- glm(Days > 10 ~ Sex * Eth + Lrn, binomial("probit"), quine, control = tight)
probit_case <- c(spec("I(Days > 10) ~ Sex * Eth + Lrn", family = "binomial"), list(links = list(mu = "probit")))
type_one("probit I Rao", days, probit_case, m, "Rao")
type_two("probit 2 LR", days, probit_case, m, 2, "LR")
m <- glm(Days ~ Sex + Age + Eth, poisson, quine, control = tight); t <- drop1(m, test = "LRT")[-1, ]
add("drop1", days, spec("Days ~ Sex + Age + Eth", family = "poisson"), list(type = 3), rownames(t), df = t$Df,
    statistic = t$LRT, p_value = t$`Pr(>Chi)`)
m <- lm(Ozone ~ Wind + Solar.R + Temp, airquality); t <- anova(m)
add("missing values", air, spec("Ozone ~ Wind + Solar.R + Temp", family = "gaussian"), list(type = 1), rownames(t)[1:3],
    df = t$Df[1:3], statistic = t$`F value`[1:3], p_value = t$`Pr(>F)`[1:3])

# Several parameters: differences of log-likelihoods, each pair (larger, smaller) by hand.
by_likelihood <- function(name, data, spec, asked, pairs) {
  df <- sapply(pairs, function(p) attr(logLik(p[[1]]), "df") - attr(logLik(p[[2]]), "df"))
  lr <- sapply(pairs, function(p) 2 * as.numeric(logLik(p[[1]]) - logLik(p[[2]])))
  add(name, data, spec, asked, names(pairs), df = df, statistic = lr, p_value = pchisq(lr, df, lower.tail = FALSE))
}
nb <- function(f) glm.nb(f, quine, control = tight)
full <- nb(Days ~ Sex * Eth + Age); main <- nb(Days ~ Sex + Eth + Age)
by_likelihood("negative binomial 2", days, spec("Days ~ Sex * Eth + Age", family = "negative-binomial"), list(type = 2),
  list(Sex = list(main, nb(Days ~ Eth + Age)), Eth = list(main, nb(Days ~ Sex + Age)),
       Age = list(full, nb(Days ~ Sex * Eth)), `Sex:Eth` = list(full, main)))
written <- "sample_data/articles.csv"; articles <- read(written)
zi <- function(f) zeroinfl(f, data = articles, dist = "poisson", EM = FALSE, reltol = 1e-15, maxit = 10000)
full <- zi(art ~ fem + kid5 + ment | ment)
by_likelihood("zero-inflated poisson 2", written,
  spec("art ~ fem + kid5 + ment", "zero ~ ment", family = "zero-inflated-poisson"), list(type = 2),
  list(fem = list(full, zi(art ~ kid5 + ment | ment)), kid5 = list(full, zi(art ~ fem + ment | ment)),
       ment = list(full, zi(art ~ fem + kid5 | ment)), `zero:ment` = list(full, zi(art ~ fem + kid5 + ment | 1))))

housing <- "sample_data/housing.csv"; h <- read(housing)
h$Sat <- ordered(h$Sat, c("Low", "Medium", "High"))
levels <- list(levels = c("Low", "Medium", "High"), freq_weights = "Freq")
po <- function(f) polr(f, h, weights = Freq, control = list(reltol = 1e-15, maxit = 1000))
main <- po(Sat ~ Infl + Type + Cont)
by_likelihood("ordinal 2", housing, c(spec("Sat ~ Infl + Type + Cont", family = "ordinal"), levels), list(type = 2),
  list(Infl = list(main, po(Sat ~ Type + Cont)), Type = list(main, po(Sat ~ Infl + Cont)), Cont = list(main, po(Sat ~ Infl + Type))))
mn <- function(f) multinom(f, h, weights = Freq, reltol = 1e-15, abstol = 0, maxit = 1000, trace = FALSE)
full <- mn(Sat ~ Infl * Cont + Type); main <- mn(Sat ~ Infl + Cont + Type)
by_likelihood("multinomial 2", housing, c(spec("Sat ~ Infl * Cont + Type", family = "multinomial"), levels), list(type = 2),
  list(Infl = list(main, mn(Sat ~ Cont + Type)), Cont = list(main, mn(Sat ~ Infl + Type)),
       Type = list(full, mn(Sat ~ Infl * Cont)), `Infl:Cont` = list(full, main)))

writeLines(toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE, null = "null", na = "null", dataframe = "rows"),
           "tests/reference/after/anova.json")
