//! Goal: whoever meets a channel that does not go on is told by `list` and `show` what is the matter and
//! what to do. Method: each situation is made with real processes, and both are read as text and as JSON.

mod common;

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{EMPTY, Place, Running, semring, skip, stdout, wait_until};
use semring::{Address, Mode};
use sysv_ipc::{Operation, Segment, SemaphoreSet};

const SETUP: u16 = 4;
/// Environment variable that tells a process which channel's lock to hold.
const KEY: &str = "SEMRING_TEST_KEY";
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
    let _writer = place.start_alone();
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
    let (_writer, reader) = place.start_idle();
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
    let (writer, reader) = place.start_idle();
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
    let (writer, reader) = place.start_idle();
    place.set().remove().unwrap();
    reader.end();
    let user = format!("whatever process {} (writer) does next fails", writer.pid());
    place.assert_named(
        "set removed",
        &["RemoveIPC", &user, "start both sides again"],
    );
    writer.kill();
    let remedy = place.give_up("");
    place.assert_named("stale", &["RemoveIPC", "makes a new set", &remedy]);
    place.assert_gives_up(&remedy);
}

#[test]
fn segment_removed_under_a_pair() {
    let place = Place::new("segment-removed");
    let (writer, reader) = place.start_idle();
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
    let remedy = place.give_up("--force ");
    let start = format!("start `reader -o FILE --channel {}`", place.name);
    let words = [
        "nobody uses it, but 4 unread messages wait for a reader",
        "both sides have died without closing",
        &pids,
        &start,
        &remedy,
    ];
    place.assert_named("stale", &words);
    place.assert_gives_up(&remedy);
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
        "nobody uses it, but 3 unread messages wait for a reader",
    ];
    place.assert_named("stale", &words);
}

#[test]
fn only_the_end_waits_for_a_later_reader() {
    let place = Place::new("end");
    place.start("writer", "--no-linger /dev/null").end();
    let start = format!("start `reader -o FILE --channel {}`", place.name);
    let remedy = place.give_up("--force ");
    let end = "nobody uses it, but the end of its stream waits for a reader";
    let words = [end, &start, &remedy];
    place.assert_named("stale", &words);
    place.assert_gives_up(&remedy);
}

#[test]
fn nothing_is_left_of_a_pair() {
    let place = Place::new("nothing-left");
    let (writer, reader) = place.start_idle();
    // Stopped, it cannot learn of the writer's death.
    reader.stop();
    writer.kill();
    reader.kill();
    let remedy = place.give_up("");
    let unused = "nobody uses it, and nothing waits in it: both sides have died";
    let words = [unused, &remedy];
    place.assert_named("stale", &words);
    place.assert_gives_up(&remedy);
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

    Segment::create(place.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    // Nothing tells its name yet.
    let remedy = format!("`semring clean --key {}`", place.key);
    let words = ["has died over it", "makes it anew", &remedy];
    place.assert_named("unfinished", &words);
    place.scribble(0, b"semring?");
    place.assert_named("unfinished", &words);
    set.operate(&[Operation::add(SETUP, 1)]).unwrap();
    let making = format!("process {} is making it at this moment", std::process::id());
    place.assert_named("unfinished", &[&making]);
    set.operate(&[Operation::take(SETUP, 1)]).unwrap();
    place.assert_gives_up(&remedy);
}

/// Holds the SETUP lock, in a process of its own, until it is killed.
#[test]
#[ignore = "the process that the next test starts"]
fn setup_holder() {
    let Ok(key) = std::env::var(KEY) else { return };
    let set = SemaphoreSet::open(key.parse().unwrap(), Mode::OWNER).unwrap();
    set.operate(&[Operation::add(SETUP, 1).undo()]).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_process_that_is_stopped_while_it_attaches() {
    let place = Place::new("setup-stopped");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    let mut holder = Command::new(std::env::current_exe().unwrap());
    holder.args(["--exact", "setup_holder", "--ignored"]);
    let holder = Running::start(holder.env(KEY, place.key.to_string()));
    wait_until("the lock is held", || place.set().value(SETUP) == Ok(1));
    place.assert_named("stale", &["the producer has closed"]);
    holder.stop();
    let remedy = format!("`kill -CONT {}` lets it go on", holder.pid());
    let words = [
        "is stopped while it attaches or leaves, and keeps others from it",
        &remedy,
    ];
    place.assert_named("stopped", &words);
}

/// What has closed is never taken for dead, however near the look comes to the close.
#[test]
fn a_side_that_closes_is_not_dead() {
    let place = Place::new("closes");
    let channel = semring::Channel::new(Address::named(&place.name).unwrap());
    let consumer = channel.consumer().unwrap();
    let done = AtomicBool::new(false);
    let conditions: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let producer = channel.producer().unwrap();
                producer.close().unwrap();
            }
        });
        let condition = |_| place.listed().unwrap()["condition"].take();
        let seen = (0..300).map(condition).collect();
        done.store(true, Ordering::Relaxed);
        seen
    });
    drop(consumer);
    assert!(!conditions.contains(&"peer lost".into()), "{conditions:?}");
    assert!(conditions.contains(&"no producer".into()), "{conditions:?}");
}

#[test]
fn another_version() {
    let place = Place::new("version");
    let writer = place.start_alone();
    writer.stop();
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
    let remedy = place.give_up("--force ");
    place.assert_named(
        "damaged",
        &["tail 18446744073709551615 and head 0", &remedy],
    );
    place.scribble(40, &[3]);
    let remedy = format!("`semring clean --force --key {}`", place.key);
    place.assert_named("damaged", &["slot_count is 3", &remedy]);
    place.assert_gives_up(&remedy);
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
    // One that may be, and is another channel's: nobody is sent there.
    place.scribble(132, b"pretence");
    assert!(place.line().starts_with(&place.key.to_string()));
    let diagnosis = &place.listed().unwrap()["diagnosis"];
    let remedy = format!("--key {}`", place.key);
    assert!(diagnosis.as_str().unwrap().contains(&remedy), "{diagnosis}");
    // Its own, by which it turns round what follows.
    let place = Place::called("ab\u{202e}cd", "turned");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    for output in [
        semring(&["list"]),
        place.show(&[]),
        semring(&["clean", "-n"]),
    ] {
        let text = stdout(&output);
        assert!(text.contains("ab\\u{202e}cd"), "{text}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_hostile_program_name() {
    let place = Place::new("hostile-program");
    let program = place.folder.path().join("wri\x1b[2Jter");
    std::os::unix::fs::symlink(common::beside("writer"), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["--interval", "1h", "--channel", &place.name]);
    let _writer = Running::start(&mut command);
    place.wait_until_blocked(EMPTY);
    for text in [place.line(), stdout(&place.show(&[]))] {
        assert!(text.contains("wri\\u{1b}[2Jter"), "{text}");
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}

/// Every word of header and sides in turn, then all of both sides, and then all at random. What was there
/// before is put back each time, so that no check keeps the garbage from those after it.
#[test]
fn a_garbled_header_is_no_reason_to_fail() {
    const SIDES: usize = 512;
    const END: usize = 1536;
    let place = Place::new("garbled");
    place
        .start("writer", "--count 3 --interval 0 --no-linger")
        .end();
    let mut whole = [0; END];
    let memory = place.segment().attach().unwrap();
    memory.read(0, &mut whole).unwrap();
    memory.detach().unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_ne_bytes()
    };
    let words = (8..END).step_by(8).map(|offset| offset..offset + 8);
    let sides = std::iter::repeat_n(SIDES..END, 24);
    let all = std::iter::repeat_n(16..END, 8);
    for range in words.chain(sides).chain(all) {
        let mut garbled = whole;
        for word in garbled[range.clone()].chunks_mut(8) {
            word.copy_from_slice(&random());
        }
        place.scribble(0, &garbled);
        for options in [&["--json"][..], &[]] {
            let shown = place.show(options);
            assert!(shown.status.success(), "{range:?}: {shown:?}");
        }
        let listed = place.listed().unwrap();
        let is_read = !listed["header"].is_null();
        assert!(is_read || range.start < SIDES, "{range:?}: {listed}");
    }
}

/// The channel of a user without a name, for whom a copy of the programs is run.
#[test]
fn another_users_channel() {
    const OWNER: u32 = 65_531;
    const STRANGER: u32 = 65_532;
    let Some(place) = Place::of_user("other-user", OWNER) else {
        return;
    };
    let folder = place.folder.path().to_owned();
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
    let remedy = format!("`semring clean --force {asked}`");
    assert!(as_root.contains(&remedy), "{as_root}");

    // Whoever may only read is shown all: nothing needs more.
    let readable = Mode::from_bits(0o444);
    place
        .segment()
        .set_permissions(OWNER, OWNER, readable)
        .unwrap();
    place.set().set_permissions(OWNER, OWNER, readable).unwrap();
    let text = stdout(&run("semring", STRANGER, &["show", &asked]).unwrap());
    assert!(
        text.contains("1 unread message waits for a reader"),
        "{text}"
    );
}
