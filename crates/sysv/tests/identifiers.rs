//! Goal: a call that asks the kernel twice stays inside its own memory when the identifier is given to
//! another object in between. Method: an IPC namespace of its own, where root may choose the next
//! identifier, and strace(1), which holds the second question back until that has been done.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sysv_ipc::{Key, Mode, Segment, SemaphoreSet, page_bytes};

use common::{Peer, wait_until};

mod common;

/// More semaphores than the first set has: the answer would not fit where the first one's does.
const MANY: usize = 32_000;

/// Plays a part in a namespace of its own, in which it can hold a child's system calls back.
fn play(part: &str) {
    if !common::can_run("strace", &["-qqq", "-o", "/dev/null", "true"]) {
        return common::skip("needs strace(1), to hold a system call back");
    }
    if !Path::new("/proc/sys/kernel/shm_next_id").exists() {
        return common::skip("this kernel does not let root choose the next identifier");
    }
    common::play_in_own_namespace(part);
}

/// Starts a child and returns it when `call` is held back before the kernel sees it, for some seconds.
fn held_child(part: &str, id: i32, call: &str) -> Peer {
    let hold = format!("inject={call}:delay_enter=3000000");
    let starter = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &hold];
    let hold_on = common::child_of(&starter, part, id);
    let mut child = Peer::spawn(hold_on).unwrap();
    let thread = child.wait_until_ready();
    // Every call is held for a moment, this one for long.
    let is_held = || {
        (0..20).all(|_| {
            thread::sleep(Duration::from_millis(5));
            common::state_of(&thread) == Some('t')
        })
    };
    wait_until("the call is held back", is_held);
    child
}

#[test]
fn an_attachment_has_the_size_of_what_was_mapped() {
    play("put a smaller segment in its place");
}

fn put_a_smaller_segment_in_its_place() {
    let large = common::segment(64 * page_bytes());
    let child = held_child("attach", large.id(), "shmat");
    large.remove().unwrap();
    common::set_sysctl("shm_next_id", large.id());
    let small = common::segment(page_bytes());
    assert_eq!(*small, *large);
    child.finish();
}

#[test]
fn values_of_a_larger_set_do_not_overflow() {
    play("put a larger set in its place");
}

fn put_a_larger_set_in_its_place() {
    let small = common::set(2);
    let child = held_child("read values", small.id(), "semctl:when=2");
    replace(*small);
    child.finish();
}

#[test]
fn values_for_a_larger_set_are_not_read_from_beyond() {
    play("put a larger set in the place of one to be set");
}

fn put_a_larger_set_in_the_place_of_one_to_be_set() {
    let small = common::set(2);
    let child = held_child("set values", small.id(), "semctl:when=2");
    replace(*small);
    child.finish();
    let values = small.values().unwrap();
    assert_eq!(values[..2], [1, 2]);
    assert!(
        values[2..].iter().all(|&value| value == 0),
        "read from beyond the values"
    );
}

/// Gives the set's identifier to a larger one. It is the guard of the first that removes it.
fn replace(small: SemaphoreSet) {
    small.remove().unwrap();
    common::set_sysctl("sem_next_id", small.id());
    let large = SemaphoreSet::create(Key::PRIVATE, MANY, Mode::OWNER).unwrap();
    assert_eq!(large, small);
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, argument)) = common::part() else {
        return;
    };
    match part.as_str() {
        "put a smaller segment in its place" => put_a_smaller_segment_in_its_place(),
        "put a larger set in its place" => put_a_larger_set_in_its_place(),
        "put a larger set in the place of one to be set" => {
            put_a_larger_set_in_the_place_of_one_to_be_set();
        }
        "attach" => {
            let segment = Segment::from_id(common::id(&argument));
            common::say_ready();
            let memory = segment.attach().unwrap();
            assert_eq!(memory.bytes(), segment.stat().unwrap().bytes);
            memory.write(memory.bytes() - 1, b"x").unwrap();
        }
        "read values" => {
            let set = SemaphoreSet::from_id(common::id(&argument));
            common::say_ready();
            assert_eq!(set.values().unwrap(), [0, 0]);
        }
        "set values" => {
            let set = SemaphoreSet::from_id(common::id(&argument));
            common::say_ready();
            set.set_all(&[1, 2]).unwrap();
        }
        other => panic!("unknown part {other:?}"),
    }
}
