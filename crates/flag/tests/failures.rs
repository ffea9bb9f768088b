//! What goes wrong, its exit code, what it says, and that nothing is left or changed that should not.

mod common;

use std::process::Command;

use common::{Place, Running};
use nix::sys::signal::Signal;
use sysv_ipc::Mode;

#[test]
fn a_segment_of_another_size_is_refused_and_kept() {
    for size in [104, 107, 109, 4096] {
        let place = Place::new();
        let segment = place.create(size, 0o600);
        let memory = segment.attach().unwrap();
        memory.write(0, &vec![0xa5; size]).unwrap();
        let words = [&*format!("has {size} bytes and not 108"), "ipcrm -m"];
        place.writer("").end().assert_error(5, &words);
        place.reader("").end().assert_error(5, &words);
        assert_eq!(place.segment(), Some(segment));
        let mut bytes = vec![0; size];
        memory.read(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0xa5), "changed: {bytes:?}");
    }
}

#[test]
fn a_reader_of_another_message_size_is_refused_and_the_writer_goes_on() {
    let place = Place::new();
    let mut writer = place.writer("--count 1 --message-size 200");
    writer.wait_for("[P1] Wrote");
    place
        .reader("--count 1")
        .end()
        .assert_error(5, &["has 208 bytes and not 108"]);
    place
        .reader("--count 1 --message-size 200")
        .end()
        .assert_code(0);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn an_existing_segment_with_a_wider_mode_is_refused_unless_asked_for() {
    let place = Place::new();
    let segment = place.create(108, 0o666);
    place
        .writer("")
        .end()
        .assert_error(5, &["mode 0666, wider than the mode 0600"]);
    assert_eq!(place.segment(), Some(segment));
    let writer = place.writer("--count 1 --mode 0666");
    place.reader("--count 1").end().assert_code(0);
    writer.end().assert_error(0, &["existed already"]);
    place.assert_nothing_left();
}

#[test]
fn an_existing_segment_of_another_owner_is_refused() {
    let place = Place::new();
    let segment = place.create(108, 0o600);
    let foreign = nix::unistd::geteuid().as_raw() + 1;
    segment.set_permissions(foreign, 0, Mode::OWNER).unwrap();
    let words = [&*format!("is in the hands of user {foreign}")];
    place.writer("").end().assert_error(5, &words);
    assert_eq!(place.segment(), Some(segment));
}

#[test]
fn a_missing_path_is_named() {
    for program in [
        env!("CARGO_BIN_EXE_flag-writer"),
        env!("CARGO_BIN_EXE_flag-reader"),
    ] {
        let place = Place::new();
        let missing = place.folder().join("missing");
        let ended = Running::start(Command::new(program).arg("--path").arg(&missing)).end();
        ended.assert_error(
            1,
            &[missing.to_str().unwrap(), "--project 65", "no such file"],
        );
    }
}

#[test]
fn a_writer_that_nobody_reads_times_out_and_removes_the_segment() {
    for strategy in ["sleep", "yield", "spin", "backoff"] {
        let place = Place::new();
        let writer = place
            .writer(&format!("--timeout 150ms --strategy {strategy}"))
            .end();
        writer.assert_error(4, &["nobody took message 1", "the time is over"]);
        assert_eq!(writer.lines("[P1] Shared memory removed").len(), 1);
        place.assert_nothing_left();
    }
}

#[test]
fn a_reader_times_out_without_a_segment_and_without_a_message() {
    let place = Place::new();
    for wait in ["0s", "150ms"] {
        let reader = place.reader(&format!("--wait {wait}")).end();
        reader.assert_error(
            4,
            &[
                &place.key.to_string(),
                &format!("waited {wait}"),
                "start a writer",
            ],
        );
    }
    let segment = place.create(108, 0o600);
    let reader = place.reader("--timeout 150ms").end();
    reader.assert_error(4, &["no message after 0", "the time is over"]);
    assert_eq!(reader.rest_of("[P2] Total messages read: "), "0");
    assert_eq!(place.segment(), Some(segment), "a reader removes nothing");
}

#[test]
fn a_removed_segment_is_noticed_on_both_sides() {
    for strategy in ["sleep", "yield", "spin", "backoff"] {
        let place = Place::new();
        let mut writer = place.writer(&format!("--strategy {strategy}"));
        writer.wait_for("[P1] Wrote");
        place.segment().unwrap().remove().unwrap();
        writer
            .end()
            .assert_error(6, &["nobody took message 1", "was removed"]);

        let segment = place.create(108, 0o600);
        let mut reader = place.reader(&format!("--strategy {strategy}"));
        reader.wait_for("[P2] Attached");
        segment.remove().unwrap();
        reader
            .end()
            .assert_error(6, &["no message after 0", "was removed"]);
        place.assert_nothing_left();
    }
}

#[test]
fn a_signal_ends_the_writer_and_removes_the_segment() {
    for (signal, code) in [
        (Signal::SIGHUP, 129),
        (Signal::SIGINT, 130),
        (Signal::SIGTERM, 143),
    ] {
        let place = Place::new();
        let mut writer = place.writer("--count 0");
        writer.wait_for("[P1] Wrote");
        writer.signal(signal);
        writer
            .end()
            .assert_error(code, &[signal.as_str(), "removed"]);
        place.assert_nothing_left();
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_so() {
    let place = Place::new();
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        r#"trap "" HUP; exec "$@""#,
        "sh",
        env!("CARGO_BIN_EXE_flag-writer"),
    ]);
    shell.args(["--key", &place.key.to_string(), "--count", "1"]);
    let mut writer = Running::start(&mut shell);
    writer.wait_for("[P1] Wrote");
    writer.signal(Signal::SIGHUP);
    place.reader("--count 1").end().assert_code(0);
    writer.end().assert_code(0);
}

#[test]
fn a_killed_writer_leaves_the_segment_and_the_next_takes_it_over() {
    let place = Place::new();
    let mut writer = place.writer("");
    writer.wait_for("[P1] Wrote");
    writer.signal(Signal::SIGKILL);
    assert_eq!(writer.end().signal, Some(Signal::SIGKILL as i32));
    let left = place.segment().expect("a segment should be left");

    let mut writer = place.writer("--count 2");
    writer.wait_for_note("existed already");
    writer.wait_for("[P1] Wrote");
    assert_eq!(place.segment(), Some(left));
    place.reader("--count 2").end().assert_code(0);
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn a_writer_whose_output_nobody_reads_ends_quietly_and_removes_the_segment() {
    let place = Place::new();
    let mut writer = place.command(env!("CARGO_BIN_EXE_flag-writer"), "--count 0 --interval 0s");
    let mut writer = Running::start_until(&mut writer, Some("[P1] Wrote"));
    writer.wait_for_closed_output();
    place.reader("--count 1").end().assert_code(0);
    let writer = writer.end();
    writer.assert_code(0);
    assert_eq!(writer.stderr, "");
    place.assert_nothing_left();
}

#[test]
fn usage_errors_make_nothing() {
    let place = Place::new();
    for arguments in [
        "--message-size 0",
        "--message-size 2GiB",
        "--message-size many",
        "--project 1 --key 0x1",
        "--strategy pray",
        "--timeout 5",
        "--count -1",
    ] {
        place.writer(arguments).end().assert_code(2);
        place.reader(arguments).end().assert_code(2);
    }
    place
        .writer("--message-size 20")
        .end()
        .assert_error(2, &["has no room"]);
    place
        .writer("--mode 0888")
        .end()
        .assert_error(2, &["is not a mode"]);
    let mut private = Command::new(env!("CARGO_BIN_EXE_flag-writer"));
    Running::start(private.args(["--key", "0"]))
        .end()
        .assert_error(2, &["without a key"]);
    place.assert_nothing_left();
}
