#!/bin/bash
# setup.sh [SERIES...]: put the emulator and the kernels that run.sh boots (6.1, 6.12, newest; all by default) into the cache.
# The emulator comes with every library it needs, its own libc included, and runs from the cache, so neither the machine's
# packages nor its age matter. Nothing in the cache is visible under its final name before it is complete.
# STOCKADE_VM_CACHE: where (/var/cache/stockade-vm). STOCKADE_VM_MIRROR: a Debian mirror (the one apt uses).
set -euo pipefail

cache=${STOCKADE_VM_CACHE:-/var/cache/stockade-vm}/v1 # v1: the layout; a change of it takes the next number
die() { echo "vm setup: $*" >&2; exit 1; }

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || die "the VM tests need Debian on amd64"
[ $# -gt 0 ] || set -- 6.1 6.12 newest
mirror=${STOCKADE_VM_MIRROR:-$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
  sed 's/#.*//' | grep -oE '[a-z+]+:/[^] ]*/debian/?( |$)' | head -1 | tr -d ' ' || true)}
[ -n "$mirror" ] || die "no Debian mirror in /etc/apt; name one in STOCKADE_VM_MIRROR"

mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 900 9 || die "another set-up has held $cache/lock for 15 minutes"
rm -rf "$cache"/new.* # left by a set-up that was killed; the lock says nobody is at work on it
new=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$new"' EXIT

# apt_of SUITE: set apt[] so that apt knows only this suite and no installed package: the machine's own state is
# neither used nor changed, and "install" resolves the whole closure. Signatures count; a mirror that lags behind sid's date will do.
apt_of() {
  local d=$new/apt-$1
  apt=(-qq -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false
    -o Dir::Etc::sourcelist="$d/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Dir::State="$d" -o Dir::State::status="$d/status" -o Dir::Cache="$d")
  [ ! -e "$d/ready" ] || return 0
  mkdir -p "$d/lists/partial" "$d/archives/partial"
  : >"$d/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$d/sources.list"
  apt-get "${apt[@]}" -o APT::Update::Error-Mode=any update || { echo "vm setup: cannot fetch the package lists of $1 from $mirror" >&2; return 1; }
  touch "$d/ready"
}

# unpack DIR: every package in the current folder, without running their scripts.
unpack() { for deb in *.deb; do dpkg-deb -x "$deb" "$1" || return 1; done; }

# The emulator is Debian 13's: the 7.2 of Debian 12 sets flags wrongly after cmpxchg16b and crashes 6.12 guests.
tools() {
  [ ! -e "$cache/tools" ] || return 0
  apt_of trixie
  apt-get "${apt[@]}" -y --download-only install qemu-system-x86 virtiofsd busybox-static kmod >/dev/null || die "cannot fetch the emulator"
  mkdir "$new/tools"
  (cd "$new/apt-trixie/archives" && unpack "$new/tools/root")
  tool qemu /usr/bin/qemu-system-x86_64 -L /usr/share/qemu -L /usr/share/seabios
  tool virtiofsd /usr/libexec/virtiofsd
  tool kmod /usr/bin/kmod
  cp "$new/tools/root/usr/bin/busybox" "$new/tools/busybox"
  "$new/tools/qemu" --version | head -1
  "$new/tools/virtiofsd" --version
  mv "$new/tools" "$cache/tools"
}

# tool NAME PROGRAM ARGUMENT...: a starter that runs PROGRAM with the unpacked loader and libraries; arguments that begin with / are in the unpacked root.
tool() {
  local name=$1 program=$2 fixed='' a
  shift 2
  for a; do fixed+=" ${a/#\//\$r/}"; done
  cat >"$new/tools/$name" <<STARTER
#!/bin/sh
r=\$(dirname "\$(realpath "\$0")")/root; l=\$r/usr/lib/x86_64-linux-gnu
exec "\$l/ld-linux-x86-64.so.2" --library-path "\$l" "\$r$program"$fixed "\$@"
STARTER
  chmod +x "$new/tools/$name"
}

# kernel SERIES: Debian's cloud kernel of that series, with an initramfs of the modules that find the root.
# The highest version found is taken, never a fixed one: in sid a version vanishes when the next one comes.
kernel() {
  local series=$1 suite want version d
  case $series in
    6.1) suite=bookworm want='6[.]1' ;;
    6.12) suite=trixie want='6[.]12' ;;
    newest) suite=sid want='[0-9]+[.][0-9]+' ;;
    *) die "unknown kernel series $series: 6.1, 6.12 or newest" ;;
  esac
  [ -z "$(find -H "$cache/$series" -maxdepth 0 \( ! -name newest -o -mmin -1440 \) 2>/dev/null)" ] || return 0
  if ! apt_of "$suite"; then
    [ -e "$cache/$series/version" ] || exit 1
    echo "vm setup: going on with the cached $(cat "$cache/$series/version")" >&2
    return 0
  fi
  version=$(apt-cache "${apt[@]}" search --names-only "^linux-image-${want}[.].*-cloud-amd64$" | awk '{sub("linux-image-", ""); print $1}' | sort -V | tail -1)
  [ -n "$version" ] || die "no cloud kernel $series in $suite"
  d=$new/$version
  if [ ! -e "$cache/kernels/$version" ]; then
    mkdir -p "$d/debs" "$cache/kernels"
    # One package up to 7.0, four of the same version later.
    (cd "$d/debs" && apt-get "${apt[@]}" download $(apt-cache "${apt[@]}" pkgnames | grep -xE "linux-(image|binary|modules|base)-${version//+/[+]}") && unpack "$d") ||
      die "cannot fetch kernel $version"
    build "$d" "$version"
    mv "$d" "$cache/kernels/$version"
  fi
  touch "$cache/kernels/$version"
  ln -sfn "kernels/$version" "$new/link"
  mv -T "$new/link" "$cache/$series"
  echo "kernel $series: $version"
}

# build DIR VERSION: vmlinuz, version, modules (unpacked, so that any modprobe can read them) and initrd from the unpacked packages.
build() {
  local d=$1 version=$2 fs=$1/initramfs module n=100
  mkdir -p "$d/lib" "$fs"/{bin,modules}
  [ ! -d "$d/usr/lib/modules" ] || mv "$d/usr/lib/modules" "$d/lib/"
  find "$d/lib/modules" -name '*.ko.xz' -print0 | xargs -0r "$cache/tools/busybox" unxz
  modutil depmod -b "$d" "$version"
  for module in virtio_pci virtio_console virtiofs overlay; do
    modutil modprobe -d "$d" -S "$version" --show-depends $module
  done >"$d/depends"
  for module in $(awk '/^insmod/ && !seen[$2]++ {print $2}' "$d/depends"); do
    cp "$module" "$fs/modules/$n-${module##*/}"
    n=$((n + 1))
  done
  cp "$cache/tools/busybox" "$fs/bin/busybox"
  (cd "$fs" && find . | "$cache/tools/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$d/initrd"
  mv "$d"/boot/vmlinuz-* "$d/vmlinuz" 2>/dev/null || cp "$d/lib/modules/$version/vmlinuz" "$d/vmlinuz"
  echo "$version" >"$d/version"
  rm -rf "$fs" "$d"/{debs,boot,usr,depends}
}

# modutil NAME ARGUMENT...: kmod goes by the name it is called with.
modutil() {
  local r=$cache/tools/root/usr
  "$r/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --argv0 "$1" --library-path "$r/lib/x86_64-linux-gnu" "$r/bin/kmod" "${@:2}"
}

tools
for series; do kernel "$series"; done
find "$cache/kernels" -mindepth 1 -maxdepth 1 -mtime +2 | while read -r old; do # superseded, and no longer in use by a running guest
  find "$cache" -maxdepth 1 -type l -printf '%l\n' | grep -qxF "kernels/${old##*/}" || rm -rf "$old"
done
