//! The behaviours of semaphores that the protocol rests on (`docs/protocol.md`), each shown once. Every
//! function returns what it has shown, or an error that says what the kernel did instead.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use sysv_ipc::{Error, ErrorKind, Operation, Segment, SemaphoreSet};

use super::memory;
use super::part::Holder;

/// Semaphores of a set, and three of them by index, as in `docs/protocol.md`.
pub const SEMAPHORES: usize = 5;
const FULL: u16 = 1;
const PRODUCER: u16 = 2;
/// Most units of a semaphore (`SEMVMX`, semctl(2)).
const MOST_UNITS: u16 = 32767;

/// Takes the role together with its death notice, as a producer does when it attaches.
pub const CLAIM: [Operation; 4] = [
    Operation::wait_zero(PRODUCER).nowait(),
    Operation::add(PRODUCER, 1).undo(),
    Operation::add(FULL, 1),
    Operation::take(FULL, 1).undo(),
];
/// Gives the role back and notifies the peer, as a producer does when it closes.
pub const LEAVE: [Operation; 2] = [
    Operation::add(FULL, 1).undo(),
    Operation::take(PRODUCER, 1).undo().nowait(),
];

/// Longest wait for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

pub fn zero_at_birth(set: SemaphoreSet, segment: Segment) -> Result<String> {
    let values = set.values()?;
    ensure!(
        values.iter().all(|&value| value == 0),
        "a new set is not zero: {values:?}"
    );
    memory::zero_at_birth(segment)?;
    Ok("new semaphores and new memory are zero, so nobody need initialise them".into())
}

pub fn several_operations(set: SemaphoreSet) -> Result<String> {
    set.operate(&CLAIM)?;
    expect_values(set, [0, 0, 1, 0, 0], "after role and death notice")?;
    ensure!(
        !at_once(set, &CLAIM)?,
        "a role that is held was taken again"
    );
    let late = [
        Operation::add(FULL, 1),
        Operation::wait_zero(PRODUCER).nowait(),
    ];
    ensure!(
        !at_once(set, &late)?,
        "a wait for zero passed a semaphore of 1"
    );
    expect_values(set, [0, 0, 1, 0, 0], "after a call that was refused")?;
    Ok("four operations in one call, two on one semaphore: all done, or none".into())
}

pub fn death_notice(set: SemaphoreSet, segment: Segment) -> Result<String> {
    let mut holder = Holder::start(set, segment)?;
    let sleeper = Sleeper::start(set, Some(segment))?;
    ensure!(
        segment.stat()?.attached == 1,
        "a process attached a segment, which counts none"
    );
    let killed_at = Instant::now();
    holder.kill()?;
    let woken = sleeper.woken()?;
    match woken.result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            bail!("SIGKILL of a process that held a role woke nobody within {PATIENCE:?}")
        }
        result => result?,
    }
    ensure!(
        woken.role_was_free,
        "who was woken by a death found the role still held"
    );
    ensure!(
        woken.attached == 0,
        "who was woken by a death found the dead still attached"
    );
    let after = woken.at.saturating_duration_since(killed_at);
    Ok(format!(
        "SIGKILL detached memory, freed the role, woke who waited: {:.2} ms",
        after.as_secs_f64() * 1e3
    ))
}

pub fn undo_and_fork(set: SemaphoreSet) -> Result<String> {
    let mut holder = Holder::start_with_children(set)?;
    ensure!(
        !role_is_free(set)?,
        "a child that ended gave back its parent's role"
    );
    holder.kill()?;
    ensure!(
        role_is_free(set)?,
        "a process was killed, and its child keeps the role"
    );
    Ok("a child neither gives back its parent's role nor keeps it".into())
}

pub fn undo_and_threads(set: SemaphoreSet) -> Result<String> {
    let claimed = thread::spawn(move || set.operate(&CLAIM)).join();
    claimed.map_err(|_| anyhow!("the thread panicked"))??;
    ensure!(
        !role_is_free(set)?,
        "a role was given back when the thread that took it ended"
    );
    Ok("a role outlives the thread that took it".into())
}

pub fn leaving_in_order(set: SemaphoreSet) -> Result<String> {
    super::part::leave_in_a_child(set)?;
    expect_values(set, [0, 1, 0, 0, 0], "after a side has left and ended")?;
    Ok("a side that leaves notifies once, and its end undoes nothing more".into())
}

pub fn time_limit(set: SemaphoreSet) -> Result<String> {
    let limit = Duration::from_millis(10);
    let started = Instant::now();
    match set.operate_within(&[Operation::take(FULL, 1)], limit) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error.into()),
        Ok(()) => bail!("a unit was taken that nobody had posted"),
    }
    let waited = started.elapsed();
    ensure!(
        waited >= limit,
        "a wait of {limit:?} ended after {waited:?}"
    );
    Ok("a wait ends when its time is over, and not before".into())
}

pub fn ceiling(set: SemaphoreSet) -> Result<String> {
    set.operate(&[Operation::add(FULL, MOST_UNITS)])?;
    match set.operate(&[Operation::add(FULL, 1)]) {
        Err(error) if error.kind() == ErrorKind::ValueOutOfRange => {}
        Err(error) => return Err(error.into()),
        Ok(()) => bail!("a semaphore of {MOST_UNITS} took one unit more"),
    }
    expect_values(set, [0, MOST_UNITS, 0, 0, 0], "after a unit too many")?;
    Ok(format!(
        "a semaphore holds {MOST_UNITS}, and refuses one unit more"
    ))
}

pub fn removed_set(set: SemaphoreSet) -> Result<String> {
    let sleeper = Sleeper::start(set, None)?;
    set.remove()?;
    match sleeper.woken()?.result {
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(error) => return Err(error.into()),
        Ok(()) => bail!("who slept on a removed set was given a unit"),
    }
    Ok("who sleeps on a set learns at once that it is removed".into())
}

fn role_is_free(set: SemaphoreSet) -> Result<bool, Error> {
    at_once(set, &[Operation::wait_zero(PRODUCER).nowait()])
}

/// Tells whether the operations could be done without waiting.
fn at_once(set: SemaphoreSet, operations: &[Operation]) -> Result<bool, Error> {
    match set.operate(operations) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn expect_values(set: SemaphoreSet, expected: [u16; SEMAPHORES], when: &str) -> Result<()> {
    let values = set.values()?;
    ensure!(
        values == expected,
        "{when} the five semaphores are {values:?} in place of {expected:?}"
    );
    Ok(())
}

/// A thread that sleeps until FULL has a unit, as a consumer does.
#[derive(Debug)]
struct Sleeper(JoinHandle<Woken>);

/// How a sleep ended.
#[derive(Debug)]
struct Woken {
    result: Result<(), Error>,
    at: Instant,
    role_was_free: bool,
    /// Attachments of the segment it looked at.
    attached: u64,
}

impl Sleeper {
    /// Starts it, and returns once it sleeps. Awake, it looks at role and segment at once.
    fn start(set: SemaphoreSet, segment: Option<Segment>) -> Result<Self> {
        let sleeper = thread::spawn(move || {
            let result = set.operate_within(&[Operation::take(FULL, 1)], PATIENCE);
            Woken {
                result,
                at: Instant::now(),
                role_was_free: role_is_free(set).unwrap_or(false),
                attached: segment
                    .and_then(|segment| segment.stat().ok())
                    .map_or(0, |stat| stat.attached),
            }
        });
        let started = Instant::now();
        while set.waiting_for_units(FULL)? == 0 {
            ensure!(
                started.elapsed() < PATIENCE && !sleeper.is_finished(),
                "nobody is seen to sleep on an empty semaphore"
            );
            thread::sleep(LOOK_AGAIN);
        }
        Ok(Self(sleeper))
    }

    fn woken(self) -> Result<Woken> {
        self.0.join().map_err(|_| anyhow!("the thread panicked"))
    }
}
