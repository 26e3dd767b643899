#!/bin/bash
# Gradescope runs this once, when it makes the autograder's image. The zip holds this file, run_autograder, a file
# `assignment` with a number such as 03, and a checkout of Layerlab as layerlab/.
set -e
cd "${AUTOGRADER:-/autograder}/source/layerlab"
apt-get update -qq && apt-get install -y -qq make git
make setup
.venv/bin/layerlab parents
.venv/bin/layerlab engine stop
