#!/usr/bin/env bash
# Sets up what is missing, virt-v2v included, and compares what virt-v2v-in-place and Longhaul make of the
# same guests; arguments name guests, and --fresh runs virt-v2v again where its result is kept.
#
#   npm run test:differential                     all guests, an hour without KVM; the result is kept
#   npm run test:differential -- debian-bios      one of them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup.sh
yardsticks=(virt-v2v libnbd-bin nbdkit)
if ! dpkg-query --show "${yardsticks[@]}" >/dev/null 2>&1; then
  echo "differential: installing ${yardsticks[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${yardsticks[@]}" >/dev/null
fi
export PATH="$PWD/node_modules/.bin:$PATH"
exec node tests/differential/main.ts "$@"
