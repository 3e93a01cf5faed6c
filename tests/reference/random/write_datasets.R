# Published data with random effects, against glmmTMB 1.1.5, polished (peers.R).
# Writes datasets.json.
#   Rscript tests/reference/random/write_datasets.R
# verbagg: responses of a person to 24 items as one text, from De Boeck &
# Wilson (2004), Explanatory Item Response Models; salamanders: Price et al. (2016), Ecology 97; epil: Thall & Vail (1990), Biometrics 46;
# owls: Roulin & Bersier (2007), Animal Behaviour 74. Contraception is that of quadrature.json.
suppressMessages({ library(lme4); library(glmmTMB); library(jsonlite) })
source("tests/reference/random/peers.R")
data(Contraception, package = "mlmRev")
frames <- list(
  verbagg = transform(VerbAgg, y = as.integer(r2 == "Y"), id = sprintf("p%s", id)),
  salamanders = with(Salamanders, data.frame(count, spp = as.character(spp), mined = as.character(mined), site = as.character(site))),
  epil = epil2[, c("y", "Base", "trt", "Age", "Visit", "subject")],
  owls = with(Owls, data.frame(calls = SiblingNegotiation, food = FoodTreatment, sex = SexParent, log_brood = logBroodSize, nest = Nest)),
  contraception = data.frame(y = as.integer(Contraception$use == "Y"), age = Contraception$age, livch = Contraception$livch,
                             urban = Contraception$urban, g = paste0("d", Contraception$district)))
cases <- list(
  by_tmb("verbagg", "verbagg", y ~ (Anger + Gender + btype + situ)^2 + (1 | id) + (1 | item), binomial,
         ask("y ~ (Anger + Gender + btype + situ)**2 + (1 | id) + (1 | item)", "binomial")),
  by_tmb("contraception", "contraception", y ~ age + I(age^2) + urban + livch + (urban | g), binomial,
         ask("y ~ age + I(age**2) + C(urban) + C(livch) + (C(urban) | g)", "binomial")),
  by_tmb("salamanders, zero-inflated", "salamanders", count ~ spp * mined + (1 | site), poisson, ziformula = ~ spp * mined,
         ask(c("count ~ spp * mined + (1 | site)", "zero ~ spp * mined"), "zero-inflated-poisson")),
  by_tmb("salamanders, zero-inflated negative binomial", "salamanders", count ~ spp + mined + (1 | site), nbinom2, ziformula = ~ mined,
         ask(c("count ~ spp + mined + (1 | site)", "zero ~ mined"), "zero-inflated-negative-binomial")),
  by_tmb("salamanders, negative binomial", "salamanders", count ~ spp + mined + (1 | site), nbinom2,
         ask("count ~ spp + mined + (1 | site)", "negative-binomial")),
  by_tmb("epil", "epil", y ~ Base * trt + Age + Visit + (1 | subject), nbinom2,
         ask("y ~ Base * trt + Age + Visit + (1 | subject)", "negative-binomial")),
  by_tmb("epil, linear variance", "epil", y ~ Base * trt + Age + Visit + (1 | subject), nbinom1,
         ask("y ~ Base * trt + Age + Visit + (1 | subject)", "negative-binomial-1")),
  by_tmb("owls", "owls", calls ~ food * sex + offset(log_brood) + (1 | nest), nbinom2, ziformula = ~ 1,
         ask("calls ~ food * sex + offset(log_brood) + (1 | nest)", "zero-inflated-negative-binomial")),
  by_tmb("owls, poisson", "owls", calls ~ food * sex + offset(log_brood) + (1 | nest), poisson, ziformula = ~ 1 + (1 | nest),
         ask(c("calls ~ food * sex + offset(log_brood) + (1 | nest)", "zero ~ 1 + (1 | nest)"), "zero-inflated-poisson")),
  by_tmb("owls, negative binomial", "owls", calls ~ food * sex + offset(log_brood) + (1 | nest), nbinom1,
         ask("calls ~ food * sex + offset(log_brood) + (1 | nest)", "negative-binomial-1")))
v <- frames$verbagg[order(VerbAgg$id, VerbAgg$item), ]
frames$verbagg <- list(persons = unique(v[, c("id", "Anger", "Gender")]), items = unique(v[, c("item", "btype", "situ")]),
                       responses = unname(tapply(v$y, factor(v$id, unique(v$id)), paste, collapse = "")))
frames$contraception <- NULL
write_json(list(frames = frames, cases = cases), "tests/reference/random/datasets.json", digits = 15, auto_unbox = TRUE,
           dataframe = "columns", null = "null")
