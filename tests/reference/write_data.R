# Writes tests/reference/data/interior.csv: simulated responses for every family, far from the edges of every link.
# Run from the root of the repository: Rscript tests/reference/write_data.R   (R 4.2.2, statmod 1.5.0)

set.seed(20240229)
n <- 150
x <- round(runif(n), 4)
z <- round(rnorm(n), 3)
g <- sample(c("a", "b", "c"), n, replace = TRUE)
h <- sample(c("u", "v"), n, replace = TRUE)
shift <- c(a = 0, b = 0.3, c = -0.2)[g]
mean <- exp(1 + 0.6 * x + shift)
p <- 0.25 + 0.35 * x + 0.1 * (g == "b")
trials <- sample(4:15, n, replace = TRUE)
successes <- rbinom(n, trials, p)
compound <- function(mu) { # compound Poisson-gamma: Tweedie with power 1.5, phi 0.8
  events <- rpois(length(mu), sqrt(mu) / (0.8 * 0.5))
  ifelse(events > 0, rgamma(length(mu), shape = pmax(events, 1), scale = 0.8 * 0.5 * sqrt(mu)), 0)
}

write.csv(data.frame(
  x, z, g, h,
  normal = round(rnorm(n, mean, 0.5), 4) + 1,
  count = rpois(n, mean),
  overdispersed = rnbinom(n, size = 2, mu = mean),
  positive = round(rgamma(n, shape = 6, rate = 6 / mean), 4),
  skewed = round(statmod::rinvgauss(n, mean = mean, dispersion = 0.05), 4),
  tweedie = round(compound(mean), 4),
  spread = round(rnorm(n, 1 + 2 * x, exp(-1 + 0.8 * z / 2)), 4),
  binary = rbinom(n, 1, p),
  answer = ifelse(rbinom(n, 1, p) == 1, "yes", "no"),
  successes, failures = trials - successes, trials, share = successes / trials,
  w = round(runif(n, 0.4, 2.5), 3),
  f = sample(0:4, n, replace = TRUE),
  pw = round(runif(n, 1, 30), 2),
  years = round(runif(n, 0.5, 3), 2),
  shift = round(runif(n, -0.3, 0.3), 3),
  firm = sample(sprintf("f%02d", 1:20), n, replace = TRUE),
  town = sample(sprintf("t%d", 1:8), n, replace = TRUE)
), "tests/reference/data/interior.csv", row.names = FALSE, quote = FALSE, eol = "\n")
