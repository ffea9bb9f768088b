//! Goal: `--wait-for-reader`, `--follow` and `--credits` do what they say. Method: the real programs,
//! whose peers are killed or finish, and start again.

mod common;

use common::{EMPTY, HEAD, Place, TAIL, assert_same, pseudo_random, state, wait_until};

const SLOT: usize = 4096;

/// A writer that was told to wait for readers survives two of them; the third has all that they did
/// not acknowledge.
#[test]
fn a_writer_waits_for_the_next_reader() {
    let place = Place::new("wait-for-reader");
    let data = pseudo_random(1 << 20);
    let input = place.file("input", &data);
    let options = "--slots 4 --slot-size 4KiB --wait-for-reader";
    let mut writer = place.start(&mut place.writer_of(&input, options));
    for _ in 0..2 {
        place.wait_until_blocked(EMPTY);
        // Nobody reads its output, so it stops with a message in hand.
        let before = place.position(HEAD);
        let reader = place.start_unread(&mut place.reader("-o - --quiet"));
        wait_until("the reader is stuck", || {
            let (head, tail) = (place.position(HEAD), place.position(TAIL));
            head > before && tail == head + 4 && state(reader.pid()) == 'S'
        });
        place.wait_until_blocked(EMPTY);
        reader.kill();
        writer.wait_for_note("writer: the reader has gone; waiting for another one");
        writer.assert_running();
    }
    let head = place.position(HEAD);
    let rest = place.run(&mut place.reader("-o - --quiet"));
    rest.assert_code(0);
    assert_same(&rest.stdout, &data[head * SLOT..]);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn a_reader_follows_one_writer_after_the_other() {
    let place = Place::new("follow");
    let mut reader = place.start(&mut place.reader("--follow"));
    place
        .run(&mut place.writer("--demo --count 1 --interval 0"))
        .assert_code(0);
    reader.wait_for_note("reader: the writer has finished; waiting for the next one");
    // One that dies is followed, too.
    let writer = place.start(&mut place.writer("--demo --count 2 --interval 1h"));
    place.wait_for_tail(2);
    writer.kill();
    reader.wait_for_note("reader: the writer has died; waiting for the next one");
    place
        .run(&mut place.writer("--demo --count 3 --interval 0"))
        .assert_code(0);
    reader.wait_for("counter=3");
    reader.assert_running();
    reader.kill();
}

#[test]
fn credits_change_nothing_that_arrives() {
    let data = pseudo_random(300_000);
    for (writer, reader) in [(16, 1), (1, 16), (64, 64)] {
        let place = Place::new("credits");
        let input = place.file("input", &data);
        let options = format!("--slots 64 --slot-size 100 --credits {writer}");
        let writer = place.start(&mut place.writer_of(&input, &options));
        let received = place.run(&mut place.reader(&format!("-o - --quiet --credits {reader}")));
        received.assert_code(0);
        assert_same(&received.stdout, &data);
        writer.end().assert_code(0);
        place.assert_nothing_left();
    }
}

#[test]
fn no_credits_are_refused() {
    let place = Place::new("no-credits");
    place
        .run(&mut place.writer("--demo --credits 0"))
        .assert_code(2);
}
