#!/usr/bin/env bash
# Sets up what is missing and runs the tests; arguments go to vitest. The last line is `N passed, N failed`.
#
#   npm test                                  everything but the slow tests (LONGHAUL_SLOW=1 adds them)
#   npm test -- --project unit                one group: unit, workflow, ui, guest, integration, e2e
#   npm test -- tests/unit/activities/image   one folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/as-root.sh
source scripts/as-root.sh

tally=$(mktemp)
close() {
  local status=$?
  trap - EXIT
  # What sudo let root write into a user's checkout is the user's again.
  [ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:" node_modules/.vite* 2>/dev/null || true
  local line
  line=$(cat "$tally")
  rm -f "$tally"
  # Whatever ends the run early, setup included, is a failure of the run.
  [ -n "$line" ] || line='0 passed, 1 failed'
  if [ "$status" -ne 0 ] && [ "${line#* passed, }" = '0 failed' ]; then line="${line% 0 failed} 1 failed"; fi
  if [ "$status" -eq 0 ] && [ "${line#* passed, }" != '0 failed' ]; then status=1; fi
  echo "$line"
  exit "$status"
}
trap close EXIT

bash scripts/setup.sh
export PATH="$PWD/node_modules/.bin:$PATH" LONGHAUL_TALLY=$tally
vitest run --allowOnly=false "$@"
