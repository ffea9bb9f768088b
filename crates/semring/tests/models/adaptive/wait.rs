//! Waiting, as of `gate/adaptive.rs`: look, settle, arm, order, look again, judge, sleep, disarm.

use super::state::{At, CONSUMER, PRODUCER, State, Store, Task};
use super::{Barriers, Config, Flaw, Owed, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_waiting(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        let me = &mut n.processes[who];
        let ready = self.ready(s, who);
        let (name, next) = match me.at {
            At::CheckCancel if s.canceller.requested => {
                n.canceller.requested = false;
                (named!(who, "is cancelled"), At::Between)
            }
            At::CheckCancel => (named!(who, "sees no cancel"), At::Look),
            At::Look if ready > me.known => {
                (named!(who, "sees room", "sees a message"), self.go(s, who))
            }
            At::Look => (
                named!(who, "sees no room", "sees no message"),
                self.after_look(s, who),
            ),
            At::Settle => return self.settle(n, who, steps),
            At::LookAgain if ready > me.known && self.flaw != Flaw::NoSecondLook => (
                named!(who, "looks again: there is room", "looks again: a message"),
                At::DisarmToGo,
            ),
            At::LookAgain => {
                let name = named!(who, "looks again: no room", "looks again: no message");
                (name, self.after_second_look(who))
            }
            At::CheckCancelAgain if s.canceller.requested && self.flaw != Flaw::NoCancelCheck => {
                n.canceller.requested = false;
                (
                    named!(who, "is cancelled before sleeping"),
                    At::DisarmToReturn,
                )
            }
            At::CheckCancelAgain => (
                named!(who, "sees no cancel before sleeping"),
                self.judge_begins(who),
            ),
            At::Arm | At::FenceArmed | At::ReadAdvertised | At::Membarrier => {
                return self.arm(n, who, steps);
            }
            At::Sleep => return self.sleep(&n, who, steps),
            At::DisarmWoken
            | At::DisarmToGo
            | At::DisarmToRetry
            | At::DisarmToReturn
            | At::DisarmAtEnd
            | At::AwaitOwed => return self.disarm(n, who, steps),
            _ => return self.judge(n, who, steps),
        };
        let me = &mut n.processes[who];
        me.at = next;
        if matches!(next, At::Commit | At::HandOut | At::LoadWaitingEarly) {
            me.count = self.granted(s, who);
        }
        steps.to(name, n);
    }

    /// Where the loop that waits begins.
    pub(super) fn wait_begins(&self, who: usize) -> At {
        if self.is_cancellable(who) {
            At::CheckCancel
        } else {
            At::Look
        }
    }

    /// Where a side goes that has seen what it waited for.
    fn go(&self, s: &State, who: usize) -> At {
        if s.processes[who].task == Task::Drain {
            At::DrainLook
        } else if who == CONSUMER {
            At::HandOut
        } else if self.flaw == Flaw::LooksThenCommits {
            At::LoadWaitingEarly
        } else {
            At::Commit
        }
    }

    fn after_look(&self, s: &State, who: usize) -> At {
        let settles = match self.owed {
            Owed::Left => false,
            Owed::Counted => s.processes[who].owed > 0,
            Owed::Drained => true,
        };
        if settles || self.flaw == Flaw::CachedAdvert {
            At::Settle
        } else {
            At::Arm
        }
    }

    fn after_second_look(&self, who: usize) -> At {
        if self.is_cancellable(who) {
            At::CheckCancelAgain
        } else {
            self.judge_begins(who)
        }
    }

    /// Sets the flag, and sees to it that whoever publishes later sees it.
    fn arm(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let publisher = peer(who);
        let fenced = self.barriers != Barriers::Needless;
        let (name, next) = match n.processes[who].at {
            At::Arm => {
                if !n.has_room(who) {
                    return;
                }
                self.store(&mut n, who, Store::Waiting(true));
                let next = match self.flaw {
                    _ if !fenced => At::LookAgain,
                    Flaw::SleeperUnfenced => At::ReadAdvertised,
                    _ => At::FenceArmed,
                };
                (named!(who, "sets its flag"), next)
            }
            At::FenceArmed => {
                if !n.is_visible(who) {
                    return;
                }
                let next = match self.flaw {
                    Flaw::CachedAdvert if n.processes[who].peer_registered => At::Membarrier,
                    Flaw::CachedAdvert => At::LookAgain,
                    _ => At::ReadAdvertised,
                };
                (named!(who, "fences after its flag"), next)
            }
            At::ReadAdvertised if n.registered[publisher] => {
                let name = named!(who, "reads that the peer does not fence");
                (name, At::Membarrier)
            }
            At::ReadAdvertised => (named!(who, "reads that the peer fences"), At::LookAgain),
            _ => {
                n.processes[who].peer_registered = false;
                if self.refusals {
                    let mut n = n;
                    n.processes[who].unsure = true;
                    n.processes[who].at = At::LookAgain;
                    steps.to(named!(who, "is refused membarrier"), n);
                }
                let registered = n.processes[publisher].registered;
                if registered && self.flaw != Flaw::NoBarrier {
                    n.show_all(publisher);
                }
                (named!(who, "calls membarrier"), At::LookAgain)
            }
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Takes units that were on their way when the side went on without them.
    fn settle(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = &mut n.processes[who];
        if self.flaw == Flaw::CachedAdvert {
            me.peer_registered = n.registered[peer(who)];
        }
        let wanted = me.owed > 0 || self.owed == Owed::Drained;
        if wanted && n.units[who] > 0 {
            n.units[who] -= 1;
            me.owed = me.owed.saturating_sub(1);
            let more = self.owed == Owed::Drained || me.owed > 0;
            me.at = if more { At::Settle } else { At::Arm };
            steps.to(named!(who, "takes an owed unit"), n);
        } else {
            me.at = At::Arm;
            steps.to(named!(who, "no owed unit has come yet"), n);
        }
    }

    /// Sleeps until a unit comes; not for ever where a wake-up may have been missed.
    fn sleep(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        // The call takes a lock in the kernel: what was stored before it is seen.
        if !s.is_visible(who) {
            return;
        }
        if s.units[who] > 0 {
            let mut n = *s;
            n.units[who] -= 1;
            n.processes[who].at = At::DisarmWoken;
            let name = named!(who, "is granted an EMPTY unit", "is granted a FULL unit");
            steps.to(name, n);
        }
        if s.processes[who].unsure && self.flaw != Flaw::SleepsUnsure {
            let mut n = *s;
            n.processes[who].at = At::DisarmToRetry;
            steps.to(named!(who, "wakes by itself, being unsure"), n);
        }
    }

    /// Takes the flag back. Without a unit: found taken already, one is on its way. With one: found
    /// set, it was not the answer to the flag, but one that was on its way before.
    fn disarm(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let ready = self.ready(&n, who);
        if !n.is_visible(who) {
            return;
        }
        let at = n.processes[who].at;
        if at == At::AwaitOwed {
            if n.units[who] > 0 {
                n.units[who] -= 1;
                n.processes[who].at = self.go(&n, who);
                n.processes[who].count = self.granted(&n, who);
                steps.to(named!(who, "gets the unit it was owed"), n);
            }
            return;
        }
        let known = n.processes[who].known;
        let unarmed = self.flaw == Flaw::SleepsOnUnarmed && ready <= known;
        if at == At::DisarmWoken && unarmed {
            n.processes[who].at = At::LookAgain;
            return steps.to(named!(who, "takes the unit for worthless, does not arm"), n);
        }
        let found = n.waiting[who];
        if self.disarms {
            n.waiting[who] = false;
        }
        let me = &mut n.processes[who];
        me.unsure = false;
        let woken = at == At::DisarmWoken;
        if self.owed == Owed::Counted {
            match (woken, found) {
                (true, true) => me.owed = me.owed.saturating_sub(1),
                (false, false) => me.owed += 1,
                _ => {}
            }
        }
        let blocks = self.flaw == Flaw::BlocksForOwed && !found;
        let next = match at {
            At::DisarmToGo if blocks => At::AwaitOwed,
            At::DisarmToGo => self.go(&n, who),
            At::DisarmAtEnd => At::NoteEnd,
            At::DisarmToReturn => At::Between,
            _ => self.wait_begins(who),
        };
        if at == At::DisarmToGo {
            n.processes[who].count = self.granted(&n, who);
        }
        n.processes[who].at = next;
        let name = if woken {
            named!(who, "woken, takes its flag back")
        } else {
            named!(who, "takes its flag back")
        };
        steps.to(name, n);
    }

    /// How many messages the next exchange has, by what is there now.
    fn granted(&self, s: &State, who: usize) -> u8 {
        if s.processes[who].task == Task::Drain {
            return 0;
        }
        let wanted = if who == PRODUCER {
            self.producer_batch
                .min(self.messages - s.own_position(PRODUCER))
        } else {
            self.consumer_batch
        };
        self.ready(s, who).min(wanted)
    }
}
