#!/usr/bin/env bash
# Runs the library's tests and a transfer between the two programs under AddressSanitizer, and the library's
# unit tests under Miri where the tool chain has it.
#   scripts/sanitize.sh
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,4s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

host=$(rustc --version --verbose | sed -n 's/^host: //p')
# Beside the ordinary builds, whose flags are others. With a target named, build scripts are spared.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/sanitize
address() {
    # The stable compiler has the sanitizer, behind a switch for unstable options.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address isolated cargo "$1" --quiet --target "$host" "${@:2}"
}

# Sends a file of 16 MiB, and compares.
transfer() {
    local programs=$CARGO_TARGET_DIR/$host/debug work
    work=$(mktemp -d)
    head -c 16M /dev/urandom >"$work/input"
    "$programs/writer" --channel "sanitize-$$" --slots 8 --slot-size 5000 "$work/input" &
    "$programs/reader" --channel "sanitize-$$" -o "$work/output"
    wait $!
    cmp "$work/input" "$work/output"
    rm -r "$work"
    echo 'transfer of 16 MiB between writer and reader: no error, the same bytes'
}

if ! ls "$(rustc --print target-libdir)"/librustc-*_rt.asan.a >/dev/null 2>&1; then
    echo 'SKIPPED: AddressSanitizer: this compiler has none for this machine'
else
    address test --package semring --lib --test hostile --test hostile_peer --test operations --test handover --test restarts
    address build --package writer --package reader
    transfer
fi
if cargo miri --version >/dev/null 2>&1; then
    cargo miri test --quiet --package semring --lib
else
    echo 'SKIPPED: Miri: `cargo miri` comes with the nightly tool chain only (`rustup component add miri`)'
fi
