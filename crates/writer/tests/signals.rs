//! Goal: SIGINT, SIGTERM and SIGHUP end either program in order, whatever it waits for or does: the right
//! exit code, nothing that was committed lost, nothing left that is not announced. Method: each state in
//! which a program can be is brought about with real processes, and a signal is sent at a random instant.
//! Messages are numbered records of one slot each, so that every one of them can be accounted for.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use common::{
    EMPTY, Ended, FULL, HEAD, LONG, Place, RECORD_BYTES, Random, Running, SETUP, TAIL, assert_same,
    records, state, wait_until,
};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// Signals in each state, and in each of the long run.
const ROUNDS: usize = 6;
const MANY_ROUNDS: usize = 72;
/// Enough that no stream ends before its signal.
const RECORDS: usize = 400_000;
const RING: &str = "--slots 16 --slot-size 64";

/// A program that is about to get a signal, and those around it.
struct Scene {
    place: Place,
    victim: Running,
    others: Vec<Running>,
    /// Longest time before the signal comes.
    within: Duration,
    /// Whether the signal may come before the program takes it, or when it is done.
    at_the_edge: bool,
}

impl Scene {
    fn new(place: Place, victim: Running) -> Self {
        Self {
            place,
            victim,
            others: Vec::new(),
            within: Duration::from_millis(5),
            at_the_edge: false,
        }
    }

    fn with(mut self, other: Running) -> Self {
        self.others.push(other);
        self
    }
}

/// How long the victims took to end.
#[derive(Default)]
struct Reactions(Vec<Duration>);

impl Reactions {
    fn report(&mut self, state: &str) {
        self.0.sort();
        let (median, slowest) = (self.0[self.0.len() / 2], self.0[self.0.len() - 1]);
        println!(
            "{state}: {} signals, reaction median {median:?}, slowest {slowest:?}",
            self.0.len()
        );
    }
}

/// Sends signals in one state, and has `check` judge what the victim and those around it left.
#[track_caller]
fn storm(name: &str, rounds: usize, scene: fn(&str) -> Scene, check: fn(&Place, &Ended, &[Ended])) {
    let mut random = Random::new(name.bytes().map(u64::from).sum());
    let mut reactions = Reactions::default();
    for round in 0..rounds {
        let signal = SIGNALS[round % 3];
        let scene = scene(name);
        let within = u64::try_from(scene.within.as_micros()).unwrap();
        thread::sleep(Duration::from_micros(random.below(within)));
        let start = Instant::now();
        scene.victim.signal(signal);
        let victim = scene.victim.end();
        reactions.0.push(start.elapsed());
        let before_it_was_taken = victim.signal == Some(signal as i32) && victim.stderr.is_empty();
        if !(scene.at_the_edge && (before_it_was_taken || victim.code == Some(0))) {
            victim.assert_code(128 + signal as i32);
            let words = format!("interrupted by {signal}");
            assert!(victim.stderr.contains(&words), "{:?}", victim.stderr);
        }
        let others: Vec<Ended> = scene.others.into_iter().map(Running::end).collect();
        assert_announced(&scene.place, std::iter::once(&victim).chain(&others));
        check(&scene.place, &victim, &others);
    }
    reactions.report(name);
}

/// What is left, somebody has said, with the command that removes it.
#[track_caller]
fn assert_announced<'a>(place: &Place, ended: impl Iterator<Item = &'a Ended>) {
    if place.segment().is_none() && place.set().is_none() {
        return;
    }
    let command = format!("`ipcrm -M {key} -S {key}`", key = place.key);
    let all: Vec<&str> = ended.map(|ended| ended.stderr.as_str()).collect();
    let announced = all.iter().any(|stderr| stderr.contains(&command));
    assert!(announced, "left behind without a word: {all:?}");
}

/// Receives what is left in the channel, which the writer has left for good.
#[track_caller]
fn receive_rest(place: &Place) -> Vec<u8> {
    if place.segment().is_none() {
        return Vec::new();
    }
    let reader = place.run(&mut place.reader("-o - --quiet --timeout 60s"));
    assert!(matches!(reader.code, Some(0 | 3)), "{reader:?}");
    place.assert_nothing_left();
    reader.stdout
}

/// The number before a word on standard error.
fn number_before(ended: &Ended, word: &str) -> usize {
    let (before, _) = ended.stderr.split_once(word).unwrap();
    let (_, number) = before.rsplit_once(' ').unwrap();
    number.parse().unwrap()
}

/// All that the writer says it has sent was received by somebody, once and in order.
#[track_caller]
fn assert_all_arrived(writer: &Ended, arrived: &[u8]) {
    let sent = number_before(writer, " message");
    assert_same(arrived, &records(sent));
}

fn nobody_else(place: &Place, victim: &Ended, others: &[Ended]) {
    assert!(others.is_empty());
    let rest = receive_rest(place);
    if victim.stderr.contains(" bytes in ") {
        assert_all_arrived(victim, &rest);
    }
}

fn full_ring(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(100));
    let writer = place.start(&mut place.writer_of(&input, RING));
    place.wait_until_blocked(EMPTY);
    Scene::new(place, writer)
}

/// The same, asleep for want of a wake-up and not of a permit.
fn adaptive_full_ring(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(100));
    let writer = place.start(&mut place.writer_of(&input, &format!("{RING} --sync adaptive")));
    place.wait_until_blocked(EMPTY);
    Scene::new(place, writer)
}

fn lingering(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(10));
    let writer = place.start(&mut place.writer_of(&input, RING));
    place.wait_until_blocked(EMPTY);
    Scene::new(place, writer)
}

fn idle_input(name: &str) -> Scene {
    let place = Place::new(name);
    let mut writer = place.start(place.writer(RING).stdin(Stdio::piped()));
    wait_until("the writer waits for input", || {
        place.segment().is_some() && state(writer.pid()) == 'S'
    });
    writer.hold_input();
    Scene::new(place, writer)
}

fn make_fifo(place: &Place) -> std::path::PathBuf {
    let path = place.path("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

fn input_without_writer(name: &str) -> Scene {
    let place = Place::new(name);
    let fifo = make_fifo(&place);
    let writer = place.start(&mut place.writer_of(&fifo, RING));
    wait_until("the writer waits for the pipe", || {
        place.segment().is_some() && state(writer.pid()) == 'S'
    });
    Scene::new(place, writer)
}

fn pause_of_demo(name: &str) -> Scene {
    let place = Place::new(name);
    let mut writer = place.start(&mut place.writer("--demo --interval 1h --no-linger"));
    writer.wait_for("[P1] Wrote: counter=1");
    Scene::new(place, writer)
}

fn demo_that_nobody_reads(name: &str) -> Scene {
    let place = Place::new(name);
    let writer = place.start(&mut place.writer("--demo"));
    place.wait_until_blocked(EMPTY);
    Scene::new(place, writer)
}

fn after_demo(place: &Place, _victim: &Ended, _others: &[Ended]) {
    let reader = place.run(&mut place.reader("--timeout 60s"));
    reader.assert_error(3, &["the producer was interrupted"]);
    assert!(reader.text().contains("[P2] Read: counter=1,"));
    assert!(!reader.text().contains("counter=2"));
    place.assert_nothing_left();
}

/// A writer in full flow; the reader gets all that it says it has sent, and that it is not all.
fn writer_at_work(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(RECORDS));
    let reader = place.start(&mut place.reader_into(&place.path("output"), RING));
    place.wait_until_blocked(FULL);
    let writer = place.start(&mut place.writer_of(&input, ""));
    place.wait_for_tail(1);
    Scene::new(place, writer).with(reader)
}

fn reader_of_interrupted_writer(place: &Place, victim: &Ended, others: &[Ended]) {
    others[0].assert_error(3, &["the producer was interrupted before the end"]);
    assert_all_arrived(victim, &fs::read(place.path("output")).unwrap());
    place.assert_nothing_left();
}

/// A signal at any time from the start on, also before it is taken.
fn writer_that_starts(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(20));
    let writer = place.start(&mut place.writer_of(&input, RING));
    let mut scene = Scene::new(place, writer);
    (scene.within, scene.at_the_edge) = (Duration::from_millis(8), true);
    scene
}

fn no_channel(name: &str) -> Scene {
    let place = Place::new(name);
    let reader = place.start(&mut place.reader("-o -"));
    wait_until("it waits", || state(reader.pid()) == 'S');
    let mut scene = Scene::new(place, reader);
    scene.at_the_edge = true;
    scene
}

fn no_message(name: &str) -> Scene {
    let place = Place::new(name);
    let reader = place.start(&mut place.reader_into(&place.path("output"), RING));
    place.wait_until_blocked(FULL);
    Scene::new(place, reader)
}

fn nothing_left(place: &Place, _victim: &Ended, _others: &[Ended]) {
    place.assert_nothing_left();
}

/// Nobody reads what it writes. What it has begun to write comes again for the next reader.
fn full_output(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(RECORDS));
    let writer = place.start(&mut place.writer_of(&input, &format!("{RING} --wait-for-reader")));
    let reader = place.start_unread(&mut place.reader("-o -"));
    // A pipe holds 64 KiB.
    wait_until("the reader is stuck", || {
        place.position_if_any(HEAD).is_some_and(|head| head >= 1024) && state(reader.pid()) == 'S'
    });
    place.wait_until_blocked(EMPTY);
    // The signal goes to the reader; the writer then waits for another one.
    Scene::new(place, reader).with(writer)
}

fn output_without_reader(name: &str) -> Scene {
    let place = Place::new(name);
    let fifo = make_fifo(&place);
    let reader = place.start(place.reader(RING).arg("-o").arg(&fifo));
    wait_until("it waits", || state(reader.pid()) == 'S');
    let mut scene = Scene::new(place, reader);
    scene.at_the_edge = true;
    scene
}

fn reader_that_starts(name: &str) -> Scene {
    let place = Place::new(name);
    let input = place.file("input", &records(10));
    let mut writer = place.start(&mut place.writer_of(&input, &format!("{RING} --no-linger")));
    writer.wait_for_note("10 messages wait");
    let reader = place.start(&mut place.reader_into(&place.path("output"), ""));
    let mut scene = Scene::new(place, reader).with(writer);
    (scene.within, scene.at_the_edge) = (Duration::from_millis(8), true);
    scene
}

/// What the first one released is in its output, and the rest comes to the next one.
fn rest_of_started(place: &Place, victim: &Ended, _others: &[Ended]) {
    let mut arrived = fs::read(place.path("output")).unwrap_or_default();
    if victim.signal.is_some() {
        // Ended before it had the channel.
        assert!(arrived.is_empty());
    }
    arrived.extend(receive_rest(place));
    assert_same(&arrived, &records(10));
}

fn demo_reader(name: &str) -> Scene {
    let place = Place::new(name);
    let mut reader = place.start(&mut place.reader("--slots 4"));
    reader.wait_for("[P2] Attached");
    place.wait_until_blocked(FULL);
    Scene::new(place, reader)
}

#[test]
fn a_writer_whose_ring_is_full() {
    storm("full-ring", ROUNDS, full_ring, nobody_else);
    storm("adaptive-full", ROUNDS, adaptive_full_ring, nobody_else);
}

#[test]
fn a_writer_that_lingers() {
    storm("lingering", ROUNDS, lingering, nobody_else);
}

#[test]
fn a_writer_without_input() {
    storm("idle-input", ROUNDS, idle_input, nothing_left);
    storm("fifo-input", ROUNDS, input_without_writer, nothing_left);
}

#[test]
fn a_writer_in_the_demonstration() {
    storm("demo-pause", ROUNDS, pause_of_demo, after_demo);
    storm("demo-unread", ROUNDS, demo_that_nobody_reads, after_demo);
}

#[test]
fn a_writer_at_work() {
    storm(
        "writer-at-work",
        ROUNDS,
        writer_at_work,
        reader_of_interrupted_writer,
    );
}

#[test]
fn a_writer_that_starts() {
    storm("writer-starts", 2 * ROUNDS, writer_that_starts, nobody_else);
}

#[test]
fn a_reader_without_channel_or_message() {
    storm("no-channel", ROUNDS, no_channel, nothing_left);
    storm("no-message", ROUNDS, no_message, nothing_left);
    storm("demo-reader", ROUNDS, demo_reader, nothing_left);
}

#[test]
fn a_reader_whose_output_takes_nothing() {
    storm("fifo-output", ROUNDS, output_without_reader, nothing_left);
}

#[test]
fn a_reader_that_starts() {
    storm(
        "reader-starts",
        2 * ROUNDS,
        reader_that_starts,
        rest_of_started,
    );
}

/// Sends a signal to a reader that cannot go on writing, or that is at work, and has another one read
/// the rest.
#[track_caller]
fn interrupt_readers(name: &str, rounds: usize, stuck: bool) {
    let mut random = Random::new(17);
    let mut reactions = Reactions::default();
    for round in 0..rounds {
        let signal = SIGNALS[round % 3];
        let (place, mut reader, writer) = if stuck {
            let mut scene = full_output(name);
            (scene.place, scene.victim, scene.others.remove(0))
        } else {
            let place = Place::new(name);
            let input = place.file("input", &records(RECORDS));
            let options = format!("{RING} --wait-for-reader");
            let writer = place.start(&mut place.writer_of(&input, &options));
            let reader = place.start(&mut place.reader_into(&place.path("output"), ""));
            wait_until("messages flow", || {
                place.position_if_any(HEAD).is_some_and(|head| head > 0)
            });
            (place, reader, writer)
        };
        thread::sleep(Duration::from_micros(random.below(5000)));
        let start = Instant::now();
        reader.signal(signal);
        if stuck {
            reader.wait_for_note("interrupted by");
            reader.read_output();
        }
        let reader = reader.end();
        reactions.0.push(start.elapsed());
        reader.assert_code(128 + signal as i32);
        let head = place.position(HEAD);
        assert_eq!(
            number_before(&reader, " message"),
            head,
            "what it says, and what it released"
        );
        let mut first = if stuck {
            reader.stdout
        } else {
            fs::read(place.path("output")).unwrap()
        };
        // To a pipe, one message may have been written in part; it comes again whole.
        assert!(first.len() - head * RECORD_BYTES < RECORD_BYTES);
        first.truncate(head * RECORD_BYTES);
        let rest = place.start(&mut place.reader("-o - --quiet"));
        let rest = rest.end_within(LONG);
        rest.assert_code(0);
        assert_same(&[first, rest.stdout].concat(), &records(RECORDS));
        writer.end().assert_code(0);
        place.assert_nothing_left();
    }
    reactions.report(name);
}

#[test]
fn a_reader_whose_output_is_full() {
    interrupt_readers("full-output", ROUNDS, true);
}

#[test]
fn a_reader_at_work() {
    interrupt_readers("reader-at-work", ROUNDS, false);
}

#[test]
#[ignore = "1,000 signals: some minutes"]
fn a_thousand_signals() {
    const N: usize = MANY_ROUNDS;
    storm("full-ring", N, full_ring, nobody_else);
    storm("lingering", N, lingering, nobody_else);
    storm("idle-input", N, idle_input, nothing_left);
    storm("fifo-input", N, input_without_writer, nothing_left);
    storm("demo-pause", N, pause_of_demo, after_demo);
    storm("demo-unread", N, demo_that_nobody_reads, after_demo);
    storm(
        "writer-at-work",
        N,
        writer_at_work,
        reader_of_interrupted_writer,
    );
    storm("writer-starts", N, writer_that_starts, nobody_else);
    storm("no-channel", N, no_channel, nothing_left);
    storm("no-message", N, no_message, nothing_left);
    storm("demo-reader", N, demo_reader, nothing_left);
    storm("fifo-output", N, output_without_reader, nothing_left);
    storm("reader-starts", N, reader_that_starts, rest_of_started);
    interrupt_readers("full-output", N, true);
    interrupt_readers("reader-at-work", N, false);
}

/// What the program was started to ignore it goes on ignoring, as `nohup` has it.
#[test]
fn an_ignored_signal_stays_ignored() {
    let place = Place::new("nohup");
    let input = place.file("input", &records(100));
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(common::writer())
        .args([
            "--channel",
            &place.name,
            "--slots",
            "16",
            "--slot-size",
            "64",
        ])
        .arg(&input)
        .stdin(Stdio::null());
    let mut writer = place.start(&mut command);
    place.wait_until_blocked(EMPTY);
    writer.signal(Signal::SIGHUP);
    thread::sleep(Duration::from_millis(100));
    writer.assert_running();
    assert_eq!(place.position(TAIL), 16);
    writer.signal(Signal::SIGTERM);
    writer.end().assert_code(143);
    assert_same(&receive_rest(&place), &records(16));
}

/// A second signal, long after the first, ends a program that cannot leave: the lock that it needs for
/// that is held by a process that is stopped.
#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new("second-signal");
    let input = place.file("input", &records(100));
    let writer = place.start(&mut place.writer_of(&input, RING));
    place.wait_until_blocked(EMPTY);
    place.hold_setup();
    writer.signal(Signal::SIGINT);
    wait_until("it would leave", || {
        place.set().unwrap().waiting_for_zero(SETUP) == Ok(1)
    });
    // It has taken the first one.
    thread::sleep(Duration::from_millis(1100));
    writer.signal(Signal::SIGINT);
    let writer = writer.end();
    writer.assert_code(130);
    // It did not come to leaving, and to saying what it leaves.
    assert!(!writer.stderr.contains("interrupted"), "{writer:?}");
    place.release_setup();
    let reader = place.run(&mut place.reader("-o - --quiet"));
    assert_same(&reader.stdout, &records(16));
}
