# What the scripts share. Source it; it changes to the top of the checkout.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# need PROGRAM HOW: ends the script when PROGRAM is missing, saying how to get it.
need() {
    if ! command -v "$1" >/dev/null; then
        printf '%s: %s is missing: %s\n' "$0" "$1" "$2" >&2
        exit 1
    fi
}

# System V objects of this IPC namespace, by identifier: to be the same before and after.
objects() {
    awk 'FNR > 1 { print FILENAME, $1, $2 }' /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg
}

# Runs a command in an IPC namespace of its own where the machine allows it, else in ours.
isolated() {
    if unshare --ipc true 2>/dev/null; then
        unshare --ipc "$@"
    else
        echo "SKIPPED: a private IPC namespace (unshare --ipc needs root); using the common one" >&2
        "$@"
    fi
}

need cargo 'install the stable Rust tool chain with rustup (https://rustup.rs)'
need cc 'install a C compiler, for instance `apt-get install gcc`: Rust links with it'
