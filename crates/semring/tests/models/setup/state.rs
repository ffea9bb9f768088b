//! What a state of the setup model consists of.

use std::ops::{Index, IndexMut};

use crate::explorer::Steps;

/// What a process does next: one kernel call, or one access to the header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum At {
    #[default]
    FindSet,
    FindSegmentWithoutSet,
    MakeSet,
    Lock,
    // Under SETUP.
    FindSegment,
    TestRolesForNewSegment,
    MakeSegment,
    Attach,
    CountOthers,
    ReadHeader,
    TestRolesForHeader,
    RemoveHalfMade,
    BeginHeader,
    FillHeader,
    FinishHeader,
    FindSetToAdopt,
    Adopt,
    TestOwnRole,
    NoteEndKnown,
    Claim,
    SetWord,
    Unlock,
    // An attempt that fails.
    FailDetach,
    FailRemoveSegment,
    FailUnlock,
    // Removing by hand, under SETUP.
    TestRolesToRemove,
    FindSegmentToRemove,
    AttachToRemove,
    TestRolesAfterAttach,
    HandRemoveSegment,
    HandRemoveSet,

    /// Has the role: exchanges.
    In,
    NoteEnd,
    SetClosed,
    LockToLeave,
    LeaveLocked,
    LeaveUnlocked,
    TestLastOut,
    RemoveFirst,
    RemoveSecond,
    UnlockLeft,
    Detach,
    /// Killed; the kernel has yet to undo its semaphores.
    Dying,
    Out,
}

/// Why an attempt fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Others changed the objects: start again.
    Again,
    NotFound,
    RoleTaken,
    SetRemoved,
    RemovedUnderUser,
    Differs,
}

/// Names a set or a segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Id(u8);

impl Id {
    pub const NONE: Self = Self(u8::MAX);

    pub fn is_some(self) -> bool {
        self != Self::NONE
    }
}

impl Default for Id {
    fn default() -> Self {
        Self::NONE
    }
}

/// More objects than there ever are at once: those with the key, and those that somebody still
/// remembers.
const OBJECTS: usize = 4;

/// Holds the objects of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Objects<T>([T; OBJECTS]);

impl<T> Index<Id> for Objects<T> {
    type Output = T;

    fn index(&self, id: Id) -> &T {
        &self.0[usize::from(id.0)]
    }
}

impl<T> IndexMut<Id> for Objects<T> {
    fn index_mut(&mut self, id: Id) -> &mut T {
        &mut self.0[usize::from(id.0)]
    }
}

impl<T: Default + PartialEq> Objects<T> {
    /// Makes an object in a place that is free.
    fn make(&mut self, object: T) -> Id {
        let free = T::default();
        let place = self.0.iter().position(|object| *object == free);
        let place = place.expect("fewer objects at once than there are places");
        self.0[place] = object;
        Id(u8::try_from(place).expect("few places"))
    }

    fn ids() -> impl Iterator<Item = Id> {
        (0..OBJECTS).map(|place| Id(u8::try_from(place).expect("few places")))
    }
}

/// A semaphore set. Holders are process numbers + 1, or 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Set {
    pub made: bool,
    pub alive: bool,
    pub setup: u8,
    pub roles: [u8; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Magic {
    #[default]
    Zero,
    Unfinished,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Presence {
    #[default]
    Never,
    Attached,
    Closed,
}

/// The producer's word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Word {
    pub epoch: u8,
    pub presence: Presence,
}

/// A segment, and the header in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Segment {
    pub made: bool,
    pub keyed: bool,
    pub size: u8,
    /// Bits: the processes that have attached it.
    pub attached: u8,
    pub magic: Magic,
    pub set: Id,
    pub unread: u8,
    pub word: Word,
    pub end_seen: u8,
    // What is known to nobody but the model.
    /// Who has a role in it, process number + 1.
    pub live: [u8; 2],
    /// Bits: the epochs whose end was told.
    pub told: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Process {
    pub at: At,
    pub set: Id,
    /// The segment it has attached.
    pub segment: Id,
    /// The segment it has found and not attached, or removes after it has detached.
    pub found: Id,
    pub made_set: bool,
    pub made_segment: bool,
    /// How many others were attached.
    pub others: u8,
    /// The epoch whose end it has been told.
    pub judged: u8,
    /// The epoch whose end it takes as known.
    pub reported: u8,
    /// Whether it starts again.
    pub again: bool,
    /// Whether it has sent its message.
    pub sent: bool,
}

impl Process {
    /// What is left of a process that is out, or that starts again.
    pub fn afresh(self) -> Self {
        Self {
            at: if self.again { At::FindSet } else { At::Out },
            sent: self.sent,
            ..Self::default()
        }
    }
}

/// What is wrong with a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Wrong {
    #[default]
    Nothing,
    TwoOwners,
    Overwritten,
    RemovedInUse,
    SetRemovedInUse,
    RemovedUnseen,
    StaleEnd,
    RefusedWithoutCause,
    Adopted,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    pub keyed_set: Id,
    pub keyed_segment: Id,
    pub sets: Objects<Set>,
    pub segments: Objects<Segment>,
    pub processes: [Process; 3],
    pub faults: u8,
    pub ipcrm_done: bool,
    pub wrong: Wrong,
}

/// How a process appears as a holder.
pub fn holder(who: usize) -> u8 {
    u8::try_from(who + 1).expect("three processes")
}

impl State {
    /// Adds this state as one that a step leads to.
    pub fn emit(mut self, name: &'static str, steps: &mut Steps<Self>) {
        self.forget();
        steps.to(name, self);
    }

    pub fn make_set(&mut self) -> Id {
        self.keyed_set = self.sets.make(Set {
            made: true,
            alive: true,
            ..Set::default()
        });
        self.keyed_set
    }

    pub fn make_segment(&mut self, size: u8) -> Id {
        self.keyed_segment = self.segments.make(Segment {
            made: true,
            keyed: true,
            size,
            ..Segment::default()
        });
        self.keyed_segment
    }

    /// `IPC_RMID` of a set: gone at once, locks and roles with it.
    pub fn remove_set(&mut self, id: Id) {
        self.sets[id] = Set {
            made: true,
            ..Set::default()
        };
        if self.keyed_set == id {
            self.keyed_set = Id::NONE;
        }
    }

    /// `IPC_RMID` of a segment: the key is free, the memory stays until the last one detaches.
    pub fn remove_segment(&mut self, id: Id) {
        self.segments[id].keyed = false;
        if self.keyed_segment == id {
            self.keyed_segment = Id::NONE;
        }
    }

    /// Whether a segment is gone, so that its number is not valid any more.
    pub fn is_gone(&self, id: Id) -> bool {
        !self.segments[id].keyed && self.segments[id].attached == 0
    }

    pub fn attach(&mut self, who: usize) {
        let id = self.processes[who].found;
        self.segments[id].attached |= 1 << who;
        self.processes[who].segment = id;
        self.processes[who].found = Id::NONE;
    }

    pub fn detach(&mut self, who: usize) {
        let id = self.processes[who].segment;
        if id.is_some() {
            self.segments[id].attached &= !(1 << who);
            self.processes[who].segment = Id::NONE;
        }
    }

    /// Notes that a process has no role any more.
    pub fn leave_ghost(&mut self, who: usize) {
        for id in Objects::<Segment>::ids() {
            for live in &mut self.segments[id].live {
                if *live == holder(who) {
                    *live = 0;
                }
            }
        }
    }

    /// Undoes what a process has done to its set.
    pub fn undo(&mut self, who: usize) {
        let id = self.processes[who].set;
        if id.is_some() {
            let set = &mut self.sets[id];
            if set.setup == holder(who) {
                set.setup = 0;
            }
            for role in &mut set.roles {
                if *role == holder(who) {
                    *role = 0;
                }
            }
        }
        self.processes[who].set = Id::NONE;
    }

    pub fn lock_is_held_by_another(&self, who: usize) -> bool {
        let id = self.processes[who].set;
        id.is_some() && self.sets[id].setup != 0 && self.sets[id].setup != holder(who)
    }

    /// Forgets objects that are gone and that nobody remembers, so that their places are free.
    fn forget(&mut self) {
        for id in Objects::<Segment>::ids() {
            let segment = &self.segments[id];
            if segment.made && self.is_gone(id) {
                let remembered = self.processes.iter().any(|process| process.found == id);
                self.segments[id] = Segment {
                    made: remembered,
                    ..Segment::default()
                };
            }
        }
        for id in Objects::<Set>::ids() {
            if self.sets[id].made && !self.sets[id].alive {
                let used = self.processes.iter().any(|process| process.set == id);
                let written =
                    Objects::<Segment>::ids().any(|segment| self.segments[segment].set == id);
                if !used && !written {
                    self.sets[id] = Set::default();
                }
            }
        }
    }
}
