#!/bin/sh
# Makes what the machine boots: root.img, vmlinuz and initrd.img, in the current directory. No root is needed:
# mmdebstrap uses user namespaces or fakechroot, and fakeroot stands for root when the disk is written.
# Arguments: suite, mirror (may be empty), packages (comma-separated), directory with files of our own for the root file system.
set -eu
suite=$1 mirror=$2 packages=$3 own=$4

# The initial RAM disk holds what finds the root disk and nothing else: an emulated processor takes long to unpack it.
mmdebstrap --quiet --variant=minbase --architectures=amd64 --include="$packages" \
	--aptopt='APT::Install-Recommends "false"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
	--essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/skiff"' \
	--essential-hook='printf "virtio_pci\nvirtio_blk\next4\n" >"$1/etc/initramfs-tools/modules"' \
	"$suite" root.tar ${mirror:+"$mirror"}

mkdir root
OWN=$own fakeroot sh -euc '
	tar -C root -xpf root.tar --exclude="./dev/*"
	cp -R "$OWN/." root/
	wants=root/etc/systemd/system/multi-user.target.wants
	ln -s ../skiff-scenario.service "$wants/skiff-scenario.service"
	rm -f root/etc/systemd/system/timers.target.wants/*
	find root ! -type l ! -perm -u+r -exec chmod u+r {} +
	echo skiff-cgroup2 >root/etc/hostname
	echo "127.0.0.1 localhost skiff-cgroup2" >root/etc/hosts
	mkfs.ext4 -q -F -L skiff-root -m 0 -E lazy_itable_init=1,lazy_journal_init=1 -d root root.img 16G
'
mv root/boot/vmlinuz-* vmlinuz
mv root/boot/initrd.img-* initrd.img
chmod u+r vmlinuz initrd.img
rm -r root root.tar
