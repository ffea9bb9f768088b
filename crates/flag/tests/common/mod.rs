//! What the tests share: a key of their own, and real processes under a watchdog.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code)]

use std::io::Read;
use std::num::NonZeroU8;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sysv_ipc::{ErrorKind, Key, Mode, Segment};
use tempfile::TempDir;

/// How long a process may take before the test gives it up.
const WATCHDOG: Duration = Duration::from_secs(100);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A key that no other test uses; removes what is left under it.
pub struct Place {
    folder: TempDir,
    project: NonZeroU8,
    pub key: Key,
}

impl Place {
    pub fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let project = NonZeroU8::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
        let folder = TempDir::new().unwrap();
        let key = Key::from_path(folder.path(), project).unwrap();
        Self {
            folder,
            project,
            key,
        }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `flag-writer` at this place, at full speed.
    pub fn writer(&self, arguments: &str) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_flag-writer"), arguments);
        if !arguments.contains("--interval") {
            command.args(["--interval", "0s"]);
        }
        Running::start(&mut command)
    }

    /// `flag-reader` at this place.
    pub fn reader(&self, arguments: &str) -> Running {
        Running::start(&mut self.command(env!("CARGO_BIN_EXE_flag-reader"), arguments))
    }

    pub fn command(&self, program: &str, arguments: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--path").arg(self.folder.path());
        command.args(["--project", &self.project.to_string()]);
        command.args(arguments.split_whitespace());
        command
    }

    pub fn segment(&self) -> Option<Segment> {
        match Segment::open(self.key, Mode::from_bits(0)) {
            Ok(segment) => Some(segment),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn create(&self, bytes: usize, mode: u16) -> Segment {
        Segment::create(self.key, bytes, Mode::from_bits(mode)).unwrap()
    }

    #[track_caller]
    pub fn assert_nothing_left(&self) {
        assert_eq!(self.segment(), None, "a segment is left under {}", self.key);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(segment) = Segment::open(self.key, Mode::from_bits(0)) {
            let _ = segment.remove();
        }
    }
}

/// A process whose output is collected while it runs; killed when dropped.
pub struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it, without a word of its own.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    collector: JoinHandle<()>,
}

impl Output {
    /// Collects until the pipe ends or the text was seen; then closes our end of the pipe.
    fn collect(mut pipe: impl Read + Send + 'static, until: Option<&'static str>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let collector = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let mut bytes = sink.lock().unwrap();
                bytes.extend_from_slice(&chunk[..length]);
                if until.is_some_and(|text| String::from_utf8_lossy(&bytes).contains(text)) {
                    break;
                }
            }
        });
        Self { bytes, collector }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self::start_until(command, None)
    }

    /// Starts a process whose standard output nobody reads any more once it held the text.
    pub fn start_until(command: &mut Command, text: Option<&'static str>) -> Self {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Output::collect(child.stdout.take().unwrap(), text);
        let stderr = Output::collect(child.stderr.take().unwrap(), None);
        Self {
            child,
            stdout,
            stderr,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    /// Waits until its standard output holds a text.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.until(text, |running| running.stdout.so_far().contains(text));
    }

    /// Waits until its standard error holds a text.
    #[track_caller]
    pub fn wait_for_note(&mut self, text: &str) {
        self.until(text, |running| running.stderr.so_far().contains(text));
    }

    /// Waits until the text given to [`Self::start_until`] was seen and the pipe is closed.
    #[track_caller]
    pub fn wait_for_closed_output(&mut self) {
        self.until("closed output", |running| {
            running.stdout.collector.is_finished()
        });
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        self.until("its end", |running| {
            running.child.try_wait().unwrap().is_some()
        });
        let status = self.child.wait().unwrap();
        // The pipes end with the process; let the collectors see that.
        while !(self.stdout.collector.is_finished() && self.stderr.collector.is_finished()) {
            thread::sleep(LOOK_AGAIN);
        }
        Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.so_far(),
            stderr: self.stderr.so_far(),
        }
    }

    #[track_caller]
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + WATCHDOG;
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "watchdog: waited {WATCHDOG:?} for {what:?}; stdout: {}; stderr: {}",
                self.stdout.so_far(),
                self.stderr.so_far()
            );
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Has ended already, except after a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self:#?}");
    }

    #[track_caller]
    pub fn assert_error(&self, code: i32, words: &[&str]) {
        self.assert_code(code);
        for word in words {
            assert!(
                self.stderr.contains(word),
                "no {word:?} in {:?}",
                self.stderr
            );
        }
    }

    /// The lines that start so.
    pub fn lines(&self, start: &str) -> Vec<&str> {
        self.stdout
            .lines()
            .filter(|line| line.starts_with(start))
            .collect()
    }

    /// The rest of the one line that starts so.
    #[track_caller]
    pub fn rest_of(&self, start: &str) -> &str {
        match self.lines(start)[..] {
            [line] => &line[start.len()..],
            _ => panic!("not one line {start:?} in {:?}", self.stdout),
        }
    }
}

/// The text that our writers send.
pub fn text(counter: usize, pid: u32) -> String {
    format!("Message #{counter} from Writer Process (PID: {pid})")
}

/// Compares lines, and shows the first that differs rather than all.
#[track_caller]
pub fn assert_lines(found: &[&str], expected: &[String], what: &str) {
    let first = found
        .iter()
        .zip(expected)
        .find(|(found, expected)| *found != *expected);
    assert_eq!(first, None, "{what}");
    assert_eq!(found.len(), expected.len(), "number of lines, {what}");
}
