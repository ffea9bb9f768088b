//! What befalls the two sides: death, successors, deadlines, a removed semaphore set.

use super::state::{At, CONSUMER, Canceller, Lock, PRODUCER, Presence, Process, State, Task};
use super::{Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn befall(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let me = s.processes[who];
        let other = s.processes[peer(who)].at;
        // One side alone may rest without a reason: it is the other that must then rest for one.
        let may_rest = !matches!(other, At::Idle | At::Gone);
        let dropped = me.at == At::Woken && self.flaw == Flaw::DeadlineDropsUnit;
        if self.deadlines && (me.at == At::Sleep || dropped) {
            let mut n = *s;
            n.processes[who].at = Self::failed(me.task);
            steps.to(named!(who, "its deadline passes"), n);
        }
        if self.deadlines && me.at == At::LockToLeave && s.setup != Lock::Free {
            let mut n = *s;
            n.processes[who].at = At::LeaveUnlocked;
            steps.to(named!(who, "does not get SETUP in time"), n);
        }
        if me.at == At::Between && may_rest {
            let mut n = *s;
            n.processes[who].at = At::Idle;
            steps.to(named!(who, "makes no more calls"), n);
        }
        if s.faults == self.faults {
            return;
        }
        let mut n = *s;
        n.faults += 1;
        if me.at == At::Between && self.closes_early {
            n.processes[who].at = At::SetClosed;
            steps.to(named!(who, "decides to close"), n);
        }
        if me.at == At::Done && !s.removed {
            n.processes[who].at = At::LockSetup;
            steps.to(named!(who, "another one starts"), n);
        }
        if !me.at.is_outside() {
            self.die(&mut n, who);
            steps.to(named!(who, "is killed; a successor starts"), n);
            if may_rest {
                n.processes[who].at = At::Gone;
                steps.to(named!(who, "is killed"), n);
            }
        }
    }

    /// Does what the kernel does when a process ends: its undo entries, in one go.
    fn die(&self, n: &mut State, who: usize) {
        n.unlock(who);
        let epoch = n.words[who].epoch;
        if n.held[who] || n.removed {
            n.held[who] = false;
            if self.flaw != Flaw::NoDeathNotice && !n.removed {
                n.units[peer(who)] = (n.units[peer(who)] + 1).min(self.ceiling);
            }
            // Between the claim and the word, the word is still the predecessor's.
            let own = n.processes[who].at != At::SetWord;
            if own && n.words[who].presence == Presence::Attached {
                n.died[who] |= 1 << epoch;
            }
        }
        if self.cancelled == who {
            n.canceller = Canceller::default();
        }
        n.processes[who] = Process::default();
    }

    /// The step of a process that meets the removed set. False when its step has no part in that.
    pub(super) fn step_after_removal(s: &State, who: usize, steps: &mut Steps<State>) -> bool {
        let me = s.processes[who];
        if matches!(me.at, At::ReturnDrained | At::ReturnUndrained) && me.credits == 0 {
            return false;
        }
        let mut n = *s;
        let (name, next) = match me.at {
            At::SetWord
            | At::RepairFullFirst
            | At::RepairFullSecond
            | At::RepairEmptyFirst
            | At::RepairEmptySecond => return false,
            at if (at as u8) < (At::Between as u8) => {
                n.processes[who] = Process::default();
                (named!(who, "finds the set removed, starts again"), At::Done)
            }
            At::Take | At::TestPeer | At::JudgeRole | At::Sleep if who == CONSUMER => {
                n.processes[who].count = 0;
                n.processes[who].word = super::state::Word::default();
                (named!(who, "finds the set removed"), At::LookAfterRemoval)
            }
            At::TopUpTake | At::TopUpTestPeer => {
                n.processes[who].count = 0;
                (
                    named!(who, "finds the set removed, has permits in hand"),
                    Self::exchange(who),
                )
            }
            At::Post if who == CONSUMER => {
                n.processes[who].count = 0;
                ("consumer: finds nobody to tell", At::Between)
            }
            At::Take | At::TestPeer | At::JudgeRole | At::Sleep if me.task == Task::Drain => {
                n.processes[who].count = 0;
                n.processes[who].credits = 0;
                ("producer: drain: reports Removed", At::Done)
            }
            At::Take
            | At::TestPeer
            | At::JudgeRole
            | At::Sleep
            | At::Post
            | At::ReturnDrained
            | At::ReturnUndrained => {
                debug_assert_eq!(who, PRODUCER);
                n.processes[who] = Process::default();
                ("producer: reports Removed", At::Done)
            }
            At::LockToLeave | At::LeaveLocked | At::LeaveUnlocked | At::UnlockLeft => {
                n.processes[who] = Process::default();
                (named!(who, "has left; the set was removed"), At::Done)
            }
            _ => return false,
        };
        n.processes[who].at = next;
        steps.to(name, n);
        true
    }
}
