#!/usr/bin/env bash
# Migrates a small real Debian guest, as another hypervisor would have left it, to a booted KVM domain.
#
#   npm run demo              everything, then stops what it started
#   npm run demo -- --keep    leaves the Temporal server, its UI and the worker running until Ctrl-C
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" -ne 0 ]; then
  echo 'demo: building a guest and talking to libvirt need root; going on with sudo'
  exec sudo --preserve-env=HOME,XDG_CACHE_HOME,PATH,NO_COLOR bash "$PWD/scripts/demo.sh" "$@"
fi

bash scripts/setup.sh
export PATH="$PWD/node_modules/.bin:$PATH"
exec node scripts/demo.ts "$@"
