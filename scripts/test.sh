#!/usr/bin/env bash
# Checks everything: format, lints, documentation, all tests (README and docs do what they show), the
# model checker and that it finds defects, the demonstration, a short stress run, a sample of failing
# system calls, some seconds of fuzzing, the benchmarks once, a short comparison. Some minutes on two
# cores.
#   scripts/test.sh
set -euo pipefail
if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then sed -n '2,6s/^# //p' "$0"; exit; fi
source "$(dirname "$0")/common.sh"
need cargo-fmt '`rustup component add rustfmt`'
need cargo-clippy '`rustup component add clippy`'

step() {
    printf '\n== %s\n' "$*"
    "$@"
}

before=$(objects)
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --quiet -- --deny warnings
RUSTDOCFLAGS='--deny warnings' step cargo doc --workspace --no-deps --features semring/serde --quiet
step cargo clippy --package stress --all-targets --features crash-points --quiet -- --deny warnings
step cargo clippy --package semring --all-targets --features serde --quiet -- --deny warnings
step isolated cargo test --workspace --features semring/serde --quiet
step isolated scripts/controls.sh
step isolated scripts/demo.sh 10ms
step isolated scripts/stress.sh --quick
step isolated scripts/injections.sh --quick
step scripts/fuzz.sh --seconds 3
step isolated cargo bench --package semring --bench hot_path --quiet -- --test
step isolated scripts/instructions.sh
step isolated scripts/compare.sh --quick

if [ "$(objects)" != "$before" ]; then
    echo 'test.sh: System V objects differ from before:' >&2
    diff <(echo "$before") <(objects) >&2
    exit 1
fi
printf '\ntest.sh: all passed\n'
