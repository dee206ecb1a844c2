# shellcheck shell=bash
# Sourced first by what builds guests and talks to the system's libvirt, which root alone can. Where it was not started
# by root it sets up as the user, whose checkout and cache stay the user's, and runs the script again with sudo.
if [ "$(id -u)" -ne 0 ]; then
  bash scripts/setup.sh || exit 1
  echo "$(basename "$0" .sh): building guests and talking to libvirt need root; going on with sudo"
  ask=()
  [ -t 0 ] || ask=(--non-interactive)
  exec sudo "${ask[@]}" --preserve-env=HOME,XDG_CACHE_HOME,PATH,NO_COLOR,CI,LONGHAUL_SLOW \
    bash "$PWD/scripts/$(basename "$0")" "$@"
fi
