# A path of the lasso: the data file, the family, glmnet's threshold. Writes the seconds of the fit, the strengths and what is left at the last.
arguments <- commandArgs(TRUE)
d <- if (requireNamespace("data.table", quietly = TRUE)) data.table::fread(arguments[1], data.table = FALSE) else read.csv(arguments[1])
x <- as.matrix(d[, -1])
seconds <- system.time(fit <- glmnet::glmnet(x, d$y, family = arguments[2], thresh = as.numeric(arguments[3]), maxit = 1e7))[3]
cat(sprintf('{"seconds": %.3f, "strengths": %d, "nonzero": %d}\n', seconds, length(fit$lambda), fit$df[length(fit$df)]))
