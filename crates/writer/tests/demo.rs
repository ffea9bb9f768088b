//! The demonstration as a user sees it: both programs run as processes, and every line that they
//! print is compared with the story they are to tell. Identifiers, addresses and PIDs are taken from
//! the lines themselves and must agree between the two.

mod common;

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use common::{Ended, FULL, Place, state, wait_until};

const FAST: &str = "--interval 10ms";

/// What the writer's and the reader's "Shared memory" lines say: who made the objects.
struct Makers {
    writer: &'static str,
    reader: &'static str,
}

const BY_WRITER: Makers = Makers {
    writer: "created",
    reader: "found",
};
const BY_READER: Makers = Makers {
    writer: "found",
    reader: "created",
};

fn message(counter: u32, pid: u32) -> String {
    format!("counter={counter}, message=\"Message #{counter} from Writer Process (PID: {pid})\"")
}

#[track_caller]
fn assert_number(text: &str, radix: u32) {
    assert!(i64::from_str_radix(text, radix).is_ok(), "{text:?}");
}

#[track_caller]
fn assert_writers_story(place: &Place, writer: &Ended, pid: u32, count: u32, how: &str) {
    let id = writer.rest_of(&format!("[P1] Shared memory {how}. ID: "));
    let set = writer.rest_of(&format!("[P1] Semaphore set {how}. ID: "));
    let set = set
        .strip_suffix(" (EMPTY, FULL, PRODUCER, CONSUMER, SETUP)")
        .unwrap();
    let address = writer.rest_of("[P1] Attached to shared memory at address: 0x");
    assert_number(&id, 10);
    assert_number(set, 10);
    assert_number(&address, 16);
    let mut story = format!(
        "=== P1: WRITER (Producer) ===\n\
         [P1] Generated key: {}\n\
         [P1] Shared memory {how}. ID: {id}\n\
         [P1] Semaphore set {how}. ID: {set} (EMPTY, FULL, PRODUCER, CONSUMER, SETUP)\n\
         [P1] Attached to shared memory at address: 0x{address}\n",
        place.key
    );
    for counter in 1..=count {
        let message = message(counter, pid);
        writeln!(story, "[P1] Wrote: {message}").unwrap();
        story += "[P1] Data consumed by reader, writing next...\n";
    }
    story += "[P1] Detached from shared memory.\n\
              [P1] Shared memory and semaphore set are left to the reader, the last one out \
              removes them.\n";
    assert_eq!(writer.text(), story);
}

#[track_caller]
fn assert_readers_story(place: &Place, reader: &Ended, pid: u32, count: u32, how: &str) {
    let id = reader.rest_of(&format!("[P2] Shared memory {how}. ID: "));
    let set = reader.rest_of(&format!("[P2] Semaphore set {how}. ID: "));
    let address = reader.rest_of("[P2] Attached to shared memory at address: 0x");
    assert_number(&address, 16);
    let mut story = format!(
        "=== P2: READER (Consumer) ===\n\
         [P2] Generated key: {}\n\
         [P2] Shared memory {how}. ID: {id}\n\
         [P2] Semaphore set {how}. ID: {set}\n\
         [P2] Attached to shared memory at address: 0x{address}\n",
        place.key
    );
    for counter in 1..=count {
        writeln!(story, "[P2] Read: {}", message(counter, pid)).unwrap();
    }
    write!(
        story,
        "[P2] Total messages read: {count}\n\
         [P2] Detached from shared memory.\n\
         [P2] Shared memory and semaphore set removed (last one out).\n"
    )
    .unwrap();
    assert_eq!(reader.text(), story);
}

#[track_caller]
fn assert_story(place: &Place, writer: &Ended, reader: &Ended, pid: u32, makers: &Makers) {
    writer.assert_code(0);
    reader.assert_code(0);
    assert_writers_story(place, writer, pid, 5, makers.writer);
    assert_readers_story(place, reader, pid, 5, makers.reader);
    let (how, seen) = (makers.writer, makers.reader);
    assert_eq!(
        writer.rest_of(&format!("[P1] Shared memory {how}. ID: ")),
        reader.rest_of(&format!("[P2] Shared memory {seen}. ID: "))
    );
    assert!(
        writer
            .rest_of(&format!("[P1] Semaphore set {how}. ID: "))
            .starts_with(&reader.rest_of(&format!("[P2] Semaphore set {seen}. ID: ")))
    );
    assert_eq!(writer.complaints(), [""; 0]);
    assert_eq!(reader.complaints(), [""; 0]);
    place.assert_nothing_left();
}

#[track_caller]
fn writer_first(place: &Place, writer_asks: &str, reader_asks: &str) {
    let mut writer = place.start(&mut place.writer(&format!("{FAST} {writer_asks}")));
    writer.wait_for("[P1] Wrote: counter=1");
    let pid = writer.pid();
    let reader = place.run(&mut place.reader(reader_asks));
    assert_story(place, &writer.end(), &reader, pid, &BY_WRITER);
}

#[track_caller]
fn reader_first(place: &Place, writer_asks: &str, reader_asks: &str, makers: &Makers) {
    let mut reader = place.start(&mut place.reader(reader_asks));
    reader.wait_for("=== P2: READER (Consumer) ===");
    if reader_asks.is_empty() {
        // It now looks for the channel; whether it did so already, when there is one, nobody can tell.
        thread::sleep(Duration::from_millis(50));
    } else {
        place.wait_until_blocked(FULL);
    }
    let writer = place.start(&mut place.writer(&format!("{FAST} {writer_asks}")));
    let pid = writer.pid();
    assert_story(place, &writer.end(), &reader.end(), pid, makers);
}

#[test]
fn the_writer_may_come_first() {
    writer_first(&Place::new("writer-first"), "", "");
}

#[test]
fn the_reader_may_come_first() {
    reader_first(&Place::new("reader-first"), "", "", &BY_WRITER);
}

#[test]
fn one_slot_gives_the_originals_single_exchange() {
    writer_first(&Place::new("one-slot"), "--slots 1", "");
    writer_first(&Place::new("one-slot-both"), "--slots 1", "--slots 1");
    reader_first(&Place::new("one-slot-reader"), "--slots 1", "", &BY_WRITER);
}

#[test]
fn a_reader_that_asks_for_a_geometry_makes_the_channel() {
    let place = Place::new("reader-makes");
    reader_first(&place, "--slots 1", "--slots 1", &BY_READER);
    reader_first(&place, "", "--slots 2 --slot-size 4KiB", &BY_READER);
}

#[test]
fn the_lines_name_the_objects_that_ipcs_shows() {
    let place = Place::new("ids");
    let mut writer = place.start(&mut place.writer(FAST));
    writer.wait_for("[P1] Wrote: counter=1");
    let (segment, set) = (place.segment().unwrap(), place.set().unwrap());
    place.run(&mut place.reader("")).assert_code(0);
    let writer = writer.end();
    assert_eq!(
        writer.rest_of("[P1] Shared memory created. ID: "),
        segment.id().to_string()
    );
    assert!(
        writer
            .rest_of("[P1] Semaphore set created. ID: ")
            .starts_with(&format!("{} (", set.id()))
    );
    place.assert_nothing_left();
}

#[test]
fn count_says_how_many_messages() {
    let place = Place::new("count");
    let reader = place.start(&mut place.reader(""));
    let writer = place.start(&mut place.writer("--count 12 --interval 0"));
    let pid = writer.pid();
    let (writer, reader) = (writer.end(), reader.end());
    writer.assert_code(0);
    reader.assert_code(0);
    assert_writers_story(&place, &writer, pid, 12, "created");
    assert_readers_story(&place, &reader, pid, 12, "found");
    place.assert_nothing_left();
}

#[test]
fn quiet_prints_nothing() {
    let place = Place::new("quiet");
    let writer = place.start(&mut place.writer(&format!("{FAST} --quiet --count 3")));
    // Long enough for the word about waiting that is not to come.
    thread::sleep(Duration::from_millis(1200));
    let reader = place.run(&mut place.reader("--quiet"));
    for ended in [writer.end(), reader] {
        ended.assert_code(0);
        assert_eq!((ended.text(), ended.stderr), (String::new(), String::new()));
    }
    place.assert_nothing_left();
}

#[test]
fn a_writer_without_reader_says_what_it_waits_for_and_gives_up_in_time() {
    let place = Place::new("no-reader");
    let start = Instant::now();
    let writer = place.run(&mut place.writer("--timeout 1500ms"));
    assert!(start.elapsed() >= Duration::from_millis(1500));
    writer.assert_error(
        4,
        &["writer: timed out: the consumer has not read everything"],
    );
    let note = format!(
        "writer: waiting for a reader of channel {:?} (key {}): start `reader --channel {}` in another terminal\n",
        place.name, place.key, place.name
    );
    assert!(writer.stderr.starts_with(&note), "{:?}", writer.stderr);
    // What it had sent is kept for the next one.
    assert!(place.segment().is_some() && place.set().is_some());
}

#[test]
fn a_reader_without_channel_says_what_it_waits_for_and_gives_up_in_time() {
    let place = Place::new("no-channel");
    let start = Instant::now();
    let reader = place.run(&mut place.reader("--wait 300ms"));
    assert!(start.elapsed() >= Duration::from_millis(300));
    let (name, key) = (format!("channel {:?}", place.name), place.key.to_string());
    reader.assert_error(
        4,
        &["there is no such channel; start the writer", &name, &key],
    );

    // It bounds every wait, where no other bound is given for this one.
    place
        .run(&mut place.reader("--timeout 10ms"))
        .assert_error(4, &["there is no such channel; start the writer"]);

    let note = format!(
        "reader: waiting for {name} (key {key}) to appear: start `writer --channel {}` in another terminal\n",
        place.name
    );
    for runs_meanwhile in [true, false] {
        let mut reader = place.start(&mut place.reader("--wait 1200ms --timeout 1ms"));
        if !runs_meanwhile {
            reader.wait_for("=== P2: READER (Consumer) ===");
            wait_until("it waits", || state(reader.pid()) == 'S');
            reader.signal(Signal::SIGSTOP);
            thread::sleep(Duration::from_millis(1300));
            reader.signal(Signal::SIGCONT);
        }
        let reader = reader.end();
        assert!(reader.stderr.starts_with(&note), "{:?}", reader.stderr);
        reader.assert_code(4);
    }
    place.assert_nothing_left();
}

#[test]
fn a_reader_whose_writer_says_nothing_gives_up_in_time() {
    let place = Place::new("no-message");
    let start = Instant::now();
    let reader = place.run(&mut place.reader("--slots 2 --timeout 300ms"));
    assert!(start.elapsed() >= Duration::from_millis(300));
    reader.assert_error(
        4,
        &["reader: timed out: no message came; see that a producer is at work"],
    );
}
