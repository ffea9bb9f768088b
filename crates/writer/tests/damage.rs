//! Garbage in the segment: every field of the header that matters, the positions and the descriptors
//! are overwritten one by one. Both programs must refuse in one sentence that names the field, what
//! stands there and what should, change nothing, and work again once the field is restored.

mod common;

use std::process::Command;

use semring::Mode;
use sysv_ipc::{Operation, Segment};

use common::{DESCRIPTORS, EMPTY, FULL, HEAD, Place, TAIL, assert_same, pseudo_random, wait_until};

const SMALL: &str = "--slots 4 --slot-size 64";
const SEMAPHORE_ID: usize = 64;
/// What the consumer writes when it attaches.
const CONSUMER: std::ops::Range<usize> = 1024..1536;

/// Leaves a channel with three messages for a later reader.
fn leftover(test: &str) -> (Place, Vec<u8>) {
    let place = Place::new(test);
    let data = pseudo_random(3 * 64);
    let input = place.file("input", &data);
    let arguments = format!("--no-linger {SMALL}");
    place
        .run(&mut place.writer_of(&input, &arguments))
        .assert_code(0);
    (place, data)
}

fn sender(place: &Place) -> Command {
    let input = place.file("more", b"more");
    place.writer_of(&input, "--no-linger --timeout 60s")
}

fn receiver(place: &Place) -> Command {
    place.reader("-o - --wait 60s --timeout 60s")
}

/// The segment's bytes without those that `attaching` is allowed to change.
fn bytes_but(place: &Place, attaching: &std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = place.content();
    bytes[attaching.clone()].fill(0);
    bytes
}

/// Runs a command on a damaged segment: refused, and nothing changed but where it attached.
#[track_caller]
fn assert_refused(
    place: &Place,
    command: &mut Command,
    attaching: std::ops::Range<usize>,
    words: &[&str],
) {
    let objects = (place.segment(), place.set());
    let before = bytes_but(place, &attaching);
    let values = place.set().unwrap().values().unwrap();
    let ended = place.run(command);
    ended.assert_error(5, words);
    assert!(!ended.stderr.contains("panicked"));
    assert_eq!(objects, (place.segment(), place.set()), "{words:?}");
    assert!(before == bytes_but(place, &attaching), "changed: {words:?}");
    if attaching.is_empty() {
        assert_eq!(values, place.set().unwrap().values().unwrap(), "{words:?}");
    }
}

/// Overwrites one field after the other, lets both programs refuse, and puts it back.
#[track_caller]
fn scribble_each<const N: usize>(test: &str, cases: &[(usize, [u8; N], &[&str])]) {
    let (place, data) = leftover(test);
    let whole = place.content();
    for (offset, value, words) in cases {
        place.scribble(*offset, value);
        assert_refused(&place, &mut sender(&place), 0..0, words);
        assert_refused(&place, &mut receiver(&place), 0..0, words);
        place.scribble(*offset, &whole[*offset..*offset + N]);
    }
    let reader = place.run(&mut receiver(&place));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn fields_of_four_bytes() {
    let number = u32::to_ne_bytes;
    let power = "a power of two from 1 to 16384";
    scribble_each(
        "four-bytes",
        &[
            (8, number(2), &["layout version 2", "this program knows 1"]),
            (8, number(0), &["layout version 0", "this program knows 1"]),
            (12, number(8192), &["header_bytes is 8192, expected 4096"]),
            (40, number(0), &["slot_count is 0", power]),
            (40, number(3), &["slot_count is 3", power]),
            (40, number(32768), &["slot_count is 32768", power]),
            (40, number(u32::MAX), &["slot_count is 4294967295", power]),
            (40, number(2), &["segment_bytes is 8448, expected 8320"]),
            (40, number(8), &["segment_bytes is 8448, expected 8704"]),
            (40, number(16384), &["slots_offset is 8192, expected 10526"]),
            (44, number(0), &["sync is 0, expected 1 or 2"]),
            (44, number(7), &["sync is 7, expected 1 or 2"]),
            (68, number(4), &["semaphore_count is 4, expected 5"]),
            (72, number(9), &["framing is 9, expected 0 to 5"]),
            (76, number(2), &["consumer_count is 2, expected 1"]),
            (
                128,
                number(189),
                &["name_bytes is 189, expected at most 188"],
            ),
            (128, number(u32::MAX), &["name_bytes is 4294967295"]),
            (128, number(0), &["already belongs to the channel \"\""]),
            (
                132,
                *b"\xff\0/!",
                &["already belongs to the channel ", "use another name"],
            ),
        ],
    );
}

#[test]
fn fields_of_eight_bytes() {
    let number = u64::to_ne_bytes;
    let foreign = "the segment with this key belongs to another program";
    let bounds = "expected 1 to 4 GiB - 4096";
    scribble_each(
        "eight-bytes",
        &[
            (0, *b"foreign!", &[foreign, "starts with \"foreign!\""]),
            (
                0,
                *b"semring\x02",
                &[foreign, "starts with \"semring\\x02\""],
            ),
            (0, number(0), &[foreign, "starts with \"\\x00"]),
            (16, number(9999), &["segment_bytes is 9999, expected 8448"]),
            (
                16,
                number(u64::MAX),
                &["segment_bytes is 18446744073709551615"],
            ),
            (24, number(0), &["slot_bytes is 0", bounds]),
            (24, number(5 << 30), &["slot_bytes is 5368709120", bounds]),
            (24, number(65), &["slot_stride is 64, expected 128"]),
            (
                24,
                number((1 << 32) - 4096),
                &["slot_stride is 64, expected 4294963200"],
            ),
            (32, number(128), &["slot_stride is 128, expected 64"]),
            (32, number(0), &["slot_stride is 0, expected 64"]),
            (48, number(0), &["descriptors_offset is 0, expected 4096"]),
            (
                56,
                number(u64::MAX),
                &["slots_offset is 18446744073709551615, expected 8192"],
            ),
            (
                TAIL,
                number(5),
                &["tail is 5, expected at most 4 ahead of head 0"],
            ),
            (
                TAIL,
                number(u64::MAX),
                &["tail is 18446744073709551615, expected at most 4 ahead"],
            ),
            (
                HEAD,
                number(4),
                &["tail is 3, expected at most 4 ahead of head 4"],
            ),
        ],
    );
}

/// A descriptor: its length and the slot that it names.
fn descriptor(length: u32, slot: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..].copy_from_slice(&slot.to_ne_bytes());
    bytes
}

#[test]
fn descriptors() {
    let (place, data) = leftover("descriptors");
    let whole = place.content();
    let cases: [(u32, u32, &str); 6] = [
        (64, 4, "descriptor's slot is 4, expected below 4"),
        (
            64,
            u32::MAX - 1,
            "descriptor's slot is 4294967294, expected below 4",
        ),
        (65, 0, "descriptor's length is 65, expected at most 64"),
        (
            u32::MAX,
            0,
            "descriptor's length is 4294967295, expected at most 64",
        ),
        (
            57,
            u32::MAX,
            "descriptor's length is 57, expected at most 56",
        ),
        (
            u32::MAX,
            u32::MAX,
            "descriptor's length is 4294967295, expected at most 56",
        ),
    ];
    for (length, slot, words) in cases {
        place.scribble(DESCRIPTORS, &descriptor(length, slot));
        assert_refused(&place, &mut sender(&place), 0..0, &[words]);
        // A reader looks at a descriptor when its turn comes; it has attached by then.
        assert_refused(&place, &mut receiver(&place), CONSUMER, &[words]);
        assert_eq!(place.position(HEAD), 0);
    }
    // Two messages in one slot would let a writer overwrite what is not yet read.
    place.scribble(DESCRIPTORS, &whole[DESCRIPTORS + 64..DESCRIPTORS + 72]);
    let words = ["descriptor's slot is 1, expected one of its own"];
    assert_refused(&place, &mut sender(&place), 0..0, &words);

    place.scribble(DESCRIPTORS, &whole[DESCRIPTORS..DESCRIPTORS + 8]);
    let reader = place.run(&mut receiver(&place));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn a_segment_that_is_shorter_than_its_header_says() {
    let (place, _) = leftover("short");
    let whole = place.content();
    for bytes in [4096, 8192, 8447] {
        place.segment().unwrap().remove().unwrap();
        Segment::create(place.key, bytes, Mode::OWNER).unwrap();
        place.scribble(0, &whole[..bytes]);
        let words = format!("size of the segment is {bytes}, expected 8448");
        assert_refused(&place, &mut sender(&place), 0..0, &[&words]);
        assert_refused(&place, &mut receiver(&place), 0..0, &[&words]);
    }
}

#[test]
fn a_wrong_semaphore_id_is_put_right_when_nobody_uses_the_channel() {
    let (place, data) = leftover("semaphore-id");
    place.scribble(SEMAPHORE_ID, &i32::MAX.to_ne_bytes());
    {
        // Somebody who is attached may use the set of that number.
        let _user = place.segment().unwrap().attach().unwrap();
        let words = [
            "its semaphore set was removed",
            "while 1 other processes use it",
        ];
        assert_refused(&place, &mut sender(&place), 0..0, &words);
        assert_refused(&place, &mut receiver(&place), 0..0, &words);
    }
    let reader = place.run(&mut receiver(&place));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn fields_that_only_inform_may_hold_anything() {
    let (place, data) = leftover("information");
    // Nonce to creation time, and what both sides tell observers.
    place.scribble(80, &[0xff; 48]);
    place.scribble(512 + 256, &[0xff; 256]);
    place.scribble(1024 + 264, &[0xff; 248]);
    let reader = place.run(&mut receiver(&place));
    reader.assert_code(0);
    assert_same(&reader.stdout, &data);
    place.assert_nothing_left();
}

#[test]
fn a_position_that_jumps_under_a_reader() {
    let place = Place::new("tail-jumps");
    for (tail, count) in [(5, 4), (u64::MAX, 4)] {
        let reader = place.start(&mut place.reader(&format!("-o - {SMALL}")));
        place.wait_until_blocked(FULL);
        place.scribble(TAIL, &tail.to_ne_bytes());
        let set = place.set().unwrap();
        set.operate(&[Operation::add(FULL, 1)]).unwrap();
        let words = format!("tail is {tail}, expected 0 to {count}");
        reader
            .end()
            .assert_error(5, &["reader: receiving into", &words]);
        assert_eq!(place.set(), Some(set));
        place.scribble(TAIL, &[0; 8]);
    }
}

#[test]
fn a_position_that_jumps_under_a_writer() {
    let place = Place::new("head-jumps");
    let input = place.file("input", &pseudo_random(640));
    for head in [5u64, u64::MAX] {
        let writer = place.start(&mut place.writer_of(&input, SMALL));
        place.wait_until_blocked(EMPTY);
        place.scribble(HEAD, &head.to_ne_bytes());
        let set = place.set().unwrap();
        set.operate(&[Operation::add(EMPTY, 1)]).unwrap();
        let words = format!("head is {head}, expected 0 to 4");
        writer.end().assert_error(5, &["writer: sending", &words]);
        assert_eq!(place.set(), Some(set));
        place.scribble(HEAD, &[0; 8]);
    }
}

#[test]
fn a_descriptor_that_is_damaged_on_the_way() {
    let place = Place::new("on-the-way");
    let data = pseudo_random(4096 * 64);
    let input = place.file("input", &data);
    let ring = "--slots 4096 --slot-size 64";
    // Its output takes 64 KiB, so the reader stops at 1024 messages or a few more.
    let mut reader = place.start_unread(&mut place.reader(&format!("-o - {ring}")));
    place.wait_until_blocked(FULL);
    let writer = place.start(&mut place.writer_of(&input, "--no-linger"));
    writer.end().assert_code(0);
    wait_until("the reader is stuck", || place.position(HEAD) >= 1000);
    place.scribble(DESCRIPTORS + 3000 * 64, &descriptor(64, 99_999));
    reader.read_output();
    let reader = reader.end();
    reader.assert_error(5, &["descriptor's slot is 99999, expected below 4096"]);
    assert_same(&reader.stdout, &data[..3000 * 64]);
    assert_eq!(place.position(HEAD), 3000);
}
