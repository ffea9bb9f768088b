//! Attaching, as of `channel/attach.rs` and `recovery.rs`.

use super::state::{At, CONSUMER, PRODUCER, Presence, State, THIRD, Word, Wrong};
use super::{Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_attaching(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let role = self.role(who);
        let me = s.processes[who];
        let mut n = *s;
        let (name, next) = match me.at {
            At::LockSetup => {
                if s.setup != super::state::Lock::Free {
                    return;
                }
                n.lock(who);
                let untested = self.flaw == Flaw::TrimUntested;
                let next = if untested {
                    At::ReadFullToTrim
                } else {
                    At::TestOwnRole
                };
                (named!(who, "locks SETUP"), next)
            }
            At::TestOwnRole if s.held[role] => {
                (named!(who, "finds its role taken"), At::UnlockSetup)
            }
            At::TestOwnRole => (named!(who, "finds its role free"), At::NotePeer),
            At::NotePeer => {
                // Nobody changes the peer's word while its role is free and SETUP is held.
                let word = s.words[peer(role)];
                let over = if role == PRODUCER {
                    !s.held[CONSUMER]
                } else {
                    word.presence == Presence::Closed && s.end_seen == word.epoch
                };
                if over && who != THIRD {
                    n.processes[who].reported = word.epoch;
                }
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
            At::Claim => return self.claim(n, who, steps),
            At::SetWord => {
                n.words[role] = Word {
                    epoch: s.words[role].epoch + 1,
                    presence: Presence::Attached,
                };
                (
                    named!(who, "stores its word: next epoch, attached"),
                    At::RepairFullFirst,
                )
            }
            At::UnlockSetup => {
                n.unlock(who);
                let refused = who == THIRD || !s.held[role];
                // It loads how far earlier consumers were handed messages.
                if who == CONSUMER && s.handed_out < s.seen && s.head < s.seen {
                    n.wrong = Wrong::Unmarked;
                }
                let next = if refused { At::Done } else { At::Between };
                (named!(who, "unlocks SETUP"), next)
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
        let excess = excess - u8::from(self.flaw == Flaw::TrimLeavesOne);
        if n.units[semaphore] < excess {
            me.at = else_to;
            return steps.to(named!(who, "finds too few units to trim"), n);
        }
        me.at = if self.flaw == Flaw::TrimInTwoSteps {
            then
        } else {
            else_to
        };
        n.units[semaphore] -= excess;
        match self.flaw {
            Flaw::TrimTakesAll
            | Flaw::TrimUntested
            | Flaw::TrimInTwoSteps
            | Flaw::TrimLeavesOne => {
                steps.to(named!(who, "trims a semaphore"), n);
            }
            _ => {
                self.post(&mut n, semaphore, 1);
                let name = named!(who, "trims a semaphore, posts one unit in the same call");
                steps.to(name, n);
            }
        }
    }

    fn claim(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let role = self.role(who);
        if who == THIRD {
            n.unlock(who);
            n.processes[who].at = At::Done;
            return steps.to("third: is killed before it claims", n);
        }
        if n.held[role] {
            n.wrong = Wrong::TwoOwners;
        }
        n.held[role] = true;
        n.processes[who].at = At::SetWord;
        steps.to(named!(who, "claims its role, with death notice"), n);
    }

    /// Reads what lowers the truth, then the value, then what raises it, and posts what is missing.
    fn repair(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = &mut n.processes[who];
        let full = (me.at as u8) < (At::RepairEmptyFirst as u8);
        let semaphore = if full { CONSUMER } else { PRODUCER };
        // For FULL `head` comes first, for EMPTY `tail`; the flawed order is the other way round.
        let head_first = full != (self.flaw == Flaw::RepairOrder);
        let (first, second) = if head_first {
            (n.head, n.tail)
        } else {
            (n.tail, n.head)
        };
        let (name, next) = match me.at {
            At::RepairFullFirst | At::RepairEmptyFirst => {
                me.noted = first;
                let next = if full {
                    At::RepairFullValue
                } else {
                    At::RepairEmptyValue
                };
                (named!(who, "repair: reads a position"), next)
            }
            At::RepairFullValue | At::RepairEmptyValue => {
                me.count = n.units[semaphore];
                let next = if full {
                    At::RepairFullSecond
                } else {
                    At::RepairEmptySecond
                };
                (named!(who, "repair: reads the value"), next)
            }
            At::RepairFullSecond | At::RepairEmptySecond => {
                let (head, tail) = if head_first {
                    (me.noted, second)
                } else {
                    (second, me.noted)
                };
                let filled = tail.saturating_sub(head);
                let truth = if full {
                    filled
                } else {
                    // Twice the slots at most, when the peer went on meanwhile.
                    (self.slots + head).saturating_sub(tail)
                };
                me.noted = 0;
                me.count = truth.saturating_sub(me.count);
                let missing = me.count > 0;
                let next = match (full, missing) {
                    (true, true) => At::RepairFullPost,
                    (true, false) => At::RepairEmptyFirst,
                    (false, true) => At::RepairEmptyPost,
                    (false, false) => At::UnlockSetup,
                };
                (named!(who, "repair: reads the other position"), next)
            }
            _ => {
                let missing = me.count;
                me.count = 0;
                self.post(&mut n, semaphore, missing);
                let next = if full {
                    At::RepairEmptyFirst
                } else {
                    At::UnlockSetup
                };
                (named!(who, "repair: posts what is missing"), next)
            }
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }
}
