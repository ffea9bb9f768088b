//! Goal: operations on a set are done as documented: all or none, in order, with waiting, time limits,
//! undo and removal. Method: whoever waits or dies is a process of its own; the set's own account of
//! its waiters tells when it sleeps.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sysv_ipc::{Errno, Error, ErrorKind, Limits, Mode, Operation, SemaphoreSet};

use common::{Peer, assert_fails, own, wait_until};

mod common;

const ADD: Operation = Operation::add(0, 1);
const TAKE: Operation = Operation::take(0, 1);
const LARGEST: u16 = 32767;

#[test]
fn a_new_set_is_all_zero() {
    let set = common::set(5);
    let stat = set.stat().unwrap();
    assert_eq!((stat.count, set.values()), (5, Ok(vec![0; 5])));
    assert_eq!(
        (stat.operated_at_s, stat.permissions.mode),
        (0, Mode::OWNER)
    );
    assert!(stat.changed_at_s > 0);
    assert_eq!(set.last_pid(0), Ok(0));
}

#[test]
fn a_set_is_made_once_and_found_by_its_key() {
    let key = common::key("a_set_is_made_once_and_found_by_its_key");
    assert_fails(SemaphoreSet::open(key, Mode::OWNER), ErrorKind::NotFound);
    let set = own(SemaphoreSet::create(key, 2, Mode::OWNER).unwrap());
    assert_fails(
        SemaphoreSet::create(key, 2, Mode::OWNER),
        ErrorKind::AlreadyExists,
    );
    assert_eq!(SemaphoreSet::open(key, Mode::OWNER), Ok(*set));
    assert_eq!(SemaphoreSet::open_or_create(key, 1, Mode::OWNER), Ok(*set));
}

#[test]
fn open_or_create_makes_a_missing_set() {
    let key = common::key("open_or_create_makes_a_missing_set");
    let set = own(SemaphoreSet::open_or_create(key, 3, Mode::OWNER).unwrap());
    assert_eq!(set.stat().unwrap().count, 3);
}

#[test]
fn a_count_the_set_does_not_have_is_refused() {
    let key = common::key("a_count_the_set_does_not_have_is_refused");
    let create = |count| SemaphoreSet::create(key, count, Mode::OWNER).map(own);
    assert_fails(create(0), ErrorKind::SizeRefused);
    assert_fails(create(usize::MAX), ErrorKind::SizeRefused);
    let _set = create(2).unwrap();
    assert_fails(
        SemaphoreSet::open_or_create(key, 3, Mode::OWNER),
        ErrorKind::SizeRefused,
    );
}

#[test]
fn operations_add_and_take() {
    let set = common::set(2);
    set.operate(&[Operation::add(1, 5)]).unwrap();
    assert_eq!(set.values(), Ok(vec![0, 5]));
    set.operate(&[Operation::take(1, 3)]).unwrap();
    assert_eq!((set.value(0), set.value(1)), (Ok(0), Ok(2)));
    assert!(set.stat().unwrap().operated_at_s > 0);
    assert_eq!(set.last_pid(1), Ok(std::process::id().cast_signed()));
}

#[test]
fn several_operations_are_done_all_or_none() {
    let set = common::set(3);
    let all = [
        Operation::add(0, 1),
        Operation::add(1, 2),
        Operation::take(2, 1).nowait(),
    ];
    assert_fails(set.operate(&all), ErrorKind::WouldBlock);
    assert_eq!(set.values(), Ok(vec![0, 0, 0]));
    set.operate(&[Operation::add(2, 1)]).unwrap();
    set.operate(&all).unwrap();
    assert_eq!(set.values(), Ok(vec![1, 2, 0]));
}

#[test]
fn several_operations_are_done_in_their_order() {
    let set = common::set(1);
    set.operate(&[Operation::add(0, 5), Operation::take(0, 4)])
        .unwrap();
    let taking_first = [Operation::take(0, 4).nowait(), Operation::add(0, 5)];
    assert_fails(set.operate(&taking_first), ErrorKind::WouldBlock);
    assert_eq!(set.value(0), Ok(1));
}

#[test]
fn wait_zero_passes_at_zero_only() {
    let set = common::set(1);
    let is_zero = [Operation::wait_zero(0).nowait()];
    set.operate(&is_zero).unwrap();
    set.operate(&[ADD]).unwrap();
    assert_fails(set.operate(&is_zero), ErrorKind::WouldBlock);
    assert_eq!(set.value(0), Ok(1));
}

#[test]
fn nowait_does_not_wait() {
    let set = common::set(1);
    let error = set.operate(&[TAKE.nowait()]).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::WouldBlock, Errno::EAGAIN)
    );
}

#[test]
fn a_time_limit_ends_the_wait() {
    let set = common::set(1);
    assert_fails(
        set.operate_within(&[TAKE], Duration::ZERO),
        ErrorKind::WouldBlock,
    );
    let (start, limit) = (Instant::now(), Duration::from_millis(50));
    assert_fails(set.operate_within(&[TAKE], limit), ErrorKind::WouldBlock);
    assert!(start.elapsed() >= limit, "over before its time");
    set.operate(&[ADD]).unwrap();
    set.operate_within(&[TAKE], Duration::ZERO).unwrap();
}

#[test]
fn the_longest_time_limit_is_none() {
    let set = common::set(1);
    let child = waiting_child("take within the longest limit", *set, 1);
    set.operate(&[ADD]).unwrap();
    child.finish();
}

#[test]
fn more_units_than_there_can_be_count_as_the_most() {
    let set = common::set(1);
    set.operate(&[Operation::add(0, u16::MAX)]).unwrap();
    assert_eq!(set.value(0), Ok(LARGEST));
    assert_fails(
        set.operate(&[Operation::take(0, u16::MAX).nowait()]),
        ErrorKind::WouldBlock,
    );
    set.operate(&[Operation::take(0, LARGEST).nowait()])
        .unwrap();
}

#[test]
fn values_are_set_and_read_back() {
    let set = common::set(3);
    set.set_all(&[1, 2, LARGEST]).unwrap();
    set.set_value(0, 7).unwrap();
    assert_eq!(set.values(), Ok(vec![7, 2, LARGEST]));
    assert_eq!(
        set.stat().unwrap().operated_at_s,
        0,
        "setting is no operation"
    );
}

#[test]
fn the_largest_set_is_read_in_one_step() {
    let most = usize::try_from(Limits::read().unwrap().semaphores_in_set).unwrap();
    let set = common::set(most.min(32000));
    let count = set.stat().unwrap().count;
    let values: Vec<u16> = (0..count)
        .map(|index| u16::try_from(index).unwrap())
        .collect();
    set.set_all(&values).unwrap();
    assert_eq!(set.values(), Ok(values));
}

#[test]
fn a_value_above_the_largest_is_out_of_range() {
    let set = common::set(1);
    set.operate(&[Operation::add(0, LARGEST)]).unwrap();
    assert_fails(set.operate(&[ADD]), ErrorKind::ValueOutOfRange);
    assert_fails(set.set_value(0, LARGEST + 1), ErrorKind::ValueOutOfRange);
    assert_fails(set.set_all(&[LARGEST + 1]), ErrorKind::ValueOutOfRange);
    assert_eq!(set.value(0), Ok(LARGEST));
}

#[test]
fn an_undo_entry_beyond_its_range_is_out_of_range() {
    let set = common::set(1);
    // The entry counts down with each, though the value stays where it is.
    let step = [ADD.undo(), TAKE];
    let done = (0..40_000).find_map(|done| set.operate(&step).err().map(|error| (done, error)));
    let (done, error) = done.expect("an error in the end");
    assert_eq!((done, error.kind()), (32768, ErrorKind::ValueOutOfRange));
}

#[test]
fn an_index_beyond_the_set_is_no_semaphore() {
    let set = common::set(2);
    let error = set.operate(&[Operation::add(2, 1)]).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::NoSuchSemaphore, Errno::EFBIG)
    );
    assert_fails(
        set.operate(&[ADD, Operation::add(2, 1)]),
        ErrorKind::NoSuchSemaphore,
    );
    assert_fails(set.value(2), ErrorKind::NoSuchSemaphore);
    assert_fails(set.last_pid(u16::MAX), ErrorKind::NoSuchSemaphore);
    assert_fails(set.waiting_for_units(2), ErrorKind::NoSuchSemaphore);
    assert_fails(set.waiting_for_zero(2), ErrorKind::NoSuchSemaphore);
    assert_fails(set.set_value(2, 0), ErrorKind::NoSuchSemaphore);
    assert_fails(set.set_all(&[1]), ErrorKind::NoSuchSemaphore);
    assert_fails(set.set_all(&[1, 1, 1]), ErrorKind::NoSuchSemaphore);
    assert_eq!(set.values(), Ok(vec![0, 0]));
}

#[test]
fn more_operations_than_allowed_are_too_many() {
    let most = usize::try_from(Limits::read().unwrap().operations_in_call).unwrap();
    if most > 1_000_000 {
        return common::skip("the machine allows more operations than are worth trying");
    }
    let set = common::set(1);
    set.operate(&vec![Operation::wait_zero(0); most]).unwrap();
    let error = set
        .operate(&vec![Operation::wait_zero(0); most + 1])
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::TooManyOperations, Errno::E2BIG)
    );
}

#[test]
fn no_operations_are_refused() {
    let error = common::set(1).operate(&[]).unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::Removed, Errno::EINVAL)
    );
}

#[test]
fn an_operation_prints_as_it_is() {
    let all = [
        Operation::take(3, 2).nowait().undo(),
        Operation::wait_zero(0),
    ];
    assert_eq!(format!("{all:?}"), "[{3, -2, NOWAIT, UNDO}, {0, +0}]");
}

#[test]
fn set_permissions_changes_the_mode() {
    let set = common::set(1);
    let owner = set.stat().unwrap().permissions;
    let mode = Mode::from_bits(0o640);
    set.set_permissions(owner.owner_user_id, owner.owner_group_id, mode)
        .unwrap();
    assert_eq!(set.stat().unwrap().permissions.mode, mode);
}

/// Every call on an existing set, by name.
fn every_call(set: SemaphoreSet) -> [(&'static str, Result<(), Error>); 12] {
    [
        ("operate", set.operate(&[ADD])),
        ("operate_within", set.operate_within(&[ADD], Duration::ZERO)),
        ("value", set.value(0).map(drop)),
        ("waiting_for_units", set.waiting_for_units(0).map(drop)),
        ("waiting_for_zero", set.waiting_for_zero(0).map(drop)),
        ("last_pid", set.last_pid(0).map(drop)),
        ("values", set.values().map(drop)),
        ("set_value", set.set_value(0, 0)),
        ("set_all", set.set_all(&[0])),
        ("stat", set.stat().map(drop)),
        ("set_permissions", set.set_permissions(0, 0, Mode::OWNER)),
        ("remove", set.remove()),
    ]
}

#[test]
fn a_removed_set_fails_in_every_call() {
    let set = *common::set(1);
    for (call, result) in every_call(set) {
        let error = result.expect_err(call);
        assert_eq!(
            (error.kind(), error.errno()),
            (ErrorKind::Removed, Errno::EINVAL),
            "{call}"
        );
    }
}

/// Starts a child that plays `part` and waits until `waiters` sleep for units in all.
fn waiting_child(part: &str, set: SemaphoreSet, waiters: u32) -> Peer {
    let child = Peer::start(part, set.id());
    wait_until("the child waits", || {
        set.waiting_for_units(0) == Ok(waiters)
    });
    child
}

#[test]
fn each_unit_wakes_one_waiter_in_turn() {
    let set = common::set(1);
    let first = waiting_child("take", *set, 1);
    let second = waiting_child("take", *set, 2);
    let first_pid = first.pid();
    set.operate(&[ADD]).unwrap();
    first.finish();
    assert_eq!((set.value(0), set.last_pid(0)), (Ok(0), Ok(first_pid)));
    assert_eq!(set.waiting_for_units(0), Ok(1));
    set.operate(&[ADD]).unwrap();
    second.finish();
    assert_eq!((set.value(0), set.waiting_for_units(0)), (Ok(0), Ok(0)));
}

#[test]
fn zero_wakes_who_waits_for_it() {
    let set = common::set(1);
    set.operate(&[Operation::add(0, 2)]).unwrap();
    let child = Peer::start("wait for zero", set.id());
    wait_until("the child waits", || set.waiting_for_zero(0) == Ok(1));
    set.operate(&[TAKE]).unwrap();
    assert_eq!(
        (set.waiting_for_zero(0), set.waiting_for_units(0)),
        (Ok(1), Ok(0))
    );
    set.operate(&[TAKE]).unwrap();
    child.finish();
    assert_eq!(set.waiting_for_zero(0), Ok(0));
}

#[test]
fn a_stop_interrupts_the_wait_and_loses_nothing() {
    let set = common::set(1);
    for part in ["be interrupted", "be interrupted within a limit"] {
        let mut child = Peer::start(part, set.id());
        let thread = child.wait_until_asleep();
        wait_until("the child waits", || set.waiting_for_units(0) == Ok(1));
        child.signal(Signal::SIGSTOP);
        wait_until("the child stops", || common::state_of(&thread) == Some('T'));
        assert_eq!(
            set.waiting_for_units(0),
            Ok(0),
            "a stopped process does not wait"
        );
        set.operate(&[ADD]).unwrap();
        child.signal(Signal::SIGCONT);
        child.finish();
        assert_eq!(set.value(0), Ok(1), "the unit is lost");
        set.operate(&[TAKE]).unwrap();
    }
}

#[test]
fn a_removal_wakes_who_waits() {
    let set = common::set(1);
    let first = waiting_child("see the removal", *set, 1);
    let second = waiting_child("see the removal within a limit", *set, 2);
    set.remove().unwrap();
    first.finish();
    second.finish();
}

#[test]
fn undo_gives_back_what_a_killed_process_holds() {
    let set = common::set(2);
    set.set_all(&[1, 5]).unwrap();
    let mut child = Peer::start("hold with undo", set.id());
    child.wait_until_ready();
    assert_eq!(set.values(), Ok(vec![0, 7]));
    let pid = child.pid();
    child.signal(Signal::SIGKILL);
    wait_until("the undo is done", || set.values() == Ok(vec![1, 5]));
    assert_eq!((set.last_pid(0), set.last_pid(1)), (Ok(pid), Ok(pid)));
}

#[test]
fn undo_wakes_who_waits() {
    let set = common::set(2);
    set.set_all(&[1, 0]).unwrap();
    let mut holder = Peer::start("hold with undo", set.id());
    holder.wait_until_ready();
    let waiter = waiting_child("take", *set, 1);
    holder.signal(Signal::SIGKILL);
    waiter.finish();
}

#[test]
fn undo_is_done_at_an_orderly_end_too() {
    let set = common::set(1);
    Peer::start("add with undo and end", set.id()).finish();
    assert_eq!(set.value(0), Ok(0));
}

#[test]
fn without_undo_a_killed_process_keeps_what_it_took() {
    let set = common::set(1);
    set.set_value(0, 1).unwrap();
    let mut child = Peer::start("hold without undo", set.id());
    child.wait_until_ready();
    drop(child);
    assert_eq!(set.value(0), Ok(0));
}

#[test]
fn setting_a_value_forgets_what_was_to_be_undone() {
    let set = common::set(2);
    set.set_all(&[1, 5]).unwrap();
    let mut child = Peer::start("hold with undo", set.id());
    child.wait_until_ready();
    set.set_value(0, 3).unwrap();
    drop(child);
    assert_eq!(set.values(), Ok(vec![3, 5]));
}

/// Checks the errno as well: a sleeping process is told EIDRM, where a later one gets EINVAL.
fn assert_sees_removal(result: Result<(), Error>) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::Removed, Errno::EIDRM)
    );
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, argument)) = common::part() else {
        return;
    };
    let set = SemaphoreSet::from_id(common::id(&argument));
    let hour = Duration::from_secs(3600);
    match part.as_str() {
        "take" => set.operate(&[TAKE]).unwrap(),
        "take within the longest limit" => set.operate_within(&[TAKE], Duration::MAX).unwrap(),
        "wait for zero" => set.operate(&[Operation::wait_zero(0)]).unwrap(),
        "be interrupted" => {
            common::say_ready();
            assert_fails(set.operate(&[TAKE]), ErrorKind::Interrupted);
        }
        "be interrupted within a limit" => {
            common::say_ready();
            assert_fails(set.operate_within(&[TAKE], hour), ErrorKind::Interrupted);
        }
        "see the removal" => assert_sees_removal(set.operate(&[TAKE])),
        "see the removal within a limit" => assert_sees_removal(set.operate_within(&[TAKE], hour)),
        "hold with undo" => {
            let both = [TAKE.undo(), Operation::add(1, 2).undo()];
            set.operate(&both).unwrap();
            common::say_ready();
            common::wait_to_be_killed();
        }
        "hold without undo" => {
            set.operate(&[TAKE]).unwrap();
            common::say_ready();
            common::wait_to_be_killed();
        }
        "add with undo and end" => {
            set.operate(&[ADD.undo()]).unwrap();
            assert_eq!(set.value(0), Ok(1));
        }
        other => panic!("unknown part {other:?}"),
    }
}
