# Writes the CSV files of this folder from data sets that come with R, and from two published tables.
# Run from the root of the repository: Rscript sample_data/write.R
# Written with R 4.2.2, MASS 7.3-58.2, boot 1.3-28.1, survival 3.5-3. Origins and licences: sample_data/README.md

folder <- "sample_data"
write_data <- function(data, name, quote = FALSE) {
  write.csv(data, file.path(folder, paste0(name, ".csv")), row.names = FALSE, quote = quote, na = "NA", eol = "\n")
}

# The Poisson example: 1000 rows, beta = (1, 1.8), no intercept; R's default generators since 3.6.0.
set.seed(44)
x1 <- runif(1000)
x2 <- runif(1000)
write_data(data.frame(y = rpois(1000, exp(x1 + 1.8 * x2)), x1, x2), "poisson", quote = TRUE)

write_data(datasets::airquality, "airquality")
write_data(datasets::trees, "trees")
write_data(datasets::warpbreaks, "warpbreaks")
write_data(data.frame(model = rownames(datasets::mtcars), datasets::mtcars), "mtcars")

write_data(MASS::quine, "quine")
write_data(MASS::bacteria, "bacteria")
write_data(MASS::epil, "epil")
write_data(MASS::Insurance, "insurance")
birthwt <- MASS::birthwt
birthwt$race <- c("white", "black", "other")[birthwt$race]
write_data(birthwt, "birthwt")

poisons <- boot::poisons
poisons$poison <- c("I", "II", "III")[as.integer(poisons$poison)]
write_data(poisons, "poisons")

write_data(survival::tobin, "tobin")

# Bliss (1935): beetles killed by five hours of gaseous carbon disulphide; dose in log10 mg/l.
write_data(data.frame(
  dose = c(1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839),
  dead = c(6, 13, 18, 28, 52, 53, 61, 60),
  n = c(59, 60, 62, 56, 63, 59, 62, 60)
), "beetles")

# Collett (1991), from help(budworm, MASS): moths of each sex killed by a three-day dose of a pyrethroid (micrograms).
write_data(data.frame(
  sex = rep(c("male", "female"), each = 6),
  dose = rep(c(1, 2, 4, 8, 16, 32), 2),
  dead = c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16),
  alive = 20 - c(1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16),
  n = 20
), "budworm")

# McCullagh & Nelder (1989, section 8.4.2): clotting time of plasma (s) at nine concentrations (%), two lots of agent.
write_data(data.frame(
  lot = rep(c("one", "two"), each = 9),
  concentration = rep(c(5, 10, 15, 20, 30, 40, 60, 80, 100), 2),
  time = c(118, 58, 42, 35, 27, 25, 21, 19, 18, 69, 35, 26, 21, 18, 16, 13, 12, 12)
), "clotting")
