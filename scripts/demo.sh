#!/usr/bin/env bash
# Builds the two programs, runs them against each other, and shows that nothing is left behind.
#   scripts/demo.sh [INTERVAL]      time between two messages, default 300ms
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,3s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

interval=${1:-300ms}
channel=demo-$$
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo '$ cargo build --release'
# The first time that takes a while, which somebody who watches should see.
[ -t 2 ] && quiet=() || quiet=(--quiet)
cargo build "${quiet[@]}" --release --package writer --package reader
programs=${CARGO_TARGET_DIR:-target}/release

before=$(objects)
echo
echo "\$ writer --channel $channel --interval $interval &"
echo "\$ reader --channel $channel"
"$programs/writer" --demo --channel "$channel" --interval "$interval" >"$work/writer" </dev/null &
writer=$!
status=0
"$programs/reader" --channel "$channel" >"$work/reader" </dev/null || status=$?
wait "$writer" || status=$?

echo
echo '--- terminal 1 ---'
cat "$work/writer"
echo
echo '--- terminal 2 ---'
cat "$work/reader"

echo
if [ "$status" != 0 ]; then
    echo "demo.sh: a program failed with exit code $status" >&2
    exit "$status"
fi
if [ "$(objects)" != "$before" ]; then
    echo 'demo.sh: System V objects differ from before:' >&2
    diff <(echo "$before") <(objects) >&2
    exit 1
fi
echo 'Segments and semaphore sets on this machine (ipcs -m -s): the same as before.'
