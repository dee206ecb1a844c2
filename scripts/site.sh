#!/usr/bin/env bash
# Sets up what is missing and tests what a site runs beyond one machine: Temporal on PostgreSQL as deploy/ has it, its
# database and server killed in the middle of a batch; workers of two versions. Arguments go to vitest.
#
# The first time it builds the Temporal server, which takes ten minutes on two cores; it is then cached. The results
# are kept in tests/site/results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/as-root.sh
source scripts/as-root.sh
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

bash scripts/setup.sh
if ! dpkg-query --show "${site_packages[@]}" >/dev/null 2>&1; then
  echo "site: installing ${site_packages[*]}"
  # The tests have clusters of their own.
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/longhaul.conf
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${site_packages[@]}" >/dev/null
fi
export PATH="$PWD/node_modules/.bin:$PATH" LONGHAUL_SITE=1
exec vitest run --allowOnly=false --project site "$@"
