//! Goal: what the programs say, to whom and in which form: figures, steps, progress, suggestions; and that
//! nothing they cannot say makes them fail. Method: the real programs, their standard error a pipe, a
//! terminal, or closed.

mod common;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;

use common::{EMPTY, FULL, Place, has_ended, pseudo_random, skip, wait_until};

const DATA_BYTES: usize = 300_000;
const RING: &str = "--slots 4 --slot-size 1000";

/// A line of JSON as a map from names to values in text.
fn figures(line: &str) -> std::collections::BTreeMap<String, String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    object
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .collect()
}

#[test]
fn figures_in_json() {
    let place = Place::new("json");
    let input = place.file("input", &pseudo_random(DATA_BYTES));
    let reader = place.start(&mut place.reader(&format!("-o - --json {RING}")));
    place.wait_until_blocked(FULL);
    let writer = place.run(&mut place.writer_of(&input, "--json"));
    let reader = reader.end();
    writer.assert_code(0);
    reader.assert_code(0);
    // Where standard output has the data, the figures go to standard error.
    assert_eq!(reader.stdout.len(), DATA_BYTES);
    assert_eq!(writer.stderr, "");
    for (line, program) in [(writer.text(), "writer"), (reader.stderr, "reader")] {
        assert_eq!(line.lines().count(), 1, "{line}");
        let figures = figures(&line);
        assert_eq!(figures["program"], format!("{program:?}"));
        assert_eq!(figures["messages"], "300");
        assert_eq!(figures["bytes"], DATA_BYTES.to_string());
        assert_eq!(figures["exit"], "0");
        assert_eq!(figures["channel"], format!("{:?}", place.name));
        assert_eq!(figures["unread"], "0");
        assert_eq!(figures["key"], format!("\"{}\"", place.key));
        assert!(figures["seconds"].parse::<f64>().unwrap() > 0.0);
        assert!(figures["megabytes_per_second"].parse::<f64>().unwrap() > 0.0);
    }
    place.assert_nothing_left();
}

#[test]
fn figures_of_a_failure_in_json() {
    let place = Place::new("json-failure");
    let input = place.file("input", &pseudo_random(DATA_BYTES));
    let options = format!("{RING} --json --timeout 50ms");
    let writer = place.run(&mut place.writer_of(&input, &options));
    writer.assert_error(
        4,
        &["timed out: the ring stayed full; see that a consumer is at work"],
    );
    let figures = figures(&writer.text());
    assert_eq!((&*figures["exit"], &*figures["unread"]), ("4", "4"));
    assert_eq!(
        (&*figures["messages"], &*figures["removed"]),
        ("4", "false")
    );
    assert!(figures["error"].contains("timed out: the ring stayed full"));
}

#[test]
fn the_demonstration_in_json() {
    let place = Place::new("json-demo");
    let writer = place.start(&mut place.writer("--demo --json --interval 0"));
    let reader = place.run(&mut place.reader("--json"));
    for ended in [writer.end(), reader] {
        ended.assert_code(0);
        assert_eq!(figures(&ended.text())["messages"], "5");
    }
    place.assert_nothing_left();
}

/// `-v` tells what was decided, `-vv` what is waited for, `-vvv` each message; without any, nothing.
#[test]
fn steps_are_told_when_asked_for() {
    let place = Place::new("steps");
    let input = place.file("input", &pseudo_random(2500));
    for (option, steps) in [
        ("", &[][..]),
        (
            "-v",
            &[
                "attaching as the producer",
                "semaphore_set=",
                "left channel",
            ],
        ),
        (
            "-vv",
            &["attached", "waiting until everything has been read"],
        ),
        ("-vvv", &["sent messages=1 bytes=500 position=3"]),
    ] {
        let options = format!("{RING} {option}");
        let writer = place.start(&mut place.writer_of(&input, &options));
        place.wait_for_tail(3);
        let reader = place.run(&mut place.reader(&format!("-o - {option}")));
        let writer = writer.end();
        writer.assert_code(0);
        reader.assert_code(0);
        for step in steps {
            assert!(
                writer.stderr.contains(step),
                "{step:?} in {:?}",
                writer.stderr
            );
        }
        if !steps.is_empty() {
            assert!(reader.stderr.contains("attaching as the consumer"));
        }
        // Not on a terminal, so without colour; and nothing of a level that was not asked for.
        assert!(!writer.stderr.contains('\x1b'));
        let told = writer
            .stderr
            .lines()
            .filter(|line| !line.starts_with("writer: "));
        assert_eq!(told.count() > 0, !option.is_empty(), "{:?}", writer.stderr);
        assert_eq!(writer.stderr.contains("TRACE"), option == "-vvv");
        place.assert_nothing_left();
    }
}

/// A program with its standard error on a terminal, and what it prints there.
struct OnTerminal {
    reading: thread::JoinHandle<()>,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn new(command: &mut Command) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None).unwrap();
        command.stderr(Stdio::from(pair.slave));
        let shown = Arc::default();
        let sink = Arc::clone(&shown);
        let reading = thread::spawn(move || read_terminal(pair.master, &sink));
        Self { reading, shown }
    }

    /// What it has shown so far.
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn text(self) -> String {
        let shown = Arc::clone(&self.shown);
        self.reading.join().unwrap();
        String::from_utf8_lossy(&shown.lock().unwrap()).into_owned()
    }
}

/// Reads until nobody has the terminal open any more, which is an error there.
fn read_terminal(master: OwnedFd, shown: &Mutex<Vec<u8>>) {
    let mut master = File::from(master);
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = master.read(&mut chunk) {
        shown.lock().unwrap().extend_from_slice(&chunk[..length]);
    }
}

/// Sends a file by a writer on a terminal, with a pause until it `shows` something, or a while.
#[track_caller]
fn on_terminal(test: &str, options: &str, environment: &[(&str, &str)], shows: &str) -> String {
    let place = Place::new(test);
    let input = place.file("input", &pseudo_random(DATA_BYTES));
    let mut command = place.writer_of(&input, &format!("{RING} {options}"));
    command
        .envs(environment.iter().copied())
        .env("TERM", "xterm");
    let terminal = OnTerminal::new(&mut command);
    let mut writer = command.stdout(Stdio::null()).spawn().unwrap();
    drop(command);
    place.wait_until_blocked(EMPTY);
    wait_until("it shows", || terminal.so_far().contains(shows));
    if shows.is_empty() {
        // Time for what is not to come.
        thread::sleep(Duration::from_millis(300));
    }
    let reader = place.run(&mut place.reader("-o - --quiet"));
    reader.assert_code(0);
    assert!(writer.wait().unwrap().success());
    place.assert_nothing_left();
    terminal.text()
}

#[test]
fn progress_shows_on_a_terminal_only() {
    let text = on_terminal("progress", "", &[], " to go");
    assert!(text.contains("of 292.97 KiB"), "{text:?}");
    assert!(text.contains("/s, ") && text.contains(" to go"), "{text:?}");
    assert!(
        text.contains("writer: 300 messages, 300000 bytes in"),
        "{text:?}"
    );
    let text = on_terminal("no-progress", "--quiet", &[], "");
    assert_eq!(text, "");
}

#[test]
fn steps_have_colour_on_a_terminal_unless_it_is_not_wanted() {
    let text = on_terminal("colour", "-v", &[], " INFO");
    assert!(text.contains("\x1b[32m INFO"), "{text:?}");
    let text = on_terminal("no-colour", "-v", &[("NO_COLOR", "1")], " INFO");
    assert!(
        text.contains(" INFO") && !text.contains("\x1b[32m"),
        "{text:?}"
    );
}

#[test]
fn a_mistyped_option_is_guessed() {
    let place = Place::new("mistyped");
    for (ended, guess) in [
        (place.run(&mut place.writer("--no-lingre")), "--no-linger"),
        (place.run(&mut place.reader("--folow")), "--follow"),
        (place.run(&mut place.writer("--framing line")), "lines"),
        (place.run(&mut place.reader("--outptu x")), "--output"),
    ] {
        ended.assert_code(2);
        let guessed = ended.stderr.lines().find(|line| line.contains("tip:"));
        assert!(
            guessed.is_some_and(|tip| tip.contains(guess)),
            "{:?}",
            ended.stderr
        );
        assert_eq!(ended.text(), "");
    }
    place.assert_nothing_left();
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let place = Place::new("contradict");
    for (ended, words) in [
        (
            place.run(&mut place.writer("--quiet -v")),
            "'--quiet' cannot be used with '--verbose",
        ),
        (
            place.run(&mut place.writer("--batch 0 x")),
            "0 is not in 1..=16384",
        ),
        (
            place.run(&mut place.writer("--demo x")),
            "'--demo' cannot be used with '[FILE]'",
        ),
        (place.run(&mut place.reader("--resume")), "--output <FILE>"),
        (
            place.run(&mut place.reader("-o x --resume --append")),
            "cannot be used with",
        ),
        (
            place.run(&mut place.reader("--timeout 5")),
            "write a number with its unit, 500ms or 2s",
        ),
        (
            place.run(&mut place.reader("--slot-size many")),
            "write bytes with or without a suffix",
        ),
        (place.run(&mut place.reader("--mode 9")), "mode"),
    ] {
        ended.assert_code(2);
        assert!(
            ended.stderr.contains(words),
            "{words:?} in {:?}",
            ended.stderr
        );
    }
    place.assert_nothing_left();
}

/// Standard error closed, or a pipe that nobody reads: no reason to fail, and none to panic.
#[test]
fn a_standard_error_that_is_gone_changes_nothing() {
    let place = Place::new("no-stderr");
    let input = place.file("input", &pseudo_random(1000));
    for stderr in ["2>&-", "2>/dev/full"] {
        let script = format!("exec \"$@\" {stderr}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(common::writer());
        command.args(["-v", "--channel", &place.name]).arg(&input);
        let writer = place.start(command.stdin(Stdio::null()));
        place.wait_for_tail(1);
        place.run(&mut place.reader("-o - --quiet")).assert_code(0);
        writer.end().assert_code(0);
        place.assert_nothing_left();
    }
}

#[test]
fn a_story_that_nobody_reads_ends_quietly() {
    let place = Place::new("closed-story");
    let mut reader = place.start_unread(&mut place.reader("--slots 4"));
    reader.read_until("at address: ");
    place.wait_until_blocked(FULL);
    let writer = place.start(&mut place.writer("--demo --interval 0 --wait-for-reader"));
    let reader = reader.end();
    reader.assert_code(0);
    assert!(!reader.stderr.contains("error"), "{:?}", reader.stderr);
    // What it could not tell is not acknowledged.
    let next = place.run(&mut place.reader(""));
    next.assert_code(0);
    assert!(next.text().contains("[P2] Read: counter=1,"));
    writer.end().assert_code(0);
    place.assert_nothing_left();
}

#[test]
fn an_output_that_is_a_folder_is_named() {
    let place = Place::new("folder");
    let folder = place.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let reader = place.run(&mut place.reader_into(&folder, "--slots 2"));
    reader.assert_error(1, &["reader: cannot write to ", "folder", "Is a directory"]);
    assert!(!place.path("folder.semring").exists());
    place.assert_nothing_left();
}

/// Nothing is left in the folder of an output by a reader that found no channel.
#[test]
fn no_channel_leaves_no_file() {
    let place = Place::new("no-file-left");
    let output = place.path("output");
    place
        .run(&mut place.reader_into(&output, "--wait 20ms"))
        .assert_error(4, &["there is no such channel; start the writer"]);
    assert!(!output.exists() && !place.path("output.semring").exists());
    place.assert_nothing_left();
}

/// The terminal of both programs is closed: they get SIGHUP, and what they print goes nowhere.
#[test]
fn a_terminal_that_is_closed() {
    let place = Place::new("closed-terminal");
    let input = place.file("input", &pseudo_random(DATA_BYTES));
    let command = format!(
        "exec {} -v --channel {} {RING} {}",
        common::writer().display(),
        place.name,
        input.display()
    );
    let mut terminal = Command::new("script");
    terminal
        .args(["-q", "-c", &command, "/dev/null"])
        .stdin(Stdio::null());
    if Command::new("script").arg("-V").output().is_err() {
        return skip("script (util-linux) is not installed");
    }
    let terminal = place.start(&mut terminal);
    place.wait_until_blocked(EMPTY);
    let pid = place.segment().unwrap().stat().unwrap().creator_pid;
    let pid = pid.try_into().unwrap();
    terminal.signal(Signal::SIGKILL);
    wait_until("the writer has ended", || has_ended(pid));
    let rest = place.run(&mut place.reader("-o - --quiet"));
    rest.assert_error(3, &["the producer was interrupted"]);
    assert_eq!(rest.stdout.len(), 4000);
    place.assert_nothing_left();
}
