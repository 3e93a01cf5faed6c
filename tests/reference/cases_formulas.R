# Terms, responses, offsets and missing values, mostly on the sample data.
# Run by write_reference.R; writes formulas.json.

shipped <- function(name) file.path("sample_data", paste0(name, ".csv"))
interior <- "tests/reference/data/interior.csv"
age_terms <- c("Intercept", "C(District)[T.2]", "C(District)[T.3]", "C(District)[T.4]", "Group[T.1.5-2l]",
               "Group[T.<1l]", "Group[T.>2l]", "Age[T.30-35]", "Age[T.<25]", "Age[T.>35]")
wool_sum <- c("Intercept", "C(wool, contr.sum)[S.A]", "C(tension, contr.sum)[S.H]", "C(tension, contr.sum)[S.L]")
cyl_terms <- c("Intercept", "C(cyl)[T.6]", "C(cyl)[T.8]", "wt", "hp", "wt:hp")
insurance_r <- "Claims ~ factor(District) + Group + Age + offset(log(Holders))"

write_cases("formulas", list(
  # No intercept; the plain way and the formula give the same model.
  edm_case("poisson_seed", shipped("poisson"), "y ~ x1 + x2 - 1", "poisson", "log"),
  edm_case("poisson_seed_plain", shipped("poisson"), NULL, "poisson", "log", y = "y", x = list("x1", "x2"),
           intercept = FALSE, r_formula = "y ~ x1 + x2 - 1"),
  edm_case("poisson_seed_quasi", shipped("poisson"), "y ~ 0 + x1 + x2", "quasi-poisson", "log"),

  # Factors, contrasts, interactions, nesting.
  edm_case("warpbreaks_quasi", shipped("warpbreaks"), "breaks ~ wool * tension", "quasi-poisson", "log"),
  edm_case("warpbreaks_cell_means", shipped("warpbreaks"), "breaks ~ 0 + wool:tension", "poisson", "log"),
  edm_case("warpbreaks_no_intercept", shipped("warpbreaks"), "breaks ~ 0 + wool + tension", "poisson", "log"),
  edm_case("warpbreaks_sum", shipped("warpbreaks"), "breaks ~ C(wool, contr.sum) + C(tension, contr.sum)", "poisson",
           "log", rename = wool_sum),
  edm_case("warpbreaks_reference_level", shipped("warpbreaks"), "breaks ~ C(tension, contr.treatment('M'))", "poisson",
           "log", r_formula = "breaks ~ C(tension, contr.treatment, base = 3)",
           rename = c("Intercept", "C(tension, contr.treatment('M'))[T.H]", "C(tension, contr.treatment('M'))[T.L]")),
  edm_case("interior_nested", interior, "count ~ g / x", "poisson", "log"),
  edm_case("interior_slopes", interior, "count ~ g:x", "poisson", "log"),
  edm_case("interior_squared", interior, "count ~ (g + h + x)**2", "poisson", "log",
           r_formula = "count ~ (g + h + x)^2"),
  edm_case("interior_cell_means_gaussian", interior, "normal ~ 0 + g + x", "gaussian", "identity"),
  edm_case("interior_intercept_only", interior, "count ~ 1", "poisson", "log"),
  edm_case("interior_plain_factor", interior, NULL, "gaussian", "identity", y = "normal", x = list("x", "g"),
           r_formula = "normal ~ x + g"),
  edm_case("mtcars_factor_from_number", shipped("mtcars"), "mpg ~ C(cyl) + wt * hp", "gaussian", "identity",
           r_formula = "mpg ~ factor(cyl) + wt * hp", rename = cyl_terms),

  # Transformed columns.
  edm_case("mtcars_poly", shipped("mtcars"), "mpg ~ poly(hp, 2) + wt + I(wt ** 2)", "gaussian", "identity",
           r_formula = "mpg ~ poly(hp, 2) + wt + I(wt^2)"),
  edm_case("mtcars_scale", shipped("mtcars"), "mpg ~ scale(wt) + scale(hp)", "gaussian", "identity"),
  edm_case("mtcars_logs", shipped("mtcars"), "log(mpg) ~ log(hp) + log(wt)", "gaussian", "identity"),
  edm_case("trees_cube_root", shipped("trees"), "Volume ~ Girth + Height", "gaussian", "power:0.3333333333333333",
           flat = 30),
  edm_case("trees_gamma", shipped("trees"), "Volume ~ log(Girth) + log(Height)", "gamma", "log"),
  edm_case("trees_inverse_gaussian", shipped("trees"), "Volume ~ log(Girth) + log(Height)", "inverse-gaussian", "log"),
  edm_case("clotting_inverse", shipped("clotting"), "time ~ log(concentration) * lot", "gamma", "inverse"),
  edm_case("clotting_log_expected", shipped("clotting"), "time ~ log(concentration) * lot", "gamma", "log",
           se = "expected"),
  edm_case("clotting_log_hessian", shipped("clotting"), "time ~ log(concentration) * lot", "gamma", "log"),
  edm_case("clotting_one_line", shipped("clotting"), "time ~ log(concentration)", "inverse-gaussian", "log"),
  edm_case("poisons_rates", shipped("poisons"), "time ~ poison + treat", "inverse-gaussian", "inverse"),
  edm_case("poisons_log", shipped("poisons"), "time ~ poison * treat", "inverse-gaussian", "log"),
  edm_case("poisons_gamma", shipped("poisons"), "time ~ poison + treat", "gamma", "inverse"),
  edm_case("tobin_tweedie", shipped("tobin"), "durable ~ age + quant", "tweedie", "log", fixed = list(power = 1.5)),

  # Missing values: rows in which any column of the model is missing go, columns outside the model do not count.
  edm_case("airquality_plain", shipped("airquality"), NULL, "gaussian", "identity", y = "Ozone",
           x = list("Solar.R", "Wind", "Temp"), r_formula = "Ozone ~ Solar.R + Wind + Temp"),
  edm_case("airquality_gamma", shipped("airquality"), "Ozone ~ `Solar.R` + Wind + Temp", "gamma", "log"),
  edm_case("airquality_fewer_missing", shipped("airquality"), "Ozone ~ Wind + C(Month)", "gaussian", "log", flat = 42,
           r_formula = "Ozone ~ Wind + factor(Month)",
           rename = c("Intercept", "Wind", sprintf("C(Month)[T.%d]", 6:9))),
  edm_case("airquality_spline", shipped("airquality"), "Ozone ~ Wind + bs(Temp, df=5)", "gaussian", "identity",
           r_formula = "Ozone ~ Wind + splines::bs(Temp, df = 5)",
           rename = c("Intercept", "Wind", sprintf("bs(Temp, df=5)[%d]", 1:5))),

  # Offset, exposure, offset() in the formula.
  edm_case("insurance_exposure", shipped("insurance"), "Claims ~ C(District) + Group + Age", "poisson", "log",
           exposure = "Holders", r_formula = "Claims ~ factor(District) + Group + Age", rename = age_terms),
  edm_case("insurance_offset_term", shipped("insurance"), "Claims ~ C(District) + Group + Age + offset(log(Holders))",
           "poisson", "log", r_formula = insurance_r, rename = age_terms),
  edm_case("interior_offset_poisson", interior, "count ~ x + g", "poisson", "log", offset = "shift"),
  edm_case("interior_offset_gaussian", interior, "normal ~ x + g", "gaussian", "identity", offset = "shift"),
  edm_case("interior_offset_gamma", interior, "positive ~ x + g", "gamma", "log", offset = "shift"),
  edm_case("interior_offset_binomial", interior, "binary ~ x", "binomial", "probit", offset = "shift"),
  edm_case("interior_offset_no_intercept", interior, "count ~ 0 + g + x", "poisson", "log", offset = "shift"),
  edm_case("interior_exposure", interior, "overdispersed ~ x", "quasi-poisson", "log", exposure = "years"),

  # Forms of a binomial response: 0/1, text, successes/trials, two columns, proportion with trials as weights.
  edm_case("birthwt_logit", shipped("birthwt"), "low ~ age + lwt + race + smoke + ptl + ht + ui", "binomial", "logit"),
  edm_case("bacteria_text", shipped("bacteria"), "y ~ trt + week", "binomial", "logit",
           rename = c("Intercept", "trt[T.drug+]", "trt[T.placebo]", "week")),
  edm_case("bacteria_success", shipped("bacteria"), "y ~ ap + hilo + week", "binomial", "logit", success = "n",
           r_formula = "(y == 'n') ~ ap + hilo + week"),
  edm_case("interior_text", interior, "answer ~ x + z", "binomial", "probit"),
  edm_case("beetles_fraction_logit", shipped("beetles"), NULL, "binomial", "logit", y = "dead/n", x = list("dose"),
           r_formula = "cbind(dead, n - dead) ~ dose"),
  edm_case("beetles_fraction_probit", shipped("beetles"), NULL, "binomial", "probit", y = "dead/n", x = list("dose"),
           r_formula = "cbind(dead, n - dead) ~ dose"),
  edm_case("beetles_fraction_cloglog", shipped("beetles"), NULL, "binomial", "cloglog", y = "dead/n", x = list("dose"),
           r_formula = "cbind(dead, n - dead) ~ dose"),
  edm_case("beetles_quasi", shipped("beetles"), NULL, "quasi-binomial", "logit", y = "dead/n", x = list("dose"),
           r_formula = "cbind(dead, n - dead) ~ dose"),
  edm_case("budworm_two_columns", shipped("budworm"), "cbind(dead, alive) ~ sex * log(dose)", "binomial", "logit"),
  edm_case("budworm_fraction", shipped("budworm"), "dead/n ~ sex + log2(dose)", "binomial", "logit",
           r_formula = "cbind(dead, n - dead) ~ sex + log2(dose)"),
  edm_case("interior_proportion", interior, "share ~ x + z", "binomial", "logit", weights = "trials"),
  edm_case("interior_quasi_proportion", interior, "share ~ x + z", "quasi-binomial", "cloglog", weights = "trials")
))
