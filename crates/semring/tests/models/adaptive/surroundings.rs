//! What befalls the two sides: death, successors, deadlines, early ends, a stop, a cancel.

use super::state::{At, Canceller, PRODUCER, Presence, Process, State};
use super::{Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn befall(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let me = s.processes[who];
        let other = s.processes[peer(who)];
        // One side alone may rest without a reason: it is the other that must then rest for one.
        let may_rest = !matches!(other.at, At::Idle | At::Gone) && !other.stopped;
        if self.deadlines && me.at == At::Sleep && !me.stopped {
            let mut n = *s;
            n.processes[who].at = At::DisarmToReturn;
            steps.to(named!(who, "its deadline passes"), n);
        }
        if self.deadlines && matches!(me.at, At::Settle | At::Arm) && !me.stopped {
            let mut n = *s;
            n.processes[who].at = At::Between;
            steps.to(
                named!(who, "its deadline is over before it sets its flag"),
                n,
            );
        }
        if me.at == At::Between && may_rest && !me.stopped {
            let mut n = *s;
            n.processes[who].at = At::Idle;
            steps.to(named!(who, "makes no more calls"), n);
        }
        // To go on later is to be slow, which needs no step of its own.
        if self.stops && !me.at.is_outside() && may_rest && !me.stopped {
            let mut n = *s;
            n.processes[who].stopped = true;
            steps.to(named!(who, "is stopped"), n);
        }
        if s.faults < self.faults {
            self.fail(s, who, may_rest, steps);
        }
    }

    fn fail(&self, s: &State, who: usize, may_rest: bool, steps: &mut Steps<State>) {
        let me = s.processes[who];
        let mut n = *s;
        n.faults += 1;
        if me.at == At::Between && !me.stopped {
            n.processes[who].at = At::SetClosed;
            steps.to(named!(who, "decides to close"), n);
            if who == PRODUCER && self.interrupts {
                n.processes[who].at = At::SetInterrupted;
                steps.to("producer: is interrupted", n);
            }
        }
        if me.at == At::Done {
            n.processes[who].at = At::LockSetup;
            steps.to(named!(who, "another one starts"), n);
        }
        if !me.at.is_outside() {
            let mut n = *s;
            n.faults += 1;
            self.die(&mut n, who);
            steps.to(named!(who, "is killed; a successor starts"), n);
            if may_rest {
                n.processes[who].at = At::Gone;
                steps.to(named!(who, "is killed"), n);
            }
        }
    }

    /// Does what happens when a process ends: its stores become visible, its undo entries are done,
    /// in one go.
    fn die(&self, n: &mut State, who: usize) {
        n.show_all(who);
        n.unlock(who);
        if n.held[who] {
            n.held[who] = false;
            if self.flaw != Flaw::NoDeathNotice {
                self.post(n, peer(who), 1);
            }
            // Between the claim and the word, the word is still the predecessor's.
            let own = n.processes[who].at != At::SetWord;
            if own && n.words[who].presence == Presence::Attached {
                n.died[who] |= 1 << n.words[who].epoch;
            }
        }
        if self.cancelled == who {
            n.canceller = Canceller::default();
        }
        n.processes[who] = Process::default();
    }

    /// Another thread asks for the end of an operation: the flag now, the unit later.
    pub(super) fn request_cancel(&self, s: &State, steps: &mut Steps<State>) {
        let Canceller { requested, posting } = s.canceller;
        let cancellable = s.processes[self.cancelled].at.is_operation();
        if s.cancels < self.cancels && !requested && !posting && cancellable {
            let mut n = *s;
            n.cancels += 1;
            n.canceller.requested = true;
            n.canceller.posting = true;
            steps.to("canceller: sets the flag", n);
        }
    }
}
