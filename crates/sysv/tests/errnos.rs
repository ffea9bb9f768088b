//! Goal: every errno of the man pages has its kind, and ERRNOS.md says which test shows it. Method:
//! the kernel gives it: to another user, at lowered limits in an IPC namespace of its own; what a healthy
//! kernel never gives is injected by strace(1). The other errnos are shown beside what they belong to.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::geteuid;
use sysv_ipc::{
    Errno, Error, ErrorKind, Key, Limits, MessageQueue, Mode, Operation, Segment, SegmentOptions,
    Select, SemaphoreSet, page_bytes,
};

use common::{Owned, assert_fails, own};

mod common;

const ONE: NonZeroU64 = NonZeroU64::MIN;
const ADD: [Operation; 1] = [Operation::add(0, 1)];
const IS_ZERO: [Operation; 1] = [Operation::wait_zero(0).nowait()];
const NO_RIGHT: Mode = Mode::from_bits(0);

// ------------------------------------------------------------------ another user

/// One object of each kind, made by this user, for another user's process to try.
struct Trial {
    segment: Owned<Segment>,
    set: Owned<SemaphoreSet>,
    queue: Owned<MessageQueue>,
    key: Key,
}

impl Trial {
    fn new(test: &str, mode: u16) -> Self {
        let (key, mode) = (common::key(test), Mode::from_bits(mode));
        Self {
            segment: own(Segment::create(key, 4096, mode).unwrap()),
            set: own(SemaphoreSet::create(key, 1, mode).unwrap()),
            queue: own(MessageQueue::create(key, mode).unwrap()),
            key,
        }
    }

    fn play(&self, part: &str) {
        common::play_as_other_user(part, self.key);
    }
}

/// Finds what [`Trial`] made; asking for no right, everybody may.
fn found(argument: &str) -> (Key, Segment, SemaphoreSet, MessageQueue) {
    let key = argument.parse().unwrap();
    let segment = Segment::open(key, NO_RIGHT).unwrap();
    let set = SemaphoreSet::open(key, NO_RIGHT).unwrap();
    (
        key,
        segment,
        set,
        MessageQueue::open(key, NO_RIGHT).unwrap(),
    )
}

#[test]
fn another_users_objects_are_denied() {
    Trial::new("another_users_objects_are_denied", 0o600).play("be denied");
}

fn be_denied(argument: &str) {
    let (key, segment, set, queue) = found(argument);
    let denied = ErrorKind::AccessDenied;
    assert_fails(Segment::open(key, Mode::OWNER), denied);
    assert_fails(segment.attach(), denied);
    assert_fails(segment.attach_read_only(), denied);
    assert_fails(segment.stat(), denied);
    assert_fails(SemaphoreSet::open(key, Mode::OWNER), denied);
    assert_fails(set.operate(&ADD), denied);
    assert_fails(
        set.operate_within(&IS_ZERO, std::time::Duration::ZERO),
        denied,
    );
    assert_fails(set.value(0), denied);
    assert_fails(set.values(), denied);
    assert_fails(set.waiting_for_units(0), denied);
    assert_fails(set.waiting_for_zero(0), denied);
    assert_fails(set.last_pid(0), denied);
    assert_fails(set.set_value(0, 1), denied);
    assert_fails(set.set_all(&[1]), denied);
    assert_fails(set.stat(), denied);
    assert_fails(MessageQueue::open(key, Mode::OWNER), denied);
    assert_fails(queue.try_send(ONE, b""), denied);
    assert_fails(queue.try_receive(Select::Any, 1), denied);
    assert_fails(queue.stat(), denied);
}

#[test]
fn another_users_objects_may_be_read_where_the_mode_says_so() {
    let trial = Trial::new(
        "another_users_objects_may_be_read_where_the_mode_says_so",
        0o604,
    );
    trial.segment.attach().unwrap().write(0, b"hello").unwrap();
    trial.play("read only");
}

fn read_only(argument: &str) {
    let (_, segment, set, queue) = found(argument);
    let mut text = [0; 5];
    segment
        .attach_read_only()
        .unwrap()
        .read(0, &mut text)
        .unwrap();
    assert_eq!(&text, b"hello");
    assert_fails(segment.attach(), ErrorKind::AccessDenied);
    set.operate(&IS_ZERO).unwrap();
    assert_fails(set.operate(&ADD), ErrorKind::AccessDenied);
    assert_eq!((set.values(), set.value(0)), (Ok(vec![0]), Ok(0)));
    assert_fails(set.set_value(0, 1), ErrorKind::AccessDenied);
    assert_fails(set.set_all(&[1]), ErrorKind::AccessDenied);
    assert_fails(queue.try_receive(Select::Any, 1), ErrorKind::NoMessage);
    assert_fails(queue.try_send(ONE, b""), ErrorKind::AccessDenied);
}

#[test]
fn only_the_owner_may_change_and_remove() {
    let trial = Trial::new("only_the_owner_may_change_and_remove", 0o666);
    trial.play("try to change and remove");
    assert!(trial.segment.stat().is_ok() && trial.set.stat().is_ok());
    assert!(trial.queue.stat().is_ok());
}

fn try_to_change_and_remove(argument: &str) {
    let (_, segment, set, queue) = found(argument);
    let user = geteuid().as_raw();
    let not_owner = ErrorKind::NotOwner;
    assert_fails(segment.set_permissions(user, user, Mode::OWNER), not_owner);
    assert_fails(segment.remove(), not_owner);
    assert_fails(segment.unlock(), not_owner);
    assert_fails(segment.lock(), ErrorKind::LockRefused);
    assert_fails(set.set_permissions(user, user, Mode::OWNER), not_owner);
    assert_fails(set.remove(), not_owner);
    assert_fails(queue.set_bytes_limit(1), not_owner);
    assert_fails(queue.remove(), not_owner);
}

#[test]
fn a_queue_above_the_limit_needs_privilege() {
    common::play_as_other_user("widen a queue", "");
}

fn widen_a_queue() {
    let queue = common::queue();
    let most = Limits::read().unwrap().queue_bytes;
    queue.set_bytes_limit(most).unwrap();
    assert_fails(queue.set_bytes_limit(most + 1), ErrorKind::NotOwner);
}

#[test]
fn huge_pages_need_privilege() {
    let group = fs::read_to_string("/proc/sys/vm/hugetlb_shm_group");
    if group.is_ok_and(|group| group.trim() == common::OTHER_USER.to_string()) {
        return common::skip("the other user's group may use huge pages here");
    }
    common::play_as_other_user("ask for huge pages", "");
}

fn huge_segment() -> Result<Owned<Segment>, Error> {
    let options = SegmentOptions::new().huge_pages(true);
    options.create(Key::PRIVATE, 1, Mode::OWNER).map(own)
}

#[test]
fn huge_pages_without_a_pool_are_out_of_memory() {
    if !geteuid().is_root() {
        return common::skip("only root may ask for huge pages");
    }
    match huge_segment() {
        Ok(segment) => {
            let memory = segment.attach().unwrap();
            memory.write(0, b"x").unwrap();
            common::skip("this machine has a pool of huge pages");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}"),
    }
}

#[test]
fn locking_more_than_the_limit_is_refused() {
    common::play_as_other_user("lock too much", "");
}

fn lock_too_much() {
    let segment = common::segment(4 * page_bytes());
    let page = u64::try_from(page_bytes()).unwrap();
    // Below the segment's size the kernel says ENOMEM, without any right to lock EPERM.
    for (limit, errno) in [(page, Errno::ENOMEM), (0, Errno::EPERM)] {
        setrlimit(Resource::RLIMIT_MEMLOCK, limit, limit).unwrap();
        let error = segment.lock().unwrap_err();
        assert_eq!(
            (error.kind(), error.errno()),
            (ErrorKind::LockRefused, errno)
        );
    }
}

// ------------------------------------------------------------------ limits

#[test]
fn no_room_in_the_address_space_is_out_of_memory() {
    let segment = common::segment(256 << 20);
    let child = common::Peer::start("attach too much", segment.id());
    child.finish();
}

fn attach_too_much(argument: &str) {
    setrlimit(Resource::RLIMIT_AS, 256 << 20, 256 << 20).unwrap();
    let segment = Segment::from_id(common::id(argument));
    assert_fails(segment.attach(), ErrorKind::OutOfMemory);
}

/// Makes a private segment that goes away with its value.
fn segment(bytes: usize) -> Result<Owned<Segment>, Error> {
    Segment::create(Key::PRIVATE, bytes, Mode::OWNER).map(own)
}

/// Makes a private set that goes away with its value.
fn set(count: usize) -> Result<Owned<SemaphoreSet>, Error> {
    SemaphoreSet::create(Key::PRIVATE, count, Mode::OWNER).map(own)
}

/// Checks that the advice names the limit to raise.
fn assert_limit<T: std::fmt::Debug>(result: Result<T, Error>, advice: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached, "{error}");
    assert!(error.to_string().contains(advice), "{error}");
}

#[test]
fn segments_are_limited_in_number() {
    common::play_in_own_namespace("make too many segments");
}

fn make_too_many_segments() {
    common::set_sysctl("shmmni", 2);
    let _two = [segment(1).unwrap(), segment(1).unwrap()];
    assert_limit(segment(1), "kernel.shmmni");
}

#[test]
fn segments_are_limited_in_total() {
    common::play_in_own_namespace("make too large segments");
}

fn make_too_large_segments() {
    common::set_sysctl("shmall", 4);
    let _most = segment(3 * page_bytes()).unwrap();
    assert_limit(segment(2 * page_bytes()), "kernel.shmall");
    segment(page_bytes()).unwrap();
}

#[test]
fn a_segment_is_limited_in_size() {
    common::play_in_own_namespace("make too large a segment");
}

fn make_too_large_a_segment() {
    common::set_sysctl("shmmax", 8192);
    assert_fails(segment(8193), ErrorKind::SizeRefused);
    segment(8192).unwrap();
}

#[test]
fn sets_are_limited_in_number() {
    common::play_in_own_namespace("make too many sets");
}

fn make_too_many_sets() {
    common::set_sysctl("sem", "10 1000 3 2");
    let _two = [set(1).unwrap(), set(1).unwrap()];
    assert_limit(set(1), "kernel.sem");
}

#[test]
fn semaphores_are_limited_in_total_set_and_call() {
    common::play_in_own_namespace("make too many semaphores");
}

fn make_too_many_semaphores() {
    common::set_sysctl("sem", "10 20 3 5");
    assert_fails(set(11), ErrorKind::SizeRefused);
    let full = [set(10).unwrap(), set(10).unwrap()];
    assert_limit(set(1), "kernel.sem");
    full[0].operate(&[ADD[0]; 3]).unwrap();
    assert_fails(full[0].operate(&[ADD[0]; 4]), ErrorKind::TooManyOperations);
}

#[test]
fn queues_are_limited_in_number() {
    common::play_in_own_namespace("make too many queues");
}

fn make_too_many_queues() {
    common::set_sysctl("msgmni", 1);
    let _one = common::queue();
    let second = MessageQueue::create(Key::PRIVATE, Mode::OWNER).map(own);
    assert_limit(second, "kernel.msgmni");
}

// ------------------------------------------------------------------ injected

/// System calls, the errno that each is made to give, and the kind it must have. The C library's
/// `semop` is a `semtimedop` to the kernel.
const INJECTED: [(&str, &str, ErrorKind); 15] = [
    ("shmget", "ENOMEM", ErrorKind::OutOfMemory),
    ("shmget", "ENFILE", ErrorKind::FileTableFull),
    ("shmat", "EIDRM", ErrorKind::Removed),
    ("shmctl", "EIDRM", ErrorKind::Removed),
    ("shmctl", "EOVERFLOW", ErrorKind::Other),
    ("semget", "ENOMEM", ErrorKind::OutOfMemory),
    ("semop,semtimedop", "ENOMEM", ErrorKind::OutOfMemory),
    ("semctl", "EIDRM", ErrorKind::Removed),
    ("msgget", "ENOMEM", ErrorKind::OutOfMemory),
    ("msgsnd", "ENOMEM", ErrorKind::OutOfMemory),
    ("msgsnd", "EINTR", ErrorKind::Interrupted),
    ("msgrcv", "EINTR", ErrorKind::Interrupted),
    ("msgctl", "EIDRM", ErrorKind::Removed),
    ("?stat,?newfstatat", "ENOMEM", ErrorKind::OutOfMemory),
    ("?stat,?newfstatat", "EOVERFLOW", ErrorKind::Other),
];

#[test]
fn what_a_healthy_kernel_never_says_is_injected() {
    if !common::can_run("strace", &["-qqq", "-o", "/dev/null", "true"]) {
        return common::skip("needs strace(1), to inject what the kernel does not say by itself");
    }
    for (row, (calls, errno, _)) in INJECTED.iter().enumerate() {
        let inject = format!("inject={calls}:error={errno}");
        let mut starter = vec!["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &inject];
        if calls.contains("stat") {
            starter.extend(["-P", UNUSUAL_PATH]);
        }
        let child = common::child_of(&starter, "meet the injected errno", row);
        common::Peer::spawn(child).unwrap().finish();
    }
}

/// A folder that nothing else in the child asks for.
const UNUSUAL_PATH: &str = "/proc/sysvipc";

fn meet_the_injected_errno(argument: &str) {
    let row = usize::try_from(common::id(argument)).unwrap();
    let (calls, errno, kind) = INJECTED[row];
    // An identifier that no object has: a call that is let through changes nothing.
    let queue = MessageQueue::from_id(i32::MAX);
    let set_of_nobody = SemaphoreSet::from_id(i32::MAX);
    let result = match calls {
        "shmget" => segment(1).map(drop),
        "shmat" => Segment::from_id(i32::MAX).attach().map(drop),
        "shmctl" => Segment::from_id(i32::MAX).stat().map(drop),
        "semget" => set(1).map(drop),
        "semop,semtimedop" => set_of_nobody.operate(&[ADD[0].undo()]),
        "semctl" => set_of_nobody.value(0).map(drop),
        "msgget" => MessageQueue::create(Key::PRIVATE, Mode::OWNER)
            .map(own)
            .map(drop),
        "msgsnd" => queue.send(ONE, b""),
        "msgrcv" => queue.receive(Select::Any, 1).map(drop),
        "msgctl" => queue.stat().map(drop),
        _ => Key::from_path(Path::new(UNUSUAL_PATH), 1.try_into().unwrap()).map(drop),
    };
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), format!("{:?}", error.errno())),
        (kind, errno.to_owned())
    );
}

// ------------------------------------------------------------------ the document

const SOURCES: [(&str, &str); 7] = [
    ("errnos", include_str!("errnos.rs")),
    ("identifiers", include_str!("identifiers.rs")),
    ("keys", include_str!("keys.rs")),
    ("listing", include_str!("listing.rs")),
    ("messages", include_str!("messages.rs")),
    ("segments", include_str!("segments.rs")),
    ("semaphores", include_str!("semaphores.rs")),
];

fn is_a_test(name: &str) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        return false;
    };
    let source = SOURCES.iter().find(|(source, _)| *source == file);
    source.is_some_and(|(_, text)| text.contains(&format!("#[test]\nfn {test}() {{")))
}

/// Gives the cells of each row of the tables: errno, kind, and the tests or the reason for none.
fn rows() -> Vec<Vec<&'static str>> {
    let lines = include_str!("../ERRNOS.md").lines();
    let rows = lines.filter(|line| line.starts_with("| `E"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_test_that_the_document_names_exists() {
    let rows = rows();
    assert!(rows.len() > 60, "{} rows", rows.len());
    for row in rows {
        let [_, _, shown] = row[..] else {
            panic!("{row:?}")
        };
        assert!(!shown.is_empty(), "{row:?}");
        for name in shown.split('`').filter(|word| word.contains("::")) {
            assert!(is_a_test(name), "{name} of {row:?} is no test");
        }
    }
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, argument)) = common::part() else {
        return;
    };
    match part.as_str() {
        "be denied" => be_denied(&argument),
        "read only" => read_only(&argument),
        "try to change and remove" => try_to_change_and_remove(&argument),
        "widen a queue" => widen_a_queue(),
        "ask for huge pages" => assert_fails(huge_segment(), ErrorKind::NotOwner),
        "lock too much" => lock_too_much(),
        "attach too much" => attach_too_much(&argument),
        "make too many segments" => make_too_many_segments(),
        "make too large segments" => make_too_large_segments(),
        "make too large a segment" => make_too_large_a_segment(),
        "make too many sets" => make_too_many_sets(),
        "make too many semaphores" => make_too_many_semaphores(),
        "make too many queues" => make_too_many_queues(),
        "meet the injected errno" => meet_the_injected_errno(&argument),
        other => panic!("unknown part {other:?}"),
    }
}
