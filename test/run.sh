#!/bin/bash
# run.sh [SUITE...]: run test suites (all of the CI tier by default), and end with a table of seconds per suite. Each suite installs what
# it needs itself: Debian packages with apt (as root), tools from the Go module proxy, emulator and kernels into caches outside the tree.
#
#   lint       golangci-lint with .golangci.yml, gofumpt included        vm-6.1, vm-6.12   kernel tests in guests: gating
#   generated  the BPF objects rebuilt with the pinned clang, equal      vm-newest         the same on the newest kernel: reporting only
#   unit       all packages that need no kernel feature, with -race      generate          not in the tier: rebuild the BPF objects
#   user       everything without privilege, as nobody                   soak              not in the tier: the full counts, TestSoak*
#   native     kernel tests on this kernel, as root                      bench             not in the tier: all benchmarks
#   cross      the builds for darwin and windows                       bypass           not in the tier: the guard against every way round it
set -uo pipefail

golangci=v2.15.0 # built from source once: 2 minutes
clang=19         # the objects in git are what Debian 12's build of it makes
tier=(lint generated unit user native cross vm-6.1 vm-6.12 vm-newest)

cd "$(dirname "$(realpath "$0")")/.." || exit 1
tools=${STOCKADE_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/stockade}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export CGO_ENABLED=0
mapfile -t kernel <test/vm/packages

# need PROGRAM=PACKAGE...: install the packages whose program (or file, when it begins with /) is missing.
need() {
  local missing=() pair
  for pair; do [ -e "${pair%%=*}" ] || command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}"); done
  [ ${#missing[@]} = 0 ] && return 0
  [ "$(id -u)" = 0 ] || { echo "needs the Debian packages ${missing[*]}: install them, or run this as root" >&2; return 1; }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$logs/apt" 2>&1 ||
    { tail -n 20 "$logs/apt" >&2; return 1; }
}

root() { [ "$(id -u)" = 0 ] || { echo "needs root: these tests load BPF programs" >&2; return 1; }; }

suite_lint() {
  local bin=$tools/golangci-lint-$golangci new
  if [ ! -x "$bin" ]; then
    mkdir -p "$tools" && new=$(mktemp -d "$tools/new.XXXXXX") || return 1
    echo "building golangci-lint $golangci, once"
    GOBIN=$new go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci" 2>"$logs/golangci" && mv "$new/golangci-lint" "$bin" || cat "$logs/golangci"
    rm -rf "$new"
  fi
  [ -x "$bin" ] && "$bin" run ./...
}

objects() { git ls-files -z --cached --others --exclude-standard '*_bpfel.go' '*_bpfel.o' | xargs -0r sha256sum | sort -k 2; }

suite_generate() {
  need "clang-$clang=clang-$clang" "llvm-strip-$clang=llvm-$clang" /usr/include/bpf/bpf_helpers.h=libbpf-dev && go generate ./...
}

suite_generated() {
  local before
  before=$(objects)
  suite_generate || return 1
  diff <(echo "$before") <(objects) && [ -n "$before" ] && return 0
  echo "the BPF objects are not what clang-$clang makes of their sources: run make generate, and commit what it changes"
  return 1
}

suite_unit() {
  need gcc=gcc /usr/include/stdlib.h=libc6-dev || return 1 # the race detector needs cgo
  go list ./... | grep -vxF -f <(go list "${kernel[@]}") | CGO_ENABLED=1 xargs go test -race -json >"$logs/unit.json"
}

# As root, this gives up all privilege for the tests; nobody has no home, and reads the checkout from inside wherever it lies.
suite_user() {
  [ "$(id -u)" = 0 ] || { go test -json ./... >"$logs/user.json"; return; }
  local dir=$logs/user package folder name status=0
  mkdir "$dir" && mkdir -m 1777 "$dir/tmp" && test/binaries.sh "$dir" ./... && chmod 755 "$logs" "$dir" || return 1
  while read -r package folder name; do
    (cd "$folder" && TMPDIR=$dir/tmp HOME=$dir/tmp setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
      "$dir/$name.test" -test.v=test2json -test.paniconexit0 -test.timeout=10m 2>&1) >"$dir/out" </dev/null || status=1
    test/tojson.sh "$package" "$dir/out"
  done <"$dir/packages" >"$logs/user.json"
  return "$status"
}

suite_native() { root && need ip=iproute2 && go test -count=1 -p 1 -json "${kernel[@]}" >"$logs/native.json"; }

suite_cross() {
  local os
  for os in darwin windows; do GOOS=$os go build ./... && GOOS=$os go vet ./... || return 1; done
}

# vm SERIES [RUNG]. The lower rung gates where the verifier is oldest; on this machine's own kernel it does where that has no other.
vm() { root && need modinfo=kmod ip=iproute2 mkfs.ext4=e2fsprogs mkfs.xfs=xfsprogs && test/vm/suite.sh "$1" "$logs/vm-$1.json" "${2:-}"; }
suite_vm-6.1() { vm 6.1 tracepoint; }
suite_vm-6.12() { vm 6.12; }
suite_vm-newest() { vm newest; }

# The guests of 6.12 and of the newest kernel keep one processor busy each, so the second begins with the first.
begin_newest() {
  [[ " $* " == *" vm-newest "* ]] || return 0
  (verdict=0; suite_vm-newest >"$logs/newest.out" 2>&1 || verdict=1; echo $verdict >"$logs/newest.verdict") &
  newest=$!
}
end_newest() {
  [ -n "$newest" ] || { suite_vm-newest; return; }
  wait "$newest"
  cat "$logs/newest.out"
  return "$(<"$logs/newest.verdict")"
}

# The guard in force against every known way round it, a guard for each group of them: half an hour for each kernel, and longer.
suite_bypass() {
  local series status=0
  root && need modinfo=kmod mkfs.ext4=e2fsprogs mkfs.xfs=xfsprogs ip=iproute2 || return 1
  for series in 6.1 6.12 newest; do test/vm/suite.sh "$series" "$logs/bypass-$series.json" "" ./test/bypass/... || status=1; done
  return "$status"
}

suite_soak() {
  root && STOCKADE_SOAK=1 go test -count=1 -p 1 -timeout 6h -run '^TestSoak' -json ./... >"$logs/soak.json" || return 1
  grep -q '"Action":"pass".*"Test"' "$logs/soak.json" || { echo "no test named TestSoak ran"; return 1; }
}

# auditd must not start by itself, now or at the next boot: the benchmark starts its own, with its own configuration.
suite_bench() {
  root || return 1
  if ! command -v auditd >/dev/null; then
    [ ! -d /run/systemd/system ] || systemctl mask --runtime auditd || return 1
    need auditd=auditd || return 1
    [ ! -d /run/systemd/system ] || systemctl disable auditd || return 1
  fi
  go build -o "$logs/bench" ./test/bench && "$logs/bench" && go test -p 1 -run '^$' -bench . -benchmem ./...
}

[ $# -gt 0 ] || set -- "${tier[@]}"
for suite; do
  declare -F "suite_$suite" >/dev/null || { echo "run.sh: no suite $suite" >&2; exit 2; }
done
table='' failed=0 newest=
for suite; do
  echo "=== $suite"
  start=$SECONDS verdict=pass
  case $suite in
    vm-6.12) begin_newest "$@"; suite_vm-6.12 2>&1 || verdict=FAIL ;;
    vm-newest) end_newest 2>&1 || verdict=FAIL ;;
    *) "suite_$suite" 2>&1 || verdict=FAIL ;;
  esac
  [ ! -e "$logs/$suite.json" ] || go run ./test/report "$logs/$suite.json"
  if [ "$suite" = vm-newest ]; then
    rm -f "$logs/$suite.json" # outside the totals, as it does not gate
    [ $verdict = pass ] || { verdict='FAIL (reported only)' && echo "!!! the tests fail on the newest kernel: this does not gate, but someone must look"; }
  elif [ $verdict = FAIL ]; then
    failed=1
  fi
  printf -v line '%-10s %5d s  %s\n' "$suite" $((SECONDS - start)) "$verdict"
  table+=$line
done
printf '\n%s%-10s %5d s\n' "$table" total $SECONDS
find "$logs" -name '*.json' -print0 | xargs -0r go run ./test/report | tail -n 1
exit $failed
