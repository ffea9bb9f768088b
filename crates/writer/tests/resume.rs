//! Goal: `reader --resume` goes on exactly where an earlier reader of the channel stopped, and refuses
//! where it cannot know. Method: readers that are killed at random instants, one after the other, until
//! the output is whole; outputs and records that somebody has changed meanwhile.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{FULL, HEAD, LONG, Place, Random, Running, assert_same, pseudo_random, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

const MIB: usize = 1 << 20;

fn record_of(place: &Place) -> PathBuf {
    place.path("output.semring")
}

/// Lines of 0 to 99 bytes.
fn lines(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(3);
    let mut text = pseudo_random(bytes);
    let mut position = 0;
    while position < bytes {
        text[position] = b'\n';
        position += 1 + usize::try_from(random.below(100)).unwrap();
    }
    text
}

/// Kills readers at random instants, each of which goes on where the one before it was killed: after a
/// random time, from the start of the process on, or a random part of its share of the messages, whichever
/// is first, so that there is something left for each of them. Before the last one the stream may end.
#[track_caller]
fn kill_readers(data: &[u8], options: &str, kills: u64, messages: u64) {
    let place = Place::new("kills");
    let output = place.path("output");
    let options = format!("{options} --wait-for-reader --quiet");
    let mut writer = place.start(place.writer(&options).stdin(Stdio::piped()));
    writer.feed_but_the_last(data);
    place.wait_for_tail(1);
    let mut random = Random::new(messages);
    for kill in 0..kills {
        let is_last = kill + 1 == kills;
        if is_last {
            writer.let_input_end();
        }
        let before = place.position(HEAD);
        let reader = place.start(&mut place.reader_into(&output, "--resume --quiet"));
        let until = Instant::now() + Duration::from_micros(random.below(12_000));
        let most = usize::try_from(random.below(messages / (kills + 1))).unwrap();
        let head = || place.position_if_any(HEAD);
        while Instant::now() < until && head().is_some_and(|head| head <= before + most) {
            thread::sleep(Duration::from_micros(50));
        }
        let ended = reader.kill();
        let was_killed = ended.signal == Some(Signal::SIGKILL as i32);
        assert!(was_killed || is_last && ended.code == Some(0), "{ended:?}");
    }
    if place.segment().is_some() {
        let last = place.start(&mut place.reader_into(&output, "--resume --quiet"));
        last.end_within(LONG).assert_code(0);
    }
    writer.end_within(LONG).assert_code(0);
    assert_same(&fs::read(&output).unwrap(), data);
    // One that was killed with nothing left to do may have left the record, which says so.
    if record_of(&place).exists() {
        let late = place.run(&mut place.reader_into(&output, "--resume"));
        late.assert_code(0);
        assert!(late.stderr.contains("is complete already"), "{late:?}");
        assert_same(&fs::read(&output).unwrap(), data);
        assert!(!record_of(&place).exists());
    }
    place.assert_nothing_left();
}

#[test]
fn killed_readers_leave_chunks_whole() {
    let data = pseudo_random(32 * MIB);
    kill_readers(&data, "--slots 2 --slot-size 1KiB", 40, 32 << 10);
}

#[test]
fn killed_readers_leave_lines_and_frames_whole() {
    let data = lines(32 * MIB);
    let count = data.split(|&byte| byte == b'\n').count() - 1;
    kill_readers(
        &data,
        "--slots 4 --framing lines",
        20,
        count.try_into().unwrap(),
    );
    let frame = [&[0, 0, 1, 0][..], &data[..256]].concat();
    let data = frame.repeat(200_000);
    kill_readers(&data, "--slots 4 --framing length", 20, 200_000);
}

#[test]
#[ignore = "moves 200 MiB past 200 deaths: a minute"]
fn two_hundred_deaths_in_200_mib() {
    kill_readers(
        &pseudo_random(200 * MIB),
        "--slots 4 --slot-size 4KiB",
        200,
        50 << 10,
    );
}

/// A reader without `--resume` keeps the record, too: who comes later may need it.
#[test]
fn an_earlier_reader_need_not_have_known() {
    let place = Place::new("plain");
    let data = pseudo_random(MIB);
    let output = place.file("output", b"old");
    let mut writer = start_writer(&place, &data);
    let reader = start_and_stop(&place, &mut place.reader_into(&output, ""));
    reader.kill();
    writer.let_input_end();
    place
        .run(&mut place.reader_into(&output, "--resume"))
        .assert_code(0);
    writer.end().assert_code(0);
    assert_same(&fs::read(&output).unwrap(), &data);
    assert!(!record_of(&place).exists());
    place.assert_nothing_left();
}

/// Starts a writer of a stream that does not end before its input may.
fn start_writer(place: &Place, data: &[u8]) -> Running {
    let options = "--slots 4 --slot-size 4KiB --wait-for-reader --quiet";
    let mut writer = place.start(place.writer(options).stdin(Stdio::piped()));
    writer.feed_but_the_last(data);
    writer
}

/// Starts a reader, and stops it when it has received something.
fn start_and_stop(place: &Place, command: &mut Command) -> Running {
    let reader = place.start(command);
    wait_until("something was received", || {
        place.position_if_any(HEAD).is_some_and(|head| head > 0)
    });
    reader.signal(Signal::SIGSTOP);
    reader
}

#[test]
fn appended_bytes_come_behind_what_is_there_and_can_be_resumed() {
    let place = Place::new("append");
    let data = pseudo_random(MIB);
    let output = place.file("output", b"before");
    let mut writer = start_writer(&place, &data);
    let reader = start_and_stop(&place, &mut place.reader_into(&output, "--append"));
    reader.kill();
    writer.let_input_end();
    place
        .run(&mut place.reader_into(&output, "--resume"))
        .assert_code(0);
    writer.end().assert_code(0);
    let expected = [&b"before"[..], &data].concat();
    assert_same(&fs::read(&output).unwrap(), &expected);
    place.assert_nothing_left();
}

/// A channel with `data` in 4 messages of which an interrupted reader has received some; the record says
/// how many, and the output has them.
fn interrupted(test: &str) -> (Place, PathBuf, Running, usize) {
    let place = Place::new(test);
    let output = place.path("output");
    let reader = place.start(&mut place.reader_into(&output, "--slots 64 --slot-size 100"));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(
        place
            .writer("--wait-for-reader --quiet")
            .stdin(Stdio::piped()),
    );
    writer.feed_and_hold(&[7; 150]);
    wait_until("all is received", || place.position(HEAD) == 2);
    reader.signal(Signal::SIGINT);
    let reader = reader.end();
    reader.assert_code(130);
    assert!(
        reader
            .stderr
            .contains("output.semring: go on with `--resume`"),
        "{reader:?}"
    );
    (place, output, writer, 150)
}

#[track_caller]
fn assert_refused(place: &Place, output: &PathBuf, words: &[&str]) {
    let before = (fs::read(output).unwrap(), fs::read(record_of(place)).ok());
    let reader = place.run(&mut place.reader_into(output, "--resume"));
    let all = [&["cannot resume", "leave --resume out"], words].concat();
    reader.assert_error(5, &all);
    let after = (fs::read(output).unwrap(), fs::read(record_of(place)).ok());
    assert_eq!(before, after, "nothing is touched");
}

#[test]
fn what_somebody_changed_is_not_resumed() {
    let (place, output, writer, bytes) = interrupted("changed");
    fs::write(&output, vec![7; bytes - 1]).unwrap();
    assert_refused(
        &place,
        &output,
        &["150 bytes were recorded of it, 149 are there"],
    );
    fs::write(&output, vec![7; bytes + 10_000]).unwrap();
    assert_refused(&place, &output, &["somebody else has written to it"]);
    fs::write(&output, vec![7; bytes]).unwrap();
    let record = fs::read(record_of(&place)).unwrap();
    fs::remove_file(record_of(&place)).unwrap();
    assert_refused(&place, &output, &["nothing is recorded of it"]);
    for foreign in [&b"[section]\nname = 1\n"[..], b"\xff\xfe"] {
        fs::write(record_of(&place), foreign).unwrap();
        for options in ["--resume", ""] {
            let reader = place.run(&mut place.reader_into(&output, options));
            reader.assert_error(5, &["is not a record of positions", "move it away"]);
        }
    }
    let ahead = String::from_utf8(record.clone()).unwrap();
    let ahead = ahead.replace(
        " position 0000000000000000000",
        " position 0000000000000000007",
    );
    assert_ne!(ahead.as_bytes(), record);
    fs::write(record_of(&place), ahead).unwrap();
    assert_refused(&place, &output, &["more than were ever sent"]);
    fs::write(record_of(&place), &record).unwrap();
    drop(writer);
}

#[test]
fn a_gap_is_not_passed_over() {
    let (place, output, mut writer, bytes) = interrupted("gap");
    writer.feed_and_hold(&[8; 10]);
    let other = place.start(&mut place.reader("-o -"));
    wait_until("another reader has a message", || place.position(HEAD) == 3);
    other.signal(Signal::SIGTERM);
    other.end().assert_code(143);
    assert_refused(
        &place,
        &output,
        &["another reader has received those before 3"],
    );
    assert_eq!(fs::read(&output).unwrap().len(), bytes);
    drop(writer);
}

#[test]
fn another_stream_is_not_resumed() {
    let (place, output, mut writer, _) = interrupted("other-stream");
    writer.let_input_end();
    writer.end().assert_code(0);
    let rest = place.run(&mut place.reader("-o - --quiet"));
    rest.assert_code(0);
    place.assert_nothing_left();
    let input = place.file("input", &[9; 1000]);
    let writer = place.run(&mut place.writer_of(&input, "--no-linger"));
    writer.assert_code(0);
    assert_refused(
        &place,
        &output,
        &["it is of another stream than the one in the channel now"],
    );
    // As it was told, one can have it anew.
    place
        .run(&mut place.reader_into(&output, ""))
        .assert_code(0);
    assert_same(&fs::read(&output).unwrap(), &[9; 1000]);
    assert!(!record_of(&place).exists());
    place.assert_nothing_left();
}

#[test]
fn only_a_file_is_resumed_and_by_one_reader() {
    let place = Place::new("not-a-file");
    let reader = place.run(&mut place.reader("-o - --resume"));
    reader.assert_error(5, &["cannot resume into standard output", "only a file"]);
    let reader = place.run(&mut place.reader("-o /dev/null --resume"));
    reader.assert_error(5, &["cannot resume into /dev/null"]);
    let output = place.path("output");
    let first = place.start(&mut place.reader_into(&output, "--slots 4"));
    place.wait_until_blocked(FULL);
    let second = place.run(&mut place.reader_into(&output, ""));
    second.assert_error(
        5,
        &["another reader writes to this output", "output.semring"],
    );
    drop(first);
}

/// An output of which there is nothing yet is begun.
#[test]
fn there_need_not_be_an_earlier_reader() {
    let place = Place::new("fresh");
    let data = pseudo_random(1000);
    let input = place.file("input", &data);
    let writer = place.start(&mut place.writer_of(&input, ""));
    let output = place.path("output");
    place
        .run(&mut place.reader_into(&output, "--resume"))
        .assert_code(0);
    writer.end().assert_code(0);
    assert_same(&fs::read(&output).unwrap(), &data);
    place.assert_nothing_left();
}

/// Beside an output that cannot be gone back in there is no record.
#[test]
fn only_a_file_has_a_record() {
    let place = Place::new("no-file");
    let input = place.file("input", b"x");
    let pipe = place.path("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    for output in ["-", "pipe"] {
        let other_end = File::options().read(true).write(true).open(&pipe);
        let writer = place.start(&mut place.writer_of(&input, ""));
        let mut reader = place.reader_into(Path::new(output), "");
        place.run(reader.current_dir(place.path(""))).assert_code(0);
        writer.end().assert_code(0);
        drop(other_end);
        let mut files: Vec<_> = fs::read_dir(place.path(""))
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        files.sort();
        assert_eq!(files, ["input", "pipe"]);
    }
    place.assert_nothing_left();
}

/// When the channel is gone, nothing can be added, and no record is of use.
#[test]
fn an_interrupted_stream_leaves_no_record() {
    let place = Place::new("no-record");
    let output = place.path("output");
    let reader = place.start(&mut place.reader_into(&output, "--slots 4"));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(place.writer("").stdin(Stdio::piped()));
    writer.feed_and_hold(b"half");
    wait_until("it is received", || place.position(HEAD) == 1);
    writer.signal(Signal::SIGTERM);
    writer.end().assert_code(143);
    let reader = reader.end();
    reader.assert_error(3, &["interrupted before the end of its stream"]);
    assert!(!reader.stderr.contains("--resume"));
    assert_eq!(fs::read(&output).unwrap(), b"half");
    assert!(!record_of(&place).exists());
    place.assert_nothing_left();
}
