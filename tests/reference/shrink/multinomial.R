# Rscript multinomial.R: writes kinds.csv and multinomial.json beside itself. glmnet 4.1-6, thresh = 1e-20. The cases
# have strengths down to lambda_max / 50: below that glmnet needs more than 1e8 cycles.
suppressMessages(library(glmnet))
library(jsonlite)
set.seed(5)
n <- 180; p <- 8
x <- signif(matrix(rnorm(n * p), n, p) %*% (diag(p) * 0.8 + 0.2), 7)
x[, 3] <- signif(x[, 3] * 25 + 7, 7); x[, 4] <- signif(x[, 4] / 50, 7)
colnames(x) <- paste0("x", 1:p)
z <- 0.6 * x[, 1] - 0.5 * x[, 2] + 0.02 * x[, 3] + rlogis(n)
u <- 0.8 * x[, 5] + 10 * x[, 4] + rlogis(n)
d <- data.frame(three = c("a", "b", "c")[1 + (z > 0) + (z > 0 & u > 0)],
                four = c("p", "q", "r", "s")[1 + (z > 0) + 2 * (u > 0.5)], two = c("no", "yes")[1 + (z > 0)],
                w = round(runif(n, 0.2, 3), 3), fold = sample(rep(1:5, length.out = n)), x)
write.csv(d, "kinds.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("kinds.csv"); x <- as.matrix(d[, colnames(x)])
glmnet.control(fdev = 0, devmax = 1, epsnr = 1e-20, mxitnr = 200)
told <- function(response, alpha, weights = NULL, factors = NULL, grouped = FALSE, standardize = TRUE, folds = FALSE) {
  with <- list(x, d[[response]], family = "multinomial", alpha = alpha, thresh = 1e-20, maxit = 1e8,
               weights = if (is.null(weights)) rep(1, n) else d[[weights]], standardize = standardize,
               penalty.factor = if (is.null(factors)) rep(1, p) else factors, type.multinomial = if (grouped) "grouped" else "ungrouped")
  lambda <- do.call(glmnet, c(with, list(nlambda = 100, dfmax = 1)))$lambda[1]
  lambda <- (if (alpha == 0) 1 else lambda) * 1e-4^(0:42 / 99)
  fit <- do.call(glmnet, c(with, list(lambda = lambda)))
  at <- c(2, 9, 16, 23, 30, 37, 43)
  cv <- if (folds) do.call(cv.glmnet, c(with, list(lambda = lambda, foldid = d$fold)))
  list(response = response, alpha = alpha, weights = weights, factors = factors, grouped = grouped, standardize = standardize,
       lambda = lambda, at = at - 1, explained = fit$dev.ratio, mean = cv$cvm, error = cv$cvsd, levels = names(coef(fit)),
       coefficients = lapply(at, function(k) do.call(rbind, lapply(coef(fit), function(one) as.vector(one[, k])))))
}
own <- c(0, 2, rep(1, p - 2))
cases <- list(told("three", 1, folds = TRUE), told("three", 0.5, weights = "w"), told("three", 1, factors = own),
              told("four", 1), told("four", 0.5), told("four", 1, factors = own), told("four", 0.4, standardize = FALSE),
              told("two", 1), told("four", 1, grouped = TRUE), told("three", 0.5, grouped = TRUE, folds = TRUE))
write(toJSON(cases, digits = NA, auto_unbox = TRUE, null = "null"), "multinomial.json")
