# Rscript cox.R: writes survival.csv and cox.json beside itself. glmnet 4.1-6, thresh = 1e-20; its ties are Breslow's.
suppressMessages({library(glmnet); library(survival)})
library(jsonlite)
set.seed(9)
n <- 150; p <- 10
x <- signif(matrix(rnorm(n * p), n, p) %*% (diag(p) * 0.8 + 0.2), 7)
x[, 3] <- signif(x[, 3] * 25 + 7, 7); x[, 4] <- signif(x[, 4] / 50, 7)
colnames(x) <- paste0("x", 1:p)
t <- rexp(n, exp(0.6 * x[, 1] - 0.5 * x[, 2] + 0.02 * x[, 3]))
d <- data.frame(time = signif(t, 8), ties = ceiling(t * 10), died = rbinom(n, 1, 0.7), fold = sample(rep(1:5, length.out = n)), x)
write.csv(d, "survival.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("survival.csv"); x <- as.matrix(d[, colnames(x)])
glmnet.control(fdev = 0, devmax = 1, epsnr = 1e-20, mxitnr = 200)
told <- function(time, alpha, factors = NULL, standardize = TRUE) {
  # strengths by coxph: glmnet's own differ from their formula in the ninth digit
  v <- if (is.null(factors)) rep(1, p) else factors; v <- v * p / sum(v)
  s <- if (standardize) apply(x, 2, function(one) sqrt(mean((one - mean(one))^2))) else rep(1, p)
  y <- Surv(d[[time]], d$died); b <- rep(0, p)
  if (any(v == 0)) b[v == 0] <- coef(coxph(y ~ x[, v == 0], ties = "breslow", control = coxph.control(eps = 1e-14, iter.max = 50)))
  null <- coxph(y ~ x, init = b, ties = "breslow", control = coxph.control(iter.max = 0))
  pull <- abs(colSums(residuals(null, type = "score"))) / (n * s * v)
  lambda <- max(pull[v > 0]) / max(alpha, 0.001) * 1e-4^(0:99 / 99)
  fit <- glmnet(x, y, family = "cox", alpha = alpha, lambda = lambda, thresh = 1e-20, maxit = 1e8,
                penalty.factor = if (is.null(factors)) rep(1, p) else factors, standardize = standardize)
  at <- c(2, 9, 16, 25, 35, 50)
  list(time = time, alpha = alpha, factors = factors, standardize = standardize, lambda = fit$lambda, at = at - 1,
       coefficients = t(as.matrix(coef(fit)[, at])))
}
own <- c(0, 2, rep(1, p - 2))
cases <- list(told("time", 1), told("ties", 1), told("ties", 0.5), told("time", 0), told("time", 1, own), told("ties", 0.7, standardize = FALSE))
# what cv.glmnet averages: minus twice what the rows of a fold add to the log partial likelihood
cv <- cv.glmnet(x, Surv(d$time, d$died), family = "cox", thresh = 1e-20, foldid = d$fold, lambda = cases[[1]]$lambda)
events <- sum(d$died)
write(toJSON(list(cases = cases, cv = list(sum = cv$cvm * events, min = cv$lambda.min)), digits = NA, auto_unbox = TRUE, null = "null"), "cox.json")
