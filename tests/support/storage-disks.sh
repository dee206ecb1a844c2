# Runs as root of the libguestfs appliance, which is given the empty disks under their names. Beside this file
# lie `trees`, a directory for each guest, and `keys`, a file for each container.
set -eu
kit=${0%/*}
disk=/dev/disk/guestfs
root=/tmp/root
mkdir "$root"
. "$kit/uuids.sh"
udevadm settle

fill() { # TREE
  cp -a "$kit/trees/$1/." "$root"
}

# A key derivation that takes no minute under emulation.
cheap='--pbkdf pbkdf2 --pbkdf-force-iterations 1000'

luks1() { # DEVICE NAME UUID
  cryptsetup luksFormat --batch-mode --type luks1 --uuid "$3" $cheap "$1" "$kit/keys/$2"
  cryptsetup open --key-file "$kit/keys/$2" "$1" "$2"
}

luks2() { # DEVICE NAME UUID [DERIVATION]
  cryptsetup luksFormat --batch-mode --type luks2 --luks2-keyslots-size 1m --uuid "$3" ${4:-$cheap} "$1" "$kit/keys/$2"
  cryptsetup open --key-file "$kit/keys/$2" "$1" "$2"
}

# A swap area in which a system's memory lies, as far as its signature says.
sleep_in() { # DEVICE
  mkswap -q "$1"
  printf 'S1SUSPEND\0' | dd of="$1" bs=1 seek=4086 conv=notrunc status=none
}

gpt() {
  mkfs.vfat "${disk}/gpt1"
  mkfs.ext2 -q "${disk}/gpt2"
  mkfs.xfs -q -L groot "${disk}/gpt3"
  mkfs.ext3 -q -L gusr "${disk}/gpt4"
  mkfs.ext4 -q "${disk}/gpt5"
  mkswap -q "${disk}/gpt6"
  mount "${disk}/gpt3" "$root"
  mkdir "$root/boot" "$root/usr" "$root/var"
  mount "${disk}/gpt2" "$root/boot"
  mount "${disk}/gpt4" "$root/usr"
  mount "${disk}/gpt5" "$root/var"
  mkdir "$root/boot/efi"
  mount "${disk}/gpt1" "$root/boot/efi"
  fill gpt
  mkdir -p "$root/boot/efi/EFI/BOOT"
  printf MZ >"$root/boot/efi/EFI/BOOT/BOOTX64.EFI"
  mv "$root/etc/os-release" "$root/usr/lib/os-release"
  ln -s ../usr/lib/os-release "$root/etc/os-release"
  umount -R "$root"
}

lvm_on_luks() {
  luks2 "${disk}/lvmOnLuks2" lvm "$lvm_uuid"
  vgcreate -q vgc /dev/mapper/lvm
  lvcreate -q -y -L 80M -n root vgc
  lvcreate -q -y -L 20M -n swap vgc
  mkfs.ext4 -q /dev/vgc/root
  mkswap -q /dev/vgc/swap
  mkfs.ext4 -q "${disk}/lvmOnLuks1"
  mount /dev/vgc/root "$root"
  mkdir "$root/boot"
  mount "${disk}/lvmOnLuks1" "$root/boot"
  fill lvm-on-luks
  umount -R "$root"
  vgchange -q -an vgc
  cryptsetup close lvm
}

luks_on_lvm() {
  vgcreate -q vg-b "${disk}/luksOnLvm1"
  lvcreate -q -y -L 64M -n root vg-b
  lvcreate -q -y -L 44M -n data vg-b
  luks1 /dev/vg-b/root root "$root_uuid"
  mkfs.ext4 -q /dev/mapper/root
  mount /dev/mapper/root "$root"
  fill luks-on-lvm
  umount "$root"
  cryptsetup close root
  luks2 /dev/vg-b/data outer "$outer_uuid"
  luks2 /dev/mapper/outer inner "$inner_uuid"
  mkfs.ext4 -q /dev/mapper/inner
  cryptsetup close inner
  cryptsetup close outer
  vgchange -q -an vg-b
}

array() { # NAME LEVEL PARTITION DISK...
  name=/dev/md/$1 level=$2 partition=$3
  shift 3
  members=
  for letter; do members="$members ${disk}/raid$letter$partition"; done
  # Zeros on all members are in sync at any level.
  mdadm --quiet --create "$name" --run --assume-clean --metadata=1.2 --level="$level" --raid-devices=$# $members
}

raid() {
  array 0 1 1 A B
  array five 5 2 A B C D
  array ten 10 3 A B C D
  array crypt 1 4 A B
  udevadm settle
  for name in 0 five ten; do mkfs.ext4 -q "/dev/md/$name"; done
  mount /dev/md/0 "$root"
  fill raid
  umount "$root"
  luks2 /dev/md/crypt array "$array_uuid" '--pbkdf argon2id --pbkdf-force-iterations 4 --pbkdf-memory 32'
  cryptsetup close array
  mdadm --quiet --stop /dev/md/0 /dev/md/five /dev/md/ten /dev/md/crypt
}

snapper() {
  mkfs.btrfs -q -L suse "${disk}/snapper"
  mount "${disk}/snapper" "$root"
  for path in @ @/var @/home @/.snapshots; do btrfs -q subvolume create "$root/$path"; done
  mkdir "$root/@/.snapshots/1" "$root/@/.snapshots/2"
  first=$root/@/.snapshots/1/snapshot
  btrfs -q subvolume create "$first"
  cp -a "$kit/trees/snapper/." "$first"
  btrfs -q subvolume snapshot "$first" "$root/@/.snapshots/2/snapshot"
  echo another >"$root/@/.snapshots/2/snapshot/etc/hostname"
  btrfs -q subvolume set-default "$first"
  umount "$root"
}

asleep() {
  vgcreate -q vg-s "${disk}/asleep1"
  lvcreate -q -y -L 32M -n root vg-s
  lvcreate -q -y -L 4M -n swap vg-s
  mkfs.ext4 -q /dev/vg-s/root
  mount /dev/vg-s/root "$root"
  fill asleep
  umount "$root"
  sleep_in /dev/vg-s/swap
  vgchange -q -an vg-s

  mkfs.ext4 -q "${disk}/asleepInLuks1"
  mount "${disk}/asleepInLuks1" "$root"
  fill asleep-in-luks
  umount "$root"
  luks2 "${disk}/asleepInLuks2" swap "$swap_uuid"
  sleep_in /dev/mapper/swap
  cryptsetup close swap

  mkfs.ntfs -q -Q -F "${disk}/asleepWindows1"
  ntfs-3g "${disk}/asleepWindows1" "$root"
  mkdir -p "$root/Windows/System32"
  printf hibr | dd of="$root/hiberfil.sys" bs=4096 conv=sync status=none
  umount "$root"
}

# The power goes while these are written: what follows them is in their journals only.
dirty() {
  mkdir "$root/ext4" "$root/xfs"
  mkfs.ext4 -q "${disk}/dirtyExt"
  mkfs.xfs -q "${disk}/dirtyXfs"
  for round in before after; do
    mount "${disk}/dirtyExt" "$root/ext4"
    mount "${disk}/dirtyXfs" "$root/xfs"
    [ $round = after ] && break
    cp -a "$kit/trees/dirty-ext4/." "$root/ext4"
    cp -a "$kit/trees/dirty-xfs/." "$root/xfs"
    umount "$root/ext4" "$root/xfs"
  done
  sync
  for type in ext4 xfs; do
    echo "replayed-$type" >"$root/$type/etc/replayed"
    mv "$root/$type/etc/replayed" "$root/$type/etc/hostname"
    # fsync(2) writes the journal; sync(2) would write the rest, too.
    sync "$root/$type/etc/hostname"
  done
}

gpt
lvm_on_luks
luks_on_lvm
raid
snapper
asleep
dirty
echo 'all disks are made'
