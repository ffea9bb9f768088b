//! Goal: `semring clean` removes what is provably stale and nothing else, and says of the rest why it
//! stays. Method: each situation is made with real processes; where all channels are cleaned, in an IPC
//! namespace of the test's own, so that nothing else of this machine is touched.

mod common;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use common::{EMPTY, Place, Running, json, semring, skip, stdout, wait_until};
use nix::sched::{CloneFlags, unshare};
use semring::{Address, Channel, Key, Mode};
use sysv_ipc::{MessageQueue, Operation, Segment, SemaphoreSet};

const SETUP: u16 = 4;
/// Bytes of a segment of 4 slots for 100 bytes.
const SEGMENT_BYTES: usize = 8192 + 4 * 128;
const NOTHING_WAITED: &str = "removed: nobody used it, and nothing waited in it";

impl Place {
    fn clean(&self, options: &[&str]) -> Output {
        semring(&[&["clean", self.name.as_str()], options].concat())
    }

    /// Checks that it is removed, and nothing is left.
    #[track_caller]
    fn assert_removed(&self, options: &[&str]) -> String {
        let text = stdout(&self.clean(options));
        assert!(text.contains("1 removed, 0 kept."), "{text}");
        assert!(!self.is_there());
        text
    }

    /// Checks that it is kept and not changed, for a reason in these words, with or without a dry run.
    #[track_caller]
    fn assert_kept(&self, words: &[&str]) {
        self.assert_kept_with(&[], words);
    }

    #[track_caller]
    fn assert_kept_with(&self, options: &[&str], words: &[&str]) {
        let before = self.state();
        for dry_run in [&["--dry-run"][..], &[]] {
            let output = self.clean(&[options, dry_run].concat());
            assert_eq!(output.status.code(), Some(5), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains(" kept: "), "{text}");
            for word in words {
                assert!(text.contains(word), "{word:?} in {text}");
            }
        }
        assert!(self.is_there());
        assert_eq!(self.state(), before);
    }

    /// All that is known of it, but for the times that the kernel notes when anybody ends who has waited,
    /// and for how long somebody has waited.
    fn state(&self) -> Option<serde_json::Value> {
        let mut state = self.listed()?;
        state["active_at"].take();
        state["diagnosis"].take();
        for role in ["producer", "consumer"] {
            let doing = state[role]["doing"].as_str()?;
            let what = doing.split(", ").next();
            state[role]["doing"] = what.into();
        }
        Some(state)
    }

    fn is_there(&self) -> bool {
        let none = Mode::from_bits(0);
        Segment::open(self.key, none).is_ok() || SemaphoreSet::open(self.key, none).is_ok()
    }

    /// Leaves what two processes leave that exchange a message and are killed.
    fn leave_killed_pair(&self) {
        let (writer, reader) = self.start_idle();
        // Stopped, neither can learn of the other's death.
        writer.stop();
        reader.stop();
        reader.kill();
        writer.kill();
    }

    /// Leaves a closed stream that nobody has read.
    fn leave_unread(&self) {
        self.start("writer", "--count 3 --interval 0 --no-linger")
            .end();
    }

    fn force(&self) -> String {
        format!("`semring clean --force {}`", self.name)
    }
}

/// Gives this thread, and the processes that it starts, System V objects of their own.
fn alone() -> bool {
    match unshare(CloneFlags::CLONE_NEWIPC) {
        Ok(()) => true,
        Err(errno) => {
            skip(&format!("no IPC namespace of its own: {errno}"));
            false
        }
    }
}

/// Keys of all objects that this thread sees, without those of removed segments.
fn keys() -> Vec<Key> {
    let segments = sysv_ipc::segments().unwrap().into_iter();
    let sets = sysv_ipc::semaphore_sets().unwrap().into_iter();
    let queues = sysv_ipc::message_queues().unwrap().into_iter();
    let keys = segments.map(|entry| entry.permissions.key);
    let keys = keys.chain(sets.map(|entry| entry.permissions.key));
    let keys = keys.chain(queues.map(|entry| entry.permissions.key));
    keys.filter(|&key| key != Key::PRIVATE).collect()
}

#[test]
fn leftovers_of_a_killed_pair() {
    let place = Place::new("killed");
    place.leave_killed_pair();
    let text = place.assert_removed(&[]);
    assert!(text.contains(NOTHING_WAITED), "{text}");
    let again = place.clean(&[]);
    assert!(stdout(&again).contains("is not there"), "{again:?}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new("dry");
    place.leave_killed_pair();
    let before = (place.set().stat().unwrap(), place.state());
    for force in [&["--dry-run", "--force"][..], &["--dry-run"]] {
        let text = stdout(&place.clean(force));
        assert!(text.contains("would be removed: nobody uses it"), "{text}");
        assert!(text.contains("1 would be removed, 0 would be kept."));
    }
    assert_eq!((place.set().stat().unwrap(), place.state()), before);
    place.assert_removed(&[]);
}

#[test]
fn unread_messages_wait_for_a_reader() {
    let place = Place::new("unread");
    place.leave_unread();
    let force = place.force();
    place.assert_kept(&["3 unread messages wait for a reader", &force]);
    let in_json = semring(&["clean", &place.name, "--json"]);
    let in_json: serde_json::Value = serde_json::from_slice(&in_json.stdout).unwrap();
    let channel = &in_json["channels"][0];
    assert_eq!(
        (&channel["result"], &channel["reason"]),
        (&"kept".into(), &"unread".into())
    );
    assert_eq!(
        (&channel["unread"], &in_json["kept"]),
        (&3.into(), &1.into())
    );
    let mut reader = Command::new(common::beside("reader"));
    reader.args(["--channel", &place.name]);
    let read = stdout(&reader.output().unwrap());
    assert!(read.contains("Total messages read: 3"), "{read}");
    assert!(!place.is_there());
}

#[test]
fn messages_of_a_killed_pair_wait_for_a_reader() {
    let place = Place::new("killed-unread");
    let (reader, writer) = place.start_stuck();
    writer.stop();
    reader.stop();
    reader.kill();
    writer.kill();
    place.assert_kept(&["4 unread messages wait for a reader"]);
    let text = place.assert_removed(&["--force", "--yes"]);
    assert!(
        text.contains("removed by force: 4 unread messages wait"),
        "{text}"
    );
}

#[test]
fn the_end_of_a_stream_waits_for_a_reader() {
    let place = Place::new("end");
    let file = place.folder.path().join("empty");
    fs::write(&file, "").unwrap();
    let sent = format!("{} --no-linger", file.display());
    place.start("writer", &sent).end();
    place.assert_kept(&["the end of its stream waits for a reader", &place.force()]);
    place.start("reader", "-o -").end();
    assert!(!place.is_there());
}

#[test]
fn a_running_pair_is_kept() {
    let place = Place::new("running");
    let (writer, reader) = place.start_idle();
    let writer_named = format!("producer PID {} (writer)", writer.pid());
    let users = format!(
        "in use by {writer_named} and consumer PID {} (reader)",
        reader.pid()
    );
    place.assert_kept(&[&users]);
    writer.stop();
    reader.stop();
    place.assert_kept(&[&users]);
    reader.kill();
    place.assert_kept(&[&format!("in use by {writer_named}")]);
}

#[test]
fn an_attachment_without_a_role_keeps_it() {
    let place = Place::new("attached");
    place.leave_killed_pair();
    let attachment = place.segment().attach().unwrap();
    place.assert_kept(&["nobody has a role, but there is 1 attachment"]);
    attachment.detach().unwrap();
    place.assert_removed(&[]);
}

#[test]
fn somebody_who_attaches_keeps_it() {
    let place = Place::new("busy");
    place.leave_killed_pair();
    let set = place.set();
    set.operate(&[Operation::add(SETUP, 1)]).unwrap();
    let pid = format!("PID {} is attaching or leaving", std::process::id());
    place.assert_kept(&[&pid, "`kill -CONT "]);
    set.operate(&[Operation::take(SETUP, 1)]).unwrap();
    place.assert_removed(&[]);
    // Force does not wait without end for one that is stuck.
    place.leave_killed_pair();
    place.set().operate(&[Operation::add(SETUP, 1)]).unwrap();
    let text = stdout(&place.clean(&["--dry-run", "--force"]));
    assert!(!text.contains(" kept: "), "{text}");
    place.assert_removed(&["--force", "--yes"]);
}

#[test]
fn half_made() {
    let place = Place::new("half-made");
    let make_set = || SemaphoreSet::create(place.key, 5, Mode::OWNER).unwrap();
    make_set();
    place.assert_removed(&[]);
    make_set();
    Segment::create(place.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    place.assert_removed(&[]);
    make_set();
    Segment::create(place.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    place.scribble(0, b"semring?");
    place.assert_removed(&[]);
    // Of the steps of a creation the last has no set: it was removed.
    Segment::create(place.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    place.scribble(0, b"semring?");
    place.assert_removed(&[]);
}

#[test]
fn a_segment_without_its_set() {
    let place = Place::new("no-set");
    place.leave_killed_pair();
    place.set().remove().unwrap();
    place.assert_removed(&[]);
    place.leave_unread();
    place.set().remove().unwrap();
    place.assert_kept(&["3 unread messages wait"]);
    let left = SemaphoreSet::open(place.key, Mode::from_bits(0));
    assert!(left.is_err(), "no set was made for it");
    place.assert_removed(&["--force", "--yes"]);
}

/// It bears no mark, and may be anybody's.
#[test]
fn a_blank_segment_alone() {
    let place = Place::new("blank");
    let segment = Segment::create(place.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    let words = ["all zero, and without a channel's semaphore set"];
    place.assert_kept(&words);
    place.assert_kept_with(&["--force", "--yes"], &words);
    segment.remove().unwrap();
}

#[test]
fn a_set_without_its_segment() {
    let place = Place::new("no-segment");
    let (writer, reader) = place.start_idle();
    place.segment().remove().unwrap();
    let users = format!("in use by producer PID {} (writer)", writer.pid());
    let output = place.clean(&[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&users));
    writer.stop();
    reader.stop();
    reader.kill();
    writer.kill();
    place.assert_removed(&[]);
}

#[test]
fn all_channels_and_nothing_else() {
    if !alone() {
        return;
    }
    let stale = Place::new("all-stale");
    let running = Place::new("all-running");
    let begun = Place::new("all-begun");
    let empty = stdout(&semring(&["clean"]));
    assert!(empty.contains("There is no channel"), "{empty}");

    let key = Key::from_bits;
    let other = Segment::create(key(71), SEGMENT_BYTES, Mode::OWNER).unwrap();
    other.attach().unwrap().write(0, b"a game's").unwrap();
    SemaphoreSet::create(key(71), 5, Mode::OWNER).unwrap();
    Segment::create(key(72), SEGMENT_BYTES, Mode::OWNER).unwrap();
    Segment::create(key(73), SEGMENT_BYTES, Mode::OWNER).unwrap();
    SemaphoreSet::create(key(73), 5, Mode::OWNER).unwrap();
    SemaphoreSet::create(key(74), 5, Mode::OWNER).unwrap();
    SemaphoreSet::create(key(75), 3, Mode::OWNER).unwrap();
    MessageQueue::create(key(76), Mode::OWNER).unwrap();
    let foreign = keys();

    stale.leave_killed_pair();
    let _pair = running.start_idle();
    SemaphoreSet::create(begun.key, 5, Mode::OWNER).unwrap();
    Segment::create(begun.key, SEGMENT_BYTES, Mode::OWNER).unwrap();
    begun.scribble(0, b"semring?");
    for options in [&[][..], &["--force", "--yes"]] {
        let text = stdout(&semring(&[&["clean"], options].concat()));
        assert!(text.contains("2 removed"), "{text}");
        let unmarked = "kept: nothing in it bears a channel's mark";
        assert_eq!(text.matches(unmarked).count(), 2, "{text}");
        assert!(text.contains("`semring clean --key 0x00000049`"), "{text}");
        // The next round takes the running pair, too.
        if options.is_empty() {
            stale.leave_killed_pair();
        }
    }
    assert!(!stale.is_there() && !begun.is_there() && !running.is_there());
    assert_eq!(keys(), foreign);

    for (number, code) in [(71, 5), (72, 5), (75, 5), (76, 5), (73, 0), (74, 0)] {
        let text = format!("0x{number:08x}");
        let output = semring(&["clean", "--key", &text, "--force", "--yes"]);
        assert_eq!(output.status.code(), Some(code), "{number}: {output:?}");
    }
}

#[test]
fn another_version_and_a_damaged_one() {
    let place = Place::new("version");
    place.leave_unread();
    place.scribble(8, &[7]);
    place.assert_kept(&["layout version 7, this program knows 1"]);
    place.assert_kept_with(&["--force", "--yes"], &["layout version 7"]);
    place.scribble(8, &[1]);
    place.scribble(512, &[0xff; 8]);
    place.assert_kept(&["tail is 18446744073709551615", &place.force()]);
    place.assert_removed(&["--force", "--yes"]);
}

#[test]
fn names_that_collide() {
    let place = Place::new("collide");
    place.leave_killed_pair();
    place.scribble(132, b"X");
    place.assert_kept(&["two names collide"]);
}

#[test]
fn force_asks_first() {
    let place = Place::new("asks");
    let (writer, reader) = place.start_idle();
    let unasked = place.clean(&["--force"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    let words = String::from_utf8(unasked.stderr).unwrap();
    assert!(words.contains("add `--yes`"), "{words}");

    let (code, asked) = place.clean_on_terminal("no\n");
    let users = format!("in use by producer PID {} (writer)", writer.pid());
    assert!(asked.contains(&users) && asked.contains("[y/N]"), "{asked}");
    assert!(asked.contains("nothing was removed"), "{asked}");
    assert_eq!(code, Some(1));
    assert!(
        place
            .listed()
            .is_some_and(|listed| listed["condition"] == "idle")
    );

    let (code, _) = place.clean_on_terminal("y\n");
    assert_eq!(code, Some(0));
    assert!(!place.is_there());
    reader.end();
    drop(writer);
}

impl Place {
    /// Runs `clean --force` on a terminal of its own, types an answer, and returns the exit code with all that was
    /// to be seen.
    fn clean_on_terminal(&self, answer: &str) -> (Option<i32>, String) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let terminal = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_semring"));
        command.args(["clean", "--force", &self.name]);
        command
            .stdin(terminal())
            .stdout(terminal())
            .stderr(terminal());
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut master = File::from(pty.master);
        master.write_all(answer.as_bytes()).unwrap();
        wait_until("it has ended", || child.try_wait().unwrap().is_some());
        drop(pty.slave);
        let mut seen = Vec::new();
        // A terminal whose last user is gone ends with an error.
        let _ = master.read_to_end(&mut seen);
        let code = child.wait().unwrap().code();
        (code, String::from_utf8_lossy(&seen).into_owned())
    }
}

/// The channel of a user without a name, for whom a copy of the programs is run.
#[test]
fn another_users_channel() {
    const OWNER: u32 = 65_531;
    const STRANGER: u32 = 65_532;
    let Some(place) = Place::of_user("other-user", OWNER) else {
        return;
    };
    let folder = place.folder.path().to_owned();
    let run = |program: &str, user: u32, arguments: &[&str]| {
        let mut command = Command::new(folder.join(program));
        common::run(command.args(arguments).uid(user).gid(user))
    };
    let channel = Channel::new(Address::named_by(OWNER, &place.name).unwrap());
    let leave = |mode| {
        let sent = ["--demo", "--interval", "1h", "--mode", mode, "--channel"];
        let mut command = Command::new(folder.join("writer"));
        command.args(sent).arg(&place.name).uid(OWNER).gid(OWNER);
        let writer = Running::start(&mut command);
        place.wait_until_blocked(EMPTY);
        let mode = mode.parse().unwrap();
        let mut consumer = channel.clone().mode(mode).framing(semring::Framing::Demo);
        consumer = consumer.create(false);
        drop(consumer.consumer().unwrap().recv().unwrap());
        writer.kill();
    };
    let asked = format!("{OWNER}/{}", place.name);
    for mode in ["0600", "0666"] {
        leave(mode);
        for force in [&[][..], &["--force", "--yes"]] {
            let output = run("semring", STRANGER, &[&["clean", &asked], force].concat());
            let output = match output {
                Err(error) => return skip(&format!("another user cannot run a program: {error}")),
                Ok(output) => output,
            };
            assert_eq!(output.status.code(), Some(5), "{output:?}");
            let text = String::from_utf8(output.stdout).unwrap();
            let words = format!("kept: it belongs to another user, {OWNER}");
            assert!(text.contains(&words), "{text}");
        }
        assert!(place.is_there());
    }
    let text = stdout(&run("semring", OWNER, &["clean", &place.name]).unwrap());
    assert!(text.contains(NOTHING_WAITED), "{text}");
    leave("0600");
    let as_root = json(&["clean", &asked, "--json"]);
    assert_eq!(as_root["removed"], 1, "{as_root}");
    assert!(!place.is_there());
    // Not even root can lock it in a way that its owner could wait for.
    leave("0600");
    place.set().remove().unwrap();
    let as_root = semring(&["clean", &asked]);
    let text = String::from_utf8(as_root.stdout).unwrap();
    let remedy = format!("run `semring clean` as that user, or `semring clean --force {asked}`");
    assert!(text.contains(&remedy), "{text}");
    assert_eq!(as_root.status.code(), Some(5));
    assert!(SemaphoreSet::open(place.key, Mode::from_bits(0)).is_err());
}
