#!/bin/sh
# Takes a kernel out of its package and makes what it boots with: BusyBox, the modules for its disks, and an init.
# Arguments: the folder with the packages, the Debian root to take from, the text of the init, the modules in order.
set -eu
cd "$1"
image=$2 init=$3 modules=$4
dpkg-deb -x kernel.deb package
mv package/boot/vmlinuz-* vmlinuz
mv package/lib .
rm -r package kernel.deb
mkdir -p first/bin first/dev first/root first/modules
cp "$image/bin/busybox" first/bin/
for tool in cat insmod mount poweroff sh sleep switch_root umount; do ln -s busybox "first/bin/$tool"; done
printf '%s\n' "$init" > first/init
chmod 755 first/init
for module in $modules; do
    found=$(find lib/modules -name "$module.ko")
    # What is built into the kernel needs no module.
    [ -z "$found" ] || { cp "$found" first/modules/; echo "$module" >> first/modules/order; }
done
(cd first && find . | "$image/bin/busybox" cpio -o -H newc) > initramfs
rm -r first
