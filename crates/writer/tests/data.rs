//! Real data through both programs: whatever the geometry, whoever comes first, from file or pipe to
//! file or pipe, the bytes that arrive are compared with those that were sent. Also what becomes of
//! the rest when the output ends early, and that a side that waits uses no processor time.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{
    EMPTY, Ended, FULL, HEAD, Place, Running, TAIL, assert_same, cpu_ticks, program_with,
    pseudo_random, wait_until,
};
use nix::sys::signal::Signal;

const MIB: usize = 1 << 20;

/// Who starts first, and who makes the channel.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Writer,
    /// The reader looks for the channel until the writer makes it.
    Reader,
    /// The reader is given the geometry and makes the channel.
    ReaderMakes,
}

#[derive(Clone, Copy, PartialEq)]
enum Through {
    Files,
    Pipes,
}

use First::{Reader, ReaderMakes, Writer};
use Through::{Files, Pipes};

fn start_writer(place: &Place, geometry: &str, data: &[u8], through: Through) -> Running {
    if through == Files {
        let input = place.file("input", data);
        return place.start(&mut place.writer_of(&input, geometry));
    }
    let mut writer = place.start(place.writer(geometry).stdin(Stdio::piped()));
    writer.feed(data.to_vec());
    writer
}

fn start_reader(place: &Place, geometry: &str, through: Through) -> Running {
    let output = match through {
        Files => place.path("output"),
        Pipes => "-".into(),
    };
    place.start(&mut place.reader_into(&output, geometry))
}

/// Sends `data`, and checks that the same arrives and that nothing is left.
#[track_caller]
fn transfer(geometry: &str, data: &[u8], first: First, through: Through, limit: Duration) {
    let place = Place::new("transfer");
    let (writer, reader) = match first {
        Writer => {
            let writer = start_writer(&place, geometry, data, through);
            place.wait_for_tail(usize::from(!data.is_empty()));
            (writer, start_reader(&place, "", through))
        }
        Reader => {
            let reader = start_reader(&place, "", through);
            thread::sleep(Duration::from_millis(30));
            (start_writer(&place, geometry, data, through), reader)
        }
        ReaderMakes => {
            let reader = start_reader(&place, geometry, through);
            place.wait_until_blocked(FULL);
            (start_writer(&place, "", data, through), reader)
        }
    };
    let (writer, reader) = (writer.end_within(limit), reader.end_within(limit));
    writer.assert_code(0);
    reader.assert_code(0);
    match through {
        Files => assert_same(&fs::read(place.path("output")).unwrap(), data),
        Pipes => assert_same(&reader.stdout, data),
    }
    assert_reports(&writer, &reader, data.len());
    place.assert_nothing_left();
}

/// Both say in one line how much it was.
#[track_caller]
fn assert_reports(writer: &Ended, reader: &Ended, bytes: usize) {
    for (ended, program) in [(writer, "writer"), (reader, "reader")] {
        let complaints = ended.complaints();
        assert_eq!(complaints.len(), 1, "{:?}", ended.stderr);
        assert!(complaints[0].starts_with(&format!("{program}: ")));
        assert!(complaints[0].contains(&format!(" {bytes} bytes in ")));
    }
}

#[track_caller]
fn transfer_quickly(geometry: &str, bytes: usize, first: First, through: Through) {
    let data = pseudo_random(bytes);
    transfer(geometry, &data, first, through, common::WATCHDOG);
}

/// Not the second reader's to empty, nor a reader's that finds no channel.
#[test]
fn an_output_is_kept_until_the_channel_is_ours() {
    let place = Place::new("kept-output");
    let output = place.file("output", b"precious");
    let nobody = place.run(&mut place.reader_into(&output, "--wait 50ms"));
    nobody.assert_code(4);
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    let data = pseudo_random(5);
    let input = place.file("input", &data);
    place
        .run(&mut place.writer_of(&input, "--no-linger"))
        .assert_code(0);
    place
        .run(&mut place.reader_into(&output, "--slots 2"))
        .assert_code(5);
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    place
        .run(&mut place.reader_into(&output, ""))
        .assert_code(0);
    assert_eq!(fs::read(&output).unwrap(), data);
    place.assert_nothing_left();
}

#[test]
fn one_slot_of_64_bytes() {
    transfer_quickly("--slots 1 --slot-size 64", MIB, Writer, Files);
}

#[test]
fn two_slots_of_64_bytes() {
    transfer_quickly("--slots 2 --slot-size 64", MIB, ReaderMakes, Pipes);
}

#[test]
fn one_slot_of_4_kib() {
    transfer_quickly("--slots 1 --slot-size 4KiB", 16 * MIB, ReaderMakes, Files);
}

#[test]
fn two_slots_of_4_kib() {
    transfer_quickly("--slots 2 --slot-size 4KiB", 16 * MIB, Writer, Pipes);
}

#[test]
fn one_slot_of_4_mib() {
    transfer_quickly("--slots 1 --slot-size 4MiB", 16 * MIB, Reader, Files);
}

#[test]
fn two_slots_of_4_mib() {
    transfer_quickly("--slots 2 --slot-size 4MiB", 16 * MIB, Reader, Pipes);
}

#[test]
fn slots_64_of_64_kib() {
    for (first, through) in [
        (Writer, Files),
        (Reader, Files),
        (ReaderMakes, Pipes),
        (Writer, Pipes),
    ] {
        transfer_quickly("--slots 64 --slot-size 64KiB", 64 * MIB, first, through);
    }
}

#[test]
fn slots_1024_of_64_kib() {
    for (first, through) in [
        (Writer, Pipes),
        (ReaderMakes, Files),
        (Reader, Pipes),
        (Writer, Files),
    ] {
        transfer_quickly("--slots 1024 --slot-size 64KiB", 64 * MIB, first, through);
    }
}

#[test]
fn adaptive_rings() {
    for (geometry, bytes) in [
        ("--slots 1 --slot-size 64", MIB),
        ("--slots 2 --slot-size 4KiB", 16 * MIB),
        ("--slots 64 --slot-size 64KiB", 64 * MIB),
    ] {
        let geometry = format!("{geometry} --sync adaptive");
        for (first, through) in [(Writer, Files), (Reader, Pipes), (ReaderMakes, Files)] {
            transfer_quickly(&geometry, bytes, first, through);
        }
    }
}

/// The programs leave it to a sleeping peer to order their stores: registered before the first thread.
#[test]
fn programs_publish_without_a_fence() {
    let place = Place::new("registered");
    let options = "-o - --sync adaptive --slots 4 --slot-size 64";
    let reader = place.start(&mut place.reader(options));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(place.writer("").stdin(Stdio::piped()));
    writer.feed_and_hold(b"one");
    wait_until("it is received", || place.position(HEAD) == 1);
    let registered = |side: usize| place.position(side + 136) >> 32;
    assert_eq!([512, 1024].map(registered), [1, 1]);
    writer.signal(Signal::SIGTERM);
    writer.end().assert_code(143);
    reader.end();
    place.assert_nothing_left();
}

#[test]
#[ignore = "16 MiB in messages of 64 bytes, each of which waits: takes a while"]
fn one_and_two_slots_of_64_bytes_at_length() {
    let data = pseudo_random(16 * MIB);
    let limit = Duration::from_secs(300);
    transfer("--slots 1 --slot-size 64", &data, Reader, Pipes, limit);
    transfer("--slots 2 --slot-size 64", &data, Writer, Files, limit);
}

#[test]
#[ignore = "moves 1 GiB eight times, and needs 3 GiB of memory"]
fn a_gibibyte() {
    let data = pseudo_random(1024 * MIB);
    let limit = Duration::from_secs(300);
    for slots in [64, 1024] {
        let geometry = format!("--slots {slots} --slot-size 64KiB");
        for first in [Writer, ReaderMakes] {
            for through in [Files, Pipes] {
                transfer(&geometry, &data, first, through, limit);
            }
        }
    }
}

#[test]
fn lengths_around_a_message_that_travels_inline() {
    for bytes in [0, 1, 55, 56, 57, 64, 65, 128] {
        transfer_quickly("--slots 4 --slot-size 56", bytes, Writer, Files);
        transfer_quickly("--slots 4 --slot-size 64", bytes, Reader, Pipes);
    }
}

#[test]
fn a_slot_of_one_byte_is_enough() {
    transfer_quickly("--slots 16 --slot-size 1", 1000, ReaderMakes, Pipes);
}

#[test]
fn what_is_left_waits_for_a_later_reader() {
    let place = Place::new("no-linger");
    let data = pseudo_random(1000);
    let input = place.file("input", &data);
    let writer = place.run(&mut place.writer_of(&input, "--no-linger --slots 16 --slot-size 100"));
    writer.assert_code(0);
    let note = format!(
        "writer: 10 messages wait in channel {:?} for a reader; to give up what is left: \
         `ipcrm -M {key} -S {key}`",
        place.name,
        key = place.key
    );
    assert_eq!(writer.what_is_left(), Some(note.as_str()));

    let reader = place.run(&mut place.reader("-o -"));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn a_ring_that_the_input_just_fills_is_not_waited_for() {
    let place = Place::new("just-full");
    let data = pseudo_random(4 * 64);
    let input = place.file("input", &data);
    let full = "--no-linger --slots 4 --slot-size 64";
    place.run(&mut place.writer_of(&input, full)).assert_code(0);
    place.run(&mut place.reader("-o -")).assert_code(0);

    let mut writer = place.start(place.writer(full).stdin(Stdio::piped()));
    writer.feed(data.clone());
    writer.end().assert_code(0);
    let reader = place.run(&mut place.reader("-o -"));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn the_command_that_gives_up_what_is_left_works() {
    if Command::new("ipcrm").arg("-V").output().is_err() {
        return common::skip("ipcrm is not installed");
    }
    let place = Place::new("ipcrm");
    let input = place.file("input", b"never read");
    let writer = place.run(&mut place.writer_of(&input, "--no-linger"));
    let (_, rest) = writer.stderr.split_once('`').unwrap();
    assert!(writer.stderr.contains("writer: 1 message waits in "));
    let (command, _) = rest.split_once('`').unwrap();
    let arguments = command.strip_prefix("ipcrm ").unwrap();
    place
        .run(&mut program_with("ipcrm".as_ref(), arguments))
        .assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn an_empty_stream_waits_for_a_later_reader_too() {
    let place = Place::new("empty");
    let input = place.file("input", b"");
    place.run(&mut place.writer_of(&input, "")).assert_code(0);
    let output = place.path("output");
    place
        .run(&mut place.reader_into(&output, ""))
        .assert_code(0);
    assert_eq!(fs::read(&output).unwrap(), b"");
    place.assert_nothing_left();
}

#[test]
fn a_reader_whose_output_is_closed_ends_quietly() {
    const SLOT: usize = 4096;
    let place = Place::new("closed-output");
    let data = pseudo_random(MIB);
    let input = place.file("input", &data);
    place
        .run(&mut place.writer_of(&input, "--no-linger --slots 256 --slot-size 4096"))
        .assert_code(0);

    let mut reader = place.start_unread(&mut place.reader("-o -"));
    let first = reader.read_a_little(10_000);
    assert_same(&first, &data[..10_000]);
    let reader = reader.end();
    reader.assert_code(0);
    assert_eq!(reader.complaints().len(), 1, "{:?}", reader.stderr);
    assert!(reader.complaints()[0].starts_with("reader: "));

    // The message in hand, at least, was not acknowledged, so nothing is missing.
    let head = place.position(HEAD);
    assert!(head < data.len() / SLOT, "{head}");
    let rest = place.run(&mut place.reader("-o -"));
    rest.assert_code(0);
    assert_same(&rest.stdout, &data[head * SLOT..]);
    place.assert_nothing_left();
}

#[test]
fn a_reader_that_cannot_write_fails_and_loses_nothing() {
    let place = Place::new("full-disk");
    let data = pseudo_random(100_000);
    let input = place.file("input", &data);
    place
        .run(&mut place.writer_of(&input, "--no-linger --slots 32 --slot-size 4096"))
        .assert_code(0);
    for _ in 0..2 {
        let reader = place.run(&mut place.reader("-o /dev/full"));
        reader.assert_error(1, &["reader: receiving into /dev/full", "No space left"]);
        assert_eq!(place.position(HEAD), 0);
    }
    let reader = place.run(&mut place.reader("-o -"));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn a_writer_learns_that_its_reader_could_not_write() {
    let place = Place::new("full-disk-live");
    let data = pseudo_random(MIB);
    let input = place.file("input", &data);
    let writer = place.start(&mut place.writer_of(&input, "--slots 4 --slot-size 4096"));
    place.wait_for_tail(4);
    let reader = place.run(&mut place.reader("-o /dev/full"));
    reader.assert_error(1, &["No space left"]);
    writer
        .end()
        .assert_error(3, &["the ring is full", "consumer has closed"]);
    assert_eq!((place.position(HEAD), place.position(TAIL)), (0, 4));
}

#[test]
fn input_and_output_that_cannot_be_opened_leave_nothing() {
    let place = Place::new("no-file");
    let missing = place.path("missing/file");
    let words = [missing.to_str().unwrap(), "No such file"];
    let writer = place.run(&mut place.writer_of(&missing, ""));
    writer.assert_error(1, &words);
    let reader = place.run(&mut place.reader_into(&missing, "--slots 2"));
    reader.assert_error(1, &words);
    place.assert_nothing_left();
}

/// A folder can be opened, and only reading it fails: by then a reader would have been told of a stream.
#[test]
fn a_folder_is_refused_before_a_channel_is_made() {
    let place = Place::new("folder");
    let folder = place.path("folder");
    fs::create_dir(&folder).unwrap();
    let remedy = "it is a folder; name a file, or pack it: `tar c FOLDER | writer`";
    let named = format!("writer: cannot send {}: ", folder.display());
    let writer = place.run(&mut place.writer_of(&folder, "--no-linger"));
    writer.assert_error(1, &[&named, remedy]);
    place.assert_nothing_left();
    let mut redirected = place.writer("--no-linger -");
    redirected.stdin(fs::File::open(&folder).unwrap());
    let writer = place.run(&mut redirected);
    writer.assert_error(1, &["writer: cannot send standard input: ", remedy]);
    place.assert_nothing_left();
}

#[test]
fn an_input_that_cannot_be_read_ends_the_stream_and_says_so() {
    let place = Place::new("unreadable");
    let reader = place.start(&mut place.reader("--slots 2 -o -"));
    place.wait_until_blocked(FULL);
    // Nothing of a process is at its address 0.
    let unreadable = Path::new("/proc/self/mem");
    let writer = place.run(&mut place.writer_of(unreadable, ""));
    writer.assert_error(
        1,
        &["writer: sending ", "cannot read", "Input/output error"],
    );
    let words = ["the producer was interrupted before the end of its stream"];
    reader.end().assert_error(3, &words);
    place.assert_nothing_left();
}

#[track_caller]
fn assert_no_processor_time(side: &mut Running) {
    let before = cpu_ticks(side.pid());
    thread::sleep(Duration::from_secs(1));
    let used = cpu_ticks(side.pid()) - before;
    side.assert_running();
    println!("{used} clock ticks in a second of waiting");
    assert!(used <= 2, "{used} clock ticks while it waited");
}

#[test]
fn a_reader_that_waits_uses_no_processor_time() {
    let place = Place::new("idle-reader");
    let mut reader = place.start(&mut place.reader("--slots 2 -o -"));
    place.wait_until_blocked(FULL);
    assert_no_processor_time(&mut reader);
}

#[test]
fn a_writer_that_waits_uses_no_processor_time() {
    let place = Place::new("idle-writer");
    let input = place.file("input", &[7; 1000]);
    let mut writer = place.start(&mut place.writer_of(&input, "--slots 2 --slot-size 64"));
    place.wait_until_blocked(EMPTY);
    assert_no_processor_time(&mut writer);
}
