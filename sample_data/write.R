# Writes the CSV files of this folder from data sets that come with R, and from two published tables.
# Run from the root of the repository: Rscript sample_data/write.R
# Written with R 4.2.2, MASS 7.3-58.2, boot 1.3-28.1, survival 3.5-3, pscl 1.5.5, VGAM 1.1-7.
# Origins and licences: sample_data/README.md

folder <- "sample_data"
write_data <- function(data, name, quote = FALSE) {
  write.csv(data, file.path(folder, paste0(name, ".csv")), row.names = FALSE, quote = quote, na = "NA", eol = "\n")
}

# The Poisson example: 1000 rows, beta = (1, 1.8), no intercept; R's default generators since 3.6.0.
set.seed(44)
x1 <- runif(1000)
x2 <- runif(1000)
write_data(data.frame(y = rpois(1000, exp(x1 + 1.8 * x2)), x1, x2), "poisson", quote = TRUE)

# Counts with structural zeros: a third of the trees bears nothing at all, whatever the spray and the shade.
set.seed(46)
spray <- rep(c("none", "oil", "sulphur"), each = 80)
shade <- round(runif(240), 2)
bearing <- runif(240) < 2 / 3
grafts <- sample(6:15, 240, replace = TRUE)
effect <- c(none = 0, oil = 0.4, sulphur = 0.7)[spray] - 0.8 * shade
write_data(data.frame(
  spray, shade,
  fruits = bearing * rgeom(240, 1 / (1 + exp(2.2 + effect))),
  grafts, taken = bearing * rbinom(240, grafts, rbeta(240, 8 * plogis(1 + effect), 8 * plogis(-1 - effect)))
), "orchard")

write_data(datasets::airquality, "airquality")
write_data(datasets::trees, "trees")
write_data(data.frame(province = rownames(datasets::swiss), datasets::swiss), "swiss")
write_data(datasets::warpbreaks, "warpbreaks")
write_data(data.frame(model = rownames(datasets::mtcars), datasets::mtcars), "mtcars")

write_data(MASS::quine, "quine")
write_data(as.data.frame(MASS::phones), "phones")
write_data(MASS::bacteria, "bacteria")
write_data(MASS::epil, "epil")
write_data(MASS::Insurance, "insurance")
write_data(MASS::housing, "housing")
write_data(datasets::infert, "infert")
birthwt <- MASS::birthwt
birthwt$race <- c("white", "black", "other")[birthwt$race]
write_data(birthwt, "birthwt")

poisons <- boot::poisons
poisons$poison <- c("I", "II", "III")[as.integer(poisons$poison)]
write_data(poisons, "poisons")

write_data(survival::tobin, "tobin")

# Infections found at visits, about every two months: the last one without, the first one with it. Weibull times of shape
# 1.5, whose scale the treatment raises by exp(0.5) and ten years of age lower by exp(-0.1).
set.seed(45)
n <- 200
treated <- rbinom(n, 1, 0.5)
age <- sample(20:70, n, replace = TRUE)
infection <- rweibull(n, 1.5, exp(2.6 + 0.5 * treated - 0.01 * age))
visits <- lapply(seq_len(n), function(i) round(cumsum(runif(sample(4:9, 1), 1, 3)), 1))
clear <- mapply(function(at, t) max(-Inf, at[at < t]), visits, infection)
infected <- mapply(function(at, t) min(Inf, at[at >= t]), visits, infection)
clear[is.infinite(clear)] <- NA # infected at the first visit
infected[is.infinite(infected)] <- NA # still clear at the last
clear[c(40, 120)] <- infected[c(40, 120)] <- NA # never came
write_data(data.frame(treated, age, clear, infected), "visits")

write_data(data.frame(year = 1875:1972, level = as.numeric(datasets::LakeHuron)), "lakehuron")
write_data(datasets::faithful, "faithful")
write_data(survival::veteran, "veteran")

write_data(pscl::bioChemists, "articles")
write_data(subset(pscl::bioChemists, art > 0), "published")
litters <- VGAM::lirat
groups <- c("untreated", "once", "twice", "weekly")
write_data(data.frame(dead = litters$R, n = litters$N, hb = litters$hb, group = groups[litters$grp]), "lirat")

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
