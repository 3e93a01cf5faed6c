# What R makes of splines, intervals, dates, conditions and terms of several columns; writes transforms.json.
# Run from the root of the repository: Rscript tests/reference/formula/transforms.R
# R 4.2.2 with splines, lubridate 1.9.1, MASS 7.3-58.2, sandwich 3.0-2 and jsonlite 1.8.4.

suppressMessages({library(splines); library(lubridate); library(MASS); library(sandwich); library(jsonlite)})

mtcars <- read.csv("sample_data/mtcars.csv")
x <- mtcars$hp
new <- c(10, 52, 60.5, 123, 334.9, 335, 400, 1000) # some beyond the data
columns <- function(basis) lapply(seq_len(ncol(basis)), function(j) as.numeric(basis[, j]))

# ---- ns(): the basis of hp, and of new values ----
spline_case <- function(arguments, call) {
  basis <- eval(parse(text = paste0("ns(x, ", call, ")")))
  list(arguments = arguments, basis = columns(basis), new = columns(predict(basis, new)))
}
splines <- list(
  spline_case("", ""),
  spline_case("1", "1"),
  spline_case("4", "4"),
  spline_case("df=3, intercept=True", "df = 3, intercept = TRUE"),
  spline_case("knots=[150, 100]", "knots = c(150, 100)"),
  spline_case("knots=120, Boundary.knots=[60, 200]", "knots = 120, Boundary.knots = c(60, 200)"),
  spline_case("df=5, Boundary.knots=[60, 250], intercept=True", "df = 5, Boundary.knots = c(60, 250), intercept = TRUE")
)

# ---- cut(): labels, and the interval of each value ----
cut_case <- function(values, arguments, ...) {
  found <- cut(values, ...)
  list(values = values, arguments = arguments, labels = levels(found), codes = as.integer(found) - 1L)
}
edges <- c(0, 1, 5, 10, 15, 20, 0.5, 12.5)
cuts <- list(
  cut_case(edges, "[0, 10, 20]", c(0, 10, 20)),
  cut_case(edges, "[20, 0, 10], right=False", c(20, 0, 10), right = FALSE),
  cut_case(edges, "[0, 10, 20], include_lowest=True", c(0, 10, 20), include.lowest = TRUE),
  cut_case(edges, "[0, 10, 20], right=False, include.lowest=True", c(0, 10, 20), right = FALSE, include.lowest = TRUE),
  cut_case(edges, "c(-Inf, 1, Inf)", c(-Inf, 1, Inf)),
  cut_case(edges, "[0, 10, 20], labels=['low', 'high']", c(0, 10, 20), labels = c("low", "high")),
  cut_case(edges, "3", 3),
  cut_case(edges, "7", 7),
  cut_case(c(7, 7, 7), "2", 2),
  cut_case(c(1234.5, 99999, 123456), "[0, 1000, 123456.5, 123457]", c(0, 1000, 123456.5, 123457)),
  cut_case(c(0.001, 0.0011, 0.2), "[0, 0.00105, 1]", c(0, 0.00105, 1)),
  cut_case(c(-3.25, 1e-5, 1e6), "[-5, 0, 1e-3, 2e7]", c(-5, 0, 1e-3, 2e7))
)

# ---- Dates ----
dates <- c("2023-12-31 23:59:59", "2024-01-01 00:00:00", "2024-02-29 12:30:00", "1999-07-04 06:05:04",
           "1960-03-01 18:00:00")
when <- ymd_hms(dates)
moments <- list(dates = dates, year = year(when), month = month(when), weekday = wday(when, week_start = 1),
                hour = hour(when), days = as.numeric(difftime(when, min(when), units = "days")),
                days_since = as.numeric(difftime(when, ymd_hms("2000-01-01 00:00:00"), units = "days")))

# ---- Joint Wald tests of terms: b' V^-1 b on as many degrees of freedom, or that over them as an F statistic ----
joint <- function(fit, V, term, rows, df_residual) {
  b <- coef(fit)[rows]
  keep <- rows[!is.na(b)]
  W <- sum(coef(fit)[keep] * solve(V[names(coef(fit))[keep], names(coef(fit))[keep]], coef(fit)[keep]))
  k <- length(keep)
  found <- if (is.null(df_residual)) list(statistic = W, p_value = pchisq(W, k, lower.tail = FALSE))
           else list(statistic = W / k, p_value = pf(W / k, k, df_residual, lower.tail = FALSE))
  c(list(term = term, df = k), found)
}
joint_case <- function(data, formula, family, fit, tests, V = vcov(fit), se = NULL, t = FALSE) {
  groups <- attr(model.matrix(fit), "assign")
  df_residual <- if (t) fit$df.residual else NULL
  rows <- function(j) which(groups == j)
  list(data = data, formula = formula, family = family, se = se,
       tests = lapply(seq_along(tests), function(i) joint(fit, V, names(tests)[i], rows(tests[[i]]), df_residual)))
}
warp <- read.csv("sample_data/warpbreaks.csv", stringsAsFactors = TRUE)
mtcars$twice <- 2 * mtcars$wt
exact <- glm.control(epsilon = 1e-14, maxit = 100)
poisson_fit <- glm(breaks ~ wool * tension, poisson, warp, control = exact)
normal_fit <- lm(mpg ~ factor(cyl) + ns(hp, 3) + wt, mtcars)
aliased_fit <- lm(mpg ~ wt + poly(hp, 2) + factor(cyl) + factor(cyl):vs, mtcars)
births <- read.csv("sample_data/birthwt.csv", stringsAsFactors = TRUE)
logit_fit <- glm(low ~ race + age + smoke, binomial, births, control = exact)
joint_tests <- list(
  joint_case("warpbreaks", "breaks ~ wool * tension", "poisson", poisson_fit, list("tension" = 2, "wool:tension" = 3)),
  joint_case("warpbreaks", "breaks ~ wool * tension", "poisson", poisson_fit, list("tension" = 2, "wool:tension" = 3),
             V = vcovHC(poisson_fit, type = "HC1"), se = "hc1"),
  joint_case("mtcars", "mpg ~ C(cyl) + ns(hp, 3) + wt", "gaussian", normal_fit, list("C(cyl)" = 1, "ns(hp, 3)" = 2),
             t = TRUE),
  joint_case("mtcars", "mpg ~ wt + poly(hp, 2) + C(cyl) + C(cyl):vs", "gaussian", aliased_fit,
             list("poly(hp, 2)" = 2, "C(cyl)" = 3, "C(cyl):vs" = 4), t = TRUE),
  joint_case("birthwt", "low ~ race + age + smoke", "binomial", logit_fit, list("race" = 1))
)

# ---- Whole fits: coefficients and standard errors of lm() ----
air <- read.csv("sample_data/airquality.csv")
coefficients_case <- function(data, formula, fit, where = NULL) {
  table <- summary(fit)$coefficients
  list(data = data, formula = formula, where = where, n = nobs(fit), estimate = unname(table[, 1]),
       std_error = unname(table[, 2]))
}
fits <- list(
  coefficients_case("mtcars", "mpg ~ ns(wt, 3) + factor(cyl)", lm(mpg ~ ns(wt, 3) + factor(cyl), mtcars)),
  coefficients_case("mtcars", "mpg ~ cut(hp, c(0, 100, 200, Inf)) + ifelse(wt > 3, wt - 3, 0)",
                    lm(mpg ~ cut(hp, c(0, 100, 200, Inf)) + ifelse(wt > 3, wt - 3, 0), mtcars)),
  coefficients_case("mtcars", "mpg ~ pmin(hp, 150) + pmax(hp, 150) + I(!(cyl == 4 | wt > 4) & am == 1)",
                    lm(mpg ~ pmin(hp, 150) + pmax(hp, 150) + I(!(cyl == 4 | wt > 4) & am == 1), mtcars)),
  coefficients_case("warpbreaks", "breaks ~ I(tension == 'L') + I(wool != 'A')",
                    lm(breaks ~ I(tension == "L") + I(wool != "A"), warp)),
  coefficients_case("airquality", "Ozone ~ Temp + Wind",
                    lm(Ozone ~ Temp + Wind, subset(air, Solar.R > 100 & Month != 7)),
                    "Solar.R > 100 & Month != 7"),
  coefficients_case("airquality", "Ozone ~ Temp", lm(Ozone ~ Temp, subset(air, Solar.R < 50 | Month %in% c(5, 9))),
                    "Solar.R < 50 | Month in (5, 9)"),
  coefficients_case("airquality", "Ozone ~ Temp", lm(Ozone ~ Temp, subset(air, !(Solar.R > 100))), "not Solar.R > 100")
)

write(toJSON(list(new = new, splines = splines, cuts = cuts, dates = moments, joint_tests = joint_tests, fits = fits),
             auto_unbox = TRUE, digits = NA, null = "null", na = "null"), "tests/reference/formula/transforms.json")
