# Wald tests of hypotheses, delta-method estimates and adjusted p-values: Rscript tests/reference/after/hypotheses.R
# (from the root). car::linearHypothesis, car::deltaMethod, car::Anova(type = 3, test = "Wald"), multcomp::glht.
# Covariances are those named in `spec`: glm's own, or sandwich's. The names of terms are glmfit's; R's stand beside.

suppressMessages({ library(MASS); library(car); library(multcomp); library(sandwich); library(nnet); library(jsonlite) })
tight <- glm.control(epsilon = 1e-15, maxit = 200)
read <- function(path) { d <- read.csv(path); d[] <- lapply(d, function(x) if (is.character(x)) factor(x) else x); d }
interior <- read("tests/reference/data/interior.csv")

cases <- list()
add <- function(name, spec, fit, V, df = NULL, singles = list(), joint = list(), delta = list(), terms = NULL,
                data = "tests/reference/data/interior.csv") {
  F <- !is.null(df)
  found <- list()
  for (h in singles) {                       # text of ours, R's, adjusted together below
    K <- h[[2]]; rhs <- h[[3]]
    est <- sum(K * coef(fit)); se <- sqrt(drop(t(K) %*% V %*% K)); stat <- (est - rhs) / se
    p <- if (F) 2 * pt(-abs(stat), df) else 2 * pnorm(-abs(stat))
    q <- if (F) qt(0.975, df) else qnorm(0.975)
    found[[length(found) + 1]] <- list(hypothesis = h[[1]], estimate = est, std_error = se, statistic = stat, p_value = p,
                                       conf_low = est - q * se, conf_high = est + q * se, df = 1)
  }
  for (h in joint) {
    t <- linearHypothesis(fit, h[[2]], vcov. = V, test = if (F) "F" else "Chisq")
    found[[length(found) + 1]] <- list(hypothesis = h[[1]], statistic = t[[if (F) "F" else "Chisq"]][2],
                                       p_value = t[[if (F) "Pr(>F)" else "Pr(>Chisq)"]][2], df = t$Df[2])
  }
  for (h in delta) {
    d <- deltaMethod(fit, h[[2]], vcov. = V, parameterNames = paste0("b", seq_along(coef(fit)) - 1))
    found[[length(found) + 1]] <- list(hypothesis = h[[1]], estimate = d$Estimate, std_error = d$SE, df = 1)
  }
  adjusted <- NULL
  if (length(singles) > 1) {
    K <- do.call(rbind, lapply(singles, `[[`, 2)); rhs <- sapply(singles, `[[`, 3)
    g <- glht(fit, linfct = K, rhs = rhs, vcov = V, df = if (F) df else 0)
    p <- function(type, ...) as.vector(summary(g, test = adjusted(type, ...))$test$pvalues)
    set.seed(1)
    adjusted <- list(holm = p("holm"), bonferroni = p("bonferroni"), bh = p("BH"),
                     `single-step` = p("single-step", abseps = 1e-8, maxpts = 4e6))
  }
  case <- list(name = name, data = data, spec = spec, tests = found)
  if (!is.null(adjusted)) case$adjusted <- adjusted
  if (!is.null(terms)) case$terms <- terms
  cases[[length(cases) + 1]] <<- case
}
adjusted <- multcomp::adjusted
k <- function(fit, ...) { K <- setNames(numeric(length(coef(fit))), names(coef(fit))); v <- c(...); K[names(v)] <- v; K }
terms_of <- function(fit, F) {
  a <- Anova(fit, type = 3, test.statistic = if (F) "F" else "Wald")
  a <- a[!rownames(a) %in% c("(Intercept)", "Residuals"), ]
  stat <- a[[if (F) if ("F value" %in% names(a)) "F value" else "F" else "Chisq"]]
  lapply(seq_len(nrow(a)), function(i) list(hypothesis = rownames(a)[i], df = a$Df[i], statistic = stat[i],
                                            p_value = a[[if (F) "Pr(>F)" else "Pr(>Chisq)"]][i]))
}

fit <- glm(count ~ x + z + g, poisson, interior, control = tight)
levels_g <- levels(interior$g)
g2 <- paste0("g", levels_g[2]); g3 <- paste0("g", levels_g[3])
t2 <- paste0("g[T.", levels_g[2], "]"); t3 <- paste0("g[T.", levels_g[3], "]")
contrasts_of <- function(fit) list(
  list("x = z", k(fit, x = 1, z = -1), 0), list(paste(t2, "=", t3), k(fit, setNames(c(1, -1), c(g2, g3))), 0),
  list("2*x - z/4 = 0.1", k(fit, x = 2, z = -0.25), 0.1), list("x", k(fit, x = 1), 0))
joint_of <- list(list(paste(t2, "= 0,", t3, "= 0"), c(paste(g2, "= 0"), paste(g3, "= 0"))),
                 list("x = z, Intercept = 0.5", c("x = z", "(Intercept) = 0.5")))
delta_of <- list(list("exp(x)/z", "exp(b1)/b2"), list("log(Intercept^2 + exp(x)) * sqrt(exp(z))", "log(b0^2 + exp(b1)) * sqrt(exp(b2))"))
add("poisson", list(formulas = list("count ~ x + z + g"), family = "poisson"), fit, vcov(fit), NULL,
    contrasts_of(fit), joint_of, delta_of, terms_of(fit, FALSE))
add("poisson_hc0", list(formulas = list("count ~ x + z + g"), family = "poisson", se = "hc0"), fit,
    vcovHC(fit, "HC0"), NULL, contrasts_of(fit), joint_of, delta_of)
lmfit <- lm(normal ~ x + z + g, interior)
add("gaussian", list(formulas = list("normal ~ x + z + g"), family = "gaussian"), lmfit, vcov(lmfit), lmfit$df.residual,
    contrasts_of(lmfit), joint_of, delta_of, terms_of(lmfit, TRUE))
lm2 <- lm(normal ~ x * g + z, interior)
add("gaussian_interaction", list(formulas = list("normal ~ x * g + z"), family = "gaussian"), lm2, vcov(lm2), lm2$df.residual,
    terms = terms_of(lm2, TRUE))
gam <- glm(positive ~ x + z + g, Gamma("log"), interior, control = tight)
add("gamma", list(formulas = list("positive ~ x + z + g"), family = "gamma", se = "expected"), gam, vcov(gam), gam$df.residual,
    contrasts_of(gam), joint_of, delta_of)


# Tests whose adjusted p-values are neither 0 nor 1.
birth <- read("sample_data/birthwt.csv")
fit <- glm(low ~ age + lwt + smoke + ht + ui, binomial, birth, control = tight)
add("binomial_births", list(formulas = list("low ~ age + lwt + smoke + ht + ui"), family = "binomial"), fit, vcov(fit), NULL,
    lapply(c("age", "lwt", "smoke", "ht", "ui"), function(n) list(n, k(fit, setNames(1, n)), 0)), data = "sample_data/birthwt.csv")
cars <- read("sample_data/mtcars.csv")
fit <- lm(mpg ~ wt + hp + qsec + drat, cars)
add("gaussian_cars", list(formulas = list("mpg ~ wt + hp + qsec + drat"), family = "gaussian"), fit, vcov(fit), fit$df.residual,
    lapply(c("wt", "hp", "qsec", "drat"), function(n) list(n, k(fit, setNames(1, n)), 0)), data = "sample_data/mtcars.csv")

writeLines(toJSON(cases, auto_unbox = TRUE, digits = NA, pretty = TRUE), "tests/reference/after/hypotheses.json")
