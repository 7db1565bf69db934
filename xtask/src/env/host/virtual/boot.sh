#!/bin/sh
# The first process of the virtual machine. Its network is there before systemd is, as it is for the other hosts; what it is called
# comes from the command line of the kernel.
mount -t proc proc /proc
mount -t ext4 /dev/ubdb /ext
modprobe ipv6
# An address is there at once, without a second in which the network is asked whether it is free.
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set lo up
ip addr add "$world_address/16" dev eth0
ip addr add "$world_ipv6/64" dev eth0 nodad
ip link set eth0 up
# The host answers on each address of this range too: one host plays many.
ip route add local "$world_many" dev lo
ip route add default via "$world_gateway"
# systemd asks the kernel's command line, not what the kernel made of it.
exec env -i /lib/systemd/systemd
