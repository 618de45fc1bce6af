#!/bin/sh
# Boots a machine of its own: systemd as PID 1 of new namespaces, on an overlay of /. Nothing that it
# writes, mounts or kills is this machine's. It says the pid of its namespaces' keeper, and lives until
# stdin ends.
#
#   boot.sh WORK INTERPRETER_PREFIX CHECKOUT, as root, in a mount namespace of its own
set -eu
work=$1 prefix=$2 checkout=$3

mount --make-rprivate /
mkdir -p "$work/cgroup" "$work/layer"
mount -t cgroup2 none "$work/cgroup"
group=$work/cgroup/taskd-test-$$
mkdir "$group"

cat >"$work/inside" <<'INSIDE'
set -eu
work=$1 prefix=$2 checkout=$3
mount -t tmpfs none "$work/layer"
mkdir "$work/layer/upper" "$work/layer/work" "$work/layer/root"
root=$work/layer/root
mount -t overlay none "$root" \
  -o "lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/work"
mount -t proc none "$root/proc"
mount --rbind /sys "$root/sys"
umount -R -l "$root/sys/fs/cgroup"
mount -t cgroup2 none "$root/sys/fs/cgroup" # of this namespace alone
mount -t tmpfs -o mode=755 none "$root/dev"
for node in null zero full random urandom tty; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
mkdir -p "$root/opt/guest/python" "$root/opt/guest/checkout"
mount --bind -o ro "$prefix" "$root/opt/guest/python"
mount --bind -o ro "$checkout" "$root/opt/guest/checkout"
hostname taskd-test
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --log-target=journal --unit=basic.target <dev/null >dev/null 2>&1
INSIDE

(
  echo 0 >"$group/cgroup.procs"
  exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup \
    sh "$work/inside" "$work" "$prefix" "$checkout"
) &
keeper=$!
echo "$keeper"

read -r _ || true
kill -KILL "$keeper"
wait "$keeper" 2>/dev/null || true
for _ in 1 2 3 4 5 6 7 8 9 10; do
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
  sleep 0.1
done
