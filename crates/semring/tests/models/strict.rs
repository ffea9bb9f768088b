//! The strict gate: permits, positions, verdicts, and all that can befall the two sides.
//!
//! Modelled in the order of `gate/strict.rs`, `gate.rs`, `recovery.rs`, `producer.rs`, `consumer.rs` and
//! `channel/link.rs`: each step is one load or store of shared memory, or one semaphore call. What is
//! private to a process happens together with the step before it.
//!
//! Left out, since other models have it: slots and descriptors (`loans.rs`), making and removing the
//! two objects (`setup.rs`). A set that is removed under both sides is here.
//!
//! The third process finds a role taken, or, if the role happens to be free, is killed after it has
//! trimmed. The ceiling of a semaphore is 32767 in the kernel, `2N - 1` for the largest ring; where
//! a run has a low ceiling, a claim is exempt from it: it follows a trim, so with a ring that large
//! it is far from the ceiling, and with two slots it would not be.

mod attach;
mod controls;
mod exchange;
mod runs;
mod state;
mod surroundings;
mod wait;

use crate::explorer::{Model, Steps};
use state::{At, CONSUMER, Canceller, PRODUCER, Presence, State, THIRD, Wrong};

/// What a run covers.
#[derive(Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a feature of a run of its own"
)]
struct Config {
    slots: u8,
    messages: u8,
    /// Most permits taken in one call when a single exchange is wanted.
    credits: u8,
    /// Most messages of an exchange.
    producer_batch: u8,
    consumer_batch: u8,
    /// Whether the consumer may hand out fewer than it has permits for, release a part of what it has
    /// handed out, or put all of it back.
    puts_back: bool,
    /// After this many messages the producer drains.
    drain_at: Option<u8>,
    /// Whether the consumer goes on after the end of a stream.
    follows: bool,
    /// Deaths, early closes and later successors, together.
    faults: u8,
    closes_early: bool,
    deadlines: bool,
    /// How often, and whose operations are cancelled.
    cancels: u8,
    cancelled: usize,
    /// The role a third process wants.
    third: Option<usize>,
    /// Whether somebody removes the semaphore set.
    removal: bool,
    /// The most units a semaphore can hold.
    ceiling: u8,
    /// What is done wrong.
    flaw: Flaw,
}

/// What a control does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// The verdict does not look at the position again after the word.
    OldPosition,
    /// The verdict takes the word as it is after the test of the role.
    RoleThenWord,
    /// The verdict takes the word as it was before the test of the role.
    WordThenRole,
    /// Trims before the own role is tested, and posts no unit after it.
    TrimUntested,
    /// Posts no unit after trimming.
    TrimTakesAll,
    /// Posts the unit after trimming in a call of its own.
    TrimInTwoSteps,
    /// Takes one unit less than the excess, and posts none.
    TrimLeavesOne,
    /// A close at the ceiling fails.
    CloseFailsAtCeiling,
    /// A deadline passes between a sleeper's unit and its look at the positions.
    DeadlineDropsUnit,
    /// The position is not loaded after a sleep.
    CachedPosition,
    /// Death frees the role and posts nothing.
    NoDeathNotice,
    /// Repair reads what raises the truth before the value, and what lowers it after.
    RepairOrder,
    /// Without a permit nothing is taken, though the peer be dead.
    NoTruthFirst,
    /// Sleeps without asking whether the peer is there.
    NoRoleTest,
    /// Posts, then commits.
    PostThenCommit,
    /// Commits the first of a batch, posts for all of it, commits the rest.
    BatchPostsEarly,
    /// Waits until there are permits for the whole batch.
    BatchWaitsForAll,
    /// Does not give back the permits a drain has gathered.
    DrainKeepsPermits,
    /// Notes the end of whatever epoch there is when it is noted, not of the one judged.
    NotesEndOfNewcomer,
    /// Goes on after the end of whatever epoch there is then, not of the one reported.
    FollowsPastNewcomer,
    /// Notes the last hand-out, though there was a longer one before.
    HandOutGoesBack,
}

/// Literal form: one slot, three messages, and two faults.
const BASE: Config = Config {
    slots: 1,
    messages: 3,
    credits: 1,
    producer_batch: 1,
    consumer_batch: 1,
    puts_back: false,
    drain_at: None,
    follows: false,
    faults: 2,
    closes_early: true,
    deadlines: true,
    cancels: 0,
    cancelled: CONSUMER,
    third: None,
    removal: false,
    ceiling: 30,
    flaw: Flaw::None,
};

/// Names a step of one of the three processes.
macro_rules! named {
    ($who:expr, $text:literal) => {
        [
            concat!("producer: ", $text),
            concat!("consumer: ", $text),
            concat!("third: ", $text),
        ][$who]
    };
    ($who:expr, $producer:literal, $consumer:literal) => {
        [
            concat!("producer: ", $producer),
            concat!("consumer: ", $consumer),
            "",
        ][$who]
    };
}
use named;

const fn peer(role: usize) -> usize {
    1 - role
}

impl Config {
    /// The role of a process, or the one it wants.
    fn role(&self, who: usize) -> usize {
        if who == THIRD {
            self.third.unwrap_or(PRODUCER)
        } else {
            who
        }
    }

    /// How many exchanges the positions allow a side: free slots, or messages.
    fn ready(&self, s: &State, who: usize) -> u8 {
        if who == PRODUCER {
            self.slots - s.filled()
        } else {
            s.filled()
        }
    }

    /// How many messages a side wants to exchange next.
    fn wanted(&self, s: &State, who: usize) -> u8 {
        if who == PRODUCER {
            self.producer_batch.min(self.messages - s.tail)
        } else {
            self.consumer_batch
        }
    }

    /// Posts units; at the ceiling the call fails, which counts as done.
    fn post(&self, s: &mut State, semaphore: usize, units: u8) {
        if !s.removed && s.units[semaphore] + units <= self.ceiling {
            s.units[semaphore] += units;
        }
    }

    /// Whether a side may sleep for good, beside a peer that rests.
    fn may_sleep(&self, s: &State, who: usize) -> bool {
        let me = &s.processes[who];
        let cancelled = self.cancelled == who && s.canceller.requested;
        if cancelled || self.ready(s, who) > me.credits {
            return false;
        }
        let word = s.words[peer(who)];
        match (s.processes[peer(who)].at, word.presence) {
            (At::Idle, _) | (At::Gone | At::Done, Presence::Never) => true,
            // Each end must have been told to somebody.
            (At::Gone | At::Done, Presence::Closed) => {
                let told = who == PRODUCER || s.ends_told >> word.epoch & 1 == 1;
                me.reported == word.epoch && told
            }
            (At::Gone | At::Done, Presence::Attached) => me.reported == word.epoch,
            _ => false,
        }
    }
}

impl Model for Config {
    type State = State;

    fn start(&self) -> State {
        let mut start = State::default();
        if self.third.is_none() {
            start.processes[THIRD].at = At::Done;
        }
        start
    }

    fn steps(&self, s: &State, steps: &mut Steps<State>) {
        for who in [PRODUCER, CONSUMER, THIRD] {
            self.step(s, who, steps);
        }
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
        if s.faults < self.faults && !s.processes[THIRD].at.is_outside() {
            let mut n = *s;
            n.faults += 1;
            n.unlock(THIRD);
            n.processes[THIRD].at = At::Done;
            steps.to("kernel: third is killed, SETUP freed", n);
        }
        let Canceller { requested, posting } = s.canceller;
        let cancellable = s.processes[self.cancelled].at.is_operation();
        if s.cancels < self.cancels && !requested && !posting && cancellable {
            let mut n = *s;
            n.cancels += 1;
            n.canceller.requested = true;
            n.canceller.posting = true;
            steps.to("canceller: sets the flag", n);
        }
        if self.removal && !s.removed {
            let mut n = *s;
            n.removed = true;
            n.units = [0; 2];
            n.held = [false; 2];
            n.setup = state::Lock::Free;
            steps.to("somebody: removes the semaphore set", n);
        }
    }

    fn violation(&self, s: &State) -> Option<&'static str> {
        match s.wrong {
            Wrong::Nothing => None,
            Wrong::TwoOwners => Some("two owners of a role"),
            Wrong::FalseEnd => Some("false end of stream"),
            Wrong::FalseDeath => Some("a death reported that was none"),
            Wrong::ToldTwice => Some("an epoch's end reported twice"),
            Wrong::Gap => Some("a message left out"),
            Wrong::BeyondTail => Some("a message received that was not sent"),
            Wrong::Overfull => Some("more messages than slots"),
            Wrong::Unmarked => Some("redelivered without a mark"),
            Wrong::Lost => Some("a confirmed message lost"),
        }
    }

    fn good_rest(&self, s: &State) -> bool {
        [PRODUCER, CONSUMER].into_iter().all(|who| {
            let at = s.processes[who].at;
            match at {
                At::Idle | At::Gone | At::Done => true,
                At::Sleep => self.may_sleep(s, who),
                _ => false,
            }
        })
    }
}

impl Config {
    /// Adds the ordinary step of a process, if it can take one.
    fn step(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut s = *s;
        if s.processes[who].at == At::Between {
            self.begin(&mut s, who);
        }
        let at = s.processes[who].at;
        if at.is_rest() {
            return;
        }
        if s.removed && Self::step_after_removal(&s, who, steps) {
            return;
        }
        if (at as u8) < (At::Between as u8) {
            self.step_attaching(&s, who, steps);
        } else if (at as u8) < (At::Commit as u8) {
            self.step_waiting(&s, who, steps);
        } else {
            self.step_exchanging(&s, who, steps);
        }
    }

    /// Chooses the next operation, which is private to the process.
    fn begin(&self, s: &mut State, who: usize) {
        use state::Task;
        let sent_all = s.tail == self.messages;
        let due = self.drain_at == Some(s.tail);
        let me = &mut s.processes[who];
        if who == PRODUCER && due && me.task == Task::Exchange {
            me.task = Task::Drain;
        }
        s.processes[who].at = if me.task == Task::Drain {
            At::DrainLook
        } else if who == PRODUCER && sent_all {
            At::SetClosed
        } else {
            self.next_wait(s, who)
        };
    }

    /// Where a side goes that wants to exchange: on waiting, for more permits, or to the exchange.
    fn next_wait(&self, s: &State, who: usize) -> At {
        let me = &s.processes[who];
        if me.credits == 0 || me.task == state::Task::Drain {
            self.wait_begins(who)
        } else if me.credits >= self.wanted(s, who) {
            Self::exchange(who)
        } else if self.flaw == Flaw::BatchWaitsForAll {
            self.wait_begins(who)
        } else {
            At::TopUpLook
        }
    }

    /// Where the loop that waits for a permit begins.
    fn wait_begins(&self, who: usize) -> At {
        if self.cancels > 0 && self.cancelled == who {
            At::CheckCancel
        } else {
            At::Look
        }
    }

    /// Where an exchange begins, with permits in hand.
    fn exchange(who: usize) -> At {
        if who == PRODUCER {
            At::Commit
        } else {
            At::HandOut
        }
    }
}
