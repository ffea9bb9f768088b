//! Processes whose output is collected while they run, under a watchdog.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{LOOK_AGAIN, WATCHDOG};

/// All processes of a test, so that the output of both sides can be shown when one hangs.
pub type Started = Arc<Mutex<Vec<Transcript>>>;

#[derive(Clone)]
pub struct Transcript {
    name: String,
    stdout: Bytes,
    stderr: Bytes,
}

type Bytes = Arc<Mutex<Vec<u8>>>;

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned()
}

/// A process whose output is collected while it runs; killed when dropped.
pub struct Running {
    child: Child,
    transcript: Transcript,
    unread: Option<ChildStdout>,
    held: Option<ChildStdin>,
    /// Dropped, it lets the last byte go that was kept back.
    kept_back: Option<Sender<()>>,
    collectors: Vec<JoinHandle<()>>,
    started: Started,
}

/// What a process left behind.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

#[track_caller]
pub fn start(command: &mut Command, started: &Started, read: bool) -> Running {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let program = Path::new(command.get_program()).file_name().unwrap();
    let transcript = Transcript {
        name: format!("{} {}", program.display(), child.id()),
        stdout: Bytes::default(),
        stderr: Bytes::default(),
    };
    started.lock().unwrap().push(transcript.clone());
    let errors = collect(child.stderr.take().unwrap(), &transcript.stderr);
    let unread = child.stdout.take();
    let mut running = Running {
        child,
        transcript,
        unread,
        held: None,
        kept_back: None,
        collectors: vec![errors],
        started: Arc::clone(started),
    };
    if read {
        running.read_output();
    }
    running
}

fn collect(mut pipe: impl Read + Send + 'static, sink: &Bytes) -> JoinHandle<()> {
    let sink = Arc::clone(sink);
    thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            sink.lock().unwrap().extend_from_slice(&chunk[..length]);
        }
    })
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    /// Ends it by SIGKILL, and returns what it had written.
    #[track_caller]
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.read_output();
        self.end()
    }

    /// Sends bytes to its standard input, which must be a pipe and may have been held, and closes that.
    pub fn feed(&mut self, bytes: Vec<u8>) {
        let mut pipe = self.child.stdin.take().or(self.held.take()).unwrap();
        // Whether it takes all of it shows in what arrives.
        thread::spawn(move || pipe.write_all(&bytes));
    }

    /// Keeps its standard input, which must be a pipe, open and empty.
    pub fn hold_input(&mut self) {
        self.held = self.child.stdin.take();
    }

    /// Sends bytes to its standard input, which must be a pipe with room for them, and keeps that open.
    pub fn feed_and_hold(&mut self, bytes: &[u8]) {
        if let Some(pipe) = self.child.stdin.take() {
            self.held = Some(pipe);
        }
        self.held.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends bytes to its standard input, which must be a pipe, the last one not before
    /// [`let_input_end`](Self::let_input_end): until then there is something to come.
    pub fn feed_but_the_last(&mut self, bytes: &[u8]) {
        let mut pipe = self.child.stdin.take().unwrap();
        let mut bytes = bytes.to_vec();
        let last = bytes.split_off(bytes.len() - 1);
        let (kept_back, end) = channel();
        self.kept_back = Some(kept_back);
        // Whether it takes all of it shows in what arrives.
        thread::spawn(move || {
            pipe.write_all(&bytes)?;
            let _ = end.recv();
            pipe.write_all(&last)
        });
    }

    /// Closes a standard input that was kept open, behind what was kept back of it.
    pub fn let_input_end(&mut self) {
        self.held = None;
        self.kept_back = None;
    }

    /// Begins to collect a standard output that nobody read until now.
    pub fn read_output(&mut self) {
        if let Some(pipe) = self.unread.take() {
            self.collectors.push(collect(pipe, &self.transcript.stdout));
        }
    }

    /// How many bytes of its standard output wait for somebody to read them.
    pub fn unread_bytes(&self) -> u64 {
        rustix::io::ioctl_fionread(self.unread.as_ref().unwrap()).unwrap()
    }

    /// Reads some of a standard output that nobody else reads, and closes it.
    pub fn read_a_little(&mut self, bytes: usize) -> Vec<u8> {
        let mut some = vec![0; bytes];
        let mut pipe = self.unread.take().unwrap();
        pipe.read_exact(&mut some).unwrap();
        some
    }

    /// Reads a standard output that nobody else reads up to a text, and closes it.
    pub fn read_until(&mut self, wanted: &str) {
        let mut pipe = self.unread.take().unwrap();
        let (mut read, mut byte) = (Vec::new(), [0]);
        while !read.ends_with(wanted.as_bytes()) {
            pipe.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
    }

    /// Waits until its standard output holds a text.
    #[track_caller]
    pub fn wait_for(&mut self, wanted: &str) {
        self.until(wanted, WATCHDOG, |running| {
            text(&running.transcript.stdout).contains(wanted)
        });
    }

    /// Waits until its standard error holds a text.
    #[track_caller]
    pub fn wait_for_note(&mut self, wanted: &str) {
        self.until(wanted, WATCHDOG, |running| {
            text(&running.transcript.stderr).contains(wanted)
        });
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert_eq!(ended, None, "ended early; {}", self.outputs());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(self) -> Ended {
        self.end_within(WATCHDOG)
    }

    /// Waits for its end, for a test that moves much.
    #[track_caller]
    pub fn end_within(mut self, limit: Duration) -> Ended {
        self.until("its end", limit, |running| {
            running.child.try_wait().unwrap().is_some()
        });
        let status = self.child.wait().unwrap();
        // A pipe ends with its process; what it held still comes.
        for collector in self.collectors.drain(..) {
            collector.join().unwrap();
        }
        Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: std::mem::take(&mut *self.transcript.stdout.lock().unwrap()),
            stderr: text(&self.transcript.stderr),
        }
    }

    #[track_caller]
    fn until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !done(self) {
            // A failure drops it, which kills it.
            assert!(
                Instant::now() < deadline,
                "{} hung: waited {limit:?} for {what:?}; {}",
                self.transcript.name,
                self.outputs()
            );
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Shows what all processes of the test have written, or the start of it.
    fn outputs(&self) -> String {
        let mut all = String::new();
        for transcript in self.started.lock().unwrap().iter() {
            let stdout: String = text(&transcript.stdout).chars().take(2000).collect();
            let stderr = text(&transcript.stderr);
            write!(
                all,
                "\n--- {}: stdout:\n{stdout}\n--- stderr:\n{stderr}",
                transcript.name
            )
            .unwrap();
        }
        all
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
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        let stdout: String = self.text().chars().take(2000).collect();
        assert_eq!(
            self.code,
            Some(code),
            "signal {:?}\n--- stdout:\n{stdout}\n--- stderr:\n{}",
            self.signal,
            self.stderr
        );
    }

    /// Checks the exit code, and that it complains in exactly one line, which holds these words.
    #[track_caller]
    pub fn assert_error(&self, code: i32, words: &[&str]) {
        self.assert_code(code);
        let complaints = self.complaints();
        assert_eq!(complaints.len(), 1, "not one sentence: {:?}", self.stderr);
        for word in words {
            let missing = !complaints[0].contains(word);
            assert!(!missing, "no {word:?} in {:?}", self.stderr);
        }
    }

    /// The lines on standard error, but for those that only say what it waits for, or, beside a report
    /// or a complaint, what is left.
    pub fn complaints(&self) -> Vec<&str> {
        self.stderr
            .lines()
            .filter(|line| !line.contains(": waiting for ") && !is_about_what_is_left(line))
            .collect()
    }

    /// The line that says only what is left.
    pub fn what_is_left(&self) -> Option<&str> {
        self.stderr.lines().find(|line| is_about_what_is_left(line))
    }

    /// The rest of the one line of standard output that starts so.
    #[track_caller]
    pub fn rest_of(&self, start: &str) -> String {
        let text = self.text();
        let mut rests = text.lines().filter_map(|line| line.strip_prefix(start));
        match (rests.next(), rests.next()) {
            (Some(rest), None) => rest.to_owned(),
            _ => panic!("not one line {start:?} in {text:?}"),
        }
    }
}

fn is_about_what_is_left(line: &str) -> bool {
    let what = line.split_once(": ").map_or(line, |(_, what)| what);
    what.ends_with('`')
        && what.contains("; to give up what is left: `ipcrm ")
        && !what.contains(" (key ")
}
