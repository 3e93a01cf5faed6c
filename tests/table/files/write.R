# Files of other programs with the data of sample_data/warpbreaks.csv and quine.csv: Rscript tests/table/files/write.R
# (R packages haven, foreign, openxlsx). iris.sas7bdat was written by SAS and comes with haven.
library(haven)
here <- "tests/table/files"
warp <- read.csv("sample_data/warpbreaks.csv", stringsAsFactors = TRUE)
warp$tension <- factor(warp$tension, levels = c("L", "M", "H"))
# Text, labelled values and dates beside numbers.
warp$code <- as.character(warp$wool)
warp$day <- as.Date("2024-03-01") + seq_len(nrow(warp)) - 1
warp$some <- labelled(c(99, rep(1:3, length.out = nrow(warp) - 1)), c(refused = 99))
write_dta(warp, file.path(here, "haven.dta"))
write_sav(warp, file.path(here, "haven.sav"))
write_xpt(warp[c("breaks", "code", "day")], file.path(here, "haven.xpt"), name = "WARP")
foreign::write.dta(warp[c("breaks", "wool", "tension")], file.path(here, "foreign.dta"))
file.copy(system.file("examples", "iris.sas7bdat", package = "haven"), "iris.sas7bdat", overwrite = TRUE)
system(paste("gzip -9n iris.sas7bdat && mv iris.sas7bdat.gz", here))
write.csv(iris, file.path(here, "iris.csv"), row.names = FALSE)
trees <- read.csv("sample_data/trees.csv")
openxlsx::write.xlsx(list(notes = data.frame(Girth = "diameter in inches"), trees = trees), "sample_data/trees.xlsx")
sheets <- list(Sheet1 = warp[c("breaks", "wool", "tension", "day")])
openxlsx::write.xlsx(sheets, file.path(here, "openxlsx.xlsx"))
