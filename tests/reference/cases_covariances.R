# Kinds of standard errors, and estimates of the dispersion. Run by write_reference.R; writes covariances.json.

interior <- "tests/reference/data/interior.csv"
epil <- "sample_data/epil.csv"
bacteria <- "sample_data/bacteria.csv"
cases <- list()
add <- function(case) cases[[length(cases) + 1]] <<- case

# Canonical links, where sandwich is a second opinion, and others, where observed and expected information part.
models <- list(
  c("gaussian", "normal ~ x + g", "identity"), c("poisson", "count ~ x + g", "log"),
  c("binomial", "binary ~ x + z", "logit"), c("binomial", "binary ~ x + z", "cloglog"),
  c("gamma", "positive ~ x + g", "log"), c("inverse-gaussian", "skewed ~ x + g", "log"),
  c("quasi-poisson", "overdispersed ~ x + g", "log"), c("geometric", "overdispersed ~ x + g", "log"),
  c("tweedie", "tweedie ~ x + g", "log")
)
for (model in models) {
  for (kind in c("expected", "hc0", "hc1", "hc2", "hc3", "cluster:firm", "cluster:firm,town")) {
    if (kind == "cluster:firm,town" && model[1] == "inverse-gaussian") next # a negative variance
    name <- gsub("[^a-z0-9]+", "_", paste(kind, model[1], model[3]))
    arguments <- list(name, interior, model[2], model[1], model[3], se = kind)
    if (model[1] == "tweedie") arguments$fixed <- list(power = 1.5)
    add(do.call(edm_case, arguments))
  }
}
add(edm_case("cluster_bacteria", bacteria, "y ~ ap + hilo + week", "binomial", "logit", se = "cluster:ID"))
add(edm_case("cluster_bacteria_two_way", bacteria, "y ~ ap + hilo", "binomial", "logit", se = "cluster:ID,week"))
add(edm_case("cluster_epil", epil, "y ~ lbase * trt + lage + V4", "poisson", "log", se = "cluster:subject"))
for (kind in c("expected", "hc0", "cluster:subject")) {
  name <- gsub("[^a-z0-9]+", "_", paste("epil_negative_binomial", kind))
  add(joint_case(name, epil, "y ~ lbase * trt + lage + V4", "negative-binomial", "log", se = kind))
}
add(joint_case("negative_binomial_two_way", interior, "overdispersed ~ x + g", "negative-binomial", "log",
               se = "cluster:firm,town"))

for (dispersion in list("pearson", "deviance", "ml", 0.25)) {
  suffix <- gsub("[.]", "_", dispersion)
  add(edm_case(paste0("dispersion_gaussian_", suffix), interior, "normal ~ x + g", "gaussian", "identity",
               dispersion = dispersion))
  add(edm_case(paste0("dispersion_gamma_", suffix), interior, "positive ~ x + g", "gamma", "log",
               dispersion = dispersion))
  add(edm_case(paste0("dispersion_inverse_gaussian_", suffix), interior, "skewed ~ x + g", "inverse-gaussian", "log",
               dispersion = dispersion))
}
for (dispersion in list("pearson", "deviance", 1.7)) {
  suffix <- gsub("[.]", "_", dispersion)
  add(edm_case(paste0("dispersion_poisson_", suffix), interior, "count ~ x + g", "poisson", "log",
               dispersion = dispersion))
  add(edm_case(paste0("dispersion_binomial_", suffix), interior, "cbind(successes, failures) ~ x", "binomial", "logit",
               dispersion = dispersion))
  add(edm_case(paste0("dispersion_tweedie_", suffix), interior, "tweedie ~ x", "tweedie", "log",
               fixed = list(power = 1.5), dispersion = dispersion))
}
add(edm_case("dispersion_gamma_ml_weighted", interior, "positive ~ x", "gamma", "log", weights = "w",
             dispersion = "ml"))
add(edm_case("dispersion_gaussian_number_weighted", interior, "normal ~ x", "gaussian", "identity", weights = "w",
             dispersion = 0.3))
write_cases("covariances", cases)
