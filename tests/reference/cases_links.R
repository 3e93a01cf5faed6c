# Every family with every link that suits it: mean ~ x + g on simulated data in the interior of every link's domain.
# Run by write_reference.R; writes links.json.

interior <- "tests/reference/data/interior.csv"
response <- c(
  "gaussian" = "normal", "poisson" = "count", "quasi-poisson" = "overdispersed", "negative-binomial" = "overdispersed",
  "geometric" = "overdispersed", "gamma" = "positive", "inverse-gaussian" = "skewed", "tweedie" = "tweedie",
  "binomial" = "binary", "quasi-binomial" = "cbind(successes, failures)"
)
counts <- c("log", "identity", "sqrt")
links <- list(
  "gaussian" = c("identity", "log", "inverse", "sqrt", "power:2"),
  "poisson" = c(counts, "inverse", "power:0.3333333333333333"),
  "quasi-poisson" = counts,
  "negative-binomial" = counts,
  "geometric" = c(counts, "inverse"),
  "gamma" = c("inverse", "log", "identity", "sqrt", "inverse-squared", "power:-0.5"),
  "inverse-gaussian" = c("inverse-squared", "inverse", "log", "identity", "sqrt"),
  "tweedie" = c("log", "identity", "sqrt", "power:-0.5"),
  "binomial" = c("logit", "probit", "cauchit", "cloglog", "loglog", "log", "log-complement", "identity"),
  "quasi-binomial" = c("logit", "probit", "cauchit", "cloglog", "loglog", "log-complement", "identity")
)

cases <- list()
for (family in names(links)) {
  for (link in links[[family]]) {
    name <- gsub("[^a-z0-9]+", "_", tolower(paste(family, sub("0.3333333333333333", "third", link))))
    name <- paste0("link_", name, if (grepl("-[0-9]", link)) "_negative")
    formula <- paste(response[[family]], "~ x + g")
    flat <- if (family %in% c("binomial", "quasi-binomial")) 0.45 else mean(read.csv(interior)[[response[[family]]]])
    arguments <- list(name, interior, formula, family, link, flat = flat)
    if (family == "tweedie") arguments$fixed <- list(power = 1.5)
    if (family == "negative-binomial") arguments$fixed <- list(alpha = 0.5)
    cases[[name]] <- do.call(edm_case, arguments)
    if (family == "negative-binomial") {
      joint <- paste0(name, "_alpha")
      cases[[joint]] <- joint_case(joint, interior, formula, family, link)
    }
  }
}
for (power in c(1.2, 1.9)) {
  name <- paste0("link_tweedie_log_p", power)
  cases[[name]] <- edm_case(name, interior, "tweedie ~ x + g", "tweedie", "log", fixed = list(power = power))
}
cases$above_two <- edm_case("link_tweedie_log_p2.5", interior, "positive ~ x + g", "tweedie", "log",
                            fixed = list(power = 2.5))
write_cases("links", unname(cases))
