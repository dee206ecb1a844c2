#!/usr/bin/env bash
# Sets up what is missing, the yardsticks included, and measures; arguments name groups of figures.
#
#   npm run bench                 everything, some five hours; results are kept in tests/bench/results
#   npm run bench -- convert      one group: control-plane, convert, conversion, inventory, memory, migration, transfer,
#                                 transfer-link, transfer-pool
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/as-root.sh
source scripts/as-root.sh

bash scripts/setup.sh
# nginx serves disks, and curl downloads them.
# PostgreSQL is what a site keeps its Temporal server's data in.
yardsticks=(virt-v2v libnbd-bin nbdkit nginx-light curl postgresql)
if ! dpkg-query --show "${yardsticks[@]}" >/dev/null 2>&1; then
  echo "bench: installing ${yardsticks[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${yardsticks[@]}" >/dev/null
fi
export PATH="$PWD/node_modules/.bin:$PATH"
# As deploy/systemd/longhaul-worker.service has it.
export MALLOC_ARENA_MAX=2
exec node tests/bench/main.ts "$@"
