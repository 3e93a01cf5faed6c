# The mean and a second predictor together: the negative binomial's alpha, the dispersion phi of gaussian, gamma and
# inverse Gaussian. Run by write_reference.R; writes joint.json.

interior <- "tests/reference/data/interior.csv"
quine <- "sample_data/quine.csv"
epil <- "sample_data/epil.csv"
quine_nested <- "Days ~ Sex / (Age + Eth * Lrn)"

cases <- list(
  joint_case("quine_main", quine, "Days ~ Eth + Sex + Age + Lrn", "negative-binomial", "log"),
  joint_case("quine_nested", quine, quine_nested, "negative-binomial", "log"),
  joint_case("quine_expected", quine, "Days ~ Eth + Sex + Age + Lrn", "negative-binomial", "log", se = "expected"),
  edm_case("quine_alpha_fixed", quine, "Days ~ Eth + Sex + Age + Lrn", "negative-binomial", "log",
           fixed = list(alpha = 0.75)),
  edm_case("quine_geometric", quine, "Days ~ Eth + Sex + Age + Lrn", "geometric", "log"),
  joint_case("epil_main", epil, "y ~ lbase * trt + lage + V4", "negative-binomial", "log"),
  joint_case("interior_exposure", interior, "overdispersed ~ x + g", "negative-binomial", "log", exposure = "years"),
  joint_case("interior_offset", interior, "overdispersed ~ x", "negative-binomial", "log", offset = "shift"),
  joint_case("interior_no_intercept", interior, "overdispersed ~ 0 + g", "negative-binomial", "log"),

  joint_case("quine_alpha_sex", quine, "Days ~ Eth + Age", "negative-binomial", "log", "Sex"),
  joint_case("epil_alpha_trt", epil, "y ~ lbase + trt", "negative-binomial", "log", "trt + lage"),
  joint_case("interior_alpha_x", interior, "overdispersed ~ x + g", "negative-binomial", "log", "x"),
  joint_case("interior_alpha_identity", interior, "overdispersed ~ x", "negative-binomial", "identity", "g"),
  joint_case("interior_alpha_hc0", interior, "overdispersed ~ x", "negative-binomial", "log", "x", se = "hc0"),
  joint_case("interior_alpha_cluster", interior, "overdispersed ~ x", "negative-binomial", "log", "h",
             se = "cluster:firm"),
  joint_case("gaussian_phi", interior, "spread ~ x", "gaussian", "identity", "z"),
  joint_case("gaussian_phi_factor", interior, "spread ~ x + g", "gaussian", "identity", "z + g"),
  joint_case("gaussian_phi_weights", interior, "spread ~ x", "gaussian", "identity", "z", weights = "w"),
  joint_case("gaussian_phi_log", interior, "normal ~ x + g", "gaussian", "log", "x"),
  joint_case("gamma_phi", interior, "positive ~ x + g", "gamma", "log", "x"),
  joint_case("gamma_phi_inverse", interior, "positive ~ x", "gamma", "inverse", "g"),
  joint_case("gamma_phi_weights", interior, "positive ~ x", "gamma", "log", "z", weights = "w"),
  joint_case("inverse_gaussian_phi", interior, "skewed ~ x", "inverse-gaussian", "log", "x")
)
names(cases) <- vapply(cases, `[[`, "", "name")

# A second opinion from packages that fit the same models by their own algorithms.
estimates <- function(name) vapply(cases[[name]]$coefficients, `[[`, 0, "estimate")
errors <- function(name) vapply(cases[[name]]$coefficients, `[[`, 0, "std_error")
school <- read.csv(quine, stringsAsFactors = TRUE)
simulated <- read.csv(interior, stringsAsFactors = TRUE)
control <- glm.control(epsilon = 1e-12, maxit = 200)
for (name in c("quine_main", "quine_nested")) {
  fit <- glm.nb(as.formula(cases[[name]]$spec$formulas[[1]]), school, control = control)
  agree(estimates(name), c(coef(fit), -log(fit$theta)), 1e-5, "coefficients of glm.nb()")
  agree(cases[[name]]$fit$log_likelihood, as.numeric(logLik(fit)), 1e-9, "log-likelihoods of glm.nb()")
  agree(cases[[name]]$fit$null_deviance, fit$null.deviance, 1e-6, "null deviances of glm.nb()")
}
fit <- glm.nb(Days ~ Eth + Sex + Age + Lrn, school, control = control)
agree(head(errors("quine_expected"), -1), summary(fit)$coefficients[, 2], 1e-5, "standard errors of glm.nb()")
gls <- nlme::gls(spread ~ x, simulated, weights = nlme::varExp(form = ~z), method = "ML")
slope <- 2 * coef(gls$modelStruct$varStruct, unconstrained = FALSE) # gls: sd = sigma exp(z t), so log phi has 2 t
agree(estimates("gaussian_phi"), c(coef(gls), 2 * log(gls$sigma), slope), 1e-4, "coefficients of gls()")
agree(cases$gaussian_phi$fit$log_likelihood, as.numeric(logLik(gls)), 1e-8, "log-likelihoods of gls()")
peer <- glmmTMB::glmmTMB(overdispersed ~ x + g, simulated, dispformula = ~x, family = glmmTMB::nbinom2)
agree(estimates("interior_alpha_x"), unlist(glmmTMB::fixef(peer)[c("cond", "disp")]) * c(1, 1, 1, 1, -1, -1), 1e-4,
      "coefficients of glmmTMB()") # glmmTMB models log theta = -log alpha
agree(errors("interior_alpha_x"), sqrt(diag(vcov(peer, full = TRUE))), 1e-4, "standard errors of glmmTMB()")
write_cases("joint", unname(cases))
