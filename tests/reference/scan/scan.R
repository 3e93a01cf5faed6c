# One model a column by R's own functions: estimates, standard errors, p-values, and these adjusted within each scan.
# Run from the root of the repository: Rscript tests/reference/scan/scan.R; writes scan.json.
# R 4.2.2, sandwich 3.0-2, jsonlite 1.8.4.

tight <- glm.control(epsilon = 1e-15, maxit = 100)
data_of <- function(name) read.csv(file.path("sample_data", name), stringsAsFactors = TRUE)
# The rows of the coefficients of a model that hold a column, or of all but the intercept.
rows_of <- function(fit, column, held, covariance = vcov(fit)) {
  names <- names(coef(fit))
  kept <- if (held) grep(column, names, fixed = TRUE) else setdiff(seq_along(names), 1)
  estimate <- coef(fit)[kept]
  error <- sqrt(diag(covariance))[kept]
  t <- fit$family$family %in% c("gaussian", "Gamma", "quasipoisson")
  tail <- if (t) pt(-abs(estimate / error), fit$df.residual) else pnorm(-abs(estimate / error))
  data.frame(column = column, term = names[kept], n = nobs(fit), estimate = unname(estimate), std_error = unname(error),
             p_value = unname(2 * tail))
}
scan <- function(columns, fit, held = TRUE, covariance = vcov) {
  found <- do.call(rbind, lapply(columns, function(column) {
    model <- fit(column)
    rows_of(model, column, held, covariance(model))
  }))
  place <- if (held) rep(1, nrow(found)) else found$term
  for (method in c("BH", "holm", "bonferroni")) {
    found[[tolower(method)]] <- ave(found$p_value, place, FUN = function(p) p.adjust(p, method))
  }
  found
}
model <- function(formula, column) as.formula(gsub("{}", column, formula, fixed = TRUE))

births <- data_of("birthwt.csv")
cars <- data_of("mtcars.csv")
quine <- data_of("quine.csv")
air <- data_of("airquality.csv")
of_births <- c("lwt", "race", "smoke", "ptl", "ht", "ui", "ftv")
logit <- function(column) glm(model("low ~ {} + age", column), binomial, births, control = tight)
cases <- list(
  list(data = "birthwt.csv", formula = "low ~ {} + age", scan = of_births, family = "binomial", se = "hessian",
       rows = scan(of_births, logit)),
  list(data = "birthwt.csv", formula = "low ~ {} + age", scan = of_births, family = "binomial", se = "hc0",
       rows = scan(of_births, logit, covariance = sandwich::sandwich)),
  list(data = "airquality.csv", formula = "Temp ~ {} + Month", scan = c("Ozone", "Solar.R", "Wind"), family = "gaussian",
       se = "hessian", rows = scan(c("Ozone", "Solar.R", "Wind"), function(column)
         glm(model("Temp ~ {} + Month", column), gaussian, air))),
  list(data = "quine.csv", formula = "Days ~ {} + Sex", scan = c("Age", "Eth", "Lrn"), family = "quasi-poisson",
       se = "hessian", rows = scan(c("Age", "Eth", "Lrn"), function(column)
         glm(model("Days ~ {} + Sex", column), quasipoisson, quine, control = tight))),
  list(data = "mtcars.csv", formula = "{} ~ wt + am", scan = c("mpg", "disp", "hp", "drat", "qsec"), family = "gaussian",
       se = "hessian", rows = scan(c("mpg", "disp", "hp", "drat", "qsec"), function(column)
         glm(model("{} ~ wt + am", column), gaussian, cars), held = FALSE)),
  list(data = "mtcars.csv", formula = "{} ~ wt + am", scan = c("mpg", "disp", "hp", "qsec"), family = "gamma",
       link = "log", se = "expected", rows = scan(c("mpg", "disp", "hp", "qsec"), function(column)
         glm(model("{} ~ wt + am", column), Gamma("log"), cars, control = tight), held = FALSE))
)
jsonlite::write_json(cases, "tests/reference/scan/scan.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
