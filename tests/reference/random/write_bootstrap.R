# Parametric bootstraps of lme4's fits, new effects of all levels and new responses, for bootstrap.json: of each estimate its value, and the
# mean, standard deviation and kurtosis over replicates, from which Monte Carlo errors follow. Run in this folder: Rscript write_bootstrap.R
suppressMessages(library(lme4))
epil <- read.csv("../../../sample_data/epil.csv", stringsAsFactors = TRUE)
epil$trt <- relevel(epil$trt, "placebo")

estimates <- function(m) {
  v <- as.data.frame(VarCorr(m))
  c(unname(fixef(m)), v$sdcor[v$grp != "Residual"], if (isLMM(m)) sigma(m))
}

bootstrapped <- function(name, m, replicates, formula, family) {
  set.seed(20)
  drawn <- simulate(m, nsim = replicates, use.u = FALSE)
  all <- sapply(drawn, function(y) estimates(suppressMessages(suppressWarnings(refit(m, y)))))
  centre <- rowMeans(all, na.rm = TRUE)  # a correlation with what does not vary is NaN
  centred <- all - centre
  list(name = name, formula = formula, family = family, replicates = replicates, estimate = estimates(m), mean = centre,
       sd = apply(all, 1, sd, na.rm = TRUE), kurtosis = rowMeans(centred^4, na.rm = TRUE) / rowMeans(centred^2, na.rm = TRUE)^2)
}

poisson_ <- glmer(y ~ trt + lbase + (1 | subject), epil, poisson)
slopes <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
cases <- list(
  bootstrapped("poisson", poisson_, 400, "y ~ trt + lbase + (1 | subject)", "poisson"),
  bootstrapped("slopes", slopes, 1000, "Reaction ~ Days + (Days | Subject)", "gaussian"))
jsonlite::write_json(list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))), cases = cases),
                     "bootstrap.json", auto_unbox = TRUE, digits = 10, pretty = TRUE)
