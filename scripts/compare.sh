#!/usr/bin/env bash
# Measures the flag, sleeping and spinning, and the semaphores side by side: throughput, round trip, CPU
# of an idle reader. One table, in about a minute; with --quick in less than 30 seconds.
#   scripts/compare.sh [--quick] [--size BYTES] [--json FILE] [OPTION...]      --help: all options
# Leave the machine alone meanwhile: whatever else runs on it shows in the figures.
set -euo pipefail
if [ "${1:-}" = -h ]; then sed -n '2,5s/^# //p' "$0"; exit; fi
from=$PWD
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

cargo build --quiet --release --package compare
programs=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd)

# Without git, or without its history, the same is measured and nothing said of the commit.
if commit=$(git describe --always --dirty --exclude '*' 2>/dev/null); then
    set -- --commit "$commit" "$@"
fi

# Where the caller is, so that the names of files mean what they say.
cd "$from"
exec "$programs/compare" "$@"
