#!/bin/busybox sh
# The first process in the machine. It puts this machine's files together - the host's, read-only, under a layer in
# memory -, runs the job in them, leaves its exit status beside it, and switches the machine off.

do_() { /bin/busybox "$@"; }
die() { echo "nic-lab: $*"; do_ poweroff -f; }
share() { do_ mount -t 9p -o "$3trans=virtio,version=9p2000.L,msize=512000" "$1" "$2" || die "cannot mount $1"; }
told() { do_ sed -n "s/.*lab\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }

do_ mount -t proc proc /proc
do_ mount -t sysfs sys /sys
do_ mount -t devtmpfs dev /dev
echo "nic-lab: the machine runs"
[ -z "$(told probe)" ] || do_ poweroff -f

for module in 9pnet_virtio 9p overlay $(told modules | do_ tr , " "); do do_ modprobe "$module"; done
share files /files ro,cache=loose,
do_ mount -t tmpfs layer /layer && do_ mkdir /layer/upper /layer/work
do_ mount -t overlay -o lowerdir=/files,upperdir=/layer/upper,workdir=/layer/work root /root || die "no root"
for folder in proc sys dev; do do_ mount --move /$folder /root/$folder; done
cd /root || die "no root"
do_ mkdir -p lib/modules dev/shm dev/pts run nic-lab
do_ mount --bind /lib/modules lib/modules
do_ mount -t tmpfs run run
do_ mount -t tmpfs shm dev/shm
do_ mount -t devpts pts dev/pts
do_ mount -t bpf bpf sys/fs/bpf
do_ mount -t tracefs tracefs sys/kernel/tracing
share lab nic-lab
[ -z "$(do_ sed -n 's/.*lab\.out=.*/out/p' proc/cmdline)" ] || share out nic-lab/out
# Containers come without these.
for tool in modprobe lsmod rmmod; do [ -e sbin/$tool ] || do_ cp /bin/busybox sbin/$tool; done

# What the job prints must reach the other side as it is.
do_ stty -F dev/ttyS1 raw -echo
do_ ip link set lo up
do_ chroot . /bin/sh /nic-lab/job <dev/null >dev/ttyS1 2>&1
echo $? >nic-lab/status
do_ poweroff -f
