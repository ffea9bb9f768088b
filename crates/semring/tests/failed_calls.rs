//! An attach that fails leaves nothing behind, neither objects nor a role held by the process that lives
//! on, and a leave that fails keeps no lock: `strace` has one of its system calls fail, the first, second,
//! third … of each kind, and the same process tries again. This executable runs itself as that process.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use semring::{Address, AttachError, Channel, CloseOutcome, Key, Mode};
use sysv_ipc::{Segment, SemaphoreSet};

mod watchdog;

/// Tells this executable which role to take on which channel.
const PART: &str = "SEMRING_TEST_PART";

/// Calls with errors that the kernel may give at any time.
const FAILURES: [(&str, &[&str]); 7] = [
    ("semget", &["ENOMEM", "ENOSPC"]),
    ("semctl", &["EACCES", "EIDRM", "EINVAL"]),
    ("semop,semtimedop", &["EACCES", "EIDRM", "EINTR", "ENOMEM"]),
    ("shmget", &["ENOMEM", "ENOSPC"]),
    ("shmat", &["EACCES", "ENOMEM"]),
    ("shmctl", &["EACCES", "EIDRM", "EOVERFLOW"]),
    ("madvise", &["EINVAL", "ENOMEM"]),
];

fn objects(key: Key) -> (Option<Segment>, Option<SemaphoreSet>) {
    let any = Mode::from_bits(0);
    (
        Segment::open(key, any).ok(),
        SemaphoreSet::open(key, any).ok(),
    )
}

/// Plays a part when this executable was started to, else does nothing.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let (role, name) = part.split_once(' ').unwrap();
    let address = Address::named(name).unwrap();
    let key = address.key();
    let channel = Channel::new(address).slots(2).slot_bytes(64);
    match role {
        "leaver" => return leave(&channel),
        "receiver" => return receive(&channel),
        _ => {}
    }
    let failed = match role {
        "producer" => channel.producer().err(),
        "consumer" => channel.consumer().err(),
        _ => panic!("{part:?}"),
    };
    let Some(error) = failed else {
        return;
    };
    // The lock goes back with the process, and what was made stays as after its death.
    let unlocking = error.to_string().contains("of the semaphore 4 of set");
    if unlocking {
        return;
    }
    assert_left_alone(key, &error);
    if role == "producer" {
        channel.producer().unwrap().close().unwrap();
    }
    let mut consumer = channel.consumer().unwrap();
    if role == "producer" {
        assert!(consumer.recv().unwrap().is_none());
    }
    assert_eq!(consumer.close(), Ok(CloseOutcome::Removed));
    assert_eq!(objects(key), (None, None));
}

/// Leaves, which may fail, and lives on: the other side is kept out by no lock.
fn leave(channel: &Channel) {
    let Ok(producer) = channel.producer() else {
        return;
    };
    let Err(error) = producer.close() else {
        return;
    };
    // The lock goes back with the process, when the kernel does not take it before.
    if !error.to_string().contains("of the semaphore 4 of set") {
        let at_once = channel.clone().setup_limit(Duration::ZERO);
        if let Err(refused) = at_once.consumer() {
            panic!("{refused} after: {error}");
        }
    }
}

/// Copies a message, which may fail: it says so if, and only if, the message comes again.
fn receive(channel: &Channel) {
    let (Ok(mut producer), Ok(mut consumer)) = (channel.producer(), channel.consumer()) else {
        return;
    };
    if producer.send(b"x").is_ok() {
        let mut buffer = [0];
        let copied = consumer.recv_into(&mut buffer);
        assert_eq!(copied.is_ok(), consumer.position() == 1, "{copied:?}");
    }
}

/// Nothing is left but, at most, an untouched set of which not even the lock could be had.
fn assert_left_alone(key: Key, error: &AttachError) {
    let (segment, set) = objects(key);
    assert_eq!(segment, None, "left after: {error}");
    if let Some(set) = set {
        assert_eq!(set.values(), Ok(vec![0; 5]), "left after: {error}");
        let named = format!("semop of the semaphore set {} failed", set.id());
        let named_timed = format!("semtimedop of the semaphore set {} failed", set.id());
        let text = error.to_string();
        assert!(
            text.contains(&named) || text.contains(&named_timed),
            "left without a word: {text}"
        );
    }
}

/// Has the nth call fail in a process that attaches; false when it made no such call.
fn attach(role: &str, call: &str, errno: &str, nth: u32) -> bool {
    let name = format!("failed-attach-{}-{role}", std::process::id());
    let log = std::env::temp_dir().join(&name);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&log);
    command.args(["-e", &format!("trace={call}"), "-e"]);
    command.arg(format!("inject={call}:error={errno}:when={nth}"));
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "part", "--nocapture", "--test-threads=1"]);
    command.env(PART, format!("{role} {name}"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let injected = std::fs::read_to_string(&log)
        .unwrap()
        .contains("(INJECTED)");
    let _ = std::fs::remove_file(&log);
    let (segment, set) = objects(Address::named(&name).unwrap().key());
    let _ = segment.map(Segment::remove);
    let _ = set.map(SemaphoreSet::remove);
    assert!(
        output.status.success(),
        "{role}, {call} {nth} {errno}: {}",
        String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)
    );
    injected
}

fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.arg("-o").arg(Path::new("/dev/null")).arg("true");
    strace
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Has each semaphore call of a part fail.
fn fail_each_semop(test: &'static str, part: &str) {
    let _watchdog = watchdog::watch(test);
    if !can_trace() {
        let skipped = format!("SKIPPED: {test}: `strace` is not installed or may not trace");
        let _ = writeln!(std::io::stderr(), "{skipped}");
        return;
    }
    let mut nth = 1;
    while attach(part, "semop,semtimedop", "EACCES", nth) {
        nth += 1;
    }
    // Lock, attach and unlock; and as many more.
    assert!(nth > 10, "only {} injections", nth - 1);
}

#[test]
fn a_failed_leave_keeps_no_lock() {
    fail_each_semop("a_failed_leave_keeps_no_lock", "leaver");
}

#[test]
fn a_failed_copy_is_no_copy() {
    fail_each_semop("a_failed_copy_is_no_copy", "receiver");
}

#[test]
fn a_failed_attach_leaves_nothing_and_can_be_repeated() {
    let _watchdog = watchdog::watch("a_failed_attach_leaves_nothing_and_can_be_repeated");
    if !can_trace() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: a_failed_attach_leaves_nothing_and_can_be_repeated: `strace` is not installed or \
             may not trace"
        );
        return;
    }
    let mut injections = 0;
    for role in ["producer", "consumer"] {
        for (call, errors) in FAILURES {
            for errno in errors {
                let mut nth = 1;
                while attach(role, call, errno, nth) {
                    nth += 1;
                }
                injections += nth - 1;
            }
        }
    }
    println!("{injections} injections");
    assert!(injections > 100, "only {injections} injections");
}
