//! Goal: whoever removes the objects under a pair at work ends it with exit code 6 and a sentence, and
//! the reader first gets what is in memory. Method: a stream without end, whose set, segment, or both are
//! removed at random moments; what was committed is read from the segment, and compared.

mod common;

use std::thread;
use std::time::Duration;

use common::{LONG, Place, RECORD_BYTES, Random, Running, TAIL, assert_same, records, wait_until};

const RECORDS: usize = 400_000;
const ROUNDS: u64 = 8;

/// A pair in the middle of its stream.
struct Working {
    place: Place,
    data: Vec<u8>,
    writer: Running,
    reader: Running,
}

fn working(test: &str, random: &mut Random) -> Working {
    let place = Place::new(test);
    let data = records(RECORDS);
    let input = place.file("input", &data);
    let geometry =
        ["--slots 1", "--slots 2", "--slots 64"][usize::try_from(random.below(3)).unwrap()];
    let options = format!("{geometry} --slot-size {RECORD_BYTES}");
    let writer = place.start(&mut place.writer_of(&input, &options));
    let reader = place.start(&mut place.reader_into(&place.path("output"), "--quiet"));
    wait_until("the stream flows", || {
        place.position_if_any(TAIL).is_some_and(|tail| tail > 100)
    });
    thread::sleep(Duration::from_micros(random.below(20_000)));
    Working {
        place,
        data,
        writer,
        reader,
    }
}

/// Both end with code 6. The output holds all that was committed when the reader had its news; a message
/// that the writer committed after that, and could tell nobody of, is the only one that may be missing.
/// Returns it.
#[track_caller]
fn assert_both_removed(working: Working, committed: impl FnOnce() -> usize) -> (Place, Vec<u8>) {
    let Working {
        place,
        data,
        writer,
        reader,
    } = working;
    let sentence = "the channel's semaphore set was removed under us";
    writer
        .end()
        .assert_error(6, &["writer: sending ", sentence]);
    reader
        .end()
        .assert_error(6, &["reader: receiving into ", sentence]);
    let output = std::fs::read(place.path("output")).unwrap();
    let committed = &data[..committed() * RECORD_BYTES];
    let missing = (committed.len() - output.len()) / RECORD_BYTES;
    assert!(missing <= 1, "{missing} records are missing");
    assert_same(&output, &committed[..output.len()]);
    let rest = committed[output.len()..].to_vec();
    (place, rest)
}

#[test]
fn the_set_is_removed_under_load() {
    let mut random = Random::new(6);
    for round in 0..ROUNDS {
        let working = working(&format!("set-{round}"), &mut random);
        let segment = working.place.segment().unwrap();
        working.place.set().unwrap().remove().unwrap();
        let (place, rest) = assert_both_removed(working, || {
            let memory = segment.attach_read_only().unwrap();
            memory.load_u64(TAIL).unwrap().try_into().unwrap()
        });
        // What was committed too late for this reader waits for the next one, under a new set.
        let next = place.run(&mut place.reader("-o - --quiet"));
        next.assert_error(3, &["the producer was interrupted"]);
        assert_same(&next.stdout, &rest);
        place.assert_nothing_left();
    }
}

#[test]
fn set_and_segment_are_removed_under_load() {
    let mut random = Random::new(7);
    for round in 0..ROUNDS {
        let working = working(&format!("both-{round}"), &mut random);
        // Attached, so that the removed segment can still be read when the pair has ended.
        let memory = working.place.segment().unwrap().attach_read_only().unwrap();
        let (segment, set) = (
            working.place.segment().unwrap(),
            working.place.set().unwrap(),
        );
        if round % 2 == 0 {
            segment.remove().unwrap();
            set.remove().unwrap();
        } else {
            set.remove().unwrap();
            segment.remove().unwrap();
        }
        assert_both_removed(working, || {
            memory.load_u64(TAIL).unwrap().try_into().unwrap()
        });
    }
}

#[test]
fn the_segment_is_removed_under_load() {
    let mut random = Random::new(8);
    let Working {
        place,
        data,
        writer,
        reader,
    } = working("segment", &mut random);
    place.segment().unwrap().remove().unwrap();
    writer.end_within(LONG).assert_code(0);
    reader.end_within(LONG).assert_code(0);
    assert_same(&std::fs::read(place.path("output")).unwrap(), &data);
    place.assert_nothing_left();
}
