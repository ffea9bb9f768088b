//! Both programs together: what they tell, in every way of waiting, whoever comes first.

mod common;

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use common::{Place, assert_lines, text};
use nix::sys::signal::Signal;
use sysv_ipc::Mode;

#[test]
fn the_demo_is_told_in_the_originals_words() {
    let place = Place::new();
    let mut writer = place.writer("");
    writer.wait_for("[P1] Wrote: counter=1");
    let pid = writer.pid();
    let reader = place.reader("").end();
    let writer = writer.end();
    writer.assert_code(0);
    reader.assert_code(0);
    place.assert_nothing_left();

    let id = writer.rest_of("[P1] Shared memory created. ID: ");
    let address = writer.rest_of("[P1] Attached to shared memory at address: 0x");
    let mut story = format!(
        "=== P1: WRITER (Producer) ===\n[P1] Generated key: {}\n[P1] Shared memory created. ID: {id}\n\
         [P1] Attached to shared memory at address: 0x{address}\n",
        place.key
    );
    for counter in 1..=5 {
        let text = text(counter, pid);
        write!(
            story,
            "[P1] Wrote: counter={counter}, message=\"{text}\"\n\
             [P1] Data consumed by reader, writing next...\n"
        )
        .unwrap();
    }
    story += "[P1] Detached from shared memory\n[P1] Shared memory removed\n";
    assert_eq!(writer.stdout, story);

    let address = reader.rest_of("[P2] Attached to shared memory at address: 0x");
    let mut story = format!(
        "=== P2: READER (Consumer) ===\n[P2] Generated key: {}\n[P2] Shared memory found. ID: {id}\n\
         [P2] Attached to shared memory at address: 0x{address}\n",
        place.key
    );
    for counter in 1..=5 {
        let text = text(counter, pid);
        writeln!(story, "[P2] Read: counter={counter}, message=\"{text}\"").unwrap();
    }
    story += "[P2] Total messages read: 5\n[P2] Detached from shared memory\n";
    assert_eq!(reader.stdout, story);
    assert_eq!(
        (writer.stderr, reader.stderr),
        (String::new(), String::new())
    );
}

#[test]
fn a_reader_may_come_first_and_says_what_it_waits_for() {
    let place = Place::new();
    let mut reader = place.reader("--count 2");
    reader.wait_for_note(&format!(
        "waiting for a writer to create the segment with key {}",
        place.key
    ));
    place
        .writer("--count 2 --interval 10ms")
        .end()
        .assert_code(0);
    let reader = reader.end();
    reader.assert_code(0);
    assert_eq!(reader.lines("[P2] Read: ").len(), 2);
    place.assert_nothing_left();
}

/// Sends `count` messages and checks that each arrived once, in order, with its own text.
#[track_caller]
fn exchange(count: usize, arguments: &str) {
    let place = Place::new();
    let reader = place.reader(&format!("--count {count} {arguments}"));
    let writer = place.writer(&format!("--count {count} {arguments}"));
    let pid = writer.pid();
    writer.end().assert_code(0);
    let reader = reader.end();
    reader.assert_code(0);
    let expected: Vec<_> = (1..=count)
        .map(|counter| {
            format!(
                "[P2] Read: counter={counter}, message=\"{}\"",
                text(counter, pid)
            )
        })
        .collect();
    assert_lines(&reader.lines("[P2] Read: "), &expected, arguments);
    place.assert_nothing_left();
}

#[test]
fn sleep_carries_every_message() {
    exchange(5, "--strategy sleep");
}

#[test]
fn yield_carries_every_message() {
    exchange(2000, "--strategy yield");
}

#[test]
fn spin_carries_every_message() {
    exchange(500, "--strategy spin");
}

#[test]
fn backoff_carries_every_message() {
    exchange(2000, "--strategy backoff");
}

#[test]
fn larger_messages_are_carried() {
    exchange(50, "--strategy backoff --message-size 4097");
    exchange(50, "--strategy yield --message-size 4MiB");
}

#[test]
fn a_reader_without_count_ends_with_the_segment() {
    let place = Place::new();
    let reader = place.reader("--count 0");
    place.writer("--count 3").end().assert_code(0);
    let reader = reader.end();
    reader.assert_code(0);
    assert_eq!(reader.rest_of("[P2] Total messages read: "), "3");
    place.assert_nothing_left();
}

#[test]
fn a_reader_that_wants_more_than_there_is_says_that_the_segment_is_gone() {
    let place = Place::new();
    let reader = place.reader("--count 4 --strategy yield");
    place
        .writer("--count 3 --strategy yield")
        .end()
        .assert_code(0);
    let reader = reader.end();
    reader.assert_error(6, &["no message after 3", "was removed"]);
    assert_eq!(reader.rest_of("[P2] Total messages read: "), "3");
}

#[test]
fn after_a_reader_that_wants_less_the_writer_waits_for_the_next() {
    let place = Place::new();
    let mut writer = place.writer("--count 3");
    place.reader("--count 2").end().assert_code(0);
    writer.wait_for("[P1] Wrote: counter=3");
    thread::sleep(Duration::from_millis(300));
    place.reader("--count 1").end().assert_code(0);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn quiet_says_nothing() {
    let place = Place::new();
    let reader = place.reader("--quiet");
    let writer = place.writer("--quiet").end();
    let reader = reader.end();
    for ended in [writer, reader] {
        ended.assert_code(0);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    }
}

#[test]
fn a_key_may_be_given_as_a_number() {
    let place = Place::new();
    let key = place.key.to_string();
    let mut writer = std::process::Command::new(env!("CARGO_BIN_EXE_flag-writer"));
    let writer = common::Running::start(writer.args(["--key", &key, "--count", "1"]));
    place.reader("--count 1").end().assert_code(0);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn the_mode_is_as_asked_and_0600_by_default() {
    for (arguments, mode) in [("", 0o600), ("--mode 0640", 0o640)] {
        let place = Place::new();
        let mut writer = place.writer(&format!("--count 1 {arguments}"));
        writer.wait_for("[P1] Wrote");
        let stat = place.segment().unwrap().stat().unwrap();
        assert_eq!(stat.permissions.mode, Mode::from_bits(mode));
        writer.signal(Signal::SIGTERM);
        writer.end().assert_code(143);
    }
}
