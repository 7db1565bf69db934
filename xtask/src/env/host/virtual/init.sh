#!/bin/sh
# The first process of the virtual machine, in memory: finds the disks, and gives over to the host on them. There is no udev that
# would find the second disk for systemd, so both are mounted here.
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module.ko" || echo "no module $module"; done
for disk in vda vdb; do
    tries=100
    until [ -b "/dev/$disk" ] || [ "$tries" -eq 0 ]; do tries=$((tries - 1)); sleep 0.1; done
done
mount -t ext4 /dev/vda /root && mount -t ext4 /dev/vdb /root/ext && umount /dev && exec switch_root /root /usr/lib/world/boot
# The machine ends with this, and whoever waits for it sees that it will never come.
echo 'the disks of the machine cannot be mounted'
poweroff -f
