#!/bin/bash
# tojson.sh IMPORT-PATH OUTPUT: print what `go test -json` would have, from what a test binary wrote with -test.v=test2json. A binary
# that died, or never ran, left no verdict, and failed: go test would say so, test2json does not.
set -euo pipefail

if ! grep -aqE $'^\x16?(PASS|FAIL)$' "$2" 2>/dev/null; then
  printf '\n%s ended without a verdict\n\x16FAIL\n' "$1" >>"$2"
fi
go tool test2json -t -p "$1" <"$2"
