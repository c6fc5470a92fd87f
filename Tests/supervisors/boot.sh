#!/bin/sh
# boot.sh TREE ROOT PROGRAM ORDERS UNITS   boots the systemd of the directory tree TREE as PID 1. The root is the tree, read-only
# and mounted at the directory ROOT; it has PROGRAM as /usr/local/bin/daemon, ORDERS as /run/supervised, and the units in
# UNITS. It runs in namespaces of its own, for mounts, PIDs, cgroups, network, IPC and host name: systemd.py makes these.
#
# No process in it can change a setting of the kernel, its modules or its clock.
set -eu
tree=$1 root=$2 program=$3 orders=$4 units=$5
mount --bind "$tree" "$root"
mount -o remount,bind,ro "$root"
mount --bind -o ro "$program" "$root/usr/local/bin/daemon"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
for settings in sys sysrq-trigger; do
    [ -e "$root/proc/$settings" ] || continue
    mount --bind "$root/proc/$settings" "$root/proc/$settings"
    mount -o remount,bind,ro "$root/proc/$settings"
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s null "$root/dev/console"
for directory in dev/shm run tmp var; do mount -t tmpfs tmpfs "$root/$directory"; done
mkdir -p "$root/run/systemd/system" "$root/run/supervised" "$root/run/lock"
cp -r "$units/." "$root/run/systemd/system"
mount --bind "$orders" "$root/run/supervised"

cd "$root"
mkdir run/old
pivot_root . run/old
umount -l /run/old
exec env -i container=supervisors PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv \
    --bounding-set -sys_module,-sys_time,-sys_rawio,-syslog,-audit_control,-audit_read \
    /lib/systemd/systemd --unit=supervised.target --log-target=journal --show-status=no
