# Writes tests/reference/data/categorical.csv: responses in categories, and choices within sets of rows.
# Run from the root of the repository: Rscript tests/reference/write_data_categorical.R   (R 4.2.2)

set.seed(20240511)
sizes <- sample(2:6, 75, replace = TRUE)
n <- sum(sizes)
set <- rep(seq_along(sizes), sizes)
x <- round(rnorm(n), 4)
z <- round(runif(n, -1, 2), 3)
g <- sample(c("a", "b", "c"), n, replace = TRUE)
shift <- round(runif(n, -0.5, 0.5), 3)
effect <- c(a = 0, b = 0.6, c = -0.4)[g]

latent <- 0.8 * x - 0.3 * z + effect + shift
rating <- findInterval(latent + rlogis(n), c(-1.2, 0.1, 1.4)) + 1 # 1 to 4
grade <- c("poor", "fair", "good")[findInterval(latent + rnorm(n), c(-0.6, 0.8)) + 1]
utility <- cbind(bus = 0, car = 0.3 + 0.5 * x, `on foot` = -0.2 - 0.7 * x + effect, train = 0.4 * z)
mode <- colnames(utility)[max.col(utility - log(-log(matrix(runif(4 * n), n))))]
answer <- ifelse(latent + rlogis(n) > 0.3, "yes", "no")

worth <- 0.7 * x + 0.4 * z + effect + shift
draw <- ave(worth - log(-log(runif(n))), set, FUN = function(u) rank(-u))
several <- ceiling(runif(length(sizes)) * (sizes - 1))[set] # at least one is chosen, and at least one is not
each <- function(values) values[set]

write.csv(data.frame(
  x, z, g, shift, large = 1e6 + x, huge = 1e8 * x, rating, grade, mode, answer,
  w = round(runif(n, 0.4, 2.5), 3), f = sample(0:3, n, replace = TRUE), pw = round(runif(n, 1, 30), 2),
  firm = sample(sprintf("f%02d", 1:20), n, replace = TRUE),
  set, chosen = as.integer(draw == 1), many = as.integer(draw <= several),
  set_w = each(round(runif(length(sizes), 0.4, 2.5), 3)), set_f = each(sample(0:3, length(sizes), replace = TRUE)),
  set_pw = each(round(runif(length(sizes), 1, 30), 2)), town = each(sample(sprintf("t%d", 1:9), length(sizes), TRUE))
), "tests/reference/data/categorical.csv", row.names = FALSE, quote = FALSE, eol = "\n")
