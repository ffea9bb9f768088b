#!/usr/bin/env bash
# Streams numbered messages between two processes in several geometries; kills one or both while they
# work, attach, close and remove, and at every named point of the library; verifies every byte, and
# looks for leftovers. Exit 1 and the seed on a violation. Seconds with --quick or no option.
#   scripts/stress.sh [--quick] [--messages N] [--kills N] [--crash-points] [--seed N]
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,5s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

if [ "${1:-}" = --quick ]; then
    shift
    set -- --messages 1000000 --kills 540 --crash-points "$@"
fi
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
