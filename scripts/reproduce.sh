#!/usr/bin/env bash
# scripts/reproduce.sh TABLE [name=value ...]
#
# Trains and scores what is missing of a table, by the rules of experiments/Snakefile: table2, table3, table5, figure5,
# grid, ablation, practitioner, distillation, tune (learning rates), language_model, classification; docs/reproduce.md.
#
#   corpus=iwslt17|wmt17|wmt17-v13|wmt17-v15|FOLDER  scale=paper|small|tiny  openhownet=FOLDER | senses=TSV
#   methods="dense see" ratios="10 20" seeds="1 2 3" updates=N hyperparameters=FILE overrides="key=value ..." out=DIR
#   SEE_USER_DIR=FOLDER                                with methods of your own (docs/extend.md)
#   SNAKEMAKE="-n"                                     only show what is missing; or any other option of snakemake
#   SNAKEMAKE="--workflow-profile $PWD/configs/slurm"  a Slurm job for each run
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
(($#)) || usage
workflow "$@"
