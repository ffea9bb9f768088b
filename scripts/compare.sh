#!/usr/bin/env bash
# Measures the flag, the semaphores, and what else one would use side by side: throughput, round trip,
# wake-up, CPU of an idle reader, beside the limits of the machine. With messages of 64 bytes in some
# minutes; with --quick in less than a minute; with --full from 8 bytes to 4 MiB, in about ten minutes.
#   scripts/compare.sh [--quick|--full] [--peers] [--size BYTES,...] [--json FILE] [--markdown FILE] [--plots FOLDER]
#     [OPTION...]      --help: all of them
# docs/benchmarks.md says which command has filled it.
# With --peers also iceoryx2, ipc-channel and, where g++ and libboost-dev are installed, Boost.Interprocess:
# the first time that takes some minutes to build.
# Leave the machine alone meanwhile: whatever else runs on it shows in the figures.
set -euo pipefail
if [ "${1:-}" = -h ]; then sed -n '2,11s/^# //p' "$0"; exit; fi
from=$PWD
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

cargo build --quiet --release --package compare
programs=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd)

arguments=()
for argument in "$@"; do
    if [ "$argument" = --peers ]; then
        folder=${CARGO_TARGET_DIR:-target}/peers
        cargo build --quiet --release --manifest-path crates/compare/peers/Cargo.toml --target-dir "$folder"
        arguments+=(--peers "$(cd "$folder/release" && pwd)/compare-peers")
    else
        arguments+=("$argument")
    fi
done
set -- "${arguments[@]}"

# Without git, or without its history, the same is measured and nothing said of the commit.
if commit=$(git describe --always --dirty --exclude '*' 2>/dev/null); then
    set -- --commit "$commit" "$@"
fi

# Where the caller is, so that the names of files mean what they say.
cd "$from"
exec "$programs/compare" "$@"
