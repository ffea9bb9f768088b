//! The order of flag and message, seen with messages so large that copying one takes a while: the two
//! sides use the library, in two processes that are this test started again.

mod common;

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Place, Running};
use semring_flag::{FlagLayout, FlagReader, FlagSegment, FlagWriter, OpenError, Strategy};
use sysv_ipc::{Key, Mode};

const COUNT: i32 = 500;
const TEXT_BYTES: usize = 256 * 1024;
const ROLE: &str = "SEMRING_FLAG_TEST_ROLE";
const KEY: &str = "SEMRING_FLAG_TEST_KEY";

#[test]
fn a_message_is_whole_when_its_flag_is_seen_and_until_it_is_cleared() {
    if let (Ok(role), Ok(key)) = (env::var(ROLE), env::var(KEY)) {
        return play(&role, key.parse().unwrap());
    }
    let place = Place::new();
    let start = |role| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(ROLE, role).env(KEY, place.key.to_string());
        Running::start(&mut command)
    };
    let (reader, writer) = (start("reader"), start("writer"));
    reader.end().assert_code(0);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

fn play(role: &str, key: Key) {
    // One byte of room is left for the NUL.
    let layout = FlagLayout::new(TEXT_BYTES + 1).unwrap();
    match role {
        "writer" => write(FlagSegment::create(key, layout, Mode::OWNER).unwrap()),
        _ => read(open(key, layout)),
    }
}

fn open(key: Key, layout: FlagLayout) -> FlagSegment {
    loop {
        match FlagSegment::open(key, layout) {
            Err(OpenError::NotFound { .. }) => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

/// Another letter for each message.
fn letter(counter: i32) -> u8 {
    b'a' + u8::try_from(counter % 26).unwrap()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is an argument of the calls below"
)]
fn deadline() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(100))
}

fn write(memory: FlagSegment) {
    let mut writer = FlagWriter::new(memory, Strategy::Yield);
    for counter in 1..=COUNT {
        let text = vec![letter(counter); TEXT_BYTES];
        writer.send(counter, &text, deadline()).unwrap();
    }
    writer.segment().remove().unwrap();
}

fn read(memory: FlagSegment) {
    let mut reader = FlagReader::new(memory, Strategy::Yield);
    for counter in 1..=COUNT {
        let message = reader.recv(deadline()).unwrap();
        assert_eq!((message.counter, message.text.len()), (counter, TEXT_BYTES));
        let expected = letter(counter);
        let strange = message.text.iter().position(|&byte| byte != expected);
        assert_eq!(strange, None, "of message {counter}");
    }
}
