#!/usr/bin/env bash
# Migrates a small real Debian guest, as another hypervisor would have left it, to a booted KVM domain.
#
#   npm run demo              everything, then stops what it started
#   npm run demo -- --keep    leaves the Temporal server, its UI and the worker running until Ctrl-C
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/as-root.sh
source scripts/as-root.sh

bash scripts/setup.sh
export PATH="$PWD/node_modules/.bin:$PATH"
exec node scripts/demo.ts "$@"
