//! The bytes in the segment, seen and written by a test in place of the other side.

mod common;

use common::{Place, Running, text};
use sysv_ipc::Attachment;

const READY: usize = 104;

fn bytes(memory: &Attachment, offset: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    memory.read(offset, &mut bytes).unwrap();
    bytes
}

#[test]
fn the_writer_puts_every_byte_where_the_original_does() {
    for (arguments, ready, size) in [("", READY, 108), ("--message-size 1000", 1004, 1008)] {
        let place = Place::new();
        let mut writer = place.writer(&format!("--count 1 {arguments}"));
        writer.wait_for("[P1] Wrote: counter=1");
        let memory = place.segment().unwrap().attach().unwrap();
        assert_eq!(memory.bytes(), size);
        let text = text(1, writer.pid());
        assert_eq!(bytes(&memory, 0, 4), 1i32.to_ne_bytes());
        assert_eq!(bytes(&memory, 4, text.len()), text.as_bytes());
        // A new segment is zero, and nothing else is written to.
        let rest = bytes(&memory, 4 + text.len(), ready - 4 - text.len());
        assert!(rest.iter().all(|&byte| byte == 0), "{rest:?}");
        assert_eq!(
            bytes(&memory, ready, size - ready)[..],
            [1, 0, 0, 0][..size - ready]
        );
        memory.write(ready, &[0]).unwrap();
        writer.end().assert_code(0);
        place.assert_nothing_left();
    }
}

/// Lets the reader read one message that the test has written.
fn read_one(message: &[u8], ready: u8) -> String {
    let place = Place::new();
    let memory = place.create(108, 0o600).attach().unwrap();
    memory.write(0, &(-7i32).to_ne_bytes()).unwrap();
    memory.write(4, message).unwrap();
    memory.write(READY, &[ready]).unwrap();
    let reader = place.reader("--count 1").end();
    reader.assert_code(0);
    assert_eq!(bytes(&memory, READY, 1), [0]);
    reader.rest_of("[P2] Read: counter=-7, message=").to_owned()
}

#[test]
fn a_flag_that_is_no_bool_counts_as_set() {
    for ready in [1, 2, 0x80, 0xff] {
        assert_eq!(read_one(b"hello\0", ready), "\"hello\"");
    }
}

#[test]
fn a_text_without_nul_ends_with_its_array() {
    let full = [b'x'; 100];
    assert_eq!(read_one(&full, 1), format!("\"{}\"", "x".repeat(100)));
    assert_eq!(read_one(&full[..99], 1), format!("\"{}\"", "x".repeat(99)));
    assert_eq!(read_one(b"\0not this", 1), "\"\"");
}

#[test]
fn what_is_not_text_is_printed_on_one_line() {
    assert_eq!(
        read_one(b"\xff\n\x1b[2Jend\0", 1),
        "\"\u{fffd}\\n\\u{1b}[2Jend\""
    );
}

#[test]
fn a_message_that_nobody_could_be_told_is_not_taken() {
    let place = Place::new();
    let memory = place.create(108, 0o600).attach().unwrap();
    memory.write(4, b"hello\0").unwrap();
    let mut reader = place.command(env!("CARGO_BIN_EXE_flag-reader"), "");
    let mut reader = Running::start_until(&mut reader, Some("[P2] Attached"));
    reader.wait_for_closed_output();
    memory.write(READY, &[1]).unwrap();
    reader.end().assert_code(0);
    assert_eq!(bytes(&memory, READY, 1), [1]);
}
