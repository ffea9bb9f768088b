//! Making, attaching, leaving and removing, in the order of `channel/attach.rs`, `header.rs`, `objects.rs`
//! and `channel/link.rs`.
//!
//! Three processes at most: a producer, a consumer, and a second one of either kind, one that only
//! finds what is there, or one that removes by hand. Kernel objects: the key names one semaphore set
//! and one segment at most, others live on as long as somebody uses them. A removed set is gone at
//! once, and every later call on it says so; a removed segment is gone with its last user. When a
//! process is killed, the kernel first unmaps its memory and then undoes its semaphores.
//!
//! The exchange is coarse here: a producer sends one message, if it has not sent it before it was
//! killed, and closes; a consumer receives, is told of the end, and closes. What goes on between
//! them in detail is in `strict.rs`.

mod attach;
mod leave;
mod runs;
mod state;

use crate::explorer::{Model, Steps};
use state::{At, Error, Id, Presence, State, Wrong};

/// What a process wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Producer,
    Consumer,
    /// A consumer that does not create.
    Finder,
    /// Removes the channel by hand.
    Remover,
    Absent,
}

/// Removes an object of the channel under it, once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ipcrm {
    Never,
    Set,
    Segment,
}

/// What a run covers.
#[derive(Clone, Copy)]
struct Config {
    kinds: [Kind; 3],
    /// Which geometry each asks for when it makes a segment.
    sizes: [u8; 3],
    /// Deaths and early closes, together.
    faults: u8,
    ipcrm: Ipcrm,
    /// Whether the wait for SETUP may come to its limit.
    limits: bool,
    flaw: Flaw,
}

/// What a control does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Removes the set, which carries the lock, before the segment.
    SetFirst,
    /// Removes the set first, and detaches before it removes the segment.
    SetFirstDetached,
    /// Makes a segment, or a header, though a role is held.
    RolesUntested,
    /// Puts a new set under a segment though others are attached.
    AdoptsInUse,
    /// Writes a header though others are attached.
    WritesHeaderInUse,
    /// Removes a closed stream though nobody has seen its end.
    EndNotNoted,
    /// An attempt that made the set removes it when it fails, though somebody has come in.
    RemovesSetInUse,
    /// Removes by hand without a test of the roles after it has attached.
    RemovesUntested,
    /// Notes the end of whatever epoch there is when it is noted.
    NotesEndOfNewcomer,
}

const BASE: Config = Config {
    kinds: [Kind::Producer, Kind::Consumer, Kind::Absent],
    sizes: [0; 3],
    faults: 2,
    ipcrm: Ipcrm::Never,
    limits: true,
    flaw: Flaw::None,
};

/// Names a step of one of the three processes.
macro_rules! named {
    ($who:expr, $text:literal) => {
        [
            concat!("first: ", $text),
            concat!("second: ", $text),
            concat!("third: ", $text),
        ][$who]
    };
}
use named;

const PRODUCER: usize = 0;
const CONSUMER: usize = 1;

impl Config {
    /// The role a process wants.
    fn role(&self, who: usize) -> usize {
        match self.kinds[who] {
            Kind::Producer => PRODUCER,
            _ => CONSUMER,
        }
    }

    fn creates(&self, who: usize) -> bool {
        matches!(self.kinds[who], Kind::Producer | Kind::Consumer)
    }

    /// Whether somebody is in who can still exchange: attached, in a set that is there.
    fn is_in(s: &State, who: usize) -> bool {
        s.processes[who].at == At::In && s.sets[s.processes[who].set].alive
    }

    /// Producer and consumer are both in, and yet not in the same channel.
    fn split(&self, s: &State) -> bool {
        let place = |who: usize| (s.processes[who].set, s.processes[who].segment);
        (0..3).any(|a| {
            (0..3).any(|b| {
                self.role(a) == PRODUCER
                    && self.role(b) == CONSUMER
                    && Self::is_in(s, a)
                    && Self::is_in(s, b)
                    && place(a) != place(b)
            })
        })
    }

    /// Whether a consumer may wait for ever: for a producer that would find it.
    fn may_wait(s: &State, who: usize) -> bool {
        let me = &s.processes[who];
        let segment = &s.segments[me.segment];
        let found = s.keyed_set == me.set && s.keyed_segment == me.segment;
        // After `ipcrm -m` its segment has no key; but then producers are refused.
        let cut_off = s.ipcrm_done && !segment.keyed && s.keyed_set == me.set;
        let told = match segment.word.presence {
            Presence::Closed => segment.told >> segment.word.epoch & 1 == 1,
            _ => true,
        };
        let role_free = s.sets[me.set].roles[PRODUCER] == 0;
        segment.unread == 0 && role_free && told && (found || cut_off)
    }
}

impl Model for Config {
    type State = State;

    fn start(&self) -> State {
        let mut start = State::default();
        for (process, kind) in start.processes.iter_mut().zip(self.kinds) {
            if kind == Kind::Absent {
                process.at = At::Out;
            }
        }
        start
    }

    fn steps(&self, s: &State, steps: &mut Steps<State>) {
        for who in 0..3 {
            let at = s.processes[who].at;
            if at < At::In {
                self.step_attaching(s, who, steps);
            } else {
                self.step_in(s, who, steps);
            }
        }
    }

    fn surroundings(&self, s: &State, steps: &mut Steps<State>) {
        for who in 0..3 {
            self.befall(s, who, steps);
        }
        if s.ipcrm_done {
            return;
        }
        let mut n = *s;
        n.ipcrm_done = true;
        match self.ipcrm {
            Ipcrm::Set if s.keyed_set.is_some() => {
                n.remove_set(s.keyed_set);
                n.emit("somebody: ipcrm -s", steps);
            }
            Ipcrm::Segment if s.keyed_segment.is_some() => {
                n.remove_segment(s.keyed_segment);
                n.emit("somebody: ipcrm -m", steps);
            }
            _ => {}
        }
    }

    fn violation(&self, s: &State) -> Option<&'static str> {
        match s.wrong {
            Wrong::Nothing if self.split(s) => Some("the channel is split"),
            Wrong::Nothing => None,
            Wrong::TwoOwners => Some("two owners of a role"),
            Wrong::Overwritten => Some("a header written under its user"),
            Wrong::RemovedInUse => Some("a segment removed that is in use or unread"),
            Wrong::SetRemovedInUse => {
                Some("a set removed by an attempt that failed, under its user")
            }
            Wrong::RemovedUnseen => Some("a stream removed whose end nobody has seen"),
            Wrong::StaleEnd => Some("an end told that was told before"),
            Wrong::RefusedWithoutCause => Some("refused without cause"),
            Wrong::Adopted => Some("a set put under a segment in use"),
        }
    }

    fn good_rest(&self, s: &State) -> bool {
        (0..3).all(|who| {
            let at = s.processes[who].at;
            at == At::Out || at == At::In && self.role(who) == CONSUMER && Self::may_wait(s, who)
        })
    }
}

impl Config {
    /// What may befall a process: its death, its decision to close early, a limit that passes.
    fn befall(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let me = s.processes[who];
        if self.limits && s.lock_is_held_by_another(who) {
            let mut n = *s;
            if me.at == At::Lock {
                n.processes[who].at = At::Out;
                n.processes[who].set = Id::NONE;
                n.emit(named!(who, "does not get SETUP in time, gives up"), steps);
            } else if me.at == At::LockToLeave {
                n.processes[who].at = At::LeaveUnlocked;
                n.emit(named!(who, "does not get SETUP in time, leaves"), steps);
            }
        }
        if s.faults == self.faults {
            return;
        }
        let mut n = *s;
        n.faults += 1;
        if me.at == At::In {
            n.processes[who].at = if self.role(who) == PRODUCER {
                At::SetClosed
            } else {
                At::LockToLeave
            };
            n.emit(named!(who, "decides to close"), steps);
        }
        if !matches!(me.at, At::FindSet | At::Dying | At::Out) {
            n.detach(who);
            n.leave_ghost(who);
            n.processes[who].at = At::Dying;
            for again in [false, true] {
                n.processes[who].again = again;
                let name = if again {
                    named!(who, "is killed, memory unmapped; a successor will start")
                } else {
                    named!(who, "is killed, memory unmapped")
                };
                n.emit(name, steps);
            }
        }
    }

    /// Sends a process on its way out of an attempt that failed.
    fn fail(n: &mut State, who: usize, error: Error) {
        let without_cause = match error {
            Error::SetRemoved | Error::RemovedUnderUser => !n.ipcrm_done,
            _ => false,
        };
        if without_cause {
            n.wrong = Wrong::RefusedWithoutCause;
        }
        let me = &mut n.processes[who];
        me.again = error == Error::Again;
        me.at = if me.segment.is_some() {
            At::FailDetach
        } else {
            At::FailUnlock
        };
    }
}
