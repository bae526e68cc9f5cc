#!/bin/bash
# suite.sh SERIES [LOG [RUNG [PACKAGE...]]]: run the tests that need a real kernel in a guest of that series, each package's from its own folder,
# as `go test` would. Prints a line per package; LOG gets everything as `go test -json` writes it (default: only failures are shown).
# With RUNG (tracepoint) the activities run once more with the sensors on that rung, as PACKAGE@RUNG.
# With packages these are run instead of those in test/vm/packages. The bypass suite's table is shown at the end;
# UPDATE_GOLDEN=1 makes it the one to compare with from then on.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: suite.sh SERIES [LOG [RUNG]]" >&2; exit 2; }
here=$(dirname "$(realpath "$0")")
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
log=$(realpath -m "${2:-$share/log}")
cd "$here/../.."
packages=("${@:4}")
[ ${#packages[@]} != 0 ] || mapfile -t packages <"$here/packages" # every package of these trees that has tests

CGO_ENABLED=0 test/binaries.sh "$share" "${packages[@]}"
CGO_ENABLED=0 go build -o "$share/stockade" ./cmd/stockade
cat >"$share/environment" <<GUEST
export STOCKADE_TEST_BINARY=/run/share/stockade STOCKADE_TEST_SERIES=$1 STOCKADE_TEST_RESULTS=/run/share UPDATE_GOLDEN=${UPDATE_GOLDEN:-}
GUEST
if [ -n "${3:-}" ]; then
  lower=$(sed -n "s|^\([^ ]*/test/activity\) \(.*\)|\1@$3 \2 $3|p" "$share/packages")
  echo "$lower" >>"$share/packages"
fi

cat >"$share/cmd.sh" <<'GUEST'
. /run/share/environment
failed=0
while read -r package folder name rung; do
  name=/run/share/$name start=$SECONDS verdict=pass
  cd "$folder" && STOCKADE_TEST_RUNG=$rung "$name.test" -test.v=test2json -test.paniconexit0 -test.timeout=40m >"$name$rung.out" 2>&1 ||
    verdict=FAIL failed=1
  printf '  %-4s %4d s  %s\n' $verdict $((SECONDS - start)) "$package"
done </run/share/packages
exit $failed
GUEST

status=0
STOCKADE_VM_TIMEOUT=${STOCKADE_VM_TIMEOUT:-3600} "$here/run.sh" "$1" "$share" || status=$?
while read -r package _ name rung; do
  test/tojson.sh "$package" "$share/$name$rung.out"
done <"$share/packages" >"$log"
table=results-$1.txt
if [ -e "$share/$table" ]; then
  awk -F '\t' -v series="$1" '!/^#/ {printf "  %-8s %-8s %-50s %s\n", series, $1, $2, $3}' "$share/$table"
  [ -z "${UPDATE_GOLDEN:-}" ] || cp "$share/$table" test/bypass/testdata/
fi
[ $# -ge 2 ] || go run ./test/report "$log"
exit $status
