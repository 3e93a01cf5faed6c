# A tensor product of which one margin's strength has no end, beside random intercepts: run here by Rscript write_apart.R.
# mgcv stops on the way; its search goes on here in the others, with that strength where the score has come to rest.
library(mgcv)
library(jsonlite)

data <- read.csv("apart.csv", stringsAsFactors = TRUE)
fit_of <- function(k) {
  m <- gam(yg ~ te(x, z, k = k) + s(g, bs = "re"), data = data, method = "REML")
  sp <- m$sp
  sp[1] <- exp(20)
  score_of <- function(log_sp) {
    gam(yg ~ te(x, z, k = k) + s(g, bs = "re"), data = data, method = "REML", sp = c(sp[1], exp(log_sp)))$gcv.ubre
  }
  found <- optim(log(sp[2:3]), score_of, method = "BFGS", control = list(reltol = 1e-12))
  m <- gam(yg ~ te(x, z, k = k) + s(g, bs = "re"), data = data, method = "REML", sp = c(sp[1], exp(found$par)))
  list(k = k, score = as.numeric(m$gcv.ubre), edf = sum(m$edf[2:prod(k)]), sd = sqrt(m$sig2 / exp(found$par[2])))
}
cases <- lapply(list(c(4, 6), c(4, 7), c(5, 6)), fit_of)
write(toJSON(cases, digits = 12, auto_unbox = TRUE, pretty = TRUE), "apart.json")
