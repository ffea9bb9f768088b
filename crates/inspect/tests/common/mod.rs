//! What the tests share: a channel of their own that is gone afterwards, the programs as real processes,
//! and a watchdog. Only processes that were started here are ever sent a signal.

#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use semring::{Address, Key, Mode};
use serde_json::Value;
use sysv_ipc::{Segment, SemaphoreSet};
use tempfile::TempDir;

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(300);
/// How long anything in it may take, on a machine that is slow and busy.
pub const WATCHDOG: Duration = Duration::from_secs(100);

/// Semaphores of the set, by index (docs/layout.md).
pub const EMPTY: u16 = 0;
pub const FULL: u16 = 1;

const NO_RIGHTS: Mode = Mode::from_bits(0);

/// A channel that no other test uses, and a folder for files. Removes what is left of either.
pub struct Place {
    pub name: String,
    pub key: Key,
    pub folder: TempDir,
    _alive: Sender<()>,
}

impl Place {
    pub fn new(test: &'static str) -> Self {
        Self::called("", test)
    }

    /// A channel whose name begins with `start`.
    pub fn called(start: &str, test: &'static str) -> Self {
        // What has to be built for it is no part of its time.
        beside("semring");
        let name = format!("{start}inspect-{}-{}-{test}", std::process::id(), next());
        let key = Address::named(&name).unwrap().key();
        Self {
            name,
            key,
            folder: TempDir::new().unwrap(),
            _alive: watch(test),
        }
    }

    /// A channel of a user without a name, with programs in its folder that every user may run. Nothing,
    /// said loudly, where only root could run them as another.
    pub fn of_user(test: &'static str, owner: u32) -> Option<Self> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            skip("only root can run programs as other users");
            return None;
        }
        let mut place = Self::new(test);
        place.key = Address::named_by(owner, &place.name).unwrap().key();
        let folder = place.folder.path();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        for program in [beside("writer"), beside("semring")] {
            // By another process: a test that forks meanwhile must not inherit a descriptor for writing.
            let copied = Command::new("cp").arg(program).arg(folder).status();
            assert!(copied.unwrap().success());
        }
        Some(place)
    }

    /// Starts `writer` or `reader` on this channel, with nothing on its standard input.
    pub fn start(&self, program: &str, arguments: &str) -> Running {
        let arguments = format!("--channel {} {arguments}", self.name);
        Running::start(Command::new(beside(program)).args(arguments.split_whitespace()))
    }

    /// Starts a writer that has sent a message, and waits for a reader.
    pub fn start_alone(&self) -> Running {
        let writer = self.start("writer", "--interval 1h");
        self.wait_until_blocked(EMPTY);
        writer
    }

    /// Starts a writer and a reader that have exchanged a message: the reader waits for the next one, the
    /// writer counts its interval.
    pub fn start_idle(&self) -> (Running, Running) {
        let pair = (
            self.start("writer", "--interval 1h"),
            self.start("reader", ""),
        );
        wait_until("both are idle", || {
            self.listed().is_some_and(|listed| {
                let asleep = |role: &str| listed[role]["says"]["asleep"] == true;
                listed["header"]["head"] == 1 && asleep("consumer") && !asleep("producer")
            })
        });
        self.wait_until_blocked(FULL);
        pair
    }

    /// Starts a reader and a writer, which are stuck: nobody reads the reader's output, and the ring of 4
    /// slots is full.
    pub fn start_stuck(&self) -> (Running, Running) {
        let reader = self.start("reader", "--slots 4 --slot-size 4KiB -o -");
        self.wait_until_blocked(FULL);
        let writer = self.start_writer_of_much("");
        // A pipe holds 16 of its messages.
        wait_until("both are stuck", || {
            self.listed().is_some_and(|listed| {
                let header = &listed["header"];
                header["head"].as_u64() >= Some(16) && header["filled"] == 4
            })
        });
        self.wait_until_blocked(EMPTY);
        (reader, writer)
    }

    /// Starts `writer` with more than the ring and a pipe hold.
    pub fn start_writer_of_much(&self, arguments: &str) -> Running {
        let file = self.folder.path().join("much");
        fs::write(&file, vec![7; 1 << 20]).unwrap();
        let arguments = format!("{} --slots 4 --slot-size 4KiB {arguments}", file.display());
        self.start("writer", &arguments)
    }

    pub fn segment(&self) -> Segment {
        Segment::open(self.key, NO_RIGHTS).unwrap()
    }

    pub fn set(&self) -> SemaphoreSet {
        SemaphoreSet::open(self.key, NO_RIGHTS).unwrap()
    }

    /// Overwrites bytes of the segment.
    pub fn scribble(&self, offset: usize, bytes: &[u8]) {
        let memory = self.segment().attach().unwrap();
        memory.write(offset, bytes).unwrap();
    }

    /// Waits until a process sleeps on a semaphore.
    pub fn wait_until_blocked(&self, semaphore: u16) {
        wait_until("somebody sleeps on the semaphore", || {
            let set = SemaphoreSet::open(self.key, NO_RIGHTS);
            set.is_ok_and(|set| set.waiting_for_units(semaphore) == Ok(1))
        });
    }

    /// What `list --json` says of this channel.
    pub fn listed(&self) -> Option<Value> {
        let channels = json(&["list", "--json"])["channels"].take();
        let key = self.key.to_string();
        let mut channels = channels.as_array().unwrap().iter();
        channels.find(|channel| channel["key"] == key).cloned()
    }

    /// What `list` says of this channel: its line of the table and what belongs to that.
    pub fn line(&self) -> String {
        let text = stdout(&semring(&["list"]));
        let key = self.key.to_string();
        // A table has room for the start of the name.
        let name: String = self.name.chars().take(23).collect();
        let mut lines = text
            .lines()
            .skip_while(|line| !line.starts_with(&name) && !line.starts_with(&key));
        let first = lines
            .next()
            .unwrap_or_else(|| panic!("{} in {text}", self.name));
        let below = lines.take_while(|line| line.starts_with(' '));
        std::iter::once(first)
            .chain(below)
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn show(&self, options: &[&str]) -> Output {
        semring(&[&["show", self.name.as_str()], options].concat())
    }

    /// The command that removes this channel.
    pub fn give_up(&self, force: &str) -> String {
        format!("`semring clean {force}{}`", self.name)
    }

    /// Why all of `semring clean` would keep this channel; null when it would remove it.
    #[track_caller]
    fn reason(&self) -> Value {
        let judged = json(&["clean", "--dry-run", "--json"])["channels"].take();
        let key = self.key.to_string();
        let mut judged = judged.as_array().unwrap().iter();
        let judged = judged.find(|channel| channel["key"] == key);
        judged.expect("judged")["reason"].clone()
    }

    /// Checks that a command that `semring` has recommended removes this channel.
    #[track_caller]
    pub fn assert_gives_up(&self, remedy: &str) {
        let arguments = remedy.trim_matches('`').split(' ').skip(1);
        let mut arguments: Vec<&str> = arguments.collect();
        if arguments.contains(&"--force") {
            arguments.push("--yes");
        }
        let cleaned = semring(&arguments);
        assert!(cleaned.status.success(), "{cleaned:?}");
        assert!(self.listed().is_none(), "{remedy} leaves it");
    }

    /// Checks that `list` and `show`, as text and as JSON, name the situation and say what to do.
    #[track_caller]
    pub fn assert_named(&self, condition: &str, words: &[&str]) {
        let listed = self.listed().expect("listed");
        assert_eq!(listed["condition"], condition, "{listed}");
        assert_eq!(listed["stale"], condition == "stale");
        assert_eq!(listed["kept"], self.reason(), "{listed}");
        let (line, shown) = (self.line(), stdout(&self.show(&[])));
        let in_json = json(&["show", &self.name, "--json"])["diagnosis"].take();
        for word in words {
            assert!(line.contains(word), "list: {word:?} in {line}");
            assert!(shown.contains(word), "show: {word:?} in {shown}");
            assert!(
                in_json.as_str().unwrap().contains(word),
                "{word:?} in {in_json}"
            );
        }
        assert!(
            line.contains(condition) && shown.contains(condition),
            "{line}"
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(segment) = Segment::open(self.key, NO_RIGHTS) {
            let _ = segment.remove();
        }
        if let Ok(set) = SemaphoreSet::open(self.key, NO_RIGHTS) {
            let _ = set.remove();
        }
    }
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Ends the process, and the test with it, unless the result is dropped in time.
fn watch(test: &'static str) -> Sender<()> {
    let (alive, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs: not done after {LIMIT:?}");
            std::process::abort();
        }
    });
    alive
}

/// A process; killed when dropped.
pub struct Running {
    child: Child,
    /// Nobody reads it, so that a process that writes much gets stuck.
    _unread: Option<ChildStdout>,
}

impl Running {
    /// Starts it with nothing on its standard input.
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let unread = child.stdout.take();
        Self {
            child,
            _unread: unread,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().unwrap()), signal).unwrap();
    }

    /// Stops it, and waits until it is.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        wait_until("it is stopped", || {
            state(self.pid()).as_deref() == Some("T")
        });
    }

    /// Ends it by SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) {
        wait_until("its end", || self.child.try_wait().unwrap().is_some());
    }
}

/// The state of a process as `/proc` has it: `T` for stopped, `Z` for one that has ended and that nobody has
/// waited for; nothing once it is gone.
pub fn state(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_whitespace().next().map(str::to_owned)
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so, and fails when it never is.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WATCHDOG;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `semring`, on no terminal and with no wish about width or colour.
pub fn semring(arguments: &[&str]) -> Output {
    semring_with(arguments, &[])
}

/// Runs `semring` with environment variables.
pub fn semring_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_semring"));
    for variable in ["COLUMNS", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.envs(environment.iter().copied());
    run(command.args(arguments)).unwrap()
}

/// Runs a program that looks at channels, one at a time: each is an attachment that another would see.
pub fn run(command: &mut Command) -> std::io::Result<Output> {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    command.output()
}

/// What a successful run has printed.
#[track_caller]
pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&semring(arguments))).unwrap()
}

/// A program beside `semring`. Testing this package alone does not build it, so that is done here, once
/// for each test file.
pub fn beside(program: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_semring")).parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "-p",
            "writer",
            "-p",
            "reader",
            "--target-dir",
        ]);
        build.arg(folder.parent().unwrap());
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(status.unwrap().success(), "the programs cannot be built");
        folder.to_owned()
    });
    folder.join(program)
}

/// Tells whether `strace` can be used here; else says past the capture that it cannot, and why.
pub fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    match strace.args(["-qqq", "-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => skip(&format!("strace cannot trace: {output:?}")),
        Err(error) => skip(&format!("no strace: {error}")),
    }
    false
}

/// Says past the test harness's capture that a test could not run, and why.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
}
