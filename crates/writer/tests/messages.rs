//! Goal: each message of the programs that no other test meets says what was tried, on what, and what to do.
//! Method: the situation is brought about with real processes and objects, and the words are compared.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{
    EMPTY, FULL, HEAD, Place, TAIL, assert_same, copy_program, program_with, pseudo_random, skip,
    wait_until,
};
use nix::sys::signal::Signal;
use semring::{Address, Channel, Framing, Mode};
use sysv_ipc::{Segment, SemaphoreSet};

const SMALL: &str = "--slots 4 --slot-size 100";
/// Where the name stands in the segment (docs/layout.md).
const NAME: usize = 132;
/// A user who owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn two_names_of_one_key() {
    let place = Place::new("collision");
    let input = place.file("input", b"x");
    place
        .run(&mut place.writer_of(&input, "--no-linger"))
        .assert_code(0);
    place.scribble(NAME, b"TEST");
    let words = [
        "its key already belongs to the channel \"TEST-",
        "use another name",
    ];
    place.run(&mut place.reader("-o -")).assert_error(5, &words);
    place
        .run(&mut place.writer_of(&input, ""))
        .assert_error(5, &words);
}

#[test]
fn a_process_that_is_stopped_while_it_attaches() {
    let place = Place::new("setup-busy");
    let input = place.file("input", b"x");
    place
        .run(&mut place.writer_of(&input, "--no-linger"))
        .assert_code(0);
    place.hold_setup();
    let words = format!(
        "PID {} has been setting it up for too long; if it is stopped, `kill -CONT ",
        std::process::id()
    );
    place
        .run(&mut place.reader("-o -"))
        .assert_error(4, &[&words]);
    place.release_setup();
    place.run(&mut place.reader("-o -")).assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn a_reader_that_leaves_early() {
    let place = Place::new("left-early");
    let input = place.file("input", &pseudo_random(1000));
    let key = place.key;
    for (bytes, sentence) in [
        (
            1000,
            "the ring is full and the consumer has closed; what it holds waits for the next one",
        ),
        (
            300,
            "the consumer has closed before it had read everything; the rest waits for the next one",
        ),
    ] {
        fs::write(&input, pseudo_random(bytes)).unwrap();
        let writer = place.start(&mut place.writer_of(&input, SMALL));
        place.wait_until_blocked(EMPTY);
        let reader = place.run(&mut place.reader("-o /dev/full"));
        reader.assert_error(1, &["No space left on device"]);
        let left = format!("to give up what is left: `ipcrm -M {key} -S {key}`");
        writer.end().assert_error(3, &[sentence, &left]);
        let rest = place.run(&mut place.reader("-o - --quiet"));
        assert_eq!(rest.stdout.len(), bytes.min(400));
        place.assert_nothing_left();
    }
}

#[test]
fn a_message_that_is_none_of_the_demonstrations() {
    let place = Place::new("no-counter");
    let channel = Channel::new(Address::named(&place.name).unwrap()).framing(Framing::Demo);
    let mut producer = channel.producer().unwrap();
    producer.send(b"abc").unwrap();
    let reader = place.run(&mut place.reader(""));
    reader.assert_error(
        1,
        &[
            "message 0 has no counter",
            "another program writes to this channel; use `--channel` with another name",
            "1 message waits in ",
        ],
    );
    assert_eq!(place.position(HEAD), 0, "it is not acknowledged");
    drop(producer);
}

/// A copy of a program that another user runs on this channel; none where we cannot become one.
fn as_nobody(place: &Place, program: &Path) -> Option<Command> {
    if !nix::unistd::geteuid().is_root() {
        skip("needs root, to become another user");
        return None;
    }
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = place.path("program");
    copy_program(program, &copy);
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY).stdin(Stdio::null());
    command.args(["--channel", &place.name]);
    Some(command)
}

/// Without a place for the record a file can be written, but not resumed.
#[test]
fn a_folder_in_which_nothing_can_be_recorded() {
    let place = Place::new("no-record");
    let output = place.file("output", b"");
    fs::set_permissions(&output, fs::Permissions::from_mode(0o666)).unwrap();
    let Some(mut command) = as_nobody(&place, common::reader()) else {
        return;
    };
    let ended = place.run(
        command
            .args(["--slots", "4", "--resume", "-o"])
            .arg(&output),
    );
    let words = format!(
        "reader: cannot record positions in {}.semring: Permission denied (os error 13); see who may \
         with `ls -ld`",
        output.display()
    );
    ended.assert_error(1, &[&words]);
    place.assert_nothing_left();
}

#[test]
fn a_file_that_may_not_be_read() {
    let place = Place::new("no-permission");
    let input = place.file("input", b"secret");
    fs::set_permissions(&input, fs::Permissions::from_mode(0o000)).unwrap();
    let Some(mut command) = as_nobody(&place, common::writer()) else {
        return;
    };
    let ended = place.run(command.arg(&input));
    let words = format!(
        "writer: cannot open {}: Permission denied (os error 13); see who may with `ls -ld`",
        input.display()
    );
    ended.assert_error(1, &[&words]);
    place.assert_nothing_left();
}

#[test]
fn a_named_pipe_that_nobody_reads() {
    let place = Place::new("fifo");
    let fifo = place.path("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut reader = place.start(&mut place.reader_into(&fifo, SMALL));
    reader.wait_for_note("reader: waiting for somebody to read from ");
    let cat = place.start(Command::new("cat").arg(&fifo));
    place.wait_until_blocked(FULL);
    let input = place.file("input", b"through the pipe");
    place.run(&mut place.writer_of(&input, "")).assert_code(0);
    reader.end().assert_code(0);
    assert_eq!(cat.end().stdout, b"through the pipe");
    place.assert_nothing_left();
}

#[test]
fn a_reader_that_is_stopped() {
    let place = Place::new("slow");
    let input = place.file("input", &pseudo_random(1000));
    let reader = place.start(&mut place.reader(&format!("-o - {SMALL}")));
    place.wait_until_blocked(FULL);
    reader.signal(Signal::SIGSTOP);
    let mut writer = place.start(&mut place.writer_of(&input, ""));
    writer.wait_for_note(&format!(
        "writer: waiting for the reader of channel {:?} (key {}), which is slow",
        place.name, place.key
    ));
    reader.signal(Signal::SIGCONT);
    writer.end().assert_code(0);
    assert_same(&reader.end().stdout, &pseudo_random(1000));
    place.assert_nothing_left();
}

#[test]
fn a_reader_that_follows_past_an_interruption() {
    let place = Place::new("follow-interrupted");
    let mut reader = place.start(&mut place.reader(&format!("-o - --follow {SMALL}")));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(place.writer("").stdin(Stdio::piped()));
    writer.feed_and_hold(b"one");
    wait_until("it is received", || place.position(HEAD) == 1);
    writer.signal(Signal::SIGTERM);
    writer.end().assert_code(143);
    reader.wait_for_note("reader: the writer was interrupted; waiting for the next one");
    let input = place.file("input", b"two");
    place.run(&mut place.writer_of(&input, "")).assert_code(0);
    reader.wait_for("onetwo");
    reader.signal(Signal::SIGTERM);
    reader.end().assert_code(143);
    place.assert_nothing_left();
}

/// An end that nobody has seen, and a channel whose writer was killed: both are told of.
#[test]
fn channels_that_stay_without_messages() {
    let place = Place::new("empty-ends");
    let (name, key) = (&place.name, place.key);
    let input = place.file("input", b"");
    let writer = place.run(&mut place.writer_of(&input, ""));
    writer.assert_code(0);
    let note = format!(
        "writer: the end of the stream waits in channel {name:?} for a reader; to give up what is \
         left: `ipcrm -M {key} -S {key}`"
    );
    assert_eq!(writer.what_is_left(), Some(&*note));
    place.run(&mut place.reader("-o -")).assert_code(0);
    place.assert_nothing_left();

    let reader = place.start(&mut place.reader(&format!("-o - {SMALL}")));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(place.writer("").stdin(Stdio::piped()));
    writer.feed_and_hold(b"x");
    wait_until("it is received", || place.position(HEAD) == 1);
    writer.kill();
    let note = format!(
        "channel {name:?} stays, without messages, for the next writer; to give up what is left: \
         `ipcrm -M {key} -S {key}`"
    );
    reader
        .end()
        .assert_error(3, &["the producer has died", &note]);
}

/// To a pipe a message may be written in part when a signal comes; that is said.
#[test]
fn a_message_that_is_written_in_part() {
    let place = Place::new("in-part");
    let input = place.file("input", &pseudo_random(300_000));
    let writer =
        place.start(&mut place.writer_of(&input, "--slots 2 --slot-size 100000 --no-linger"));
    place.wait_for_tail(2);
    let mut reader = place.start_unread(&mut place.reader("-o -"));
    // All that a pipe takes.
    wait_until("the reader is stuck", || reader.unread_bytes() == 65536);
    reader.signal(Signal::SIGTERM);
    reader.wait_for_note("interrupted by");
    reader.read_output();
    let reader = reader.end();
    reader.assert_code(143);
    assert_eq!(reader.stdout.len(), 65536);
    let words = "65536 bytes of message 0 are written, which will come again whole";
    assert!(reader.stderr.contains(words), "{:?}", reader.stderr);
    assert_eq!((place.position(TAIL), place.position(HEAD)), (2, 0));
    drop(writer);
}

#[test]
fn more_messages_than_the_counter_holds() {
    let place = Place::new("count");
    let ended = place.run(&mut place.writer("--count 2147483648"));
    ended.assert_code(2);
    assert!(ended.stderr.contains("2147483648"), "{:?}", ended.stderr);
    place.assert_nothing_left();
}

#[test]
fn another_users_channel_that_is_not_there_yet() {
    let place = Place::new("not-ours");
    let theirs = format!("{NOBODY}/{}", place.name);
    let ended =
        place.run(program_with(common::writer(), "--timeout 1200ms --channel").arg(&theirs));
    ended.assert_error(4, &["there is no such channel; start the writer"]);
    let key = Address::named_by(NOBODY, &place.name).unwrap().key();
    let note = format!(
        "writer: waiting for channel {theirs:?} (key {key}) to appear: its owner has yet to create it"
    );
    assert!(ended.stderr.contains(&note), "{:?}", ended.stderr);
}

#[test]
fn a_channel_of_a_program_of_ones_own() {
    let place = Place::new("own-program");
    let channel = Channel::new(Address::named(&place.name).unwrap());
    let producer = channel.producer().unwrap();
    for (mut command, asked) in [
        (place.reader("-o -"), "raw, lines or length"),
        (place.reader(""), "demo"),
    ] {
        let words = format!(
            "it has framing messages, you asked for {asked}: it is another program's, or `--channel` \
             with another name"
        );
        place.run(&mut command).assert_error(5, &[&words]);
    }
    drop(producer);
}

/// Whoever holds on to the segment notices by the next step; until then it cannot be taken over.
#[test]
fn a_set_that_was_removed_under_others() {
    let place = Place::new("set-removed");
    let input = place.file("input", b"x");
    place
        .run(&mut place.writer_of(&input, "--no-linger"))
        .assert_code(0);
    let attached = place.segment().unwrap().attach().unwrap();
    place.set().unwrap().remove().unwrap();
    let words = [
        "its semaphore set was removed (`ipcrm -s`",
        "while 1 other",
        "try again then",
    ];
    place
        .run(&mut place.writer_of(&input, ""))
        .assert_error(5, &words);
    drop(attached);
    place
        .run(&mut place.writer_of(&input, "--no-linger"))
        .assert_code(0);
    place.run(&mut place.reader("-o -")).assert_code(0);
    place.assert_nothing_left();
}

/// A creator that was killed half-way, and a process that keeps what it left attached.
#[test]
fn a_channel_that_never_gets_finished() {
    let place = Place::new("contended");
    SemaphoreSet::create(place.key, 5, Mode::OWNER).unwrap();
    let segment = Segment::create(place.key, 8192, Mode::OWNER).unwrap();
    let attached = segment.attach().unwrap();
    attached.write(0, b"semring?").unwrap();
    let input = place.file("input", b"x");
    let words = ["other processes keep making, removing or holding on to it; try again"];
    place
        .run(&mut place.writer_of(&input, ""))
        .assert_error(4, &words);
    drop(attached);
    let writer = place.start(&mut place.writer_of(&input, ""));
    place.run(&mut place.reader("-o -")).assert_code(0);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}
