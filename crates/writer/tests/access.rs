//! What belongs to somebody else, or is not what it was, is refused with a sentence, and stays as it was.
//! Goal: the cases of squatted, given away, widened, foreign and mistaken objects, with processes of real
//! second users: owner, squatter and stranger are three user ids without a name, and none is root. Method:
//! look at both objects by `IPC_STAT`, values and bytes, run the program, look again.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{
    FULL, HEAD, Place, Running, copy_program, program_with, reader, skip, wait_until, writer,
};
use semring::{Address, Key, Mode};
use sysv_ipc::{Segment, SegmentStat, SemaphoreSet, SemaphoreSetStat};

/// The user whose channel it is.
const OWNER: u32 = 65_531;
/// The user who was there before, under the same key.
const SQUATTER: u32 = 65_532;

const WIDE: Mode = Mode::from_bits(0o666);
/// Where the header names the set (docs/layout.md).
const SEMAPHORE_ID: usize = 64;

/// What a test looks at in the kernel, a fork in another test would change: it inherits attachments.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A channel of [`OWNER`], and both programs where everybody may run them.
struct Users {
    place: Place,
    programs: [PathBuf; 2],
    _alone: MutexGuard<'static, ()>,
}

impl Users {
    /// Nothing, said as skipped, where this process may not become another user.
    fn new(test: &str) -> Option<Self> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            skip("only root can run programs as other users");
            return None;
        }
        let alone = one_at_a_time();
        let place = Place::new(test);
        let key = Address::named_by(OWNER, &place.name).unwrap().key();
        let place = place.with_key(key);
        fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = |program: &Path| {
            let copy = place.path(program.file_name().unwrap().to_str().unwrap());
            copy_program(program, &copy);
            copy
        };
        let users = Self {
            programs: [copy(writer()), copy(reader())],
            place,
            _alone: alone,
        };
        let mut probe = users.command(0, SQUATTER, "--version");
        match probe.stdout(Stdio::null()).status() {
            Ok(_) => Some(users),
            Err(error) => {
                skip(&format!("another user cannot run a program: {error}"));
                None
            }
        }
    }

    fn command(&self, program: usize, user: u32, arguments: &str) -> Command {
        let mut command = program_with(&self.programs[program], arguments);
        command.uid(user).gid(user);
        command
    }

    /// `writer` of a user, by the key: no name tells it whose channel it should be.
    fn writer(&self, user: u32, arguments: &str) -> Command {
        let key = self.place.key;
        self.command(
            0,
            user,
            &format!("--demo --count 1 --no-linger --timeout 60s --key {key} {arguments}"),
        )
    }

    /// Both programs of the owner, on the channel by its name.
    fn owners(&self, arguments: &str) -> [Command; 2] {
        let name = &self.place.name;
        [
            self.command(
                0,
                OWNER,
                &format!("--demo --count 1 --timeout 60s --channel {name} {arguments}"),
            ),
            self.command(
                1,
                OWNER,
                &format!("--wait 60s --channel {name} {arguments}"),
            ),
        ]
    }

    /// Starts `writer` of the owner, with a second message to send when its input may end.
    fn start_from_a_pipe(&self, arguments: &str) -> Running {
        let arguments = format!("--channel {} {arguments}", self.place.name);
        let mut writer = self.command(0, OWNER, &arguments);
        let mut writer = self.place.start(writer.stdin(Stdio::piped()));
        writer.feed_but_the_last(b"12");
        writer
    }

    /// Runs both programs of the owner, which are to be refused and to change nothing.
    #[track_caller]
    fn assert_refused(&self, arguments: &str, words: &[&str]) {
        for mut command in self.owners(arguments) {
            assert_refused(&self.place, &mut command, words);
        }
    }

    /// The same, where they come as far as the lock of a set that is the owner's.
    #[track_caller]
    fn assert_refused_after_a_look(&self, arguments: &str, words: &[&str]) {
        for mut command in self.owners(arguments) {
            assert_refused_after_a_look(&self.place, &mut command, words);
        }
    }
}

/// What `ipcs -i` and a look into the memory show.
#[derive(Debug, PartialEq)]
struct Seen {
    segment: Option<(Segment, SegmentStat)>,
    content: Option<Vec<u8>>,
    set: Option<(SemaphoreSet, SemaphoreSetStat, Vec<u16>)>,
}

fn look(place: &Place) -> Seen {
    // The content first: to look at it is to attach, which shows.
    let content = place.segment().map(|_| place.content());
    Seen {
        content,
        segment: place
            .segment()
            .map(|segment| (segment, segment.stat().unwrap())),
        set: place
            .set()
            .map(|set| (set, set.stat().unwrap(), set.values().unwrap())),
    }
}

/// Runs a program that is to be refused, and to have attached to nothing, made nothing, changed nothing.
#[track_caller]
fn assert_refused(place: &Place, command: &mut Command, words: &[&str]) {
    let before = look(place);
    let ended = place.run(command);
    let segment = place
        .segment()
        .map(|segment| (segment, segment.stat().unwrap()));
    ended.assert_error(5, words);
    assert!(
        segment == before.segment,
        "the segment was touched by {command:?}"
    );
    let after = look(place);
    assert!(
        after.set == before.set,
        "the set was touched by {command:?}"
    );
    assert!(
        after.content == before.content,
        "bytes were changed by {command:?}"
    );
}

/// Has the squatter make a whole channel under the owner's key.
fn squatted(test: &str, mode: &str) -> Option<Users> {
    let users = Users::new(test)?;
    let mut squatter = users.writer(SQUATTER, &format!("--mode {mode}"));
    users.place.run(&mut squatter).assert_code(0);
    Some(users)
}

const SQUATTED_SET: &str =
    "the semaphore set was made by user 65532 and belongs to user 65532, not to user 65531";
const REMEDY: &str = "use another channel, or name its owner (USER/NAME) if you trust them";

#[test]
fn a_squatted_key_is_refused() {
    // Closed to the owner, or wide open: the sentence is the same, whatever mode is asked for.
    for mode in ["0600", "0666"] {
        let Some(users) = squatted("squatted", mode) else {
            return;
        };
        users.assert_refused("", &[SQUATTED_SET, REMEDY]);
        users.assert_refused("--mode 0666", &[SQUATTED_SET, REMEDY]);
        users.assert_refused("--slots 4", &[SQUATTED_SET, REMEDY]);
    }
}

#[test]
fn a_squatted_segment_without_a_set_is_refused() {
    let Some(users) = squatted("squatted-segment", "0666") else {
        return;
    };
    users.place.set().unwrap().remove().unwrap();
    let segment = "the segment was made by user 65532 and belongs to user 65532, not to user 65531";
    users.assert_refused("--mode 0666", &[segment, REMEDY]);
    users.assert_refused("", &[segment, REMEDY]);
}

#[test]
fn a_squatted_set_without_a_segment_is_refused() {
    let Some(users) = squatted("squatted-set", "0666") else {
        return;
    };
    users.place.segment().unwrap().remove().unwrap();
    users.assert_refused("--mode 0666", &[SQUATTED_SET, REMEDY]);
    users.assert_refused("", &[SQUATTED_SET, REMEDY]);
}

#[test]
fn what_a_squatter_has_given_away_is_refused() {
    let Some(users) = squatted("given-away", "0600") else {
        return;
    };
    let (segment, set) = (users.place.segment().unwrap(), users.place.set().unwrap());
    set.set_permissions(OWNER, OWNER, Mode::OWNER).unwrap();
    segment.set_permissions(OWNER, OWNER, Mode::OWNER).unwrap();
    let set_given =
        "the semaphore set was made by user 65532 and belongs to user 65531, not to user 65531";
    users.assert_refused("", &[set_given, REMEDY]);
    // The set out of the way, so that the segment is what is left to refuse.
    set.remove().unwrap();
    let segment_given =
        "the segment was made by user 65532 and belongs to user 65531, not to user 65531";
    users.assert_refused("", &[segment_given, REMEDY]);
    users.assert_refused("--mode 0666", &[segment_given, REMEDY]);
}

#[test]
fn the_owners_channel_is_closed_to_others_unless_both_sides_ask() {
    let Some(users) = Users::new("closed") else {
        return;
    };
    let leave = |mode: &str| {
        let [mut writer, _] = users.owners(&format!("--no-linger --mode {mode}"));
        users.place.run(&mut writer).assert_code(0);
    };
    let stranger = |arguments: &str| {
        let name = &users.place.name;
        users.command(
            1,
            SQUATTER,
            &format!("--wait 60s --channel {OWNER}/{name} {arguments}"),
        )
    };
    leave("0600");
    let closed = ["it belongs to user 65531, and its mode 0600 gives this user no access"];
    assert_refused(&users.place, &mut stranger("--mode 0666"), &closed);
    assert_refused(&users.place, &mut stranger(""), &closed);
    users.place.run(&mut users.owners("")[1]).assert_code(0);
    users.place.assert_nothing_left();

    leave("0666");
    let wide = [
        "the semaphore set has mode 0666, which is wider than 0600",
        "pass `--mode 0666`",
    ];
    assert_refused(&users.place, &mut stranger(""), &wide);
    users.assert_refused("", &wide);
    // Asked for on both sides, it is used; who may not remove it leaves that to its owner.
    users.place.run(&mut stranger("--mode 0666")).assert_code(0);
    let [mut writer, mut reader] = users.owners("--mode 0666");
    let writer = users.place.start(&mut writer);
    users.place.wait_for_producer();
    users.place.run(&mut reader).assert_code(0);
    writer.end().assert_code(0);
    users.place.assert_nothing_left();
}

#[test]
fn a_channel_that_becomes_wider_or_changes_hands_is_refused_from_then_on() {
    let Some(users) = Users::new("widened") else {
        return;
    };
    let [mut writer, _] = users.owners("--no-linger");
    users.place.run(&mut writer).assert_code(0);
    let (segment, set) = (users.place.segment().unwrap(), users.place.set().unwrap());
    segment.set_permissions(OWNER, OWNER, WIDE).unwrap();
    let wide = [
        "the segment has mode 0666, which is wider than 0600",
        "remove it with `ipcrm`",
    ];
    users.assert_refused_after_a_look("", &wide);
    segment.set_permissions(SQUATTER, OWNER, WIDE).unwrap();
    let changed = [
        "the segment was made by user 65531 and belongs to user 65532",
        REMEDY,
    ];
    users.assert_refused_after_a_look("--mode 0666", &changed);
    segment.set_permissions(OWNER, OWNER, Mode::OWNER).unwrap();
    set.set_permissions(OWNER, OWNER, Mode::from_bits(0))
        .unwrap();
    let closed = ["it belongs to user 65531, and its mode 0000 gives this user no access"];
    users.assert_refused("", &closed);
    set.set_permissions(OWNER, OWNER, Mode::OWNER).unwrap();
    users.place.run(&mut users.owners("")[1]).assert_code(0);
    users.place.assert_nothing_left();
}

#[test]
fn a_running_pair_that_loses_its_access_says_so() {
    let Some(users) = Users::new("access-lost") else {
        return;
    };
    let name = &users.place.name;
    let mut writer = users.start_from_a_pipe("");
    let reader = users.command(1, OWNER, &format!("-o - --channel {name}"));
    let reader = users.place.start(&mut { reader });
    wait_until("it is received", || {
        users.place.position_if_any(HEAD) == Some(1)
    });
    users.place.wait_until_blocked(FULL);
    let set = users.place.set().unwrap();
    set.set_permissions(OWNER, OWNER, Mode::from_bits(0))
        .unwrap();
    writer.let_input_end();
    let words = [
        "its mode gives us no access",
        &format!(
            "; channel {name:?} could not be left in order, and may stay; to give up what is left: \
             `ipcrm -M {key} -S {key}`",
            key = users.place.key
        ),
    ];
    writer.end().assert_error(1, &words);
    // Asleep when it happened, and woken by the writer's end.
    let words = [
        "its mode gives us no access",
        "`ipcs -c` shows owner and mode",
    ];
    reader.end().assert_error(1, &words);
}

/// Makes files until one has the same `ftok` key as another; tmpfs numbers them one after the other.
fn two_files_of_one_key(folder: &Path) -> Option<[PathBuf; 2]> {
    let files = ["first", "second"].map(|name| folder.join(name));
    let inode = |path: &Path| {
        fs::write(path, b"").unwrap();
        fs::metadata(path).unwrap().ino()
    };
    let first = inode(&files[0]);
    for _ in 0..300_000 {
        let second = inode(&files[1]);
        if second != first && second & 0xffff == first & 0xffff {
            return Some(files);
        }
        fs::remove_file(&files[1]).unwrap();
    }
    None
}

#[test]
fn two_files_of_one_key_are_told_apart() {
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir_in("/dev/shm");
    let Some([first, second]) = folder
        .as_ref()
        .ok()
        .and_then(|f| two_files_of_one_key(f.path()))
    else {
        return skip("no two files of one ftok key came up in /dev/shm");
    };
    let key = |path: &Path| Key::from_path(path, 65.try_into().unwrap()).unwrap();
    assert_eq!(key(&first), key(&second));
    let place = Place::new("ftok").with_key(key(&first));
    let write = |path: &Path| {
        program_with(
            writer(),
            &format!("--path {} --demo --count 1 --no-linger", path.display()),
        )
    };
    let read =
        |path: &Path| program_with(reader(), &format!("--path {} --wait 60s", path.display()));
    let words = [
        "the key file is not the one it was made with",
        "two files have the same `ftok` key",
        "use the original file, or another one",
    ];
    place.run(&mut write(&first)).assert_code(0);
    assert_refused_after_a_look(&place, &mut write(&second), &words);
    assert_refused_after_a_look(&place, &mut read(&second), &words);
    // The same path, but another file there.
    let kept = first.with_extension("kept");
    fs::rename(&first, &kept).unwrap();
    fs::rename(&second, &first).unwrap();
    assert_refused_after_a_look(&place, &mut write(&first), &words);
    assert_refused_after_a_look(&place, &mut read(&first), &words);
    // The same file under another name.
    place.run(&mut read(&kept)).assert_code(0);
    place.assert_nothing_left();
}

/// As [`assert_refused`], of a program that has to look into the segment to know: it attaches, and locks.
#[track_caller]
fn assert_refused_after_a_look(place: &Place, command: &mut Command, words: &[&str]) {
    let essence = |seen: &Seen| {
        let segment = seen
            .segment
            .map(|(segment, stat)| (segment, stat.permissions, stat.attached));
        let set = seen
            .set
            .as_ref()
            .map(|(set, stat, values)| (*set, stat.permissions, values.clone()));
        (segment, set)
    };
    let before = look(place);
    place.run(command).assert_error(5, words);
    let after = look(place);
    assert!(
        after.content == before.content,
        "bytes were changed by {command:?}"
    );
    assert_eq!(essence(&after), essence(&before), "changed by {command:?}");
}

/// Has the kernel give this identifier to the next set.
fn reuse_id(id: i32) -> bool {
    fs::write("/proc/sys/kernel/sem_next_id", id.to_string()).is_ok()
}

/// Removes a channel's set and makes one of the squatter's in its place, of the same identifier.
fn replace_set(users: &Users, mode: Mode) -> Option<SemaphoreSet> {
    let old = users.place.set().unwrap();
    if !reuse_id(old.id()) {
        skip("the kernel does not let this process choose an identifier (kernel.sem_next_id)");
        return None;
    }
    old.remove().unwrap();
    let key = Address::named_by(SQUATTER, &users.place.name)
        .unwrap()
        .key();
    let foreign = SemaphoreSet::create(key, 5, mode).unwrap();
    assert_eq!(foreign.id(), old.id(), "the identifier is another one");
    foreign.set_all(&[1, 2, 0, 0, 0]).unwrap();
    foreign.set_permissions(SQUATTER, SQUATTER, mode).unwrap();
    Some(foreign)
}

#[test]
fn a_stale_identifier_in_the_header_leads_to_nobody_elses_set() {
    let Some(users) = Users::new("stale-id") else {
        return;
    };
    let [mut writer, _] = users.owners("--no-linger");
    users.place.run(&mut writer).assert_code(0);
    let Some(foreign) = replace_set(&users, WIDE) else {
        return;
    };
    let header = users.place.content();
    let named = header[SEMAPHORE_ID..SEMAPHORE_ID + 4].try_into().unwrap();
    assert_eq!(i32::from_ne_bytes(named), foreign.id());
    let before = (foreign.stat(), foreign.values());
    let reader = users.place.run(&mut users.owners("")[1]);
    reader.assert_code(0);
    assert!(
        reader.text().contains("Total messages read: 1"),
        "{}",
        reader.text()
    );
    assert_eq!((foreign.stat(), foreign.values()), before);
    users.place.assert_nothing_left();
    foreign.remove().unwrap();
}

#[test]
fn a_running_writer_does_nothing_to_a_set_that_has_taken_its_identifier() {
    let Some(users) = Users::new("stale-id-running") else {
        return;
    };
    let mut writer = users.start_from_a_pipe("--no-linger");
    users.place.wait_for_tail(1);
    let Some(foreign) = replace_set(&users, Mode::OWNER) else {
        return;
    };
    let before = foreign.values();
    writer.let_input_end();
    writer
        .end()
        .assert_error(1, &["its mode gives us no access"]);
    // The kernel notes the time even of an undo entry that it makes before it denies access, and in which
    // nothing stands.
    assert_eq!(foreign.values(), before);
    foreign.remove().unwrap();
}

/// The kernel says EPERM to a user without a right to huge pages, and not which right.
#[test]
fn huge_pages_that_a_user_may_not_have() {
    let Some(users) = Users::new("huge") else {
        return;
    };
    let words = [
        "huge pages: this user may not use them",
        "`sysctl vm.hugetlb_shm_group`, or give the program CAP_IPC_LOCK",
        "or leave huge pages out",
    ];
    let group = fs::read_to_string("/proc/sys/vm/hugetlb_shm_group");
    if group.is_ok_and(|group| group.trim() == OWNER.to_string()) {
        return skip("the other user's group may use huge pages here");
    }
    for mut command in users.owners("--huge-pages") {
        let ended = users.place.run(&mut command);
        ended.assert_error(1, &words);
        users.place.assert_nothing_left();
    }
}
