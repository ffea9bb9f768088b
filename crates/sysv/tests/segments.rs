//! Goal: a segment is made, found, mapped, checked and removed as documented, and two processes see
//! the same bytes. Method: real segments; the kernel's own account (`stat`, /proc) after each step.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::Ordering;

use nix::unistd::{getegid, geteuid, getuid};
use sysv_ipc::{Access, Attachment, Errno, ErrorKind, Key, Mode, Segment, page_bytes};

use common::{Peer, assert_fails, own, wait_until};

mod common;

#[test]
fn a_new_segment_is_zero_and_has_the_size_asked_for() {
    let segment = common::segment(100);
    let memory = segment.attach().unwrap();
    assert_eq!((memory.bytes(), segment.stat().unwrap().bytes), (100, 100));
    let mut all = [1; 100];
    memory.read(0, &mut all).unwrap();
    assert_eq!(all, [0; 100]);
    assert_eq!(memory.segment(), *segment);
    assert_eq!(memory.as_ptr().addr().get() % page_bytes(), 0);
}

#[test]
fn a_segment_is_made_once_and_found_by_its_key() {
    let key = common::key("a_segment_is_made_once_and_found_by_its_key");
    let segment = own(Segment::create(key, 4096, Mode::OWNER).unwrap());
    assert_fails(
        Segment::create(key, 4096, Mode::OWNER),
        ErrorKind::AlreadyExists,
    );
    assert_eq!(Segment::open(key, Mode::OWNER), Ok(*segment));
    assert_eq!(segment.stat().unwrap().permissions.key, key);
}

#[test]
fn a_segment_without_its_key_is_not_found() {
    let key = common::key("a_segment_without_its_key_is_not_found");
    assert_fails(Segment::open(key, Mode::OWNER), ErrorKind::NotFound);
}

#[test]
fn open_or_create_does_either() {
    let key = common::key("open_or_create_does_either");
    let made = own(Segment::open_or_create(key, 4096, Mode::OWNER).unwrap());
    let found = Segment::open_or_create(key, 100, Mode::OWNER).unwrap();
    assert_eq!((found, found.stat().unwrap().bytes), (*made, 4096));
}

#[test]
fn a_size_the_segment_does_not_have_is_refused() {
    let key = common::key("a_size_the_segment_does_not_have_is_refused");
    assert_fails(Segment::create(key, 0, Mode::OWNER), ErrorKind::SizeRefused);
    let _segment = own(Segment::create(key, 100, Mode::OWNER).unwrap());
    assert_fails(
        Segment::open_or_create(key, 101, Mode::OWNER),
        ErrorKind::SizeRefused,
    );
}

#[test]
fn two_attachments_show_the_same_bytes() {
    let segment = common::segment(4096);
    let (one, other) = (
        segment.attach().unwrap(),
        segment.attach_read_only().unwrap(),
    );
    assert_ne!(one.as_ptr(), other.as_ptr());
    assert_eq!(
        (one.access(), other.access()),
        (Access::ReadWrite, Access::ReadOnly)
    );
    one.write(4091, b"hello").unwrap();
    let mut text = [0; 5];
    other.read(4091, &mut text).unwrap();
    assert_eq!(&text, b"hello");
}

#[test]
fn two_processes_write_the_same_bytes() {
    let segment = common::segment(4096);
    let memory = segment.attach().unwrap();
    let child = Peer::start("add and greet", segment.id());
    add_a_thousand(&memory);
    child.finish();
    assert_eq!(
        (memory.load_u32(0), memory.load_u64(8)),
        (Ok(2000), Ok(2000))
    );
    let mut text = [0; 5];
    memory.read(16, &mut text).unwrap();
    assert_eq!(&text, b"hello");
}

fn add_a_thousand(memory: &Attachment) {
    for _ in 0..1000 {
        memory
            .atomic_u32(0)
            .unwrap()
            .fetch_add(1, Ordering::Relaxed);
        memory
            .atomic_u64(8)
            .unwrap()
            .fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_read_only_attachment_refuses_to_write_and_lives() {
    // In a child, whose end by SIGSEGV would leave nothing behind.
    let segment = common::segment(64);
    Peer::start("try to write", segment.id()).finish();
}

fn try_to_write(memory: &Attachment) {
    let error = memory.write(0, b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(error.to_string().contains("reading only"), "{error}");
    assert_fails(memory.write(0, b""), ErrorKind::AccessDenied);
    assert_fails(memory.atomic_u32(0), ErrorKind::AccessDenied);
    assert_fails(memory.atomic_u64(0), ErrorKind::AccessDenied);
    assert_eq!((memory.load_u32(60), memory.load_u64(56)), (Ok(0), Ok(0)));
}

#[test]
fn a_range_outside_the_segment_is_refused() {
    let segment = common::segment(100);
    let memory = segment.attach().unwrap();
    for (offset, bytes) in [(0, 100), (99, 1), (100, 0), (0, 0)] {
        assert_eq!(memory.read(offset, &mut vec![0; bytes]), Ok(()));
        assert_eq!(memory.write(offset, &vec![0; bytes]), Ok(()));
    }
    // The rest of the page is mapped too, and none of the segment's.
    for (offset, bytes) in [
        (0, 101),
        (99, 2),
        (100, 1),
        (101, 0),
        (4095, 1),
        (usize::MAX, 1),
    ] {
        let mut target = vec![7; bytes];
        assert_fails(memory.read(offset, &mut target), ErrorKind::InvalidArgument);
        assert!(target.iter().all(|&byte| byte == 7), "copied nevertheless");
        assert_fails(memory.write(offset, &target), ErrorKind::InvalidArgument);
    }
    let mut all = [1; 100];
    memory.read(0, &mut all).unwrap();
    assert_eq!(all, [0; 100], "written nevertheless");
}

#[test]
fn a_number_outside_the_segment_or_not_aligned_is_refused() {
    let segment = common::segment(20);
    let memory = segment.attach().unwrap();
    for offset in [0, 4, 16] {
        assert!(memory.atomic_u32(offset).is_ok() && memory.load_u32(offset).is_ok());
    }
    for offset in [1, 2, 3, 17, 20, usize::MAX - 3] {
        assert_fails(memory.atomic_u32(offset), ErrorKind::InvalidArgument);
        assert_fails(memory.load_u32(offset), ErrorKind::InvalidArgument);
    }
    for offset in [0, 8] {
        assert!(memory.atomic_u64(offset).is_ok() && memory.load_u64(offset).is_ok());
    }
    for offset in [4, 12, 16, usize::MAX - 7] {
        assert_fails(memory.atomic_u64(offset), ErrorKind::InvalidArgument);
        assert_fails(memory.load_u64(offset), ErrorKind::InvalidArgument);
    }
}

#[test]
fn numbers_are_in_native_byte_order() {
    let segment = common::segment(16);
    let memory = segment.attach().unwrap();
    memory.write(4, &0x0102_0304_u32.to_ne_bytes()).unwrap();
    memory.write(8, &u64::MAX.to_ne_bytes()).unwrap();
    assert_eq!(
        (memory.load_u32(4), memory.load_u64(8)),
        (Ok(0x0102_0304), Ok(u64::MAX))
    );
}

#[test]
fn dropping_and_detaching_end_the_attachment() {
    let segment = common::segment(1);
    let attached = || segment.stat().unwrap().attached;
    let (one, other) = (segment.attach().unwrap(), segment.attach().unwrap());
    assert_eq!(attached(), 2);
    drop(one);
    assert_eq!(attached(), 1);
    other.detach().unwrap();
    assert_eq!(attached(), 0);
}

#[test]
fn an_attachment_outlives_the_removal() {
    let key = common::key("an_attachment_outlives_the_removal");
    let segment = own(Segment::create(key, 100, Mode::OWNER).unwrap());
    let memory = segment.attach().unwrap();
    segment.remove().unwrap();
    let stat = segment.stat().unwrap();
    assert!(stat.marked_for_removal);
    assert_eq!(
        (stat.permissions.key, stat.permissions.mode),
        (Key::PRIVATE, Mode::OWNER)
    );
    assert_fails(Segment::open(key, Mode::OWNER), ErrorKind::NotFound);
    memory.write(0, b"still here").unwrap();
    assert_eq!(segment.attach().unwrap().load_u32(0), memory.load_u32(0));
    memory.detach().unwrap();
    assert_fails(segment.stat(), ErrorKind::Removed);
}

#[test]
fn a_removed_segment_fails_in_every_call() {
    let segment = *common::segment(1);
    assert_fails(segment.attach(), ErrorKind::Removed);
    assert_fails(segment.attach_read_only(), ErrorKind::Removed);
    assert_fails(segment.stat(), ErrorKind::Removed);
    assert_fails(
        segment.set_permissions(0, 0, Mode::OWNER),
        ErrorKind::Removed,
    );
    assert_fails(segment.lock(), ErrorKind::Removed);
    assert_fails(segment.unlock(), ErrorKind::Removed);
    let error = segment.remove().unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::Removed, Errno::EINVAL)
    );
}

#[test]
fn stat_tells_who_made_and_used_it() {
    let segment = common::segment(100);
    let this = std::process::id().cast_signed();
    let new = segment.stat().unwrap();
    let ids = (geteuid().as_raw(), getegid().as_raw());
    let permissions = new.permissions;
    assert_eq!((permissions.owner_user_id, permissions.owner_group_id), ids);
    assert_eq!(
        (permissions.creator_user_id, permissions.creator_group_id),
        ids
    );
    assert_eq!((new.creator_pid, new.last_pid, new.attached), (this, 0, 0));
    assert_eq!((new.attached_at_s, new.detached_at_s), (0, 0));
    assert!(new.changed_at_s > 0 && !new.marked_for_removal && !new.locked);

    let memory = segment.attach().unwrap();
    let used = segment.stat().unwrap();
    assert_eq!(
        (used.last_pid, used.attached, used.detached_at_s),
        (this, 1, 0)
    );
    assert!(used.attached_at_s >= new.changed_at_s);
    drop(memory);
    assert!(segment.stat().unwrap().detached_at_s >= used.attached_at_s);
}

#[test]
fn stat_counts_another_process_while_it_lives() {
    let segment = common::segment(100);
    let mut child = Peer::start("attach and wait", segment.id());
    child.wait_until_ready();
    let stat = segment.stat().unwrap();
    assert_eq!((stat.attached, stat.last_pid), (1, child.pid()));
    drop(child);
    wait_until("the killed child is detached", || {
        segment.stat().unwrap().attached == 0
    });
}

#[test]
fn set_permissions_changes_owner_and_mode() {
    let segment = common::segment(1);
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    segment
        .set_permissions(user, group, Mode::from_bits(0o640))
        .unwrap();
    assert_eq!(
        segment.stat().unwrap().permissions.mode,
        Mode::from_bits(0o640)
    );
    if !geteuid().is_root() {
        return common::skip("only root can give an object away and keep the right to remove it");
    }
    segment
        .set_permissions(common::OTHER_USER, 7, Mode::OWNER)
        .unwrap();
    let permissions = segment.stat().unwrap().permissions;
    assert_eq!(
        (permissions.owner_user_id, permissions.owner_group_id),
        (common::OTHER_USER, 7)
    );
    assert_eq!(
        (permissions.creator_user_id, permissions.creator_group_id),
        (user, group)
    );
}

#[test]
fn a_lock_shows_until_it_is_taken_off() {
    let segment = common::segment(100);
    if let Err(error) = segment.lock() {
        assert_eq!(error.kind(), ErrorKind::LockRefused);
        return common::skip(&error.to_string());
    }
    let stat = segment.stat().unwrap();
    assert!(stat.locked && !stat.marked_for_removal);
    assert_eq!(stat.permissions.mode, Mode::OWNER);
    segment.unlock().unwrap();
    assert!(!segment.stat().unwrap().locked);
}

/// Reads the flags that the kernel keeps for the mapping, `dc` for one that a fork does not copy.
fn mapping_flags(memory: &Attachment) -> String {
    let start = format!("{:08x}-", memory.as_ptr().addr());
    let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let lines = all.lines().skip_while(|line| !line.starts_with(&start));
    let flags = lines.skip(1).find_map(|line| line.strip_prefix("VmFlags:"));
    flags.expect("the mapping is in smaps").to_owned()
}

#[test]
fn dont_fork_is_noted_on_the_mapping() {
    let segment = common::segment(3 * page_bytes() + 1);
    let memory = segment.attach().unwrap();
    let is_noted = || {
        mapping_flags(&memory)
            .split_whitespace()
            .any(|flag| flag == "dc")
    };
    assert!(!is_noted());
    memory.dont_fork().unwrap();
    assert!(is_noted());
    assert_eq!(segment.stat().unwrap().attached, 1, "the mapping was split");
}

/// Returns the most attachments seen while a process forks; its children are held for a while
/// before they execute another program, which ends their copy of the mapping.
fn most_attached_while_forking(part: &str) -> u64 {
    let segment = common::segment(100);
    let hold = "inject=execve:delay_enter=100000";
    let starter = [
        "strace",
        "-f",
        "-qqq",
        "-e",
        "trace=execve",
        "-e",
        hold,
        "-o",
        "/dev/null",
    ];
    let mut parent = Peer::spawn(common::child_of(&starter, part, segment.id())).unwrap();
    parent.wait_until_ready();
    let mut most = 0;
    wait_until("the forking process ends", || {
        most = most.max(segment.stat().unwrap().attached);
        parent.has_ended()
    });
    parent.finish();
    most
}

#[test]
fn a_forked_child_inherits_unless_told_otherwise() {
    if !common::can_run("strace", &["-qqq", "-o", "/dev/null", "true"]) {
        return common::skip("needs strace(1), to hold a child between fork and exec");
    }
    assert_eq!(most_attached_while_forking("fork"), 2);
    assert_eq!(most_attached_while_forking("fork alone"), 1);
}

/// Forks and then executes: asked for a user, the standard library cannot use a faster way.
fn fork_and_execute() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--list").uid(getuid().as_raw());
    assert!(command.output().unwrap().status.success());
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, argument)) = common::part() else {
        return;
    };
    let segment = Segment::from_id(common::id(&argument));
    if part == "try to write" {
        return try_to_write(&segment.attach_read_only().unwrap());
    }
    let memory = segment.attach().unwrap();
    match part.as_str() {
        "add and greet" => {
            add_a_thousand(&memory);
            memory.write(16, b"hello").unwrap();
        }
        "attach and wait" => {
            common::say_ready();
            common::wait_to_be_killed();
        }
        "fork" => {
            common::say_ready();
            fork_and_execute();
        }
        "fork alone" => {
            memory.dont_fork().unwrap();
            common::say_ready();
            fork_and_execute();
        }
        other => panic!("unknown part {other:?}"),
    }
}
