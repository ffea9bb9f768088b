//! The exchange itself, waking the peer, drain, end of stream and close: `producer.rs`,
//! `consumer.rs`, `gate/adaptive.rs`, `channel/link.rs`.
//!
//! Leaving takes SETUP too, if it gets it in time. `strict.rs` and `setup.rs` have that; here a
//! side leaves without, which allows more.

use super::state::{At, CONSUMER, PRODUCER, Presence, Process, State, Store, Task, Word, Wrong};
use super::{Barriers, Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_exchanging(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        match s.processes[who].at {
            At::Commit | At::CommitUnseen => self.commit(n, steps),
            At::HandOut => hand_out(n, steps),
            At::Release => {
                if n.has_room(CONSUMER) {
                    let released = n.own_position(CONSUMER) + n.processes[CONSUMER].count;
                    self.store(&mut n, CONSUMER, Store::Position(released));
                    n.processes[CONSUMER].count = 0;
                    n.processes[CONSUMER].at = self.after_publishing(&n, CONSUMER);
                    steps.to("consumer: acknowledges", n);
                }
            }
            At::DrainLook => {
                let me = &mut n.processes[PRODUCER];
                if s.own_position(PRODUCER) == s.head {
                    me.task = Task::Drained;
                    me.known = 0;
                    me.at = At::Between;
                    steps.to("producer: drain: sees everything released", n);
                } else {
                    me.known = self.ready(s, PRODUCER);
                    me.at = self.wait_begins(PRODUCER);
                    steps.to("producer: drain: sees messages left", n);
                }
            }
            At::NoteEnd => {
                let me = &mut n.processes[CONSUMER];
                n.end_seen = me.word.epoch;
                me.word = Word::default();
                me.at = At::SetClosed;
                steps.to("consumer: notes that it has seen the end", n);
            }
            At::SetClosed | At::SetInterrupted => self.end(n, who, steps),
            At::Leave => self.leave(n, who, steps),
            _ => self.wake(n, who, steps),
        }
    }

    /// Commits a message or a batch in one store.
    fn commit(&self, mut n: State, steps: &mut Steps<State>) {
        if !n.has_room(PRODUCER) {
            return;
        }
        let committed = n.own_position(PRODUCER) + n.processes[PRODUCER].count;
        if committed - n.head > self.slots {
            n.wrong = Wrong::Overfull;
        }
        self.store(&mut n, PRODUCER, Store::Position(committed));
        let unseen = n.processes[PRODUCER].at == At::CommitUnseen;
        n.processes[PRODUCER].count = 0;
        n.processes[PRODUCER].at = if unseen {
            At::Between
        } else {
            self.after_publishing(&n, PRODUCER)
        };
        steps.to("producer: commits", n);
    }

    /// Where a side goes that has published: to the fence, unless it has registered.
    fn after_publishing(&self, s: &State, who: usize) -> At {
        let unfenced = self.barriers == Barriers::Needless || self.flaw == Flaw::NoBarrier;
        if unfenced || s.processes[who].registered {
            At::LoadWaiting
        } else {
            At::FencePublished
        }
    }

    /// Looks whether the peer waits; if so, takes its flag and posts one unit.
    fn wake(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let at = n.processes[who].at;
        let waits = n.waiting[peer(who)];
        let fences = matches!(at, At::FencePublished | At::TakeWaiting);
        if fences && !n.is_visible(who) {
            return;
        }
        let (name, next) = match at {
            At::LoadWaitingEarly if waits => (named!(who, "sees that the peer waits"), At::Commit),
            At::LoadWaitingEarly => (
                named!(who, "sees that the peer does not wait"),
                At::CommitUnseen,
            ),
            At::FencePublished => (named!(who, "fences what it published"), At::LoadWaiting),
            At::LoadWaiting if waits => (named!(who, "sees that the peer waits"), At::TakeWaiting),
            At::LoadWaiting => (named!(who, "sees that the peer does not wait"), At::Between),
            At::TakeWaiting => {
                n.waiting[peer(who)] = false;
                let next = if waits { At::Post } else { At::Between };
                (named!(who, "takes the peer's flag"), next)
            }
            _ => {
                self.post(&mut n, peer(who), 1);
                (named!(who, "posts FULL", "posts EMPTY"), At::Between)
            }
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Stores the last word of an epoch.
    fn end(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        if !n.has_room(who) {
            return;
        }
        let epoch = n.words[who].epoch;
        if who == PRODUCER {
            n.ended_at[usize::from(epoch)] = n.own_position(PRODUCER);
        }
        let (presence, name) = if n.processes[who].at == At::SetInterrupted {
            n.interrupted |= 1 << epoch;
            if self.flaw == Flaw::InterruptedAsClosed {
                (Presence::Closed, "producer: stores its word: closed")
            } else {
                (
                    Presence::Interrupted,
                    "producer: stores its word: interrupted",
                )
            }
        } else {
            n.closed[who] |= 1 << epoch;
            (Presence::Closed, named!(who, "stores its word: closed"))
        };
        self.store(&mut n, who, Store::Word(Word { epoch, presence }));
        n.processes[who].at = At::Leave;
        steps.to(name, n);
    }

    /// Gives the role back, and notifies the peer as death would.
    fn leave(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        // The call takes a lock in the kernel: what was stored before it is seen.
        if !n.is_visible(who) {
            return;
        }
        self.post(&mut n, peer(who), 1);
        n.held[who] = false;
        if self.cancelled == who {
            n.canceller.requested = false;
        }
        n.processes[who] = Process::default();
        n.processes[who].at = At::Done;
        steps.to(named!(who, "leaves its role, with notice"), n);
    }
}

/// Hands out what was granted.
fn hand_out(mut n: State, steps: &mut Steps<State>) {
    let head = n.own_position(CONSUMER);
    let end = head + n.processes[CONSUMER].count;
    if end > n.tail {
        n.wrong = Wrong::BeyondTail;
    }
    if head > n.seen {
        n.wrong = Wrong::Gap;
    }
    n.seen = n.seen.max(end);
    n.processes[CONSUMER].at = At::Release;
    steps.to("consumer: hands messages out", n);
}
