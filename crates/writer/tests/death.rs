//! Either side is killed, stopped, or loses its objects to `ipcrm` while the other waits: the other
//! returns with its exit code and one sentence, and successors continue without losing anything that
//! was committed. The bytes of all parts are compared with what was sent.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use common::{
    CONSUMER_WORD, EMPTY, Ended, FULL, HEAD, Place, RECORD_BYTES, Random, Running, TAIL,
    assert_same, numbered, pseudo_random, records, state, wait_until,
};

const READER_SEES_DEATH: &str = "reader: the producer has died; all it had sent has been received";
const SLOT: usize = 4096;
const GEOMETRY: &str = "--slots 4 --slot-size 4KiB";

/// A pair in which the reader is stuck with a message in hand, since nobody reads its output.
struct Stuck {
    place: Place,
    data: Vec<u8>,
    writer: Running,
    reader: Running,
}

/// Sends `bytes` through four slots until the writer sleeps: on a full ring, or lingering.
fn stuck(test: &str, bytes: usize) -> Stuck {
    stuck_in(test, bytes, GEOMETRY)
}

fn stuck_in(test: &str, bytes: usize, geometry: &str) -> Stuck {
    let place = Place::new(test);
    let data = pseudo_random(bytes);
    let input = place.file("input", &data);
    let reader = place.start_unread(&mut place.reader(&format!("{geometry} -o -")));
    place.wait_until_blocked(FULL);
    let writer = place.start(&mut place.writer_of(&input, ""));
    // With more than one message before it, it can only be its output that a reader sleeps on.
    wait_until("the reader is stuck", || {
        let (head, tail) = (place.position(HEAD), place.position(TAIL));
        tail >= head + 2 && state(reader.pid()) == 'S' && place.position(HEAD) == head
    });
    place.wait_until_blocked(EMPTY);
    Stuck {
        place,
        data,
        writer,
        reader,
    }
}

/// A demonstration between two messages: the reader sleeps, the writer counts its interval.
fn reader_asleep(test: &str) -> (Place, Running, Running) {
    let place = Place::new(test);
    let mut writer = place.start(&mut place.writer("--interval 1h"));
    let mut reader = place.start(&mut place.reader(""));
    reader.wait_for("[P2] Read: counter=1");
    writer.wait_for("[P1] Data consumed by reader");
    place.wait_until_blocked(FULL);
    (place, writer, reader)
}

#[track_caller]
fn assert_killed(ended: &Ended) {
    assert_eq!(ended.signal, Some(Signal::SIGKILL as i32));
}

#[track_caller]
fn assert_demo_works(place: &Place) {
    let writer = place.start(&mut place.writer("--interval 0"));
    place.wait_for_producer();
    let reader = place.run(&mut place.reader(""));
    writer.end().assert_code(0);
    reader.assert_code(0);
    assert!(reader.text().contains("[P2] Total messages read: 5\n"));
    place.assert_nothing_left();
}

/// Lets a new pair send what was not committed yet, and checks that all arrives from `head` on.
#[track_caller]
fn assert_successors_finish(place: &Place, data: &[u8]) {
    let (head, tail) = (place.position(HEAD), place.position(TAIL));
    let rest = data.get(tail * SLOT..).unwrap_or_default();
    let writer = place.start(&mut place.writer_of(&place.file("rest", rest), ""));
    place.wait_for_producer();
    let reader = place.run(&mut place.reader("-o -"));
    writer.end().assert_code(0);
    reader.assert_code(0);
    assert_same(&reader.stdout, &data[head * SLOT..]);
    place.assert_nothing_left();
}

/// As in a strict channel: the death wakes whoever sleeps, and successors finish.
#[test]
fn adaptive_sides_learn_of_a_death() {
    let geometry = format!("{GEOMETRY} --sync adaptive");
    let Stuck {
        place,
        data,
        writer,
        reader,
    } = stuck_in("adaptive-kill-reader", 1 << 20, &geometry);
    assert_killed(&reader.kill());
    writer
        .end()
        .assert_error(3, &["the ring is full", "consumer has died"]);
    assert_successors_finish(&place, &data);

    let place = Place::new("adaptive-kill-writer");
    let mut writer = place.start(&mut place.writer("--interval 1h --sync adaptive"));
    let mut reader = place.start(&mut place.reader(""));
    reader.wait_for("[P2] Read: counter=1");
    writer.wait_for("[P1] Data consumed by reader");
    place.wait_until_blocked(FULL);
    assert_killed(&writer.kill());
    reader.end().assert_error(3, &["the producer has died"]);
}

#[test]
fn a_reader_that_sleeps_learns_of_its_writers_death() {
    let (place, writer, reader) = reader_asleep("kill-writer");
    assert_killed(&writer.kill());
    let reader = reader.end();
    reader.assert_error(3, &[READER_SEES_DEATH]);
    assert_eq!(reader.stderr.lines().count(), 1);
    assert_demo_works(&place);
}

#[test]
fn a_writer_on_a_full_ring_learns_of_its_readers_death() {
    let stuck = stuck("kill-reader", 1 << 20);
    assert_killed(&stuck.reader.kill());
    let sentence =
        "the ring is full and the consumer has died; what it holds waits for its successor";
    stuck
        .writer
        .end()
        .assert_error(3, &["writer: sending ", sentence]);
    assert_successors_finish(&stuck.place, &stuck.data);
}

#[test]
fn a_writer_that_lingers_learns_of_its_readers_death() {
    // The output takes 64 KiB; the reader stops with the 17th message in hand.
    let stuck = stuck("kill-lingering", 19 * SLOT);
    wait_until("all is committed", || stuck.place.position(TAIL) == 19);
    assert_killed(&stuck.reader.kill());
    let sentence = "writer: the consumer has died before it had read everything";
    stuck.writer.end().assert_error(3, &[sentence]);
    assert_successors_finish(&stuck.place, &stuck.data);
}

#[test]
fn what_a_dead_writer_had_sent_is_delivered_before_its_death_is_told() {
    let place = Place::new("leftover");
    let data = pseudo_random(1000);
    let input = place.file("input", &data);
    let writer = place.start(&mut place.writer_of(&input, "--slots 8 --slot-size 200"));
    place.wait_for_tail(5);
    place.wait_until_blocked(EMPTY);
    assert_killed(&writer.kill());
    let reader = place.run(&mut place.reader("-o -"));
    reader.assert_error(
        3,
        &["the producer has died; all it had sent has been received"],
    );
    assert_same(&reader.stdout, &data);
    assert_demo_refused_then_raw_works(&place);
}

/// The channel keeps its framing for successors.
#[track_caller]
fn assert_demo_refused_then_raw_works(place: &Place) {
    place.run(&mut place.writer("")).assert_code(5);
    let input = place.file("more", b"more");
    let writer = place.start(&mut place.writer_of(&input, ""));
    place.wait_for_producer();
    let reader = place.run(&mut place.reader("-o -"));
    writer.end().assert_code(0);
    reader.assert_code(0);
    assert_same(&reader.stdout, b"more");
    place.assert_nothing_left();
}

#[test]
fn a_successor_waits_for_a_writer_that_comes_back() {
    let place = Place::new("writer-again");
    let mut reader = place.start(&mut place.reader("--slots 4"));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(&mut place.writer("--interval 1h"));
    reader.wait_for("[P2] Read: counter=1");
    writer.wait_for("[P1] Data consumed by reader");
    assert_killed(&reader.kill());
    // The writer sleeps between two messages and has nothing to wait for: it does not notice.
    writer.assert_running();
    let mut reader = place.start(&mut place.reader(""));
    reader.wait_for("[P2] Attached");
    assert_killed(&writer.kill());
    reader.end().assert_error(3, &[READER_SEES_DEATH]);
    assert_demo_works(&place);
}

#[test]
fn a_reader_that_is_stopped_for_a_while_gets_everything() {
    let place = Place::new("stopped");
    let data = pseudo_random(4 << 20);
    let output = place.path("output");
    let reader = place.start(&mut place.reader_into(&output, GEOMETRY));
    place.wait_until_blocked(FULL);
    let mut writer = place.start(place.writer("").stdin(Stdio::piped()));
    let (first, rest) = data.split_at(1000);
    writer.feed_and_hold(first);
    wait_until("something is received", || place.position(HEAD) > 0);
    reader.signal(Signal::SIGSTOP);
    wait_until("the reader is stopped", || state(reader.pid()) == 'T');
    // Not before, or all of it might be received by then.
    writer.feed(rest.to_vec());
    place.wait_until_blocked(EMPTY);
    let tail = place.position(TAIL);
    thread::sleep(Duration::from_millis(500));
    writer.assert_running();
    assert_eq!(place.position(TAIL), tail, "the ring was full");
    reader.signal(Signal::SIGCONT);
    writer.end().assert_code(0);
    reader.end().assert_code(0);
    assert_same(&fs::read(&output).unwrap(), &data);
    place.assert_nothing_left();
}

/// Checks parts in the order in which they were received: numbers grow by one, and from one part to
/// the next either go on or repeat the last one. Returns how many records came twice.
#[track_caller]
fn assert_in_order(parts: &[PathBuf], expected: &[u8]) -> usize {
    let mut received = Vec::new();
    let mut again = 0;
    for part in parts {
        let part = fs::read(part).unwrap();
        assert_eq!(part.len() % RECORD_BYTES, 0, "a torn record");
        let repeats = part.len() >= RECORD_BYTES && received.ends_with(&part[..RECORD_BYTES]);
        again += usize::from(repeats);
        received.extend_from_slice(&part[usize::from(repeats) * RECORD_BYTES..]);
    }
    assert_same(&received, expected);
    again
}

fn length(path: &PathBuf) -> usize {
    fs::metadata(path).map_or(0, |file| file.len().try_into().unwrap())
}

/// Sends records into a ring that holds them all, and kills the readers that take them, each after a
/// few. Returns how many were killed, and how many records came twice.
fn kill_readers(random: &mut Random, at_most: usize) -> (usize, usize) {
    let place = Place::new("kill-readers");
    let data = records(16384);
    let input = place.file("input", &data);
    let all = "--no-linger --slots 16384 --slot-size 64";
    place.run(&mut place.writer_of(&input, all)).assert_code(0);
    let mut parts = Vec::new();
    let mut killed = 0;
    loop {
        let part = place.path(&format!("part-{}", parts.len()));
        parts.push(part.clone());
        let mut reader = place.start(&mut place.reader_into(&part, ""));
        if killed < at_most {
            let enough = usize::try_from(random.below(200)).unwrap() * RECORD_BYTES;
            wait_until("a few records came, or the last", || {
                length(&part) > enough || reader.has_ended()
            });
            let ended = reader.kill();
            if ended.signal.is_some() {
                killed += 1;
                continue;
            }
            // It was faster than the signal.
            ended.assert_code(0);
        } else {
            reader.end().assert_code(0);
        }
        place.assert_nothing_left();
        return (killed, assert_in_order(&parts, &data));
    }
}

#[test]
fn twenty_dead_readers_lose_nothing() {
    let mut random = Random::new(7);
    let (mut killed, mut again) = (0, 0);
    while killed < 20 {
        let (more, twice) = kill_readers(&mut random, 20 - killed);
        killed += more;
        again += twice;
    }
    println!("{killed} readers killed, {again} records came twice");
}

/// How many records of a stream have been committed, over all the lives of its writers.
#[derive(Default)]
struct Progress {
    /// Sent through channels that are gone.
    before: usize,
    committed: usize,
    parts: Vec<PathBuf>,
}

impl Progress {
    fn start(&mut self, place: &Place, count: usize) -> (Running, Running) {
        let records = numbered(self.committed..self.committed + count);
        let input = place.file("input", &records);
        let part = place.path(&format!("part-{}", self.parts.len()));
        let writer = place.start(&mut place.writer_of(&input, "--slots 16 --slot-size 64"));
        place.wait_for_producer();
        let earlier = place.position_if_any(CONSUMER_WORD);
        let reader = place.start(&mut place.reader_into(&part, ""));
        // A reader that dies before it is seen is one that never came, and waited for.
        wait_until("the reader attaches", || {
            place.position_if_any(CONSUMER_WORD) != earlier
        });
        self.parts.push(part);
        (writer, reader)
    }

    /// Looks up what has been committed. A channel that is gone had ended in order.
    fn note(&mut self, place: &Place, count: usize) {
        if place.segment().is_some() {
            self.committed = self.before + place.position(TAIL);
        } else {
            self.committed += count;
            self.before = self.committed;
        }
    }
}

#[test]
fn twenty_deaths_on_either_side_lose_nothing() {
    const COUNT: usize = 20_000;
    let place = Place::new("kill-either");
    let mut progress = Progress::default();
    let mut random = Random::new(11);
    let mut killed = 0;
    while killed < 20 {
        let (writer, reader) = progress.start(&place, COUNT);
        thread::sleep(Duration::from_micros(random.below(8000)));
        let (victim, survivor) = if random.below(2) == 0 {
            (writer, reader)
        } else {
            (reader, writer)
        };
        killed += usize::from(victim.kill().signal.is_some());
        let survivor = survivor.end();
        assert!(matches!(survivor.code, Some(0 | 3)), "{survivor:?}");
        progress.note(&place, COUNT);
    }
    let (writer, reader) = progress.start(&place, 1000);
    writer.end().assert_code(0);
    reader.end().assert_code(0);
    progress.note(&place, 1000);
    place.assert_nothing_left();
    let again = assert_in_order(&progress.parts, &records(progress.committed));
    println!("{killed} killed, {again} records came twice");
}

#[test]
fn without_its_semaphore_set_a_channel_ends_and_the_reader_gets_what_is_in_memory() {
    let mut stuck = stuck("ipcrm-set", 1 << 20);
    let place = &stuck.place;
    place.set().unwrap().remove().unwrap();
    let sentence = "the channel's semaphore set was removed under us";
    stuck
        .writer
        .end()
        .assert_error(6, &["writer: ", sentence, "start both sides again"]);
    stuck.reader.assert_running();
    let tail = place.position(TAIL);
    stuck.reader.read_output();
    let reader = stuck.reader.end();
    reader.assert_error(6, &["reader: ", sentence, "start both sides again"]);
    assert_same(&reader.stdout, &stuck.data[..tail * SLOT]);
    // What was not sent yet goes through the same segment and a new set.
    assert_successors_finish(place, &stuck.data);
}

#[test]
fn a_reader_that_sleeps_learns_that_its_set_was_removed() {
    let (place, writer, reader) = reader_asleep("ipcrm-set-asleep");
    place.set().unwrap().remove().unwrap();
    let sentence = "the channel's semaphore set was removed under us";
    reader.end().assert_error(6, &["reader: ", sentence]);
    assert_killed(&writer.kill());
    assert_demo_works(&place);
}

#[test]
fn a_pair_whose_segment_was_removed_finishes_undisturbed() {
    let mut stuck = stuck("ipcrm-segment", 1 << 20);
    let place = &stuck.place;
    place.segment().unwrap().remove().unwrap();

    let new = place.run(&mut place.writer("--timeout 60s"));
    new.assert_error(5, &["removed under its user", "ipcrm -m"]);
    let new = place.run(&mut place.reader("--slots 1"));
    new.assert_error(5, &["removed under its user", "ipcrm -m"]);
    assert_eq!(place.segment(), None);

    stuck.reader.read_output();
    stuck.writer.end().assert_code(0);
    let reader = stuck.reader.end();
    reader.assert_code(0);
    assert_same(&reader.stdout, &stuck.data);
    place.assert_nothing_left();
}

#[test]
fn messages_that_wait_survive_the_loss_of_their_set() {
    let place = Place::new("adopt");
    let data = pseudo_random(10_000);
    let input = place.file("input", &data);
    let writer = place.writer_of(&input, "--no-linger --slots 16 --slot-size 1000");
    place.run(&mut { writer }).assert_code(0);
    place.set().unwrap().remove().unwrap();
    let reader = place.run(&mut place.reader("-o -"));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}
