#!/usr/bin/env bash
# Has every system call of writer, reader, flag-writer and flag-reader fail once, with each error of its page
# in the manual, and demands a clear error or success each time: no panic, hang, leak or loss. A sample in
# about 15 seconds with --quick or no option, all in about five minutes with --full. Needs strace.
#   scripts/injections.sh [--quick | --full] [--seed N] [--call 'PROGRAM: CALL']
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,5s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

extent=quick
case "${1:-}" in
--quick | --full)
    extent=${1#--}
    shift
    ;;
esac
cargo build --quiet --release --package stress --package writer --package reader --package semring-flag

before=$(objects)
status=0
"${CARGO_TARGET_DIR:-target}/release/stress" --injections "$extent" "$@" || status=$?
if [ "$(objects)" != "$before" ]; then
    echo 'injections.sh: System V objects differ from before:' >&2
    diff <(echo "$before") <(objects) >&2
    exit 1
fi
exit "$status"
