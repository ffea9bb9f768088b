//! Goal: however a campaign ends, it says so, and leaves nothing. Method: the program itself, in an IPC
//! namespace of its own, so that whatever is left in it is the program's.

use std::process::{Command, Output, Stdio};

/// Runs a shell in an IPC namespace of its own, with the program as its first argument, and a watchdog;
/// nothing where that cannot be done.
fn shell(script: &str) -> Option<Output> {
    let possible = Command::new("unshare")
        .args(["--ipc", "true"])
        .stderr(Stdio::null())
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: needs `unshare --ipc` (util-linux) and the right to use it, as root");
        return None;
    }
    let mut command = Command::new("timeout");
    command.args([
        "-k", "1", "100", "unshare", "--ipc", "sh", "-c", script, "sh",
    ]);
    Some(command.arg(env!("CARGO_BIN_EXE_stress")).output().unwrap())
}

#[test]
fn a_signal_ends_it_in_order() {
    let script = r#"
        objects() { tail -q -n +2 /proc/sysvipc/shm /proc/sysvipc/sem; }
        "$1" --only kills --kills 1000000 > /dev/null & stress=$!
        until [ -n "$(objects)" ]; do sleep 0.01; done
        kill -TERM $stress; wait $stress
        echo "code $?"; objects
    "#;
    let Some(ended) = shell(script) else { return };
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "code 143\n");
    let told = String::from_utf8_lossy(&ended.stderr);
    let words = "stress: not finished, and nothing left behind: interrupted by SIGTERM\n";
    assert!(told.ends_with(words), "{told}");
}

#[test]
fn a_full_standard_output_is_an_error() {
    let Some(ended) = shell(r#""$1" --only kills --kills 1 > /dev/full"#) else {
        return;
    };
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8_lossy(&ended.stderr);
    let words = "stress: standard output: cannot write: No space left on device";
    assert!(told.starts_with(words), "{told}");
}
