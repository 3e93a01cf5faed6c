#!/bin/sh
# From data to answers: sh sample_data/pipeline.sh [FOLDER]. Models, predictions and residuals go to the folder.
set -eu
data=$(dirname "$0")/quine.csv
folder=${1:-pipeline}
mkdir -p "$folder"

glmfit fit "$data" "Days ~ Sex + Eth" -f negative-binomial --save "$folder/small.json" -o "$folder/small.txt"
glmfit fit "$data" "Days ~ Sex*Age + Eth" -f negative-binomial --save "$folder/model.json" -o "$folder/model.txt"
cd "$folder"
case $data in /*) ;; *) data=$OLDPWD/$data ;; esac

glmfit compare small.json model.json
glmfit anova "$data" "Days ~ Sex*Age + Eth" -f negative-binomial
glmfit test model.json "Eth[T.N] = 0" "exp(Eth[T.N])"
glmfit margins model.json "$data" --terms Sex,Eth
glmfit margins model.json "$data" --pairwise Age --by Sex --adjust holm --format csv -o pairs.csv
glmfit predict model.json "$data" --keep Sex,Age,Eth --interval prediction -o predictions.csv
glmfit residuals model.json "$data" --keep Days -o residuals.csv
glmfit simulate model.json "$data" --draws 2 --seed 1 -o draws.csv
