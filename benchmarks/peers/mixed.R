# A model with random effects: the data file, the family, the formula, glmer or glmmTMB. Writes the log-likelihood, and the seconds of the fit.
arguments <- commandArgs(TRUE)
d <- if (requireNamespace("data.table", quietly = TRUE)) data.table::fread(arguments[1], data.table = FALSE) else read.csv(arguments[1])
fit <- if (arguments[4] == "glmer") lme4::glmer else glmmTMB::glmmTMB
seconds <- system.time(found <- fit(as.formula(arguments[3]), d, family = get(arguments[2])))[3]
cat(sprintf('{"log_likelihood": %.10f, "seconds": %.3f}\n', as.numeric(logLik(found)), seconds))
