# Panels with absorbed effects: the data, and the same models with all indicators as R's glm and sandwich have them.
# Run in this folder: Rscript write.R; then write.py adds what pyfixest says of the same data.
library(jsonlite)
library(sandwich)

set.seed(16)
n <- 420
firm <- sample(sprintf("f%02d", 1:45), n, replace = TRUE)
year <- sample(2001:2008, n, replace = TRUE)
town <- sprintf("t%d", 1 + as.integer(substr(firm, 2, 3)) %% 9) # a firm lies in one town
x1 <- round(rnorm(n) + as.integer(substr(firm, 2, 3)) / 30, 4)
x2 <- round(runif(n, -1, 1), 4)
kind <- sample(c("a", "b", "c"), n, replace = TRUE)
effect <- rnorm(45)[as.integer(substr(firm, 2, 3))] + 0.3 * rnorm(8)[year - 2000]
eta <- effect + 0.4 * x1 - 0.5 * x2 + 0.3 * (kind == "b")
data <- data.frame(
  count = rpois(n, exp(eta)), yes = rbinom(n, 1, plogis(eta)), amount = round(rgamma(n, 3, 3 / exp(eta)), 5),
  level = round(eta + rnorm(n), 5), x1, x2, kind, firm, year, town,
  weight = round(runif(n, 0.5, 2), 3), exposure = round(runif(n, 1, 5), 3)
)
data$count[data$firm %in% c("f03", "f17")] <- 0 # their effects are infinite
data$firm[5:7] <- c("s1", "s2", "s3") # alone in their level
data$sector <- sample(sprintf("s%d", 1:6), n, replace = TRUE)
data$amount <- pmax(data$amount, 0.001)
data$claims <- rnbinom(n, size = 1.5, mu = exp(eta + 0.5))
data$claims[data$firm == "f17"] <- 0
write.csv(data, "panel.csv", row.names = FALSE, quote = FALSE)

# Rows that are alone in a level, or in one that has 0 alone (or 1 alone), until there are none.
informative <- function(data, y, factors) {
  repeat {
    before <- nrow(data)
    for (f in factors) {
      data <- data[ave(seq_len(nrow(data)), data[[f]], FUN = length) > 1, ]
      if (y %in% c("count", "yes")) {
        m <- ave(data[[y]], data[[f]])
        data <- data[m > 0 & (y == "count" | m < 1), ]
      }
    }
    if (nrow(data) == before) return(data)
  }
}

negative.binomial <- MASS::negative.binomial
cases <- list(
  list(name = "poisson", y = "count", family = poisson(), absorb = "firm"),
  list(name = "poisson_two", y = "count", family = poisson(), absorb = c("firm", "year")),
  list(name = "poisson_three", y = "count", family = poisson(), absorb = c("year", "firm", "sector")),
  list(name = "poisson_exposure", y = "count", family = poisson(), absorb = c("firm", "year"), exposure = TRUE),
  list(name = "logit", y = "yes", family = binomial(), absorb = c("firm", "year")),
  list(name = "probit", y = "yes", family = binomial("probit"), absorb = "year"),
  list(name = "cloglog", y = "yes", family = binomial("cloglog"), absorb = c("year", "town")),
  list(name = "gaussian", y = "level", family = gaussian(), absorb = c("firm", "year")),
  list(name = "gaussian_weights", y = "level", family = gaussian(), absorb = c("firm", "year"), weights = TRUE),
  list(name = "gamma", y = "amount", family = Gamma("log"), absorb = c("firm", "year")),
  list(name = "quasipoisson", y = "count", family = quasipoisson(), absorb = c("firm", "year")),
  list(name = "negbin", y = "count", family = negative.binomial(2), absorb = c("firm", "year"))
)

fitted_case <- function(case) {
  used <- informative(data, case$y, case$absorb)
  text <- paste(case$y, "~ x1 + x2 + kind +", paste0("factor(", case$absorb, ")", collapse = " + "))
  if (!is.null(case$exposure)) text <- paste(text, "+ offset(log(exposure))")
  w <- if (is.null(case$weights)) rep(1, nrow(used)) else used$weight
  model <- as.formula(text)
  control <- glm.control(epsilon = 1e-15, maxit = 100)
  used$w <- w
  fit <- glm(model, family = case$family, data = used, weights = w, control = control)
  for (more in 1:25) { # Fisher's scoring ends before the last digits where the link is not canonical
    fit <- glm(model, family = case$family, data = used, weights = w, control = control, start = coef(fit))
  }
  own <- c("x1", "x2", "kindb", "kindc")
  errors <- function(v) unname(sqrt(diag(v)[own]))
  g <- function(...) errors(vcovCL(fit, cluster = used[, c(...), drop = FALSE], type = "HC0", cadjust = TRUE))
  list(
    name = case$name, family = fit$family$family, link = fit$family$link, response = case$y, absorb = I(case$absorb),
    weights = !is.null(case$weights), exposure = !is.null(case$exposure), rows = nrow(used), terms = own,
    estimates = unname(coef(fit)[own]), rank = fit$rank, deviance = deviance(fit), null_deviance = fit$null.deviance,
    df_residual = fit$df.residual, log_likelihood = if (is.na(AIC(fit))) NULL else as.numeric(logLik(fit)),
    dispersion = summary(fit)$dispersion, expected = errors(vcov(fit)),
    hc0 = errors(vcovHC(fit, "HC0")), hc1 = errors(vcovHC(fit, "HC1")),
    hc2 = errors(vcovHC(fit, "HC2")), hc3 = errors(vcovHC(fit, "HC3")), firm = g("firm"), two = g("firm", "year")
  )
}
write_json(lapply(cases, fitted_case), "glm.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)

# The negative binomial with its dispersion: theta between fits by glm, and then the information of all parameters.
# A row that is alone in a level says something of theta, and stays.
joint_case <- function(name, absorb) {
  used <- data
  repeat {
    before <- nrow(used)
    for (f in absorb) used <- used[ave(used$claims, used[[f]]) > 0, ]
    if (nrow(used) == before) break
  }
  model <- as.formula(paste("claims ~ x1 + x2 + kind +", paste0("factor(", absorb, ")", collapse = " + ")))
  y <- used$claims
  score <- function(theta, mu) {
    sum(digamma(y + theta) - digamma(theta) + log(theta) + 1 - log(theta + mu) - (y + theta) / (theta + mu))
  }
  control <- glm.control(epsilon = 1e-15, maxit = 200)
  theta <- 1
  start <- NULL
  for (more in 1:80) {
    fit <- suppressWarnings(glm(model, family = negative.binomial(theta), data = used, control = control, start = start))
    start <- coef(fit)
    theta <- uniroot(score, c(0.01, 100), mu = fitted(fit), tol = 1e-15)$root
  }
  X <- model.matrix(fit)
  mu <- fitted(fit)
  own <- c("x1", "x2", "kindb", "kindc")
  scores <- cbind(X * (y - (y + theta) * mu / (theta + mu)),
    digamma(y + theta) - digamma(theta) + log(theta) + 1 - log(theta + mu) - (y + theta) / (theta + mu))
  cross <- colSums(X * (mu * (y - mu) / (theta + mu)^2))
  of_theta <- trigamma(y + theta) - trigamma(theta) + 1 / theta - 2 / (theta + mu) + (y + theta) / (theta + mu)^2
  information <- -rbind(cbind(-crossprod(X, X * ((y + theta) * mu * theta / (theta + mu)^2)), cross),
    c(cross, sum(of_theta)))
  bread <- solve(information)
  errors <- function(v) unname(sqrt(diag(v)[match(own, colnames(X))]))
  sums <- rowsum(scores, used$firm)
  g <- nrow(sums)
  list(
    name = name, absorb = I(absorb), rows = nrow(used), estimates = unname(coef(fit)[own]), alpha = 1 / theta,
    alpha_se = sqrt(bread[nrow(bread), nrow(bread)]) / theta^2,
    log_likelihood = sum(dnbinom(y, size = theta, mu = mu, log = TRUE)), hessian = errors(bread),
    hc0 = errors(bread %*% crossprod(scores) %*% bread),
    firm = errors(g / (g - 1) * bread %*% crossprod(sums) %*% bread)
  )
}
write_json(list(joint_case("one", "firm"), joint_case("two", c("firm", "year"))), "joint.json",
  digits = NA, auto_unbox = TRUE, pretty = TRUE)
