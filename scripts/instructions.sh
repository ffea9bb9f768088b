#!/usr/bin/env bash
# Counts the instructions of a message, sent and received, in each mode: those of the program itself, with
# callgrind; what the kernel does in `semop` is not among them. The ring is filled, then drained, so no side
# waits. Half a minute.
#   scripts/instructions.sh
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,5s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"
if ! command -v valgrind >/dev/null; then
    echo 'SKIPPED: instructions: valgrind is missing (`apt-get install valgrind`)'
    exit
fi

# The program's path is in what cargo says of it.
program=$(cargo bench --quiet --package semring --bench hot_path --no-run --message-format json |
    sed -n 's/.*"name":"hot_path".*"executable":"\([^"]*\)".*/\1/p')

# instructions FUNCTION WAY BYTES: all that happens inside of it.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
        --toggle-collect="*$1*" "$program" count "$2" "$3" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

printf '%-18s %8s %14s %14s\n' '' 'length' 'loan, publish' 'recv, release'
"$program" count | while read -r way bytes messages; do
    sent=$(instructions fill_ring "$way" "$bytes")
    received=$(instructions drain_ring "$way" "$bytes")
    printf '%-18s %6s B %14s %14s\n' "$way" "$bytes" \
        $((sent / messages)) $((received / messages))
done
