//! The adaptive gate: flags, wake-ups, barriers, verdicts, and all that can befall the two sides.
//!
//! Modelled in the order of `gate/adaptive.rs`, `gate.rs`, `recovery.rs`, `producer.rs`,
//! `consumer.rs` and `channel/link.rs`: each step is one load or store of shared memory, one fence, or
//! one system call. What is private to a process happens together with the step before it, and to
//! spin is to look later.
//!
//! Memory is sequential where barriers are needless, and else as x86-64 has it, with a buffer for
//! the stores of each process (`memory.rs`). Who attaches has itself registered for `membarrier` or
//! has not, and says so in the segment.
//!
//! Left out, since other models have it: slots and descriptors (`loans.rs`), making and removing
//! the two objects (`setup.rs`), a third process, a removed set, and marks of redelivery
//! (`strict.rs`).

mod attach;
mod controls;
mod exchange;
mod memory;
mod runs;
mod state;
mod surroundings;
mod verdict;
mod wait;

use crate::explorer::{Model, Steps};
use state::{At, CONSUMER, Lock, PRODUCER, Presence, State, Task, Wrong};

/// What a run covers.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a feature of a run of its own"
)]
struct Config {
    slots: u8,
    messages: u8,
    /// Most messages of an exchange.
    producer_batch: u8,
    consumer_batch: u8,
    /// After this many messages the producer drains.
    drain_at: Option<u8>,
    /// Deaths, early ends and later successors, together.
    faults: u8,
    /// Whether an early end of the producer's may be an interruption.
    interrupts: bool,
    deadlines: bool,
    /// Whether a process may be stopped for good.
    stops: bool,
    /// How often, and whose operations are cancelled.
    cancels: u8,
    cancelled: usize,
    barriers: Barriers,
    /// Whether the kernel may refuse `membarrier` to a sleeper.
    refusals: bool,
    owed: Owed,
    /// Whether who attaches takes back the flag that a dead predecessor has left.
    clears_flag: bool,
    /// Whether a side takes its flag back when it goes on without a unit.
    disarms: bool,
    /// The most units a semaphore can hold.
    ceiling: u8,
    /// The most units there may ever be.
    bound: u8,
    /// What is done wrong.
    flaw: Flaw,
}

/// Who orders a publisher's store of its position and its load of the peer's flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Barriers {
    /// Memory is sequential.
    Needless,
    /// The publisher, each time.
    Publisher,
    /// The sleeper, by `membarrier`.
    Sleeper,
    /// Either, as each process chooses when it attaches.
    Either,
}

impl Barriers {
    /// What a process may choose: to be registered or not.
    const fn choices(self) -> &'static [bool] {
        match self {
            Self::Needless | Self::Publisher => &[false],
            Self::Sleeper => &[true],
            Self::Either => &[false, true],
        }
    }
}

/// What becomes of units that were on their way when a side went on without them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// They are counted, and taken before the flag is set again, if they have come.
    Counted,
    /// They stay, and each costs a look for nothing later.
    Left,
    /// Whatever there is is taken before the flag is set again.
    Drained,
}

/// What a control does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Death frees the role and posts nothing.
    NoDeathNotice,
    /// Sets the flag and sleeps.
    NoSecondLook,
    /// Takes a unit for worthless and sleeps on without setting the flag again.
    SleepsOnUnarmed,
    /// Goes on without a unit that it is owed only when it has come.
    BlocksForOwed,
    /// Looks for a cancel before it settles, and not after it.
    NoCancelCheck,
    /// Looks whether the consumer waits, then commits.
    LooksThenCommits,
    /// Sleeps without asking whether the peer is there.
    NoRoleTest,
    /// The producer alone does not ask.
    ProducerDoesNotJudge,
    /// The verdict does not look at the position again after the word.
    OldPosition,
    /// The verdict takes the word as it is after the test of the role.
    RoleThenWord,
    /// The verdict takes the word as it was before the test of the role.
    WordThenRole,
    /// Does not note which end it has reported.
    NotReported,
    /// The producer does not note that it has reported a close.
    CloseNotReported,
    /// Sleeps beside an interrupted stream, which is not closed.
    InterruptedIgnored,
    /// The producer says closed when it is interrupted.
    InterruptedAsClosed,
    /// Posts no unit after trimming.
    TrimTakesAll,
    /// Posts the unit after trimming in a call of its own.
    TrimInTwoSteps,
    /// Wakes nobody when it attaches.
    NoRepair,
    /// The publisher does not fence, and `membarrier` is not called.
    NoBarrier,
    /// The sleeper does not fence after it has set its flag.
    SleeperUnfenced,
    /// The sleeper reads the advertisement before it sets its flag.
    CachedAdvert,
    /// Who attaches does not fence after its advertisement.
    AdvertUnfenced,
    /// Sleeps for as long as it takes though `membarrier` was refused.
    SleepsUnsure,
}

/// Two slots, three messages, two faults, and a cancel.
const BASE: Config = Config {
    slots: 2,
    messages: 3,
    producer_batch: 1,
    consumer_batch: 1,
    drain_at: None,
    faults: 2,
    interrupts: true,
    deadlines: true,
    stops: false,
    cancels: 1,
    cancelled: CONSUMER,
    barriers: Barriers::Needless,
    refusals: false,
    owed: Owed::Counted,
    clears_flag: true,
    disarms: true,
    ceiling: 30,
    bound: 30,
    flaw: Flaw::None,
};

/// Names a step of one of the two processes.
macro_rules! named {
    ($who:expr, $text:literal) => {
        [concat!("producer: ", $text), concat!("consumer: ", $text)][$who]
    };
    ($who:expr, $producer:literal, $consumer:literal) => {
        [
            concat!("producer: ", $producer),
            concat!("consumer: ", $consumer),
        ][$who]
    };
}
use named;

const fn peer(role: usize) -> usize {
    1 - role
}

impl Model for Config {
    type State = State;

    fn start(&self) -> State {
        State::default()
    }

    fn steps(&self, s: &State, steps: &mut Steps<State>) {
        for who in [PRODUCER, CONSUMER] {
            self.step(s, who, steps);
        }
        Self::step_buffers(s, steps);
        if s.canceller.posting {
            let mut n = *s;
            n.canceller.posting = false;
            self.post(&mut n, self.cancelled, 1);
            steps.to("canceller: posts a unit", n);
        }
    }

    fn surroundings(&self, s: &State, steps: &mut Steps<State>) {
        for who in [PRODUCER, CONSUMER] {
            self.befall(s, who, steps);
        }
        self.request_cancel(s, steps);
    }

    fn violation(&self, s: &State) -> Option<&'static str> {
        match s.wrong {
            Wrong::Nothing if s.units.iter().any(|&units| units > self.bound) => {
                Some("units pile up")
            }
            Wrong::Nothing => None,
            Wrong::TwoOwners => Some("two owners of a role"),
            Wrong::FalseEnd => Some("false end of stream"),
            Wrong::Truncated => Some("an interrupted stream passed off as whole"),
            Wrong::FalseDeath => Some("a death reported that was none"),
            Wrong::ToldTwice => Some("an epoch's end reported twice"),
            Wrong::Gap => Some("a message left out"),
            Wrong::BeyondTail => Some("a message received that was not sent"),
            Wrong::Overfull => Some("more messages than slots"),
        }
    }

    fn good_rest(&self, s: &State) -> bool {
        [PRODUCER, CONSUMER].into_iter().all(|who| {
            let me = &s.processes[who];
            match me.at {
                _ if me.stopped => true,
                At::Idle | At::Gone | At::Done => true,
                At::Sleep => self.may_sleep(s, who),
                // A stopped process may hold SETUP; the wait for it has a limit.
                At::LockSetup => s.setup != Lock::Free && s.processes[peer(who)].stopped,
                _ => false,
            }
        })
    }
}

impl Config {
    /// How many exchanges the positions allow a side: free slots, or messages.
    fn ready(&self, s: &State, who: usize) -> u8 {
        if who == PRODUCER {
            self.slots - (s.own_position(PRODUCER) - s.head)
        } else {
            s.tail - s.own_position(CONSUMER)
        }
    }

    /// Whether this side's operations may be cancelled.
    fn is_cancellable(&self, who: usize) -> bool {
        self.cancels > 0 && self.cancelled == who
    }

    /// Posts units; at the ceiling the call fails, which counts as done.
    fn post(&self, s: &mut State, semaphore: usize, units: u8) {
        if s.units[semaphore] + units <= self.ceiling {
            s.units[semaphore] += units;
        }
    }

    /// Whether a side may sleep for good, beside a peer that rests.
    fn may_sleep(&self, s: &State, who: usize) -> bool {
        let me = &s.processes[who];
        let other = &s.processes[peer(who)];
        if self.cancelled == who && s.canceller.requested {
            return false;
        }
        if self.ready(s, who) > me.known {
            // Stopped between what it published and the wake-up.
            return other.stopped && other.at.is_about_to_wake();
        }
        let word = s.words[peer(who)];
        match (other.at, word.presence) {
            _ if other.stopped => true,
            (At::Idle, _) | (At::Gone | At::Done, Presence::Never) => true,
            (At::Gone | At::Done, _) => me.reported == word.epoch,
            _ => false,
        }
    }

    /// Adds the ordinary step of a process, if it can take one.
    fn step(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut s = *s;
        if s.processes[who].at == At::Between {
            self.begin(&mut s, who);
        }
        let at = s.processes[who].at;
        if at.is_rest() || s.processes[who].stopped {
            return;
        }
        if (at as u8) < (At::Between as u8) {
            self.step_attaching(&s, who, steps);
        } else if (at as u8) < (At::LoadWaitingEarly as u8) {
            self.step_waiting(&s, who, steps);
        } else {
            self.step_exchanging(&s, who, steps);
        }
    }

    /// Chooses the next operation, which is private to the process.
    fn begin(&self, s: &mut State, who: usize) {
        let committed = s.own_position(PRODUCER);
        let me = &mut s.processes[who];
        if who == PRODUCER && self.drain_at == Some(committed) && me.task == Task::Exchange {
            me.task = Task::Drain;
        }
        me.at = if me.task == Task::Drain {
            At::DrainLook
        } else if who == PRODUCER && committed == self.messages {
            At::SetClosed
        } else {
            self.wait_begins(who)
        };
    }
}
