//! Goal: the listing and the limits say what the kernel's other interfaces say. Method: each listed
//! entry against the `stat` of the same object; each limit against its file, also after a change in an
//! IPC namespace of its own.

use std::fs;
use std::num::NonZeroU64;
use std::process::Command;

use sysv_ipc::{Key, Limits, MessageQueue, Mode, Operation, Segment, SemaphoreSet, page_bytes};

use common::{Peer, own};

mod common;

#[test]
fn a_segment_is_listed_as_stat_describes_it() {
    let segment = common::segment(3 * page_bytes() + 1);
    let _memory = segment.attach().unwrap();
    let listed = sysv_ipc::segments().unwrap();
    let found: Vec<_> = listed
        .iter()
        .filter(|entry| entry.segment == *segment)
        .collect();
    let [entry] = found[..] else {
        panic!("{found:?}")
    };
    let stat = segment.stat().unwrap();
    assert_eq!(
        (entry.permissions, entry.bytes),
        (stat.permissions, stat.bytes)
    );
    assert_eq!(
        (entry.creator_pid, entry.last_pid),
        (stat.creator_pid, stat.last_pid)
    );
    assert_eq!((entry.attached, stat.attached), (1, 1));
}

#[test]
fn the_listing_tells_how_much_of_a_segment_is_in_memory() {
    let segment = common::segment(4 * page_bytes());
    let in_memory = || {
        let listed = sysv_ipc::segments().unwrap();
        let entry = listed
            .iter()
            .find(|entry| entry.segment == *segment)
            .unwrap();
        entry.resident_bytes
    };
    assert_eq!(in_memory(), 0);
    segment
        .attach()
        .unwrap()
        .write(0, &vec![1; 4 * page_bytes()])
        .unwrap();
    // More, where the kernel gives huge pages.
    assert!(in_memory() >= 4 * u64::try_from(page_bytes()).unwrap());
}

#[test]
fn a_set_is_listed_as_stat_describes_it() {
    let set = common::set(7);
    set.operate(&[Operation::add(0, 1)]).unwrap();
    let listed = sysv_ipc::semaphore_sets().unwrap();
    let found: Vec<_> = listed.iter().filter(|entry| entry.set == *set).collect();
    let [entry] = found[..] else {
        panic!("{found:?}")
    };
    let stat = set.stat().unwrap();
    assert_eq!(
        (entry.permissions, entry.count),
        (stat.permissions, stat.count)
    );
    assert_eq!(entry.operated_at_s, stat.operated_at_s);
    assert!(entry.operated_at_s > 0);
}

#[test]
fn a_queue_is_listed_as_stat_describes_it() {
    let queue = common::queue();
    queue.send(NonZeroU64::MIN, b"hello").unwrap();
    let listed = sysv_ipc::message_queues().unwrap();
    let found: Vec<_> = listed
        .iter()
        .filter(|entry| entry.queue == *queue)
        .collect();
    let [entry] = found[..] else {
        panic!("{found:?}")
    };
    let stat = queue.stat().unwrap();
    assert_eq!(entry.permissions, stat.permissions);
    assert_eq!((entry.bytes, entry.messages), (stat.bytes, stat.messages));
    assert_eq!((entry.bytes, entry.messages), (5, 1));
}

#[test]
fn keys_and_modes_are_listed_whole() {
    // The kernel prints a key with its highest bit set as a negative number.
    let hash = common::key("keys_and_modes_are_listed_whole").to_bits();
    let key = Key::from_bits(hash | 1 << 31);
    let mode = Mode::from_bits(0o642);
    let segment = own(Segment::create(key, 1, mode).unwrap());
    let set = own(SemaphoreSet::create(key, 1, mode).unwrap());
    let queue = own(MessageQueue::create(key, mode).unwrap());
    let permissions = [
        sysv_ipc::segments()
            .unwrap()
            .iter()
            .find(|e| e.segment == *segment)
            .unwrap()
            .permissions,
        sysv_ipc::semaphore_sets()
            .unwrap()
            .iter()
            .find(|e| e.set == *set)
            .unwrap()
            .permissions,
        sysv_ipc::message_queues()
            .unwrap()
            .iter()
            .find(|e| e.queue == *queue)
            .unwrap()
            .permissions,
    ];
    for permissions in permissions {
        assert_eq!((permissions.key, permissions.mode), (key, mode));
    }
}

#[test]
fn a_segment_marked_for_removal_is_listed_without_its_key() {
    let key = common::key("a_segment_marked_for_removal_is_listed_without_its_key");
    let segment = own(Segment::create(key, 1, Mode::OWNER).unwrap());
    let _memory = segment.attach().unwrap();
    let listed = || {
        let mut segments = sysv_ipc::segments().unwrap().into_iter();
        segments.find(|entry| entry.segment == *segment).unwrap()
    };
    assert!(!listed().marked_for_removal);
    segment.remove().unwrap();
    let entry = listed();
    assert!(entry.marked_for_removal);
    assert_eq!(
        (entry.permissions.key, entry.permissions.mode),
        (Key::PRIVATE, Mode::OWNER)
    );
}

#[test]
fn what_another_process_makes_is_listed_with_its_pid() {
    let key = common::key("what_another_process_makes_is_listed_with_its_pid");
    let child = Peer::start("make a segment", key);
    let pid = child.pid();
    child.finish();
    let segment = own(Segment::open(key, Mode::OWNER).unwrap());
    let listed = sysv_ipc::segments().unwrap();
    let entry = listed
        .iter()
        .find(|entry| entry.segment == *segment)
        .unwrap();
    assert_eq!(
        (entry.permissions.key, entry.creator_pid, entry.attached),
        (key, pid, 0)
    );
}

#[test]
fn a_page_is_what_getconf_says() {
    let Ok(output) = Command::new("getconf").arg("PAGESIZE").output() else {
        return common::skip("needs getconf(1)");
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim().parse(), Ok(page_bytes()));
}

/// Reads one number of a file in /proc/sys/kernel.
fn sysctl(name: &str, index: usize) -> u64 {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap();
    text.split_whitespace().nth(index).unwrap().parse().unwrap()
}

#[test]
fn limits_are_those_of_sysctl() {
    let limits = Limits::read().unwrap();
    let found = [
        limits.semaphores_in_set,
        limits.semaphores_in_total,
        limits.operations_in_call,
        limits.semaphore_sets,
    ];
    assert_eq!(found, [0, 1, 2, 3].map(|index| sysctl("sem", index)));
    assert_eq!(limits.segment_bytes, sysctl("shmmax", 0));
    assert_eq!(limits.shared_pages_in_total, sysctl("shmall", 0));
    assert_eq!(limits.segments, sysctl("shmmni", 0));
    assert_eq!(limits.message_bytes, sysctl("msgmax", 0));
    assert_eq!(limits.queue_bytes, sysctl("msgmnb", 0));
    assert_eq!(limits.queues, sysctl("msgmni", 0));
    assert_eq!(
        limits.removed_when_unattached,
        sysctl("shm_rmid_forced", 0) != 0
    );
}

#[test]
fn limits_are_those_of_the_own_namespace() {
    common::play_in_own_namespace("change the limits");
}

#[test]
fn a_new_namespace_lists_nothing() {
    let _segment = common::segment(1);
    common::play_in_own_namespace("list nothing");
}

fn change_the_limits() {
    common::set_sysctl("sem", "11 22 33 44");
    for (name, value) in [("shmmax", 5), ("shmall", 6), ("shmmni", 7)] {
        common::set_sysctl(name, value);
    }
    for (name, value) in [
        ("msgmax", 8),
        ("msgmnb", 9),
        ("msgmni", 10),
        ("shm_rmid_forced", 1),
    ] {
        common::set_sysctl(name, value);
    }
    let limits = Limits::read().unwrap();
    assert_eq!(
        (limits.semaphores_in_set, limits.semaphores_in_total),
        (11, 22)
    );
    assert_eq!((limits.operations_in_call, limits.semaphore_sets), (33, 44));
    assert_eq!(
        (
            limits.segment_bytes,
            limits.shared_pages_in_total,
            limits.segments
        ),
        (5, 6, 7)
    );
    assert_eq!(
        (limits.message_bytes, limits.queue_bytes, limits.queues),
        (8, 9, 10)
    );
    assert!(limits.removed_when_unattached);
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, argument)) = common::part() else {
        return;
    };
    match part.as_str() {
        "make a segment" => {
            Segment::create(argument.parse().unwrap(), 1, Mode::OWNER).unwrap();
        }
        "change the limits" => change_the_limits(),
        "list nothing" => {
            assert_eq!(sysv_ipc::segments().unwrap(), []);
            assert_eq!(sysv_ipc::semaphore_sets().unwrap(), []);
            assert_eq!(sysv_ipc::message_queues().unwrap(), []);
        }
        other => panic!("unknown part {other:?}"),
    }
}
