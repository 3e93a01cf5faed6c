# The three kinds of weights. Prior weights: glm(weights =). Frequency weights: the rows repeated. Sampling weights: the
# weighted fit with a sandwich of weighted scores. Run by write_reference.R; writes weights.json.

interior <- "tests/reference/data/interior.csv"
counts <- "cbind(successes, failures) ~ x + g"

write_cases("weights", list(
  edm_case("prior_gaussian", interior, "normal ~ x + g", "gaussian", "identity", weights = "w"),
  edm_case("prior_gaussian_log", interior, "normal ~ x + g", "gaussian", "log", weights = "w", flat = 4.5),
  edm_case("prior_gaussian_zeros", interior, "normal ~ x + g", "gaussian", "identity", weights = "f"),
  edm_case("prior_poisson", interior, "count ~ x + g", "poisson", "log", weights = "w"),
  edm_case("prior_quasi_poisson", interior, "overdispersed ~ x + g", "quasi-poisson", "log", weights = "w"),
  edm_case("prior_gamma", interior, "positive ~ x + g", "gamma", "log", weights = "w"),
  edm_case("prior_gamma_inverse", interior, "positive ~ x + g", "gamma", "inverse", weights = "w"),
  edm_case("prior_inverse_gaussian", interior, "skewed ~ x + g", "inverse-gaussian", "log", weights = "w"),
  edm_case("prior_tweedie", interior, "tweedie ~ x + g", "tweedie", "log", weights = "w", fixed = list(power = 1.4)),
  edm_case("prior_binomial_counts", interior, counts, "binomial", "logit", weights = "w"),
  edm_case("prior_geometric", interior, "overdispersed ~ x + g", "geometric", "log", weights = "w"),
  joint_case("prior_negative_binomial", interior, "overdispersed ~ x + g", "negative-binomial", "log", weights = "w"),
  edm_case("prior_gaussian_hc3", interior, "normal ~ x + g", "gaussian", "identity", weights = "w", se = "hc3"),
  edm_case("prior_poisson_hc0", interior, "count ~ x + g", "poisson", "log", weights = "w", se = "hc0"),
  edm_case("prior_gamma_offset", interior, "positive ~ x", "gamma", "log", weights = "w", offset = "shift"),

  edm_case("frequency_gaussian", interior, "normal ~ x + g", "gaussian", "identity", freq_weights = "f"),
  edm_case("frequency_poisson", interior, "count ~ x + g", "poisson", "log", freq_weights = "f"),
  edm_case("frequency_gamma", interior, "positive ~ x + g", "gamma", "inverse", freq_weights = "f"),
  edm_case("frequency_inverse_gaussian", interior, "skewed ~ x + g", "inverse-gaussian", "log", freq_weights = "f"),
  edm_case("frequency_binomial", interior, "binary ~ x + z", "binomial", "logit", freq_weights = "f"),
  edm_case("frequency_binomial_counts", interior, counts, "binomial", "cloglog", freq_weights = "f"),
  edm_case("frequency_quasi_poisson", interior, "overdispersed ~ x", "quasi-poisson", "log", freq_weights = "f"),
  joint_case("frequency_negative_binomial", interior, "overdispersed ~ x", "negative-binomial", "log",
             freq_weights = "f"),
  edm_case("frequency_hc1", interior, "count ~ x + g", "poisson", "log", freq_weights = "f", se = "hc1"),
  edm_case("frequency_hc3", interior, "normal ~ x + g", "gaussian", "identity", freq_weights = "f", se = "hc3"),
  edm_case("frequency_cluster", interior, "count ~ x", "poisson", "log", freq_weights = "f", se = "cluster:firm"),

  edm_case("sampling_poisson", interior, "count ~ x + g", "poisson", "log", sampling_weights = "pw"),
  edm_case("sampling_binomial", interior, "binary ~ x + z", "binomial", "logit", sampling_weights = "pw"),
  edm_case("sampling_probit", interior, "answer ~ x + z", "binomial", "probit", sampling_weights = "pw"),
  edm_case("sampling_gaussian", interior, "normal ~ x + g", "gaussian", "identity", sampling_weights = "pw"),
  edm_case("sampling_gamma", interior, "positive ~ x + g", "gamma", "log", sampling_weights = "pw"),
  joint_case("sampling_negative_binomial", interior, "overdispersed ~ x", "negative-binomial", "log",
             sampling_weights = "pw")
))
