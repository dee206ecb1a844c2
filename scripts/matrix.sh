#!/usr/bin/env bash
# Sets up what is missing and migrates the matrix of guests; the results are kept in tests/matrix/results.
#
#   npm run test:matrix                 those that did not pass yet today: two hours without KVM for all
#   npm run test:matrix -- 3 7          some, by number or name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh
export PATH="$PWD/node_modules/.bin:$PATH"
exec node tests/matrix/main.ts "$@"
