//! Sizes beyond the bounds of a channel, or of the machine, are refused before anything is made, in
//! a sentence that names the bound and, where there is one, the sysctl. The machine's limits are
//! lowered in an IPC namespace of its own, which needs root.

mod common;

use std::process::{Command, Stdio};

use common::{Ended, Place, reader, skip, writer};

/// Both programs, asked for a geometry that cannot be had.
#[track_caller]
fn assert_refused(geometry: &str, code: i32, words: &[&str]) {
    let place = Place::new("geometry");
    for mut command in [place.writer(geometry), place.reader(geometry)] {
        let ended = place.run(&mut command);
        ended.assert_error(code, words);
        place.assert_nothing_left();
    }
}

#[test]
fn more_memory_than_there_is() {
    // 64 TiB: more than any machine this runs on has.
    assert_refused(
        "--slots 16384 --slot-size 4294963200",
        1,
        &[
            "it needs 70368",
            "bytes of shared memory",
            "ask for fewer or smaller slots",
        ],
    );
}

#[test]
fn huge_pages_that_nobody_has_reserved() {
    let reserved = std::fs::read_to_string("/proc/sys/vm/nr_hugepages");
    if !nix::unistd::geteuid().is_root() || !reserved.is_ok_and(|pages| pages.trim() == "0") {
        return skip("needs root, and a machine without reserved huge pages");
    }
    // 4 MiB and the rest of a page.
    assert_refused(
        "--huge-pages",
        1,
        &[
            "huge pages: 3 of 2048 KiB are needed, 0 are free",
            "`sysctl vm.nr_hugepages=3`",
            "or leave huge pages out",
        ],
    );
}

/// What the script below ends with where the machine's limits are not for us to set.
const CANNOT_SET: i32 = 99;

/// Runs a program in an IPC namespace with changed limits; what is left in it afterwards is its
/// standard output. Nothing where that cannot be done.
fn with_limits(place: &Place, limits: &str, program: &std::path::Path) -> Option<Ended> {
    const SCRIPT: &str = r#"
        limits=$1
        shift
        cd /proc/sys/kernel || exit 99
        printf %s "$limits" | while IFS== read -r name value; do
            echo "$value" > "$name" || exit 99
        done || exit 99
        "$@" > /dev/null
        code=$?
        tail -q -n +2 /proc/sysvipc/shm /proc/sysvipc/sem
        exit $code
    "#;
    let possible = Command::new("unshare")
        .args(["--ipc", "true"])
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        skip("needs `unshare --ipc` (util-linux) and the right to use it, as root");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--ipc", "sh", "-c", SCRIPT, "sh", limits]);
    command.arg(program).args(["--channel", &place.name]);
    command.args(["--slots", "4", "--slot-size", "4KiB", "--timeout", "100ms"]);
    let ended = place.run(command.stdin(Stdio::null()));
    if ended.code == Some(CANNOT_SET) {
        skip(&format!("limits cannot be set here: {}", ended.stderr));
        return None;
    }
    Some(ended)
}

#[track_caller]
fn assert_limit(limits: &str, words: &[&str]) {
    for program in [writer(), reader()] {
        let place = Place::new("limits");
        let Some(ended) = with_limits(&place, &format!("{limits}\n"), program) else {
            return;
        };
        ended.assert_error(1, words);
        assert_eq!(ended.text(), "", "left in the namespace");
    }
}

#[test]
fn the_limits_of_the_machine_are_named() {
    // 4096 for the header, 4096 for the descriptors, 4 x 4096 for the slots.
    assert_limit(
        "shmmax=24575",
        &[
            "it needs 24576 bytes",
            "a segment may have 24575",
            "raise `sysctl kernel.shmmax`",
        ],
    );
    assert_limit(
        "shmall=5",
        &[
            "it needs 24576 bytes",
            "only 20480 more",
            "raise `sysctl kernel.shmall`",
        ],
    );
    assert_limit("shmmni=0", &["raise `sysctl kernel.shmmni`"]);
    let numbers = "`sysctl kernel.sem`";
    assert_limit(
        "sem=32000 1024000000 500 0",
        &["2nd or 4th number of", numbers],
    );
    assert_limit("sem=32000 4 500 32000", &["2nd or 4th number of", numbers]);
    assert_limit("sem=4 1024000000 500 32000", &["1st number of", numbers]);
    assert_limit("sem=32000 1024000000 3 32000", &["3rd number of", numbers]);
}

#[test]
fn limits_that_are_just_enough_are_enough() {
    let limits = "shmmax=24576\nshmall=6\nshmmni=1\nsem=5 5 4 1\n";
    let place = Place::new("just-enough");
    let Some(ended) = with_limits(&place, limits, writer()) else {
        return;
    };
    // No reader comes, so it gives up in time and leaves its message.
    ended.assert_error(4, &["the consumer has not read everything"]);
    assert_eq!(ended.text().lines().count(), 2, "{}", ended.text());
}
