# One logit a column: Rscript scan.R DATA.csv OUT.csv.
library(data.table)
paths <- commandArgs(TRUE)
d <- fread(paths[1])
columns <- setdiff(names(d), c("y", "age", "sex"))
rows <- lapply(columns, function(column) {
  fit <- glm(reformulate(c(column, "age", "sex"), "y"), binomial, d)
  as.list(summary(fit)$coefficients[2, ])
})
found <- setNames(rbindlist(rows), c("estimate", "std_error", "statistic", "p_value"))
fwrite(cbind(column = columns, found, p_adjusted = p.adjust(found$p_value, "BH")), paths[2])
