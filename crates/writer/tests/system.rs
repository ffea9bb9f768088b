//! Goal: where the operating system refuses something, the programs say what was tried, on what, why not,
//! and what to do. Method: closed doors of the real kind (a limit, a folder's mode, a sealed file, a full
//! device); and where there is none, a system call that `strace` lets fail.

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{
    FULL, HEAD, Place, assert_same, can_trace, copy_program, program_with, pseudo_random, reader,
    wait_until, writer,
};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

const SMALL: &str = "--slots 4 --slot-size 100";
/// The first look goes to /proc; if that failed, the standard library would look in an older way.
const STAT_RULE: &str = "error=EIO:when=2+";
/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// The command as a shell starts it that runs `script`.
fn through_shell(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    shell
}

/// The command with no descriptor left: three standard ones, and the one that wakes it.
fn without_descriptors(command: &Command) -> Command {
    through_shell("ulimit -n 4; exec \"$@\"", command)
}

/// A system call that fails in the main thread.
struct Refusal<'a> {
    call: &'a str,
    /// How, and at which of its occurrences, as strace(1) has it.
    rule: &'a str,
    /// Only where the call is about this file.
    path: Option<&'a str>,
}

const fn refusal<'a>(call: &'a str, rule: &'a str) -> Refusal<'a> {
    let path = None;
    Refusal { call, rule, path }
}

impl<'a> Refusal<'a> {
    const fn of(mut self, path: &'a str) -> Self {
        self.path = Some(path);
        self
    }

    /// Runs the command with it, and checks what it says; not without `strace`.
    #[track_caller]
    fn assert_told(&self, place: &Place, command: &Command, words: &[&str]) {
        if !can_trace() {
            return;
        }
        let Self { call, rule, .. } = self;
        let mut strace = Command::new("strace");
        strace
            .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:{rule}")])
            .args(self.path.map(|path| format!("--trace-path={path}")))
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null());
        place.run(&mut strace).assert_error(1, words);
    }
}

#[test]
fn no_descriptor_for_standard_input_or_output() {
    let place = Place::new("descriptors");
    for (command, words) in [
        (place.writer("-"), "writer: cannot use standard input: "),
        (place.reader("-o -"), "reader: cannot use standard output: "),
        (place.reader(""), "reader: cannot use standard output: "),
        (
            place.writer("--demo"),
            "writer: cannot use standard output: ",
        ),
    ] {
        let ended = place.run(&mut without_descriptors(&command));
        ended.assert_error(1, &[words, "Too many open files", "; raise `ulimit -n`"]);
        place.assert_nothing_left();
    }
}

#[test]
fn no_descriptor_to_look_up_a_user() {
    let place = Place::new("user");
    let command = program_with(writer(), "--quiet --channel no-such-user/x");
    let ended = place.run(&mut without_descriptors(&command));
    let words = [
        "writer: cannot look up the user \"no-such-user\": ",
        "; raise `ulimit -n`",
    ];
    ended.assert_error(1, &words);
}

#[test]
fn nothing_to_take_signals_with() {
    let place = Place::new("signals");
    let command = place.writer("--demo");
    let words = [
        "writer: cannot make a wake-up descriptor: ",
        "; raise `ulimit -n`",
    ];
    refusal("eventfd2", "error=EMFILE").assert_told(&place, &command, &words);
    let words = [
        "writer: cannot start the thread that takes signals: ",
        "; raise `ulimit -u`, or end some processes",
    ];
    refusal("clone3", "error=EAGAIN").assert_told(&place, &command, &words);
    place.assert_nothing_left();
}

#[test]
fn an_input_that_cannot_be_looked_at_or_waited_for() {
    let place = Place::new("input");
    let input = place.file("input", b"x");
    let words = [
        &*format!(
            "writer: cannot look at {}: Input/output error",
            input.display()
        ),
        "; look for the device's failure with `dmesg`",
    ];
    let command = place.writer_of(&input, "");
    refusal("statx", STAT_RULE).assert_told(&place, &command, &words);
    place.assert_nothing_left();

    let command = place.writer("-");
    let words = [
        "writer: sending standard input: cannot wait for a descriptor: ",
        &format!("key {}); free some memory", place.key),
    ];
    refusal("poll", "error=ENOMEM:when=2+").assert_told(&place, &command, &words);
}

#[test]
fn an_input_that_is_open_for_writing_only() {
    let place = Place::new("wrong-way");
    let input = File::options().write(true).open(place.file("input", b"x"));
    let writer = place.run(place.writer("-").stdin(input.unwrap()));
    let words = [
        "writer: sending standard input: cannot read: Bad file descriptor",
        "; redirect it with `<` to be read",
    ];
    writer.assert_error(1, &words);
}

#[test]
fn an_output_that_cannot_be_looked_at_or_gone_to() {
    let place = Place::new("output");
    for (call, rule, words) in [
        ("statx", STAT_RULE, "cannot look at it: Input/output"),
        ("lseek", "error=EIO", "cannot go to its end: Input/output"),
        ("pwrite64", "error=ENOSPC", "output.semring: No space left"),
    ] {
        let remedy = if call == "pwrite64" {
            "make room"
        } else {
            "`dmesg`"
        };
        let output = place.path("output");
        let command = place.reader_into(&output, SMALL);
        let words = [
            &*format!("reader: receiving into {}: ", output.display()),
            words,
            remedy,
        ];
        refusal(call, rule).assert_told(&place, &command, &words);
    }
}

#[test]
fn a_record_that_cannot_be_locked_or_read() {
    let place = Place::new("record");
    let output = place.file("output", b"");
    let command = place.reader_into(&output, "--resume --slots 4");
    let record = place.path("output.semring");
    let words = [
        &*format!(
            "reader: cannot lock {}: No locks available",
            record.display()
        ),
        "; name a file on another file system",
    ];
    refusal("flock", "error=ENOLCK").assert_told(&place, &command, &words);
    let words = [
        &*format!(
            "reader: cannot read {}: Input/output error",
            record.display()
        ),
        "; look for the device's failure with `dmesg`",
    ];
    refusal("read", "error=EIO")
        .of(record.to_str().unwrap())
        .assert_told(&place, &command, &words);
    // Not there when neither could be tried.
    let _ = fs::remove_file(&record);
    fs::create_dir(&record).unwrap();
    let words = [
        &*format!("reader: cannot record positions in {}: ", record.display()),
        "Is a directory",
        "; name a file, not a folder",
    ];
    place.run(&mut copy(&command)).assert_error(1, &words);
    place.assert_nothing_left();
}

fn copy(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).stdin(Stdio::null());
    copy
}

/// Nobody will come to its other end.
#[test]
fn a_socket_is_not_waited_for() {
    let place = Place::new("socket");
    let path = place.path("socket");
    let _socket = UnixListener::bind(&path).unwrap();
    let remedy = "No such device or address (os error 6); name a file or a pipe";
    let words = format!("reader: cannot write to {}: {remedy}", path.display());
    place
        .run(&mut place.reader_into(&path, SMALL))
        .assert_error(1, &[&words]);
    let words = format!("writer: cannot open {}: {remedy}", path.display());
    place
        .run(&mut place.writer_of(&path, ""))
        .assert_error(1, &[&words]);
    place.assert_nothing_left();
}

/// A sealed file in memory can be written to, and not cut off.
#[test]
fn an_output_that_cannot_be_cut_off() {
    let place = Place::new("sealed");
    let mut sealed = File::from(memfd_create(c"sealed", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    sealed.write_all(b"old").unwrap();
    fcntl(&sealed, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK)).unwrap();
    let output = format!("/proc/{}/fd/{}", std::process::id(), sealed.as_raw_fd());
    let reader = place.run(&mut place.reader_into(Path::new(&output), SMALL));
    let words = [
        &*format!("reader: receiving into {output}: cannot cut it off: Operation not permitted"),
        "; see who may with `ls -ld` and `lsattr`",
    ];
    reader.assert_error(1, &words);
}

#[test]
fn an_output_that_is_full_or_takes_nothing() {
    let place = Place::new("full");
    let words = [
        "cannot write: No space left on device",
        "; make room, see `df`",
    ];
    for (program, command) in [
        ("writer", place.writer("--demo")),
        ("reader", place.reader("")),
    ] {
        let ended = place.run(&mut through_shell("exec \"$@\" >/dev/full", &command));
        ended.assert_error(1, &words);
        let start = format!("{program}: standard output: cannot write: ");
        assert!(ended.stderr.starts_with(&start), "{:?}", ended.stderr);
        place.assert_nothing_left();
    }
    let input = place.file("input", b"x");
    let figures = place.writer_of(&input, "--no-linger --json");
    let ended = place.run(&mut through_shell("exec \"$@\" >/dev/full", &figures));
    let kept = "; 1 message waits in channel ";
    ended.assert_error(1, &["writer: standard output: ", words[0], words[1], kept]);
    let words = [
        "reader: receiving into standard output: cannot write: it takes nothing",
        "name another output",
    ];
    refusal("writev", "retval=0").assert_told(&place, &place.reader("-o -"), &words);
    assert_eq!(place.position(HEAD), 0, "nothing is acknowledged");
}

/// Without the kernel's word on its limits, or random bytes, no channel is made. The standard library's
/// hash maps, and the allocator, want random bytes before.
#[test]
fn a_system_that_tells_too_little() {
    let place = Place::new("tells-too-little");
    let command = place.writer("");
    let words = [
        "writer: cannot attach as producer to channel ",
        "cannot read /proc/sys/kernel/shmmax: ",
        "is /proc mounted?",
    ];
    refusal("openat", "error=ENOENT")
        .of("/proc/sys/kernel/shmmax")
        .assert_told(&place, &command, &words);
    place.assert_nothing_left();
    let words = [
        words[0],
        words[1],
        "Too many open files",
        "; raise `ulimit -n`",
    ];
    refusal("openat", "error=EMFILE")
        .of("/proc/sys/kernel/shmmax")
        .assert_told(&place, &command, &words);
    place.assert_nothing_left();
    let words = [
        "writer: cannot attach as producer to channel ",
        "the system gives no random bytes: ",
        "; wait until it has, or see why with `dmesg`",
    ];
    refusal("getrandom", "error=EIO:when=3+").assert_told(&place, &command, &words);
    place.assert_nothing_left();
}

/// The output is whole, and its record stays.
#[test]
fn a_record_that_cannot_be_removed() {
    let place = Place::new("unremovable");
    let folder = place.path("folder");
    fs::create_dir(&folder).unwrap();
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    let output = folder.join("output");
    let key = format!("--key {}", place.key);
    let data = pseudo_random(1000);
    let input = place.file("input", &data);
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let [mut receiver, mut sender] = [reader(), writer()].map(|program| {
        let copy = place.path(program.file_name().unwrap().to_str().unwrap());
        copy_program(program, &copy);
        let mut command = program_with(&copy, &key);
        // Nothing is closed to root.
        if nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    });
    let receiver = place.start(receiver.args(["--slots", "4", "-o"]).arg(&output));
    place.wait_until_blocked(FULL);
    wait_until("it is recorded", || {
        fs::metadata(folder.join("output.semring")).is_ok_and(|record| record.len() > 0)
    });
    mode(0o555);
    place.run(sender.arg(&input)).assert_code(0);
    let receiver = receiver.end();
    mode(0o777);
    let record = folder.join("output.semring");
    let words = [
        &*format!(
            "reader: cannot remove the record {}, of no use any more: Permission denied",
            record.display()
        ),
        "; see who may with `ls -ld` and `lsattr`",
    ];
    receiver.assert_error(1, &words);
    assert_same(&fs::read(&output).unwrap(), &data);
    place.assert_nothing_left();
}

/// What was written to the limit is recorded, and gone on with.
#[test]
fn a_file_size_limit_is_named() {
    let place = Place::new("file-size");
    let input = place.file("input", &pseudo_random(300_000));
    place
        .run(&mut place.writer_of(&input, "--no-linger --slots 128 --slot-size 4KiB"))
        .assert_code(0);
    let output = place.path("output");
    // Some whole messages and a part of one, whatever unit the shell counts in.
    let script = "ulimit -f 100; exec \"$@\"";
    let ended = place.run(&mut through_shell(script, &place.reader_into(&output, "")));
    let words = [
        "reader: receiving into ",
        "cannot write: File too large",
        "; raise `ulimit -f`",
    ];
    ended.assert_error(1, &words);
    assert!(
        ended.stderr.contains("go on with `--resume`"),
        "{:?}",
        ended.stderr
    );
    place
        .run(&mut place.reader_into(&output, "--resume"))
        .assert_code(0);
    assert_same(&fs::read(&output).unwrap(), &pseudo_random(300_000));
    place.assert_nothing_left();
}
