//! Attaching, an attempt that fails, and removing by hand.

use super::state::{At, Error, Id, Magic, Presence, Segment, State, Word, Wrong, holder};
use super::{CONSUMER, Config, Flaw, Kind, PRODUCER, named};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_attaching(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        match s.processes[who].at {
            At::FindSet | At::FindSegmentWithoutSet | At::MakeSet | At::Lock => {
                self.find_set(n, who, steps);
            }
            At::FindSegment | At::TestRolesForNewSegment | At::MakeSegment => {
                self.find_segment(n, who, steps);
            }
            At::ReadHeader
            | At::TestRolesForHeader
            | At::RemoveHalfMade
            | At::BeginHeader
            | At::FillHeader
            | At::FinishHeader
            | At::FindSetToAdopt
            | At::Adopt => self.establish(n, who, steps),
            At::TestOwnRole | At::NoteEndKnown | At::Claim | At::SetWord | At::Unlock => {
                self.take_role(n, who, steps);
            }
            At::FailDetach | At::FailRemoveSegment | At::FailUnlock => {
                self.give_up(n, who, steps);
            }
            At::Attach => {
                if s.is_gone(s.processes[who].found) {
                    n.processes[who].found = Id::NONE;
                    Self::fail(&mut n, who, Error::Again);
                    return n.emit(named!(who, "finds the segment gone"), steps);
                }
                n.attach(who);
                n.processes[who].at = At::CountOthers;
                n.emit(named!(who, "attaches the segment"), steps);
            }
            At::CountOthers => {
                let attached = s.segments[s.processes[who].segment].attached;
                let others = attached.count_ones() - 1;
                n.processes[who].others = u8::try_from(others).expect("three processes");
                n.processes[who].at = At::ReadHeader;
                n.emit(named!(who, "counts who else is attached"), steps);
            }
            _ => self.remove_by_hand(n, who, steps),
        }
    }

    fn find_set(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let keyed = n.keyed_set;
        let me = &mut n.processes[who];
        let name = match me.at {
            At::FindSet if keyed.is_some() => {
                me.set = keyed;
                me.at = At::Lock;
                named!(who, "finds the set")
            }
            At::FindSet => {
                me.at = if self.creates(who) {
                    At::MakeSet
                } else {
                    At::FindSegmentWithoutSet
                };
                named!(who, "finds no set")
            }
            At::FindSegmentWithoutSet if n.keyed_segment.is_some() => {
                me.at = At::MakeSet;
                named!(who, "finds a segment that has lost its set")
            }
            At::FindSegmentWithoutSet => {
                me.at = At::Out;
                named!(who, "finds nothing, gives up")
            }
            At::MakeSet if keyed.is_some() => {
                me.at = At::FindSet;
                named!(who, "finds that somebody else made the set")
            }
            At::MakeSet => {
                me.made_set = true;
                me.at = At::Lock;
                let set = n.make_set();
                n.processes[who].set = set;
                named!(who, "makes the set")
            }
            _ => {
                let id = me.set;
                if !n.sets[id].alive {
                    me.set = Id::NONE;
                    me.made_set = false;
                    me.at = At::FindSet;
                    named!(who, "finds the set removed, starts again")
                } else if n.sets[id].setup == 0 {
                    me.at = if self.kinds[who] == Kind::Remover {
                        At::TestRolesToRemove
                    } else {
                        At::FindSegment
                    };
                    n.sets[id].setup = holder(who);
                    named!(who, "locks SETUP")
                } else {
                    return;
                }
            }
        };
        n.emit(name, steps);
    }

    fn find_segment(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let keyed = n.keyed_segment;
        let set = n.sets[n.processes[who].set];
        let me = &mut n.processes[who];
        let name = match me.at {
            At::FindSegment if keyed.is_some() => {
                me.found = keyed;
                me.at = At::Attach;
                named!(who, "finds the segment")
            }
            At::FindSegment => {
                me.at = At::TestRolesForNewSegment;
                named!(who, "finds no segment")
            }
            At::TestRolesForNewSegment => {
                // Two calls; but while SETUP is held a role can only become free.
                let held = set.roles != [0, 0] && self.flaw != Flaw::RolesUntested;
                if !set.alive {
                    Self::fail(&mut n, who, Error::Again);
                } else if held {
                    Self::fail(&mut n, who, Error::RemovedUnderUser);
                } else if self.creates(who) {
                    me.at = At::MakeSegment;
                } else {
                    Self::fail(&mut n, who, Error::NotFound);
                }
                named!(who, "tests both roles before it makes a segment")
            }
            _ if keyed.is_some() => {
                Self::fail(&mut n, who, Error::Again);
                named!(who, "finds that somebody else made the segment")
            }
            _ => {
                me.made_segment = true;
                me.at = At::Attach;
                let segment = n.make_segment(self.sizes[who]);
                n.processes[who].found = segment;
                named!(who, "makes the segment")
            }
        };
        n.emit(name, steps);
    }

    /// The header: checked, or written where there is none.
    fn establish(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = n.processes[who];
        let set = n.sets[me.set];
        let keyed = n.keyed_set;
        let segment = &mut n.segments[me.segment];
        let in_use = segment.live != [0, 0];
        let mut next = At::TestOwnRole;
        let mut error = None;
        let name = match me.at {
            At::ReadHeader if segment.magic != Magic::Done => {
                next = At::TestRolesForHeader;
                named!(who, "finds no finished header")
            }
            At::ReadHeader => {
                if segment.size != self.sizes[who] {
                    error = Some(Error::Differs);
                } else if segment.set != me.set {
                    next = At::FindSetToAdopt;
                }
                named!(who, "checks the header")
            }
            At::TestRolesForHeader => {
                let held = set.roles != [0, 0] && self.flaw != Flaw::RolesUntested;
                let others = me.others > 0 && self.flaw != Flaw::WritesHeaderInUse;
                if !set.alive || others && !held {
                    error = Some(Error::Again);
                } else if held {
                    error = Some(Error::RemovedUnderUser);
                } else if !self.creates(who) {
                    error = Some(Error::NotFound);
                } else if segment.size == self.sizes[who] {
                    next = At::BeginHeader;
                } else if me.made_set {
                    error = Some(Error::Differs);
                } else {
                    next = At::RemoveHalfMade;
                }
                named!(who, "tests both roles before it writes a header")
            }
            At::RemoveHalfMade => {
                if in_use {
                    n.wrong = Wrong::RemovedInUse;
                }
                n.remove_segment(me.segment);
                error = Some(Error::Again);
                named!(who, "removes a half-made segment of another size")
            }
            At::BeginHeader => {
                segment.magic = Magic::Unfinished;
                next = At::FillHeader;
                named!(who, "header: marks it unfinished")
            }
            At::FillHeader => {
                segment.set = me.set;
                segment.unread = 0;
                segment.word = Word::default();
                segment.end_seen = 0;
                segment.told = 0;
                next = At::FinishHeader;
                named!(who, "header: fills it")
            }
            At::FinishHeader => {
                segment.magic = Magic::Done;
                named!(who, "header: stores the magic")
            }
            At::FindSetToAdopt => {
                if keyed != me.set {
                    error = Some(Error::Again);
                } else if me.others > 0 && self.flaw != Flaw::AdoptsInUse {
                    error = Some(Error::SetRemoved);
                } else {
                    next = At::Adopt;
                }
                named!(who, "finds that the segment's set was removed")
            }
            _ => {
                segment.set = me.set;
                if in_use {
                    n.wrong = Wrong::Adopted;
                }
                named!(who, "puts the new set into the old header")
            }
        };
        let writes = matches!(me.at, At::BeginHeader | At::FillHeader | At::FinishHeader);
        if writes && in_use {
            n.wrong = Wrong::Overwritten;
        }
        n.processes[who].at = next;
        if let Some(error) = error {
            Self::fail(&mut n, who, error);
        }
        n.emit(name, steps);
    }

    fn take_role(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let role = self.role(who);
        let me = n.processes[who];
        let set = &mut n.sets[me.set];
        let segment = &mut n.segments[me.segment];
        let name = match me.at {
            At::TestOwnRole | At::Claim if !set.alive => {
                Self::fail(&mut n, who, Error::Again);
                named!(who, "finds the set removed")
            }
            At::TestOwnRole if set.roles[role] != 0 => {
                Self::fail(&mut n, who, Error::RoleTaken);
                named!(who, "finds its role taken")
            }
            At::TestOwnRole => {
                n.processes[who].at = if role == CONSUMER {
                    At::NoteEndKnown
                } else {
                    At::Claim
                };
                named!(who, "finds its role free")
            }
            At::NoteEndKnown => {
                let Word { epoch, presence } = segment.word;
                if presence == Presence::Closed && segment.end_seen == epoch {
                    n.processes[who].reported = epoch;
                }
                n.processes[who].at = At::Claim;
                named!(who, "notes whether the stream's end is known")
            }
            At::Claim => {
                if set.roles[role] != 0 || segment.live[role] != 0 {
                    n.wrong = Wrong::TwoOwners;
                }
                set.roles[role] = holder(who);
                segment.live[role] = holder(who);
                n.processes[who].at = At::SetWord;
                named!(who, "claims its role")
            }
            At::SetWord => {
                if role == PRODUCER {
                    segment.word.epoch += 1;
                    segment.word.presence = Presence::Attached;
                }
                n.processes[who].at = At::Unlock;
                named!(who, "stores its word, repairs")
            }
            _ => {
                if set.alive {
                    set.setup = 0;
                } else {
                    // Repair may have failed by it; or it is the next operation that says so.
                    let mut failed = n;
                    failed.leave_ghost(who);
                    Self::fail(&mut failed, who, Error::Again);
                    failed.emit(named!(who, "repair finds the set removed"), steps);
                }
                let me = &mut n.processes[who];
                me.at = At::In;
                me.made_set = false;
                me.made_segment = false;
                me.others = 0;
                named!(who, "unlocks SETUP, is in")
            }
        };
        n.emit(name, steps);
    }

    /// An attempt that fails takes back what it made, as far as nobody else uses it.
    fn give_up(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = n.processes[who];
        let name = match me.at {
            At::FailDetach => {
                let segment = me.segment;
                n.detach(who);
                // Not when it was the claim that failed.
                if me.made_segment && n.segments[segment].live == [0, 0] {
                    n.processes[who].found = segment;
                    n.processes[who].at = At::FailRemoveSegment;
                } else {
                    n.processes[who].at = At::FailUnlock;
                }
                named!(who, "fails: detaches")
            }
            At::FailRemoveSegment => {
                n.remove_segment(me.found);
                n.processes[who].found = Id::NONE;
                n.processes[who].at = At::FailUnlock;
                named!(who, "fails: removes the segment it made")
            }
            _ => {
                // Somebody may have come in between the making of the set and its lock.
                let keyed = n.keyed_segment;
                let written = keyed.is_some() && n.segments[keyed].set == me.set;
                let set = &mut n.sets[me.set];
                let in_use = set.roles != [0, 0] || written;
                let removes =
                    set.alive && me.made_set && (!in_use || self.flaw == Flaw::RemovesSetInUse);
                set.setup = if set.alive { 0 } else { set.setup };
                if removes {
                    n.remove_set(me.set);
                    if in_use {
                        n.wrong = Wrong::SetRemovedInUse;
                    }
                }
                n.processes[who] = me.afresh();
                if removes {
                    named!(who, "fails: removes the set it made")
                } else {
                    named!(who, "fails: unlocks SETUP")
                }
            }
        };
        n.emit(name, steps);
    }

    fn remove_by_hand(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = n.processes[who];
        let set = n.sets[me.set];
        let keyed = n.keyed_segment;
        let name = match me.at {
            // After the attach once more: were the set removed meanwhile, somebody could be about to put
            // another one under the segment, and who does that later sees this process attached.
            At::TestRolesToRemove | At::TestRolesAfterAttach => {
                if !set.alive {
                    Self::fail(&mut n, who, Error::Again);
                } else if set.roles != [0, 0] {
                    Self::fail(&mut n, who, Error::RoleTaken);
                } else if me.at == At::TestRolesToRemove {
                    n.processes[who].at = At::FindSegmentToRemove;
                } else {
                    n.processes[who].at = At::HandRemoveSegment;
                }
                named!(who, "tests both roles before it removes")
            }
            At::FindSegmentToRemove => {
                n.processes[who].found = keyed;
                n.processes[who].at = if keyed.is_some() {
                    At::AttachToRemove
                } else {
                    At::HandRemoveSet
                };
                named!(who, "looks for the segment to remove")
            }
            At::AttachToRemove => {
                if n.is_gone(me.found) {
                    n.processes[who].found = Id::NONE;
                    Self::fail(&mut n, who, Error::Again);
                } else {
                    n.attach(who);
                    n.processes[who].at = if self.flaw == Flaw::RemovesUntested {
                        At::HandRemoveSegment
                    } else {
                        At::TestRolesAfterAttach
                    };
                }
                named!(who, "attaches the segment to count what is unread")
            }
            At::HandRemoveSegment => {
                // A set that is gone has no users; what they have in memory stays theirs.
                let Segment { live, set: id, .. } = n.segments[me.segment];
                if live != [0, 0] && n.sets[id].alive {
                    n.wrong = Wrong::RemovedInUse;
                }
                n.remove_segment(me.segment);
                n.processes[who].at = At::HandRemoveSet;
                named!(who, "removes the segment by hand")
            }
            _ => {
                if set.alive {
                    if set.roles != [0, 0] {
                        n.wrong = Wrong::SetRemovedInUse;
                    }
                    n.remove_set(me.set);
                }
                n.processes[who].at = At::Detach;
                named!(who, "removes the set by hand")
            }
        };
        n.emit(name, steps);
    }
}
