#!/bin/sh
# Fuzzes each target for a time, as many at once as there are cores. Fails on a
# finding; its input is then below testdata/fuzz of the package, where it stays
# as a test case once it is mended.
#
#	sh contrib/fuzz.sh             # 10 minutes each
#	sh contrib/fuzz.sh 30s Parse   # targets with this in their name or package
set -eu
cd "$(dirname "$0")/.."
export time="${1:-10m}"
logs=$(mktemp -d)
export logs
trap 'rm -rf "$logs"' EXIT

grep -r --include='*_test.go' '^func Fuzz' . | sed -E 's,^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*)\(.*,\1 \2,' | sort >"$logs/targets"
grep "${2:-}" "$logs/targets" >"$logs/chosen" || { echo "no target with $2" >&2; exit 1; }
echo "$(wc -l <"$logs/chosen") of $(wc -l <"$logs/targets") targets, $time each"

# Left alone, go test spends up to a minute on making each new input shorter.
# shellcheck disable=SC2016 # expanded by the inner shell
xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 2 sh -c '
  log="$logs/$(echo "$1" | tr / _)$2"
  if go test "$1" -run "^$" -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x -parallel 1 >"$log" 2>&1; then
    echo "ok   $1 $2 $(grep -o "execs: [0-9]*" "$log" | tail -n 1)"
  else
    echo "FAIL $1 $2"
    tail -n 50 "$log"
    exit 1
  fi' sh <"$logs/chosen"
