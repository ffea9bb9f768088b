//! What the tests share: a channel of their own that is gone afterwards, and both programs as real
//! processes under a watchdog. Nothing waits for anything longer than the watchdog allows, and only
//! processes that were started here are ever sent a signal.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses a part of this"
)]

mod bytes;
mod process;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use semring::{Address, Key, Mode};
use sysv_ipc::{ErrorKind, Operation, Segment, SemaphoreSet};
use tempfile::TempDir;

pub use bytes::{RECORD_BYTES, Random, assert_same, numbered, pseudo_random, records};
pub use process::{Ended, Running};
use process::{Started, start};

/// How long anything may take before the test fails, on a machine that is slow and busy.
pub const WATCHDOG: Duration = Duration::from_secs(100);
/// The same for a test that moves much.
pub const LONG: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Semaphores of the set, by index (docs/layout.md).
pub const EMPTY: u16 = 0;
pub const FULL: u16 = 1;
pub const PRODUCER: u16 = 2;
pub const SETUP: u16 = 4;

/// Offsets in the segment (docs/layout.md).
pub const TAIL: usize = 512;
pub const HEAD: usize = 1024;
pub const CONSUMER_WORD: usize = 1024 + 128;
pub const DESCRIPTORS: usize = 4096;

/// What looks at an object without asking for any right.
const NO_RIGHTS: Mode = Mode::from_bits(0);

/// A channel that no other test uses, and a folder for files. Removes what is left of either.
pub struct Place {
    pub name: String,
    pub key: Key,
    folder: TempDir,
    started: Started,
}

impl Place {
    pub fn new(test: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}-{test}", std::process::id());
        let key = Address::named(&name).unwrap().key();
        Self {
            name,
            key,
            folder: TempDir::new().unwrap(),
            started: Started::default(),
        }
    }

    /// Looks after another key than that of the name.
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Makes a file and returns its path.
    pub fn file(&self, file: &str, content: &[u8]) -> PathBuf {
        let path = self.path(file);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `writer` on this channel, with nothing on its standard input.
    pub fn writer(&self, arguments: &str) -> Command {
        self.on_channel(writer(), arguments)
    }

    /// `reader` on this channel.
    pub fn reader(&self, arguments: &str) -> Command {
        self.on_channel(reader(), arguments)
    }

    /// `reader` on this channel, writing to a file.
    pub fn reader_into(&self, output: &Path, arguments: &str) -> Command {
        let mut command = self.reader(arguments);
        command.arg("-o").arg(output);
        command
    }

    /// `writer` on this channel, sending a file.
    pub fn writer_of(&self, input: &Path, arguments: &str) -> Command {
        let mut command = self.writer(arguments);
        command.arg(input);
        command
    }

    fn on_channel(&self, program: &Path, arguments: &str) -> Command {
        let mut command = program_with(program, arguments);
        command.args(["--channel", &self.name]);
        command
    }

    /// Starts a process and collects its output.
    #[track_caller]
    pub fn start(&self, command: &mut Command) -> Running {
        start(command, &self.started, true)
    }

    /// Starts a process whose standard output nobody reads until [`Running::read_output`].
    #[track_caller]
    pub fn start_unread(&self, command: &mut Command) -> Running {
        start(command, &self.started, false)
    }

    /// Starts a process and waits for its end.
    #[track_caller]
    pub fn run(&self, command: &mut Command) -> Ended {
        self.start(command).end()
    }

    pub fn segment(&self) -> Option<Segment> {
        found(Segment::open(self.key, NO_RIGHTS))
    }

    pub fn set(&self) -> Option<SemaphoreSet> {
        found(SemaphoreSet::open(self.key, NO_RIGHTS))
    }

    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left = (self.segment(), self.set());
        assert_eq!(left, (None, None), "left under {}", self.key);
    }

    /// Reads all bytes of the segment.
    #[track_caller]
    pub fn content(&self) -> Vec<u8> {
        let attachment = self.segment().unwrap().attach_read_only().unwrap();
        let mut bytes = vec![0; attachment.bytes()];
        attachment.read(0, &mut bytes).unwrap();
        bytes
    }

    /// Overwrites bytes of the segment.
    #[track_caller]
    pub fn scribble(&self, offset: usize, bytes: &[u8]) {
        let attachment = self.segment().unwrap().attach().unwrap();
        attachment.write(offset, bytes).unwrap();
    }

    /// Reads a number from the segment.
    #[track_caller]
    pub fn position(&self, offset: usize) -> usize {
        self.position_if_any(offset).unwrap()
    }

    /// Reads a number from the segment; nothing once it is gone.
    pub fn position_if_any(&self, offset: usize) -> Option<usize> {
        let attachment = self.segment()?.attach_read_only().ok()?;
        attachment.load_u64(offset).unwrap().try_into().ok()
    }

    /// Waits until a process sleeps on a semaphore, and nothing else happens.
    #[track_caller]
    pub fn wait_until_blocked(&self, semaphore: u16) {
        wait_until("somebody sleeps on the semaphore", || {
            self.set()
                .is_some_and(|set| set.waiting_for_units(semaphore) == Ok(1))
        });
    }

    /// Waits until a writer has the producer's role. A reader that comes before a dead writer's
    /// successor is told of the death, and ends.
    #[track_caller]
    pub fn wait_for_producer(&self) {
        wait_until("the producer's role is taken", || {
            self.set().is_some_and(|set| set.value(PRODUCER) == Ok(1))
        });
    }

    /// Takes the SETUP lock, as a process would that is stopped while it attaches.
    #[track_caller]
    pub fn hold_setup(&self) {
        let lock = [Operation::wait_zero(SETUP), Operation::add(SETUP, 1)];
        self.set().unwrap().operate(&lock).unwrap();
    }

    #[track_caller]
    pub fn release_setup(&self) {
        let unlock = [Operation::take(SETUP, 1)];
        self.set().unwrap().operate(&unlock).unwrap();
    }

    /// Waits until the channel has been made and `count` messages committed.
    #[track_caller]
    pub fn wait_for_tail(&self, count: usize) {
        wait_until("messages are committed", || {
            self.position_if_any(TAIL).is_some_and(|tail| tail >= count)
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whatever is left after a failure; afterwards there is nothing to be done about it.
        if let Ok(segment) = Segment::open(self.key, NO_RIGHTS) {
            let _ = segment.remove();
        }
        if let Ok(set) = SemaphoreSet::open(self.key, NO_RIGHTS) {
            let _ = set.remove();
        }
    }
}

#[track_caller]
fn found<T>(result: Result<T, sysv_ipc::Error>) -> Option<T> {
    match result {
        Ok(object) => Some(object),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// Waits until something is so, and fails when it never is.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    wait_until_within(what, WATCHDOG, is_so);
}

/// Waits until something is so, for a test that moves much.
#[track_caller]
pub fn wait_until_within(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// A program with arguments and nothing on its standard input.
pub fn program_with(program: &Path, arguments: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments.split_whitespace())
        .stdin(Stdio::null());
    command
}

pub fn writer() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_writer"))
}

/// The reader beside the writer.
pub fn reader() -> &'static Path {
    static READER: OnceLock<PathBuf> = OnceLock::new();
    READER.get_or_init(|| build_beside_writer(&["reader"]).join("reader"))
}

/// Builds the programs and examples of other packages, and returns the folder where they are, beside the
/// writer. Testing the writer's package alone does not build them.
pub fn build_beside_writer(packages: &[&str]) -> &'static Path {
    let folder = writer().parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--bins", "--examples"]);
    for package in packages {
        build.args(["--package", package]);
    }
    build
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let status = build.status().unwrap();
    assert!(status.success(), "{packages:?} cannot be built");
    folder
}

/// Copies a program, by another process: a test that forks meanwhile must not inherit a descriptor that
/// makes the kernel take the copy for one that is still being written.
#[track_caller]
pub fn copy_program(program: &Path, copy: &Path) {
    let copied = Command::new("cp").arg(program).arg(copy).status().unwrap();
    assert!(copied.success(), "{} cannot be copied", program.display());
}

/// Says past the test harness's capture that a test could not run, and why.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason}");
}

/// Tells whether `strace` can be used here; else says past the capture that it cannot, and why.
pub fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    let tried = strace.args(["-qqq", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => skip(&format!("strace cannot trace: {output:?}")),
        Err(error) => skip(&format!("no strace: {error}")),
    }
    false
}

/// The most memory that a process has had resident, until it ends.
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

/// Clock ticks that a process has used so far, in user and in kernel mode.
pub fn cpu_ticks(pid: u32) -> u64 {
    let fields = stat_fields(pid);
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The state of a process: `R` runs or could, `S` sleeps, `T` is stopped, `Z` has ended.
pub fn state(pid: u32) -> char {
    stat_fields(pid)[0].parse().unwrap()
}

/// Tells whether a process that is not ours to wait for has ended, be it that nobody waits for it.
pub fn has_ended(pid: u32) -> bool {
    try_stat_fields(pid).is_none_or(|fields| fields[0] == "Z")
}

fn stat_fields(pid: u32) -> Vec<String> {
    try_stat_fields(pid).unwrap()
}

/// What `/proc` says of a process, from its third field on; nothing once it is gone.
fn try_stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second is its name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}
