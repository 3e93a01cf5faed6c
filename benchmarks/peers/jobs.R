# A glm a job: JSON lines with data and formulas beside them, where the last coefficient of each goes, the family.
arguments <- commandArgs(TRUE)
if (!requireNamespace("jsonlite", quietly = TRUE)) quit(status = 3)
jobs <- jsonlite::stream_in(file(arguments[1]), verbose = FALSE)
d <- read.csv(file.path(dirname(arguments[1]), jobs$data[1]))
estimate <- vapply(unlist(jobs$formulas), function(formula) {
  found <- summary(glm(as.formula(formula), family = arguments[3], data = d))$coefficients
  found[nrow(found), 1]
}, numeric(1))
write.csv(format(data.frame(estimate), digits = 17), arguments[2], row.names = FALSE, quote = FALSE)
