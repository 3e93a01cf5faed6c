# Writes every tests/reference/*.json. Run from the root of the repository: Rscript tests/reference/write_reference.R
# R 4.2.2 with MASS 7.3-58.2, statmod 1.5.0, sandwich 3.0-2, nlme 3.1-162, numDeriv 2016.8-1.1, jsonlite 1.8.4.
# Second opinions: survival 3.5-3, VGAM 1.1-7, glmmTMB 1.1.5, sn 2.1.0, pscl 1.5.5, actuar 3.3-2.
# clubSandwich 0.5.8 for cases_clusters.R.

options(warn = 1)
source("tests/reference/reference_case.R")
for (subject in c("links", "formulas", "weights", "covariances", "joint", "continuous", "counts", "categorical",
                  "censored", "clusters")) {
  source(file.path("tests/reference", paste0("cases_", subject, ".R")))
}
