//! The exchange itself, drain, end of stream and close: `producer.rs`, `consumer.rs`, `channel/link.rs`.

use super::state::{At, CONSUMER, Lock, PRODUCER, Presence, Process, State, Task, Word, Wrong};
use super::{Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_exchanging(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        let me = &mut n.processes[who];
        let (name, next) = match me.at {
            At::Commit | At::CommitRest => return self.commit(n, steps),
            At::HandOut => return self.hand_out(&n, steps),
            At::Release => return self.release(&n, steps),
            At::Post => return self.post_for_exchange(n, who, steps),
            At::DrainLook if s.head == s.tail => (
                "producer: drain: sees everything released",
                At::ReturnDrained,
            ),
            At::DrainLook => (
                "producer: drain: sees messages left",
                self.wait_begins(PRODUCER),
            ),
            At::ReturnDrained | At::ReturnUndrained => {
                let credits = me.credits;
                me.credits = 0;
                if me.at == At::ReturnDrained {
                    me.task = Task::Drained;
                }
                if self.flaw != Flaw::DrainKeepsPermits {
                    self.post(&mut n, PRODUCER, credits);
                }
                (
                    "producer: drain: gives the permits it gathered back",
                    At::Between,
                )
            }
            At::NoteEnd => return self.note_end(n, steps),
            At::Follow => {
                me.word = Word::default();
                if s.words[PRODUCER].presence == Presence::Closed {
                    me.reported = s.words[PRODUCER].epoch;
                }
                ("consumer: goes on after the end", At::Between)
            }
            At::SetClosed => {
                let epoch = s.words[who].epoch;
                n.words[who].presence = Presence::Closed;
                n.closed[who] |= 1 << epoch;
                if who == PRODUCER {
                    n.closed_at[usize::from(epoch)] = s.tail;
                }
                (named!(who, "stores its word: closed"), At::LockToLeave)
            }
            At::LockToLeave => {
                if s.setup != Lock::Free {
                    return;
                }
                n.lock(who);
                (named!(who, "locks SETUP to leave"), At::LeaveLocked)
            }
            At::LeaveLocked | At::LeaveUnlocked => return self.leave(n, who, steps),
            _ => {
                n.unlock(who);
                n.processes[who] = Process::default();
                (named!(who, "unlocks SETUP, has left"), At::Done)
            }
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Commits a message or a batch in one store.
    fn commit(&self, mut n: State, steps: &mut Steps<State>) {
        let wanted = self.wanted(&n, PRODUCER);
        let me = &mut n.processes[PRODUCER];
        if me.at == At::CommitRest {
            n.tail += me.noted;
            me.noted = 0;
            me.at = At::Between;
            n.confirmed = n.tail;
            return steps.to("producer: commits the rest of its batch", n);
        }
        let granted = me.credits.min(wanted);
        me.credits -= granted;
        me.count = granted;
        me.at = At::Post;
        if self.flaw == Flaw::PostThenCommit {
            self.post(&mut n, CONSUMER, granted);
            return steps.to("producer: posts FULL before it commits", n);
        }
        let first = if self.flaw == Flaw::BatchPostsEarly {
            me.noted = granted - 1;
            1
        } else {
            granted
        };
        n.tail += first;
        if n.filled() > self.slots {
            n.wrong = Wrong::Overfull;
        }
        steps.to("producer: commits", n);
    }

    /// Notes that messages are handed out, and hands them out: as many as there are permits for, or
    /// fewer, when the consumer asked for fewer this time.
    fn hand_out(&self, s: &State, steps: &mut Steps<State>) {
        let most = s.processes[CONSUMER].credits.min(self.consumer_batch);
        let least = if self.puts_back { 1 } else { most };
        for granted in least..=most {
            let mut n = *s;
            let me = &mut n.processes[CONSUMER];
            me.credits -= granted;
            me.count = granted;
            me.at = At::Release;
            let end = n.head + granted;
            if end > n.tail {
                n.wrong = Wrong::BeyondTail;
            }
            if n.head > n.seen {
                n.wrong = Wrong::Gap;
            }
            n.handed_out = if self.flaw == Flaw::HandOutGoesBack {
                end
            } else {
                n.handed_out.max(end)
            };
            n.seen = n.seen.max(end);
            steps.to("consumer: hands messages out", n);
        }
    }

    /// Releases what is in hand, or the first part of it; the permits of the rest are in hand again.
    fn release(&self, s: &State, steps: &mut Steps<State>) {
        let in_hand = s.processes[CONSUMER].count;
        let least = if self.puts_back { 0 } else { in_hand };
        for released in least..=in_hand {
            let mut n = *s;
            let me = &mut n.processes[CONSUMER];
            me.credits += in_hand - released;
            me.count = released;
            n.head += released;
            if released == 0 {
                me.at = At::Between;
                steps.to("consumer: puts back what it has in hand", n);
            } else {
                me.at = At::Post;
                steps.to("consumer: acknowledges", n);
            }
        }
    }

    fn post_for_exchange(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = &mut n.processes[who];
        let count = me.count;
        me.count = 0;
        if who == PRODUCER && self.flaw == Flaw::PostThenCommit {
            me.at = At::Between;
            n.tail += count;
            n.confirmed = n.tail;
            return steps.to("producer: commits after it has posted", n);
        }
        if me.noted > 0 {
            me.at = At::CommitRest;
        } else {
            me.at = At::Between;
        }
        if who == PRODUCER {
            n.confirmed = n.tail;
        }
        self.post(&mut n, peer(who), count);
        steps.to(named!(who, "posts FULL", "posts EMPTY"), n);
    }

    /// Notes which end of stream was seen, before it is reported.
    fn note_end(&self, mut n: State, steps: &mut Steps<State>) {
        let current = n.words[PRODUCER].epoch;
        let me = &mut n.processes[CONSUMER];
        let judged = me.word.epoch;
        n.end_seen = if self.flaw == Flaw::NotesEndOfNewcomer {
            current
        } else {
            judged
        };
        n.ends_told |= 1 << judged;
        me.word = Word::default();
        me.at = if !self.follows {
            At::SetClosed
        } else if self.flaw == Flaw::FollowsPastNewcomer {
            At::Follow
        } else {
            me.reported = judged;
            At::Between
        };
        steps.to("consumer: notes that it has seen the end", n);
    }

    /// Gives the role back, and notifies the peer as death would.
    fn leave(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let at_ceiling = n.units[peer(who)] == self.ceiling;
        if at_ceiling && self.flaw == Flaw::CloseFailsAtCeiling {
            n.unlock(who);
            n.processes[who] = Process::default();
            n.processes[who].at = At::Failed;
            return steps.to(named!(who, "cannot leave: the ceiling"), n);
        }
        // At the ceiling one unit is taken and posted again in the same call.
        self.post(&mut n, peer(who), 1);
        n.held[who] = false;
        if self.cancelled == who {
            n.canceller.requested = false;
        }
        let locked = n.processes[who].at == At::LeaveLocked;
        n.processes[who] = Process::default();
        n.processes[who].at = if locked { At::UnlockLeft } else { At::Done };
        steps.to(named!(who, "leaves its role, with notice"), n);
    }
}
