#!/bin/bash
# run.sh SERIES SHARE: boot the kernel of SERIES (6.1, 6.12, newest) under emulation, on a copy-on-write view of this machine's
# root, and run SHARE/cmd.sh in it as root with bash. SHARE is /run/share inside, and writable; nothing else outlives the guest.
# Prints what the script prints and ends with its status; 125: the guest never finished, 124: it took too long.
# STOCKADE_VM_TIMEOUT=600 seconds, STOCKADE_VM_MEMORY=3G, STOCKADE_VM_APPEND: kernel arguments (such as preempt=full).
set -euo pipefail
die() { echo "vm: $*" >&2; exit 125; }

[ $# = 2 ] || die "usage: run.sh SERIES SHARE"
[ "$(id -u)" = 0 ] || die "needs root: the guest sees this machine's whole file system"
here=$(dirname "$(realpath "$0")") share=$(realpath "$2") memory=${STOCKADE_VM_MEMORY:-3G} limit=${STOCKADE_VM_TIMEOUT:-600}
[ -f "$share/cmd.sh" ] || die "$share/cmd.sh does not exist"
"$here/setup.sh" "$1" >&2 || die "the set-up for kernel $1 failed"
tools=${STOCKADE_VM_CACHE:-/var/cache/stockade-vm}/v1/tools kernel=$(realpath "$tools/../$1")

exec 8<"$share"
flock -n 8 || die "another guest is at work in $share"
tmp=$(mktemp -d) pids=()
end() {
  trap - EXIT
  [ ${#pids[@]} = 0 ] || { kill "${pids[@]}" 2>/dev/null || true; wait "${pids[@]}" 2>/dev/null || true; }
  rm -rf "$tmp"
}
trap end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT HUP

# The initramfs is the cached one with the modules, and init from this folder.
(cd "$here" && echo init | "$tools/busybox" cpio -o -H newc 2>/dev/null) | cat - "$kernel/initrd" >"$tmp/initrd"

# virtiofsd holds a descriptor for each file the guest knows, unless the kernel gives it handles: for that it must see the mount
# of the root, which a chroot hides.
handles=never
! awk '$5 == "/" {found = 1} END {exit !found}' /proc/self/mountinfo || handles=prefer
ulimit -n "$(ulimit -Hn)"

# serve TAG FOLDER ARGUMENT...: export a folder to the guest. Submounts must look like part of it, or overlayfs refuses them.
serve() {
  "$tools/virtiofsd" --socket-path="$tmp/$1.sock" --shared-dir="$2" --sandbox=chroot --rlimit-nofile=0 --no-announce-submounts \
    --inode-file-handles=$handles --log-level=warn "${@:3}" >"$tmp/$1.log" 2>&1 7<&- 8<&- &
  pids+=($!)
}
mkfifo "$tmp/output"
exec 7<>"$tmp/output" # until the emulator ends: cat waits for a writer even if the emulator never gets to be one
serve root / --readonly --cache=always
serve share "$share" --cache=auto
for _ in {1..100}; do
  [ -S "$tmp/root.sock" ] && [ -S "$tmp/share.sock" ] && break
  sleep 0.1
done
[ -S "$tmp/root.sock" ] && [ -S "$tmp/share.sock" ] || { cat "$tmp"/*.log >&2; die "virtiofsd does not start"; }

cat "$tmp/output" 7<&- 8<&- & # qemu itself cannot write to every kind of standard output
pids+=($!)
timeout -k 5 "$limit" "$tools/qemu" -accel tcg,thread=multi -cpu max -smp 2 -m "$memory" -nodefaults -no-user-config -display none -no-reboot \
  -object memory-backend-memfd,id=mem,size="$memory",share=on -numa node,memdev=mem \
  -chardev socket,id=root,path="$tmp/root.sock" -device vhost-user-fs-pci,chardev=root,tag=root \
  -chardev socket,id=share,path="$tmp/share.sock" -device vhost-user-fs-pci,chardev=share,tag=share \
  -device virtio-serial-pci -chardev file,id=output,append=on,path="$tmp/output" -device virtserialport,chardev=output,nr=1 \
  -chardev file,id=status,path="$tmp/status" -device virtserialport,chardev=status,nr=2 -serial file:"$tmp/console" \
  -kernel "$kernel/vmlinuz" -initrd "$tmp/initrd" \
  -append "console=ttyS0 quiet panic=-1 oops=panic mitigations=off host=$kernel ${STOCKADE_VM_APPEND:-}" </dev/null 2>"$tmp/qemu.log" 7<&- 8<&- &
pids+=($!)
status=0
wait $! || status=$?
exec 7<&-
wait "${pids[2]}" || true
pids=("${pids[@]:0:2}")

grep -aE 'BUG:|WARNING:|Oops|INFO: task|Call Trace' "$tmp/console" 2>/dev/null | sed 's/^/vm console: /' >&2 || true
grep -qxE '[0-9]+' "$tmp/status" 2>/dev/null && exit "$(head -1 "$tmp/status")"
tail -n 40 "$tmp"/*.log "$tmp/console" 1>&2 2>/dev/null || true
[ $status != 124 ] || { echo "vm: kernel $(cat "$kernel/version") was not done after $limit s" >&2; exit 124; }
die "kernel $(cat "$kernel/version") ended without a status (emulator: $status)"
