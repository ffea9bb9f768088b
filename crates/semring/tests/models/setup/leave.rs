//! Being in, and leaving: `Link::close` and `objects::remove`.

use super::state::{At, Id, Presence, State, Wrong, holder};
use super::{CONSUMER, Config, Flaw, PRODUCER, named};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_in(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        let me = s.processes[who];
        let removed = me.set.is_some() && !s.sets[me.set].alive;
        let name = match me.at {
            At::Out => return,
            At::In if self.role(who) == PRODUCER => return self.produce(n, who, steps),
            At::In => return self.consume(n, who, steps),
            At::NoteEnd => {
                let segment = &mut n.segments[me.segment];
                segment.end_seen = if self.flaw == Flaw::NotesEndOfNewcomer {
                    segment.word.epoch
                } else {
                    me.judged
                };
                segment.told |= 1 << me.judged;
                n.processes[who].judged = 0;
                n.processes[who].at = At::LockToLeave;
                named!(who, "notes that it has seen the end")
            }
            At::SetClosed => {
                n.segments[me.segment].word.presence = Presence::Closed;
                n.processes[who].at = At::LockToLeave;
                named!(who, "stores its word: closed")
            }
            At::LockToLeave | At::LeaveLocked | At::LeaveUnlocked | At::TestLastOut if removed => {
                n.leave_ghost(who);
                n.processes[who].at = At::Detach;
                named!(who, "finds the set removed before it has left")
            }
            At::LockToLeave => {
                if s.sets[me.set].setup != 0 {
                    return;
                }
                n.sets[me.set].setup = holder(who);
                n.processes[who].at = At::LeaveLocked;
                named!(who, "locks SETUP to leave")
            }
            At::LeaveLocked | At::LeaveUnlocked => {
                n.sets[me.set].roles[self.role(who)] = 0;
                n.leave_ghost(who);
                n.processes[who].at = if me.at == At::LeaveLocked {
                    At::TestLastOut
                } else {
                    At::Detach
                };
                named!(who, "leaves its role")
            }
            At::TestLastOut => {
                let last = s.sets[me.set].roles == [0, 0] && self.has_served(s, who);
                n.processes[who].at = if last {
                    At::RemoveFirst
                } else {
                    At::UnlockLeft
                };
                named!(who, "looks whether it is the last one out")
            }
            At::RemoveFirst | At::RemoveSecond => return self.remove(n, who, steps),
            At::UnlockLeft => {
                if !removed {
                    n.sets[me.set].setup = 0;
                }
                n.processes[who].at = At::Detach;
                named!(who, "unlocks SETUP, has left")
            }
            At::Detach => {
                n.detach(who);
                n.undo(who);
                n.processes[who] = me.afresh();
                named!(who, "detaches")
            }
            _ => {
                n.undo(who);
                n.processes[who] = me.afresh();
                named!(who, "is dead: the kernel frees SETUP and its role")
            }
        };
        n.emit(name, steps);
    }

    fn produce(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = n.processes[who];
        let name = if !n.sets[me.set].alive {
            n.leave_ghost(who);
            n.processes[who].at = At::Detach;
            named!(who, "finds the set removed, reports it")
        } else if me.sent {
            n.processes[who].at = At::SetClosed;
            named!(who, "has sent everything")
        } else {
            n.segments[me.segment].unread += 1;
            n.processes[who].sent = true;
            named!(who, "sends a message")
        };
        debug_assert_eq!(self.role(who), PRODUCER);
        n.emit(name, steps);
    }

    fn consume(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        debug_assert_eq!(self.role(who), CONSUMER);
        let me = n.processes[who];
        let set = n.sets[me.set];
        let segment = &mut n.segments[me.segment];
        let epoch = segment.word.epoch;
        let ended = segment.word.presence == Presence::Closed && me.reported != epoch;
        let name = if segment.unread > 0 {
            segment.unread -= 1;
            named!(who, "receives a message")
        } else if !set.alive {
            n.leave_ghost(who);
            n.processes[who].at = At::Detach;
            named!(who, "finds the set removed, reports it")
        } else if ended && set.roles[PRODUCER] == 0 {
            if segment.told >> epoch & 1 == 1 {
                n.wrong = Wrong::StaleEnd;
            }
            n.processes[who].judged = epoch;
            n.processes[who].at = At::NoteEnd;
            named!(who, "verdict: the stream has ended")
        } else {
            return;
        };
        n.emit(name, steps);
    }

    /// Whether a channel without owners has no further use.
    fn has_served(&self, s: &State, who: usize) -> bool {
        let segment = &s.segments[s.processes[who].segment];
        let seen = segment.end_seen == segment.word.epoch || self.flaw == Flaw::EndNotNoted;
        segment.unread == 0
            && match segment.word.presence {
                Presence::Never => segment.word.epoch == 0,
                Presence::Attached => false,
                Presence::Closed => seen,
            }
    }

    /// The last one out removes both objects.
    fn remove(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let me = n.processes[who];
        let set_first = matches!(self.flaw, Flaw::SetFirst | Flaw::SetFirstDetached);
        let name = if (me.at == At::RemoveFirst) == set_first {
            if n.sets[me.set].alive {
                n.remove_set(me.set);
            }
            if self.flaw == Flaw::SetFirstDetached {
                n.processes[who].found = me.segment;
                n.detach(who);
            }
            named!(who, "removes the set")
        } else {
            let id = if me.segment.is_some() {
                me.segment
            } else {
                me.found
            };
            let segment = n.segments[id];
            if segment.keyed {
                let unseen = segment.word.presence == Presence::Closed
                    && segment.told >> segment.word.epoch & 1 == 0;
                if segment.live != [0, 0]
                    || segment.unread > 0
                    || segment.word.presence == Presence::Attached
                {
                    n.wrong = Wrong::RemovedInUse;
                } else if unseen {
                    n.wrong = Wrong::RemovedUnseen;
                }
                n.remove_segment(id);
            }
            n.processes[who].found = Id::NONE;
            named!(who, "removes the segment")
        };
        n.processes[who].at = if me.at == At::RemoveFirst {
            At::RemoveSecond
        } else {
            At::Detach
        };
        n.emit(name, steps);
    }
}
