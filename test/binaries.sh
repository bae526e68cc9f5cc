#!/bin/bash
# binaries.sh DIR PACKAGE...: build the test binary of each package that has tests as DIR/NAME.test, to be run elsewhere or as
# somebody else than `go test` would. DIR/packages gets a line "import-path folder NAME" for each.
set -euo pipefail

dir=$1
shift
list=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}' "$@")
while read -r package folder; do
  [ -n "$package" ] || continue
  name=$(tr / _ <<<"$package")
  go test -c -o "$dir/$name.test" "$package"
  echo "$package $folder $name"
done <<<"$list" >"$dir/packages"
