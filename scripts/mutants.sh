#!/usr/bin/env bash
# Changes the code of the channel in one place at a time (`cargo mutants`) and demands that a test fails
# each time. Four rounds, each over what the one before let through: the library's unit tests, its other
# tests, those of the two programs, the model checker. Takes more than an hour; not part of test.sh.
#   scripts/mutants.sh [FILE...]     below crates/semring/src; default: all that the channel rests on
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,5s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"
if ! cargo mutants --version >/dev/null 2>&1; then
    echo 'SKIPPED: mutants: cargo-mutants is missing (`cargo install cargo-mutants`)'
    exit
fi

files=("$@")
if [ $# = 0 ]; then
    files=(ring.rs gate.rs gate/strict.rs gate/adaptive.rs gate/adaptive/rest.rs gate/adaptive/apart.rs barrier.rs
        recovery.rs slots.rs slots/hot.rs slots/round.rs geometry.rs
        layout.rs layout/word.rs channel.rs 'channel/*.rs')
fi
# What the model checker alone has is not what is tested here.
arguments=(--package semring --output target --no-shuffle --colors never
    --exclude-re 'modelled|forget_role|Ring::access')
for file in "${files[@]}"; do arguments+=(--file "crates/semring/src/$file"); done

# A mutant may hang, and leave objects behind: each test has a namespace and a limit of its own.
limit="timeout --signal=KILL ${LIMIT:-60}"
unshare --ipc true 2>/dev/null && limit+=' unshare --ipc'
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$limit CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$limit
export CARGO_PROFILE_DEV_DEBUG=0

# Without `credits`, which counts calls and so may fail on a busy machine for no fault of the mutant's, and
# `models`, which has none of this code.
library=()
for test in calls handover hostile hostile_peer leaving observed operations refusals restarts; do
    library+=("--cargo-arg=--test=$test")
done
programs=()
for test in damage data death persistence refusals removal; do programs+=(--test "$test"); done

# round OPTION...: survivors are no failure of the round.
round() {
    cargo mutants "${arguments[@]}" "$@" || [ $? -le 3 ]
}

rm -rf target/mutants.out
round --timeout 240 --cargo-arg=--lib
round --timeout 240 --iterate --baseline skip "${library[@]}"
round --timeout 400 --iterate --baseline skip --test-package writer -- "${programs[@]}"
RUSTFLAGS='--cfg loom' round --timeout 400 --iterate --baseline skip --profile release --cargo-arg=--lib -- loom_tests
echo "Survivors, each explained in docs/reliability.md:"
cat target/mutants.out/missed.txt
