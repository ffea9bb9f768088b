//! What the test files share: objects that go away with their guard, keys of their own, and second
//! processes. A second process is this very test executable, told by two environment variables to play
//! a part in the test named `child`; nobody waits for it, or for anything else, beyond ten seconds.

#![allow(dead_code, reason = "each test file uses some of these helpers")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "numbers and texts are handed over as arguments for a child, without a `&` before each"
)]

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use sysv_ipc::{ErrorKind, Key, MessageQueue, Mode, Segment, SemaphoreSet};

/// How long anything may take before the test fails, on a machine that is slow and busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The user `nobody`, whom objects of mode 0600 are closed to.
pub const OTHER_USER: u32 = 65534;

const PART: &str = "SYSV_IPC_TEST_PART";
const ARGUMENT: &str = "SYSV_IPC_TEST_ARGUMENT";
/// What a child prints, before its thread's folder in /proc, when it is about to block.
const READY: &str = "@READY ";

/// Gives a key that no other process and no other test uses.
pub fn key(name: &str) -> Key {
    Key::from_name(std::process::id(), name)
}

/// Waits until something is so, and fails when it never is.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Says past the test harness's capture that a test, or a part of it, could not run, and why.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason}");
}

/// What [`Owned`] needs to know of a kind of object.
pub trait Removable: Copy {
    fn remove(self) -> Result<(), sysv_ipc::Error>;
    fn is_listed(self) -> bool;
}

impl Removable for Segment {
    fn remove(self) -> Result<(), sysv_ipc::Error> {
        Self::remove(self)
    }
    fn is_listed(self) -> bool {
        let all = sysv_ipc::segments().unwrap();
        all.iter().any(|entry| entry.segment == self)
    }
}

impl Removable for SemaphoreSet {
    fn remove(self) -> Result<(), sysv_ipc::Error> {
        Self::remove(self)
    }
    fn is_listed(self) -> bool {
        let all = sysv_ipc::semaphore_sets().unwrap();
        all.iter().any(|entry| entry.set == self)
    }
}

impl Removable for MessageQueue {
    fn remove(self) -> Result<(), sysv_ipc::Error> {
        Self::remove(self)
    }
    fn is_listed(self) -> bool {
        let all = sysv_ipc::message_queues().unwrap();
        all.iter().any(|entry| entry.queue == self)
    }
}

/// Removes an object when the test ends, however it ends, and checks that it is gone.
#[derive(Debug)]
pub struct Owned<T: Removable> {
    object: T,
    /// Closed with this value.
    _alive: Sender<()>,
}

/// Takes an object over. A test that hangs loses it after a while: then its call fails, and the test.
pub fn own<T: Removable + Send + 'static>(object: T) -> Owned<T> {
    let (alive, ended) = mpsc::channel();
    thread::spawn(move || {
        if ended.recv_timeout(3 * PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = object.remove();
        }
    });
    Owned {
        object,
        _alive: alive,
    }
}

impl<T: Removable> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: Removable> Drop for Owned<T> {
    fn drop(&mut self) {
        let removed = self.object.remove();
        if thread::panicking() {
            return;
        }
        if let Err(error) = removed {
            assert_eq!(error.kind(), ErrorKind::Removed, "{error}");
        }
        // A process that is being started may hold a mapping for a moment.
        wait_until("the object is gone", || !self.object.is_listed());
    }
}

pub fn segment(bytes: usize) -> Owned<Segment> {
    own(Segment::create(Key::PRIVATE, bytes, Mode::OWNER).unwrap())
}

pub fn set(count: usize) -> Owned<SemaphoreSet> {
    own(SemaphoreSet::create(Key::PRIVATE, count, Mode::OWNER).unwrap())
}

pub fn queue() -> Owned<MessageQueue> {
    own(MessageQueue::create(Key::PRIVATE, Mode::OWNER).unwrap())
}

/// Checks that a call failed as it should.
#[track_caller]
pub fn assert_fails<T: std::fmt::Debug>(result: Result<T, sysv_ipc::Error>, kind: ErrorKind) {
    match result {
        Ok(value) => panic!("{value:?} in place of {kind:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
    }
}

/// Returns the part that this process is to play, and the part's argument. Who plays a part does not
/// outlive its parent.
pub fn part() -> Option<(String, String)> {
    let part = std::env::var(PART).ok()?;
    prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
    Some((part, std::env::var(ARGUMENT).unwrap_or_default()))
}

/// Returns the identifier that a part's argument is.
pub fn id(argument: &str) -> i32 {
    argument.parse().unwrap()
}

/// Tells the parent that this thread is about to block, and where to see it sleep.
pub fn say_ready() {
    let thread = fs::read_link("/proc/thread-self").unwrap();
    println!("{READY}{}", thread.display());
}

/// Prepares this executable to play a part; `argument` is for the part to understand.
pub fn child(part: &str, argument: impl ToString) -> Command {
    child_of(&[], part, argument)
}

/// Prepares this executable to play a part, started by another program, such as `unshare --ipc`.
pub fn child_of(starter: &[&str], part: &str, argument: impl ToString) -> Command {
    let this = std::env::current_exe().unwrap().into_os_string();
    let mut words = starter.iter().map(OsString::from).chain([this]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args(["--exact", "child", "--nocapture", "--include-ignored"])
        .env(PART, part)
        .env(ARGUMENT, argument.to_string());
    command
}

/// Holds a second process; one that is still running is killed with this value.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    lines: Receiver<String>,
    /// What it has printed so far.
    output: String,
}

impl Peer {
    /// Starts the process.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Ok(Self {
            process,
            lines,
            output: String::new(),
        })
    }

    /// Starts this executable to play a part.
    pub fn start(part: &str, argument: impl ToString) -> Self {
        Self::spawn(child(part, argument)).unwrap()
    }

    pub fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }

    /// Waits until the child has called [`say_ready`] and sleeps in the call after it; returns the
    /// sleeping thread's folder in /proc.
    pub fn wait_until_asleep(&mut self) -> String {
        let thread = self.wait_until_ready();
        wait_until("the child sleeps", || state_of(&thread) == Some('S'));
        thread
    }

    /// Waits until the child has called [`say_ready`].
    pub fn wait_until_ready(&mut self) -> String {
        let start = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("the child did not get ready:\n{}", self.output);
            };
            if let Some((_, thread)) = line.split_once(READY) {
                return thread.to_owned();
            }
            self.output.push_str(&line);
            self.output.push('\n');
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Tells whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Waits for the process's end, and checks that it played its part and all went well.
    pub fn finish(mut self) {
        wait_until("the child ends", || self.has_ended());
        let status = self.process.wait().unwrap();
        // The other end is closed with the last process that could write to it.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.output.push_str(&line);
            self.output.push('\n');
        }
        let played = self.output.contains("1 passed");
        assert!(status.success() && played, "{status}:\n{}", self.output);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the state of a thread or process, such as S for asleep, from its folder in /proc.
pub fn state_of(folder: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{folder}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Tells whether a program can be started with these arguments here.
pub fn can_run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Lets the user `nobody` play a part; skips when that cannot be.
pub fn play_as_other_user(part: &str, argument: impl ToString) {
    if !geteuid().is_root() {
        return skip("only root can start a process of another user");
    }
    let mut command = child(part, argument);
    command.uid(OTHER_USER).gid(OTHER_USER).current_dir("/");
    match Peer::spawn(command) {
        Ok(peer) => peer.finish(),
        Err(error) => skip(&format!(
            "user {OTHER_USER} cannot start this file: {error}"
        )),
    }
}

/// Plays a part in an IPC namespace of its own, whose limits it may change; skips when that cannot be.
pub fn play_in_own_namespace(part: &str) {
    if !(geteuid().is_root() && can_run("unshare", &["--ipc", "true"])) {
        return skip("only root can make an IPC namespace, with unshare(1)");
    }
    let command = child_of(&["unshare", "--ipc"], part, "");
    Peer::spawn(command).unwrap().finish();
}

/// Sets a limit of the own IPC namespace.
pub fn set_sysctl(name: &str, value: impl ToString) {
    fs::write(format!("/proc/sys/kernel/{name}"), value.to_string()).unwrap();
}

/// Sleeps until the parent kills this process.
pub fn wait_to_be_killed() -> ! {
    loop {
        thread::park();
    }
}
