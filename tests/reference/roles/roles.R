# Offsets and weights that are arithmetic of columns, by R's lm() and glm(). Run from the root of the repository:
# Rscript tests/reference/roles/roles.R; writes roles.json. R 4.2.2, jsonlite 1.8.4.

exact <- glm.control(epsilon = 1e-15, maxit = 100)
insurance <- read.csv("sample_data/insurance.csv")
cars <- read.csv("sample_data/mtcars.csv")
epil <- read.csv("sample_data/epil.csv")
case <- function(data, formula, family, options, fit, at) {
  table <- coef(summary(fit))
  list(data = data, formula = formula, family = family, options = options, estimate = unname(table[, 1]),
       std_error = unname(table[, 2]), log_likelihood = as.numeric(logLik(fit)),
       null_deviance = if (inherits(fit, "glm")) fit$null.deviance else sum(weights(fit) * (cars$mpg - weighted.mean(cars$mpg, weights(fit)))^2),
       prediction = unname(at))
}
offset <- glm(Claims ~ District, poisson, insurance, offset = log(Holders), control = exact)
halves <- glm(Claims ~ District, poisson, insurance, offset = log(Holders / 2), control = exact)
weights <- lm(mpg ~ wt, cars, weights = 1 / hp)
counted <- glm(y ~ lbase, poisson, epil[rep(seq_len(nrow(epil)), epil$period + 1), ], control = exact)
cases <- list(
  case("insurance", "Claims ~ District", "poisson", list(offset = "log(Holders)"), offset, fitted(offset)[1:3]),
  case("insurance", "Claims ~ District", "poisson", list(exposure = "Holders / 2"), halves, fitted(halves)[1:3]),
  case("mtcars", "mpg ~ wt", "gaussian", list(weights = "1/hp"), weights, fitted(weights)[1:3]),
  case("epil", "y ~ lbase", "poisson", list(freq_weights = "period + 1"), counted,
       predict(counted, epil[1:3, ], type = "response"))
)
jsonlite::write_json(cases, "tests/reference/roles/roles.json", auto_unbox = TRUE, digits = 17, pretty = TRUE)
