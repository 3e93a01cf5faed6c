# The choice of terms: Rscript tests/reference/after/step.R (from the root). step() of lm and glm, MASS's stepAIC() of
# glm.nb and polr; the path is that of their $anova, AIC and BIC those of the models along it.

suppressMessages({ library(MASS); library(jsonlite) })
tight <- glm.control(epsilon = 1e-14, maxit = 200)
read <- function(path) { d <- read.csv(path); d[] <- lapply(d, function(x) if (is.character(x)) factor(x) else x); d }
sample <- function(name) paste0("sample_data/", name, ".csv")
quine <- read(sample("quine")); mtcars <- read(sample("mtcars")); swiss <- read(sample("swiss"))
birthwt <- read(sample("birthwt")); housing <- read(sample("housing")); warpbreaks <- read(sample("warpbreaks"))
housing$Sat <- ordered(housing$Sat, c("Low", "Medium", "High"))

cases <- list()
# `value` is extractAIC's, which for lm is AIC but for a constant of the data.
add <- function(name, data, spec, asked, chosen) {
  path <- chosen$anova
  moves <- as.character(path$Step)[-1]
  final <- gsub("factor(race)", "C(race)", labels(terms(chosen)), fixed = TRUE)
  cases[[length(cases) + 1]] <<- list(
    name = name, data = data, spec = spec, asked = asked,
    action = I(ifelse(substr(moves, 1, 1) == "-", "drop", "add")), term = I(trimws(substring(moves, 2))),
    change = I(diff(path$AIC)), final = I(final)
  )
}
spec <- function(formula, family, ...) list(formulas = I(formula), family = family, ...)
quiet <- function(...) step(..., trace = 0)

add("lm backward", sample("swiss"), spec("Fertility ~ Agriculture + Examination + Education + Catholic + Infant.Mortality", "gaussian"),
    list(criterion = "aic"), quiet(lm(Fertility ~ Agriculture + Examination + Education + Catholic + Infant.Mortality, swiss)))
add("lm both", sample("mtcars"), spec("mpg ~ wt", "gaussian"), list(upper = I("~ wt * hp + qsec + disp + drat + am")),
    quiet(lm(mpg ~ wt, mtcars), scope = ~ wt * hp + qsec + disp + drat + am))
add("lm forward", sample("mtcars"), spec("mpg ~ 1", "gaussian"),
    list(upper = I("~ wt * hp + qsec + disp + drat"), direction = "forward"),
    quiet(lm(mpg ~ 1, mtcars), scope = ~ wt * hp + qsec + disp + drat, direction = "forward"))
add("lm BIC", sample("mtcars"), spec("mpg ~ (wt + hp + qsec)^2 + disp", "gaussian"), list(criterion = "bic"),
    quiet(lm(mpg ~ (wt + hp + qsec)^2 + disp, mtcars), k = log(nrow(mtcars))))
low <- glm(low ~ age + lwt + factor(race) + smoke + ptl + ht + ui + ftv, binomial, birthwt, control = tight)
add("binomial backward", sample("birthwt"), spec("low ~ age + lwt + C(race) + smoke + ptl + ht + ui + ftv", "binomial"), list(criterion = "aic"),
    quiet(low))
add("binomial both, lower", sample("birthwt"), spec("low ~ age + lwt + smoke", "binomial"),
    list(upper = I("~ (age + lwt + smoke + ht + ui)^2"), lower = I("~ age")),
    quiet(glm(low ~ age + lwt + smoke, binomial, birthwt, control = tight),
          scope = list(lower = ~ age, upper = ~ (age + lwt + smoke + ht + ui)^2)))
add("poisson", sample("quine"), spec("Days ~ (Sex + Eth + Lrn)^3", "poisson"), list(criterion = "aic"),
    quiet(glm(Days ~ (Sex + Eth + Lrn)^3, poisson, quine, control = tight)))
add("negative binomial", sample("quine"), spec("Days ~ (Sex + Eth + Age)^2 + Lrn", "negative-binomial"), list(criterion = "aic"),
    stepAIC(glm.nb(Days ~ (Sex + Eth + Age)^2 + Lrn, quine, control = tight), trace = 0))
add("ordinal", sample("housing"), spec("Sat ~ (Infl + Type + Cont)^2", "ordinal", levels = c("Low", "Medium", "High"), freq_weights = "Freq"),
    list(criterion = "aic"), stepAIC(polr(Sat ~ (Infl + Type + Cont)^2, housing, weights = Freq, control = list(reltol = 1e-15, maxit = 1000)), trace = 0))

writeLines(toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE, null = "null"), "tests/reference/after/step.json")
