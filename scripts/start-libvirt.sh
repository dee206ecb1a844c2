#!/usr/bin/env bash
# Starts virtlogd and libvirtd where no service manager does it: containers, chroots, small CI machines.
# Idempotent and safe to run by several people at once; does nothing where libvirt already answers.
# Needs root and the package libvirt-daemon-system. Ends with 0 when qemu:///system answers.
set -euo pipefail

readonly uri=qemu:///system
readonly wait_seconds=60

# Not `version`: where QEMU hangs under KVM, libvirt waits half a minute for it before it knows its version.
answers() { timeout 10 virsh -q -c "$uri" uri >/dev/null 2>&1; }

# Without udev nobody keeps /dev/kvm in the group kvm (udev's rule is in 50-udev-default.rules). libvirt then
# finds that its QEMU user cannot use KVM as probed, and probes QEMU again at every call: half a minute each
# where QEMU hangs under KVM.
keep_kvm_access() {
  if [ "$(id -u)" -eq 0 ] && [ ! -d /run/systemd/system ] && [ -c /dev/kvm ] &&
    [ "$(stat -c %G:%a /dev/kvm)" != kvm:660 ]; then
    chgrp kvm /dev/kvm
    chmod 0660 /dev/kvm
  fi
}

# libvirt-daemon-system makes the group.
if getent group kvm >/dev/null; then keep_kvm_access; fi
answers && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "start-libvirt: $uri does not answer and only root can start it; run: sudo $0" >&2
  exit 1
fi
if ! command -v libvirtd >/dev/null || ! command -v virtlogd >/dev/null; then
  echo 'start-libvirt: libvirtd or virtlogd is missing; install the package libvirt-daemon-system' >&2
  exit 1
fi

# One starter at a time. The daemons must not inherit the lock, or it would never be free again (9>&-).
mkdir -p /run/libvirt
exec 9>/run/libvirt/.longhaul-start.lock
flock -w "$wait_seconds" 9
answers && exit 0

if [ -d /run/systemd/system ]; then
  echo 'start-libvirt: asking systemd for libvirtd'
  systemctl start libvirtd.service 9>&-
else
  # A daemon that answers its socket keeps running; a pid file without a process is a leftover.
  alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
  if ! alive /run/virtlogd.pid; then
    echo 'start-libvirt: starting virtlogd'
    virtlogd -d 9>&-
  fi
  if ! alive /run/libvirtd.pid; then
    echo 'start-libvirt: starting libvirtd'
    libvirtd -d 9>&-
  fi
fi

for _ in $(seq "$wait_seconds"); do
  if answers; then
    echo "start-libvirt: $uri answers"
    exit 0
  fi
  sleep 1
done
echo "start-libvirt: $uri does not answer after $wait_seconds s; see journalctl -u libvirtd, or run libvirtd -v" >&2
exit 1
