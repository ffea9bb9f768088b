//! How a side waits for the other: the permits, and the verdict on a peer that does not come.
//!
//! The positions in shared memory are the truth; a semaphore's unit is a permit to go on. Permits
//! may be in surplus, never in deficit, so whoever gets one looks at the positions again, and throws
//! away what turns out to be worthless. docs/protocol.md has the reasons.

pub(crate) mod adaptive;
pub(crate) mod strict;

use crate::Deadline;
use crate::clock::now_ns;
use crate::error::{Corrupt, Fault, Role, Stop};
use crate::layout::{Side, State, Word};
use crate::semaphores::Semaphores;

use adaptive::Adaptive;
use strict::Strict;

/// Lets a side wait until it may go on, and tells the other that it may.
pub(crate) trait Gate {
    /// Tells whether a credit is in hand, so that one exchange needs no [`acquire`](Self::acquire).
    fn holds(&self) -> bool;

    /// P: waits until the side has at least one credit, a permit in hand that the positions bear
    /// out, and returns with how many of the `wanted` exchanges it may go on now.
    fn acquire<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<u32, Stop>;

    /// Waits, beyond the credits in hand, for at least one more, and takes up to `wanted`.
    fn acquire_more<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<(), Stop>;

    /// Uses up `count` credits in hand.
    fn spend(&mut self, count: u32);

    /// Takes credits back into the hand, of what was not used after all.
    fn refund(&mut self, count: u32);

    /// Gives the permits in hand back to the semaphore.
    fn return_credits(&mut self) -> Result<(), Fault>;

    /// V: tells the peer of `count` exchanges.
    fn post<V: View>(&mut self, view: &V, count: u32) -> Result<(), Fault>;

    /// Counts the end of this epoch of the peer as reported: waits for the next one from now on.
    fn look_past(&mut self, epoch: u64);
}

/// Shows a gate the ring, as one side sees it.
pub(crate) trait View {
    /// The side that waits.
    const ROLE: Role;

    /// Loads the peer's position afresh and returns with how many slots, or messages, the side could
    /// go on, those for which it has credits included.
    fn ready(&mut self) -> Result<u32, Corrupt>;

    /// Returns the same as when last looked at: at most as many as there are.
    fn known(&self) -> u32;

    /// Returns the number of slots, the most that [`ready`](Self::ready) can return.
    fn slot_count(&self) -> u32;

    /// Loads the peer's epoch and state in one step.
    fn peer_word(&self) -> Word;

    /// What this side tells the other.
    fn side(&self) -> &Side;

    /// What the other side tells this one.
    fn peer_side(&self) -> &Side;

    /// Tells the observers that the side sleeps, or that it no longer does.
    fn note_sleep(&self, asleep: bool) {
        self.side().note_sleep(asleep, now_ns());
    }

    /// Tells the observers of a permit that was worthless.
    fn note_spurious(&self) {
        self.side().note_spurious();
    }
}

/// Holds the gate of a channel, of either kind.
#[derive(Debug)]
pub(crate) enum EitherGate<S> {
    Strict(Strict<S>),
    Adaptive(Adaptive<S>),
}

impl<S: Semaphores> EitherGate<S> {
    pub(crate) const fn semaphores(&self) -> &S {
        match self {
            Self::Strict(gate) => gate.semaphores(),
            Self::Adaptive(gate) => gate.semaphores(),
        }
    }
}

impl<S: Semaphores> Gate for EitherGate<S> {
    #[inline]
    fn holds(&self) -> bool {
        match self {
            Self::Strict(gate) => gate.holds(),
            Self::Adaptive(gate) => gate.holds(),
        }
    }

    #[inline]
    fn acquire<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<u32, Stop> {
        match self {
            Self::Strict(gate) => gate.acquire(view, wanted, deadline),
            Self::Adaptive(gate) => gate.acquire(view, wanted, deadline),
        }
    }

    fn acquire_more<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        match self {
            Self::Strict(gate) => gate.acquire_more(view, wanted, deadline),
            Self::Adaptive(gate) => gate.acquire_more(view, wanted, deadline),
        }
    }

    #[inline]
    fn spend(&mut self, count: u32) {
        match self {
            Self::Strict(gate) => gate.spend(count),
            Self::Adaptive(gate) => gate.spend(count),
        }
    }

    fn refund(&mut self, count: u32) {
        match self {
            Self::Strict(gate) => gate.refund(count),
            Self::Adaptive(gate) => gate.refund(count),
        }
    }

    fn return_credits(&mut self) -> Result<(), Fault> {
        match self {
            Self::Strict(gate) => gate.return_credits(),
            Self::Adaptive(gate) => gate.return_credits(),
        }
    }

    #[inline]
    fn post<V: View>(&mut self, view: &V, count: u32) -> Result<(), Fault> {
        match self {
            Self::Strict(gate) => gate.post(view, count),
            Self::Adaptive(gate) => gate.post(view, count),
        }
    }

    fn look_past(&mut self, epoch: u64) {
        match self {
            Self::Strict(gate) => gate.look_past(epoch),
            Self::Adaptive(gate) => gate.look_past(epoch),
        }
    }
}

/// Tells whether a consumer can go on though its wait was ended: the set is gone, but what is in memory is
/// not, and needs no permit and no wake-up any more.
pub(crate) fn goes_on_without_set<V: View>(
    stop: &Stop,
    view: &mut V,
    more_than: u32,
) -> Result<bool, Corrupt> {
    let removed = matches!(stop, Stop::Fault(Fault::Removed)) && V::ROLE == Role::Consumer;
    Ok(removed && view.ready()? > more_than)
}

/// Remembers what of the peer's end has been reported: each epoch's once.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    epoch: Option<u64>,
}

impl Reported {
    /// Counts this epoch's end as reported.
    pub(crate) const fn set(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
    }
}

/// How often a peer's word may change while it is judged: each change takes an attach or a close.
const MAX_ROUNDS: u32 = 1000;

/// Says what is to be thought of a peer that has given nothing to go on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It gave something meanwhile: look again.
    Ready,
    /// It is there, or may still come: wait.
    Wait,
    /// It left in order, in this epoch.
    Closed(u64),
    /// It left in order before the end of its stream, in this epoch.
    Interrupted(u64),
    /// It died.
    Lost,
}

impl Verdict {
    /// Tells whether to look again, rather than wait; an end of the peer ends the wait.
    pub(crate) fn goes_on(self) -> Result<bool, Stop> {
        match self {
            Self::Ready => Ok(true),
            Self::Wait => Ok(false),
            Self::Closed(epoch) => Err(Stop::Closed(epoch)),
            Self::Interrupted(epoch) => Err(Stop::Interrupted(epoch)),
            Self::Lost => Err(Stop::PeerLost),
        }
    }
}

/// Judges the peer of a side that holds `credits` and has nothing else to go on with.
///
/// The order is the point. Word, role, the same word again: so that the role tested is that of the
/// epoch judged, neither a newcomer's taken for a corpse's nor a close taken for a death. Then the
/// position, afresh: so that nothing committed before the end is passed over.
pub(crate) fn judge<V: View>(
    semaphores: &impl Semaphores,
    view: &mut V,
    credits: u32,
    reported: &mut Reported,
) -> Result<Verdict, Fault> {
    let mut rounds = 0;
    let word = loop {
        let word = view.peer_word();
        rounds += 1;
        // A stream that could be interrupted is the producer's alone.
        let impossible = V::ROLE == Role::Producer && word.state() == State::Interrupted;
        if rounds > MAX_ROUNDS || impossible {
            let expected = "one state, for as long as nobody attaches";
            return Err(Corrupt::new("word", word.to_bits(), expected).into());
        }
        if !semaphores.is_free(V::ROLE.peer())? {
            return Ok(Verdict::Wait);
        }
        if view.peer_word() == word {
            break word;
        }
    };
    if view.ready()? > credits {
        return Ok(Verdict::Ready);
    }
    let epoch = word.epoch();
    if reported.epoch == Some(epoch) {
        return Ok(Verdict::Wait);
    }
    match (word.state(), V::ROLE) {
        (State::Never, _) => Ok(Verdict::Wait),
        // A stream's end stays its end however often one asks, until another producer comes.
        (State::Closed, Role::Consumer) => Ok(Verdict::Closed(epoch)),
        (State::Interrupted, _) => Ok(Verdict::Interrupted(epoch)),
        (State::Closed, Role::Producer) => {
            reported.set(epoch);
            Ok(Verdict::Closed(epoch))
        }
        (State::Attached, _) => {
            reported.set(epoch);
            Ok(Verdict::Lost)
        }
    }
}

#[cfg(test)]
mod tests;
