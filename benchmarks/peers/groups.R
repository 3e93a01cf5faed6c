# One model a group: the data file, where the last coefficient of each goes, the family.
arguments <- commandArgs(TRUE)
d <- if (requireNamespace("data.table", quietly = TRUE)) data.table::fread(arguments[1], data.table = FALSE) else read.csv(arguments[1])
family <- arguments[3]
one <- function(rows) {
  if (family == "negative-binomial") summary(MASS::glm.nb(y ~ x1 + x2 + x3, data = rows))
  else summary(glm(y ~ x1 + x2 + x3, family = family, data = rows))
}
fits <- lapply(split(d, d$g), one)
estimate <- vapply(fits, function(fit) fit$coefficients[4, 1], numeric(1))
write.csv(format(data.frame(estimate), digits = 17), arguments[2], row.names = FALSE, quote = FALSE)
