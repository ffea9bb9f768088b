#!/usr/bin/env bash
# Streams messages between two processes while they are killed at random, at every named point and after
# every instruction, stopped, disturbed by signals, robbed of their objects; verifies every byte, and
# looks for leftovers. Exit 1 and the seed on a violation.
#   scripts/stress.sh [--quick]              everything in about a minute
#   scripts/stress.sh --full                 at least 100,000 SIGKILLs: about a quarter of an hour
#   scripts/stress.sh --soak DURATION        the quick campaign with new seeds until the time is over: 1h
#   scripts/stress.sh [OPTION...] --seed N   repeats a run; --help: all options
set -euo pipefail
if [ "${1:-}" = -h ]; then sed -n '2,8s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

cargo build --quiet --release --package stress --features crash-points

before=$(objects)
status=0
"${CARGO_TARGET_DIR:-target}/release/stress" "$@" || status=$?
if [ "$(objects)" != "$before" ]; then
    echo 'stress.sh: System V objects differ from before:' >&2
    diff <(echo "$before") <(objects) >&2
    exit 1
fi
exit "$status"
