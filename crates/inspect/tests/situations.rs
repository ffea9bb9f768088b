//! Goal: whoever meets a channel that does not go on is told by `list` and `show` what is the matter and
//! what to do. Method: each situation is made with real processes, and both are read as text and as JSON.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use common::{EMPTY, FULL, Place, semring, skip, stdout, wait_until};
use nix::sys::signal::Signal;
use semring::{Address, Mode};
use sysv_ipc::{Operation, Segment, SemaphoreSet};

const SETUP: u16 = 4;
/// Bytes of a segment of 4 slots for 100 bytes.
const SEGMENT_BYTES: usize = 8192 + 4 * 128;

#[test]
fn reader_first() {
    let place = Place::new("reader-first");
    let _reader = place.start("reader", "");
    let shown = place.show(&[]);
    assert_eq!(shown.status.code(), Some(1));
    let words = String::from_utf8(shown.stderr).unwrap();
    assert!(
        words.contains("is not there; a reader that was started first waits"),
        "{words}"
    );
    assert!(
        words.contains("start the writer, which makes it"),
        "{words}"
    );
    assert_eq!(words.lines().count(), 1);
    assert!(place.listed().is_none());
}

#[test]
fn a_missing_channel_names_those_that_there_are() {
    let place = Place::new("there");
    let _writer = place.start("writer", "--interval 1h");
    wait_until("it is there", || place.listed().is_some());
    let shown = semring(&["show", "not-there"]);
    let words = String::from_utf8(shown.stderr).unwrap();
    assert!(
        words.contains("there are: ") && words.contains(&place.name),
        "{words}"
    );
}

#[test]
fn writer_alone() {
    let place = Place::new("alone");
    let _writer = place.start_writer_of_much("");
    place.wait_until_blocked(EMPTY);
    let start = format!("start `reader -o FILE --channel {}`", place.name);
    let words = [
        "no consumer has come yet",
        "4 messages are left in it",
        &start,
    ];
    place.assert_named("no consumer", &words);
}

#[test]
fn writer_killed() {
    let place = Place::new("writer-killed");
    let (reader, writer) = place.start_stuck();
    let pid = writer.pid();
    writer.kill();
    let died = format!("the producer, process {pid}, has died without closing");
    let start = format!(
        "start `writer FILE --channel {}`, which takes over",
        place.name
    );
    place.assert_named("peer lost", &[&died, "4 messages are left in it", &start]);
    drop(reader);
}

#[test]
fn reader_killed() {
    let place = Place::new("reader-killed");
    let _writer = place.start("writer", "--interval 1h");
    let reader = place.start("reader", "");
    place.wait_until_blocked(FULL);
    let pid = reader.pid();
    reader.kill();
    let died = format!("the consumer, process {pid}, has died without closing");
    let start = format!("start `reader --channel {}`, which takes over", place.name);
    place.assert_named("peer lost", &[&died, "nothing is left in it", &start]);
}

#[test]
fn reader_stopped() {
    let place = Place::new("reader-stopped");
    let (reader, writer) = place.start_stuck();
    reader.stop();
    let pid = reader.pid();
    let stopped = format!("the consumer, process {pid} (reader), is stopped");
    let remedy = format!("`kill -CONT {pid}` lets it go on");
    let words = [&stopped, "the producer has waited for room for ", &remedy];
    place.assert_named("stopped", &words);
    let listed = place.listed().unwrap();
    assert_eq!(listed["consumer"]["doing"], "stopped");
    assert!(
        listed["producer"]["doing"]
            .as_str()
            .unwrap()
            .starts_with("waits for room, ")
    );
    writer.stop();
    let remedy = format!("`kill -CONT {} {pid}` lets them go on", writer.pid());
    place.assert_named("stopped", &["both sides are stopped", &remedy]);
}

/// A writer between two messages is busy, and the reader waits.
#[test]
fn idle() {
    let place = Place::new("idle");
    let writer = place.start("writer", "--interval 1h");
    let reader = place.start("reader", "");
    place.wait_until_blocked(FULL);
    wait_until("the message is read", || {
        place.listed().unwrap()["header"]["head"] == 1
    });
    let shown = stdout(&place.show(&[]));
    assert!(
        shown.contains(
            "all messages have been read, and the consumer has waited for a message for "
        )
    );
    let line = place.line();
    assert_eq!(line.lines().count(), 1, "nothing to be said: {line}");
    let listed = place.listed().unwrap();
    assert_eq!(listed["producer"]["pid"], writer.pid());
    assert_eq!(listed["consumer"]["pid"], reader.pid());
    assert_eq!(listed["consumer"]["program"], "reader");
    assert_eq!(listed["producer"]["doing"], "busy");
    assert_eq!(listed["attachments"], 2);
}

#[test]
fn set_removed_under_a_pair() {
    let place = Place::new("set-removed");
    let writer = place.start("writer", "--interval 1h");
    let reader = place.start("reader", "");
    place.wait_until_blocked(FULL);
    place.set().remove().unwrap();
    reader.end();
    let user = format!("process {} (writer) end at their next step", writer.pid());
    place.assert_named(
        "set removed",
        &["RemoveIPC", &user, "start both sides again"],
    );
    writer.kill();
    let segment = place.segment().id();
    let remedy = format!("`ipcrm -m {segment}`");
    place.assert_named("stale", &["RemoveIPC", "makes a new set", &remedy]);
}

#[test]
fn segment_removed_under_a_pair() {
    let place = Place::new("segment-removed");
    let writer = place.start("writer", "--interval 1h");
    let reader = place.start("reader", "");
    place.wait_until_blocked(FULL);
    place.segment().remove().unwrap();
    let users = format!(
        "let process {} (writer) and process {} (reader) end",
        writer.pid(),
        reader.pid()
    );
    place.assert_named("segment removed", &["`ipcrm -m`", "2 attachments", &users]);
}

#[test]
fn leftovers_of_a_crashed_pair() {
    let place = Place::new("leftovers");
    let (reader, writer) = place.start_stuck();
    let pids = format!("processes {} and {}", writer.pid(), reader.pid());
    // Stopped, neither can learn of the other's death.
    writer.stop();
    reader.stop();
    reader.kill();
    writer.kill();
    let remedy = format!(
        "`ipcrm -m {} -s {}`",
        place.segment().id(),
        place.set().id()
    );
    let start = format!("start `reader -o FILE --channel {}`", place.name);
    let words = [
        "both sides have died without closing",
        &pids,
        "4 messages",
        &start,
        &remedy,
    ];
    place.assert_named("stale", &words);
}

#[test]
fn a_stream_that_waits_for_a_later_reader() {
    let place = Place::new("later");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    let words = [
        "the producer has closed",
        "no consumer ever came",
        "3 messages are left in it",
    ];
    place.assert_named("stale", &words);
}

#[test]
fn half_made() {
    let place = Place::new("half-made");
    let set = SemaphoreSet::create(place.key, 5, Mode::OWNER).unwrap();
    let shown = place.show(&[]);
    assert_eq!(shown.status.code(), Some(1));
    let words = String::from_utf8(shown.stderr).unwrap();
    assert!(
        words.contains("no segment: perhaps a channel's, whose creator was killed"),
        "{words}"
    );
    let listed = stdout(&semring(&["list"]));
    assert!(
        listed.contains("may be what is left of a channel"),
        "{listed}"
    );

    let segment = Segment::create(place.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    let remedy = format!("`ipcrm -m {} -s {}`", segment.id(), set.id());
    let words = ["has died over it", "makes it anew", &remedy];
    place.assert_named("unfinished", &words);
    place.scribble(0, b"semring?");
    place.assert_named("unfinished", &words);
    set.operate(&[Operation::add(SETUP, 1)]).unwrap();
    let making = format!("process {} is making it at this moment", std::process::id());
    place.assert_named("unfinished", &[&making]);
}

#[test]
fn another_version() {
    let place = Place::new("version");
    let writer = place.start("writer", "--interval 1h");
    wait_until("it is there", || place.listed().is_some());
    writer.signal(Signal::SIGSTOP);
    place.scribble(8, &[7]);
    place.assert_named("other version", &["version 7, this program knows 1"]);
}

#[test]
fn damaged() {
    let place = Place::new("damaged");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    place.scribble(512, &[0xff; 8]);
    let remedy = format!(
        "`ipcrm -m {} -s {}`",
        place.segment().id(),
        place.set().id()
    );
    place.assert_named(
        "damaged",
        &["tail 18446744073709551615 and head 0", &remedy],
    );
    place.scribble(40, &[3]);
    place.assert_named("damaged", &["slot_count is 3", &remedy]);
}

/// No text from a segment reaches the terminal as it is.
#[test]
fn a_hostile_name() {
    let place = Place::new("hostile-name");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    place.scribble(128, &8u32.to_ne_bytes());
    place.scribble(132, b"\x1b[2Ja\nb\xff");
    for output in [semring(&["list"]), place.show(&[])] {
        let text = stdout(&output);
        assert!(!text.contains('\x1b'), "{text:?}");
        assert!(
            text.contains(&place.key.to_string()),
            "known by its key: {text}"
        );
    }
    assert!(stdout(&place.show(&[])).contains("another name, \"\\u{1b}[2Ja\\nb"));
}

/// Every byte of header and sides in turn, and then all at random.
#[test]
fn a_garbled_header_is_no_reason_to_fail() {
    let place = Place::new("garbled");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_ne_bytes()
    };
    for round in 0..48 {
        for offset in (8..1536).step_by(8) {
            if round % 4 == 0 || random()[0] < 16 {
                place.scribble(offset, &random());
            }
        }
        // What passes the first check garbles what comes after it.
        place.scribble(8, &1u32.to_ne_bytes());
        let shown = place.show(&["--json"]);
        assert!(shown.status.success(), "{shown:?}");
        assert!(place.show(&[]).status.success());
        assert!(place.listed().is_some());
    }
}

/// The channel of a user without a name, for whom a copy of the programs is run.
#[test]
fn another_users_channel() {
    const OWNER: u32 = 65_531;
    const STRANGER: u32 = 65_532;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skip("only root can run programs as other users");
    }
    let mut place = Place::new("other-user");
    place.key = Address::named_by(OWNER, &place.name).unwrap().key();
    let folder = place.folder.path().to_owned();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    for program in [common::beside("writer"), common::beside("semring")] {
        // By another process: a test that forks meanwhile must not inherit a descriptor for writing.
        let copied = Command::new("cp")
            .arg(program)
            .arg(&folder)
            .status()
            .unwrap();
        assert!(copied.success());
    }
    let run = |program: &str, user: u32, arguments: &[&str]| {
        let mut command = Command::new(folder.join(program));
        common::run(command.args(arguments).uid(user).gid(user))
    };
    let sent = [
        "--demo",
        "--count",
        "1",
        "--no-linger",
        "--channel",
        &place.name,
    ];
    if let Err(error) = run("writer", OWNER, &sent) {
        return skip(&format!("another user cannot run a program: {error}"));
    }
    let asked = format!("{OWNER}/{}", place.name);
    let as_stranger = run("semring", STRANGER, &["show", &asked]).unwrap();
    let text = stdout(&as_stranger);
    assert!(text.contains("unreadable"), "{text}");
    assert!(
        text.contains("its mode 0600 gives this user no look at it"),
        "{text}"
    );
    let listed = stdout(&run("semring", STRANGER, &["list"]).unwrap());
    let key = place.key.to_string();
    assert!(
        listed
            .lines()
            .any(|line| line.contains(&key) && line.contains("unreadable"))
    );
    let as_root = stdout(&semring(&["show", &asked]));
    assert!(as_root.contains(&format!("{asked}: stale")), "{as_root}");

    // Whoever may only read is shown all: nothing needs more.
    let readable = Mode::from_bits(0o444);
    place
        .segment()
        .set_permissions(OWNER, OWNER, readable)
        .unwrap();
    place.set().set_permissions(OWNER, OWNER, readable).unwrap();
    let text = stdout(&run("semring", STRANGER, &["show", &asked]).unwrap());
    assert!(text.contains("1 message is left in it"), "{text}");
}
