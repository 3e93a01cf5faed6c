# R: data.table reads; glm, MASS::glm.nb or pscl::zeroinfl fits, to machine precision, with standard errors.
# With a last argument `fixest`, fixest::fepois with the factors absorbed.
arguments <- commandArgs(TRUE)
path <- arguments[1]; family <- arguments[2]; link <- arguments[3]
numeric <- strsplit(arguments[4], ",")[[1]]
factors <- if (nzchar(arguments[5])) strsplit(arguments[5], ",")[[1]] else character()
program <- if (length(arguments) > 6) arguments[7] else "glm"

needed <- c("data.table", switch(family, "negative-binomial" = "MASS", "zero-inflated-negative-binomial" = "pscl"),
            if (program == "fixest") "fixest")
missing <- needed[!vapply(needed, requireNamespace, TRUE, quietly = TRUE)]
if (length(missing)) { message("no package ", paste(missing, collapse = ", ")); quit(status = 3) }

data <- data.table::fread(path, showProgress = FALSE)
for (name in factors) data.table::set(data, j = name, value = factor(data[[name]]))

covariates <- paste(c(numeric, if (program == "glm") factors), collapse = " + ")
begin <- proc.time()[["elapsed"]]
fit <- if (program == "fixest") {
  absorbed <- if (length(factors)) paste("|", paste(factors, collapse = " + ")) else ""
  fixest::fepois(as.formula(paste("y ~", covariates, absorbed)), data, vcov = "iid", glm.tol = 1e-10)
} else {
  formula <- as.formula(paste("y ~", covariates))
  control <- glm.control(epsilon = 1e-10)
  switch(family,
    "negative-binomial" = MASS::glm.nb(formula, data, control = control),
    "zero-inflated-negative-binomial" = pscl::zeroinfl(formula, data, dist = "negbin", reltol = 1e-14),
    glm(formula, switch(family, poisson = poisson(link), gamma = Gamma(link), binomial = binomial(link),
                        "inverse-gaussian" = inverse.gaussian(link)), data, control = control))
}
errors <- if (program == "fixest") fixest::se(fit) else summary(fit)
seconds <- proc.time()[["elapsed"]] - begin

estimates <- coef(fit)
names(estimates) <- sub("^count_", "", names(estimates))
pairs <- sprintf('"%s": %.17g', numeric, estimates[numeric])
cat(sprintf('{"estimates": {%s}, "fit": %.3f}\n', paste(pairs, collapse = ", "), seconds))
