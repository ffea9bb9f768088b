//! Attaching, as of `channel/attach.rs` and `recovery.rs`. No call of it counts as a fence for what
//! is loaded later: that is what the one after the advertisement is for.

use super::state::{At, CONSUMER, Lock, PRODUCER, Presence, State, Store, Word, Wrong};
use super::{Barriers, Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_attaching(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        let (name, next) = match s.processes[who].at {
            At::LockSetup => {
                if s.setup != Lock::Free {
                    return;
                }
                n.lock(who);
                (named!(who, "locks SETUP"), At::NotePeer)
            }
            At::NotePeer => {
                note_peer(&mut n, who);
                (
                    named!(who, "notes whether the peer's end is known"),
                    At::ReadFullToTrim,
                )
            }
            At::ReadFullToTrim | At::ReadEmptyToTrim => return self.read_to_trim(n, who, steps),
            At::TrimFull | At::TrimEmpty => return self.trim(n, who, steps),
            At::PostTrimmedFull => {
                self.post(&mut n, CONSUMER, 1);
                (
                    named!(who, "posts one unit for those trimmed"),
                    At::ReadEmptyToTrim,
                )
            }
            At::PostTrimmedEmpty => {
                self.post(&mut n, PRODUCER, 1);
                (named!(who, "posts one unit for those trimmed"), At::Claim)
            }
            At::Claim => {
                if n.held[who] {
                    n.wrong = Wrong::TwoOwners;
                }
                n.held[who] = true;
                (
                    named!(who, "claims its role, with death notice"),
                    At::SetWord,
                )
            }
            At::UnlockSetup => {
                n.unlock(who);
                (named!(who, "unlocks SETUP"), At::Between)
            }
            At::SetWord | At::ClearWaiting | At::Advertise | At::FenceAdvertised => {
                return self.show_itself(n, who, steps);
            }
            _ => return self.repair(n, who, steps),
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    fn read_to_trim(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = &mut n.processes[who];
        let (semaphore, then, else_to) = if me.at == At::ReadFullToTrim {
            (CONSUMER, At::TrimFull, At::ReadEmptyToTrim)
        } else {
            (PRODUCER, At::TrimEmpty, At::Claim)
        };
        me.count = n.units[semaphore].saturating_sub(self.slots);
        me.at = if me.count > 0 { then } else { else_to };
        steps.to(named!(who, "reads a value to trim"), n);
    }

    fn trim(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = &mut n.processes[who];
        let (semaphore, then, else_to) = if me.at == At::TrimFull {
            (CONSUMER, At::PostTrimmedFull, At::ReadEmptyToTrim)
        } else {
            (PRODUCER, At::PostTrimmedEmpty, At::Claim)
        };
        let excess = me.count;
        me.count = 0;
        if n.units[semaphore] < excess {
            n.processes[who].at = else_to;
            return steps.to(named!(who, "finds too few units to trim"), n);
        }
        n.units[semaphore] -= excess;
        let (name, next) = match self.flaw {
            Flaw::TrimTakesAll => (named!(who, "trims a semaphore"), else_to),
            Flaw::TrimInTwoSteps => (named!(who, "trims a semaphore"), then),
            _ => {
                self.post(&mut n, semaphore, 1);
                let name = named!(who, "trims a semaphore, posts one unit in the same call");
                (name, else_to)
            }
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Stores the word, takes a dead predecessor's flag back, and says who is to order its stores.
    fn show_itself(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let fenced = self.barriers != Barriers::Needless;
        let after_flag = if fenced {
            At::Advertise
        } else {
            At::RepairFullRead
        };
        match n.processes[who].at {
            At::SetWord => {
                let word = Word {
                    epoch: n.words[who].epoch + 1,
                    presence: Presence::Attached,
                };
                self.store(&mut n, who, Store::Word(word));
                n.processes[who].at = if self.clears_flag {
                    At::ClearWaiting
                } else {
                    after_flag
                };
                steps.to(named!(who, "stores its word: next epoch, attached"), n);
            }
            At::ClearWaiting => {
                self.store(&mut n, who, Store::Waiting(false));
                n.processes[who].at = after_flag;
                steps.to(named!(who, "takes a predecessor's flag back"), n);
            }
            At::Advertise => {
                n.processes[who].at = if self.flaw == Flaw::AdvertUnfenced {
                    At::RepairFullRead
                } else {
                    At::FenceAdvertised
                };
                for &registered in self.barriers.choices() {
                    let mut n = n;
                    n.processes[who].registered = registered;
                    self.store(&mut n, who, Store::Registered(registered));
                    let name = if registered {
                        named!(who, "registers, and advertises that it does not fence")
                    } else {
                        named!(who, "advertises that it fences")
                    };
                    steps.to(name, n);
                }
            }
            _ => {
                if n.is_visible(who) {
                    n.processes[who].at = At::RepairFullRead;
                    steps.to(named!(who, "fences after the advertisement"), n);
                }
            }
        }
    }

    /// Posts one unit to each side that has its flag set.
    fn repair(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let at = n.processes[who].at;
        let (sleeper, post, next) = match at {
            At::RepairFullRead | At::RepairFullPost => {
                (CONSUMER, At::RepairFullPost, At::RepairEmptyRead)
            }
            _ => (PRODUCER, At::RepairEmptyPost, At::UnlockSetup),
        };
        let name = if at == post {
            self.post(&mut n, sleeper, 1);
            n.processes[who].at = next;
            named!(who, "repair: wakes who waits")
        } else {
            let wake = n.waiting[sleeper] && self.flaw != Flaw::NoRepair;
            n.processes[who].at = if wake { post } else { next };
            named!(who, "repair: reads a flag")
        };
        steps.to(name, n);
    }
}

/// Notes which end of the peer is nobody's loss any more.
fn note_peer(n: &mut State, who: usize) {
    // Nobody changes the peer's word while its role is free and SETUP is held.
    let word = n.words[peer(who)];
    let over = if who == PRODUCER {
        !n.held[CONSUMER]
    } else {
        let ended = matches!(word.presence, Presence::Closed | Presence::Interrupted);
        ended && n.end_seen == word.epoch
    };
    if over {
        n.processes[who].reported = word.epoch;
    }
}
