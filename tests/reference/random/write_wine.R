# Bitterness of wine, an ordered response, by judge: cumulative logit with a random intercept, summed node by node (nodes.R) and maximised by
# Newton's method on Richardson's differences. Writes wine.json, with the data of Randall (1989), J. Food Science 54.
#   Rscript tests/reference/random/write_wine.R
# `clmm` is the logLik of ordinal 2022.11's clmm with tolerances of 1e-12 and 1e-9; its Hessian is one of differences.
suppressMessages({ library(ordinal); library(jsonlite); library(numDeriv) })
source("tests/reference/random/nodes.R")
d <- with(wine, data.frame(rating = as.integer(rating), temp, contact, judge = paste0("j", judge)))
X <- model.matrix(~ temp + contact, d)[, -1]; g <- as.integer(factor(d$judge))
one <- function(nodes) {
  m <- suppressWarnings(clmm(factor(rating) ~ temp + contact + (1 | judge), data = d, nAGQ = nodes,
                             control = clmm.control(gradTol = 1e-12, grtol = 1e-9)))
  value <- function(par) integrated(par[1:2], matrix(exp(par[7])), par[3:6], X, matrix(1, nrow(d), 1), d$rating, 1, g, "ordinal", nodes)
  par <- unname(c(m$beta, m$alpha, log(as.numeric(m$ST[[1]]))))
  for (i in 1:4) par <- par - solve(hessian(value, par), grad(value, par))
  stopifnot(max(abs(grad(value, par))) < 1e-8)
  se <- sqrt(diag(solve(-hessian(value, par))))
  list(nodes = nodes, log_likelihood = value(par), clmm = as.numeric(m$logLik), estimate = par[1:6], std_error = se[1:6], sd = exp(par[7]),
       log_sd_error = se[7])
}
write_json(list(frame = d, cases = list(one(1), one(10))), "tests/reference/random/wine.json", digits = 15, auto_unbox = TRUE,
           dataframe = "columns", null = "null")
