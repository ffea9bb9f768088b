#!/usr/bin/env bash
# Attaches to segments of arbitrary bytes, which a second writer changes meanwhile, and exchanges on them,
# under AddressSanitizer: any crash, access outside the segment, loop without end or unnamed damage fails.
#   scripts/fuzz.sh [--seconds N] [header|descriptors|positions]...     default: 5 seconds each of the three
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,4s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"

seconds=5
if [ "${1:-}" = --seconds ]; then
    seconds=$2
    shift 2
fi
targets=("$@")
[ $# != 0 ] || targets=(header descriptors positions)

skip() {
    echo "SKIPPED: fuzz: $1"
    exit
}
cargo fuzz --version >/dev/null 2>&1 || skip 'cargo-fuzz is missing (`cargo install cargo-fuzz`)'
command -v c++ >/dev/null || skip 'a C++ compiler is missing (`apt-get install g++`): the fuzzer is built with it'
unshare --ipc true 2>/dev/null || skip 'a private IPC namespace (unshare --ipc needs root); it makes objects at will'

# The stable compiler has the sanitizer, behind a switch for unstable options.
export RUSTC_BOOTSTRAP=1
work=target/fuzz
options=(--fuzz-dir crates/semring/fuzz --target-dir "$work")
mkdir -p "$work"
if ! cargo fuzz build "${options[@]}" >"$work/build.log" 2>&1; then
    grep -q 'sanitizer\|asan' "$work/build.log" && skip 'this compiler has no AddressSanitizer for this machine'
    tail -n 20 "$work/build.log"
    exit 1
fi
for target in "${targets[@]}"; do
    mkdir -p "$work/corpus/$target" "$work/found/$target"
    echo "fuzz: $target, $seconds s"
    if ! unshare --ipc cargo fuzz run "${options[@]}" "$target" "$work/corpus/$target" "crates/semring/fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=60 -print_final_stats=1 -artifact_prefix="$work/found/$target/" >"$work/$target.log" 2>&1; then
        tail -n 40 "$work/$target.log"
        exit 1
    fi
    grep 'stat::number_of_executed_units\|DONE' "$work/$target.log"
done
