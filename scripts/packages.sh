# shellcheck shell=bash
# Debian packages Longhaul needs, by purpose. Sourced by setup.sh; `longhaul doctor` names them one by one.

# Used only by setup.sh, which sources this file.
# shellcheck disable=SC2034

# To migrate: emulator and firmware, appliance, libvirt with its default network, schema check, compression;
# libatomic1 is a library the npm package of Node links against and a bare Debian lacks.
host_packages=(
  qemu-system-x86 qemu-utils ovmf
  libguestfs0 libguestfs-xfs supermin
  libvirt-daemon-system libvirt-clients dnsmasq-base libxml2-utils
  util-linux xz-utils zstd lz4 bzip2 cryptsetup-bin btrfs-progs ntfs-3g
  python3 python3-pip ca-certificates libatomic1
)

# A kernel the appliance can boot; only where /boot has none. Containers have none of their own.
appliance_kernel_package=linux-image-cloud-amd64

# To build the guests of the demo and the tests, to serve them, to make the archives of the tests, to check the
# scripts, and to look at the web UI.
build_packages=(
  mmdebstrap guestfish grub-pc-bin grub-efi-amd64-bin grub-common
  rpm e2fsprogs dosfstools mtools lvm2 fdisk cpio busybox-static
  iproute2 procps git shellcheck nginx openssl
  libarchive-tools p7zip-full
  chromium
)

# What a site keeps its Temporal server's data in: `npm run test:site` alone.
site_packages=(postgresql)

# To build the proxy that spoils connections in tests; only where there is no Go.
go_package=golang-go
