//! The form that calls the kernel only to sleep and to wake a sleeper.
//!
//! The positions alone say whether a side may go on. One that may not first spins, about as long as a
//! wake-up costs; then it sets its `waiting` flag, looks once more, and sleeps: `semop(-1)`. Who has
//! published looks at the other's flag, and takes it back and posts one unit if it was set. So a unit is
//! a wake-up here, and while both sides are at work nobody calls the kernel.
//!
//! Two stores and two loads must not pass each other: the sleeper's flag and its last look at the
//! position, the publisher's position and its look at the flag. The publisher would pay for that with
//! each message, so where it can, the sleeper pays for both, with `membarrier`, and the publisher says in
//! the segment that it may ([`barrier`]); where it cannot, the publisher fences.

mod apart;
mod rest;

use std::hint;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Deadline;
use crate::barrier;
use crate::error::{Corrupt, Fault, Stop};
use crate::gate::{Gate, Reported, View, goes_on_without_set, judge};
use crate::geometry::Geometry;
use crate::layout::Side;
use crate::semaphores::{Semaphore, Semaphores, Waited};
use crate::sync::fence;

use apart::Apart;
use rest::Rest;

/// How long to spin before sleeping: about what a wake-up costs. With less, both sides can lock into
/// sleeping through each other's wake-ups.
const SPIN: Duration = Duration::from_micros(50);
/// Looks between two looks at the clock, which cost as much as several.
const LOOKS: u32 = 64;
/// Longest sleep where `membarrier` was refused, so that a wake-up may have been missed.
const UNSURE: Duration = Duration::from_millis(10);

/// Waits by looking, then asleep, and wakes whoever sleeps.
#[derive(Debug)]
pub(crate) struct Adaptive<S> {
    semaphores: S,
    /// Where this side's wake-ups come from.
    mine: Semaphore,
    /// Where it posts the peer's.
    theirs: Semaphore,
    /// Whether this process is registered, so that a sleeping peer sees to the order of our stores.
    registered: bool,
    /// Exchanges that need no look at the position.
    credits: u32,
    /// Units on their way that this side did not stay to take.
    owed: u32,
    reported: Reported,
    /// How long to leave the peer alone before looking again.
    rest: Rest,
    /// How far to stay away from the peer.
    apart: Apart,
}

impl<S: Semaphores> Adaptive<S> {
    pub(crate) fn new(
        semaphores: S,
        mine: Semaphore,
        theirs: Semaphore,
        registered: bool,
        geometry: Geometry,
        reported: Reported,
    ) -> Self {
        Self {
            semaphores,
            mine,
            theirs,
            registered,
            credits: 0,
            owed: 0,
            reported,
            rest: Rest::none(),
            apart: Apart::of(geometry),
        }
    }

    pub(crate) const fn semaphores(&self) -> &S {
        &self.semaphores
    }

    /// Looks at the position afresh, and waits if there is nothing to go on with.
    #[inline(never)]
    fn acquire_afresh<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<u32, Stop> {
        if view.ready()? == 0 {
            self.wait(view, 0, deadline)?;
        }
        let found = view.known();
        if self.apart.is_too_close(found) {
            self.apart.hold_back(found, deadline, || view.ready())?;
        }
        self.credits = self.apart.share(view.known());
        Ok(self.credits.min(wanted))
    }

    /// Waits until the side could go on with more than so many.
    fn wait<V: View>(
        &mut self,
        view: &mut V,
        more_than: u32,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        if self.spin(view, more_than, deadline)? {
            return Ok(());
        }
        match self.sleep_until(view, more_than, deadline) {
            Err(stop) if goes_on_without_set(&stop, view, more_than)? => Ok(()),
            result => result,
        }
    }

    /// Looks again and again for as long as a wake-up costs. True when there is more than so many to go
    /// on with.
    fn spin(
        &mut self,
        view: &mut impl View,
        more_than: u32,
        deadline: Deadline,
    ) -> Result<bool, Corrupt> {
        // The model checker tries every order anyway.
        if cfg!(loom) {
            return Ok(false);
        }
        self.rest.take();
        let mut until = None;
        loop {
            for _ in 0..LOOKS {
                let ready = view.ready()?;
                if ready > more_than {
                    self.rest.learn(ready - more_than, view.slot_count());
                    return Ok(true);
                }
                hint::spin_loop();
            }
            let now = Instant::now();
            let over = deadline.is_over();
            if over || now >= *until.get_or_insert(now + SPIN) {
                return Ok(false);
            }
        }
    }

    fn sleep_until<V: View>(
        &mut self,
        view: &mut V,
        more_than: u32,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        loop {
            if self.semaphores.cancelled() {
                return Err(Stop::Cancelled);
            }
            if view.ready()? > more_than {
                return Ok(());
            }
            if deadline.is_over() {
                // Nobody is about to sleep: neither flag nor barrier, which would disturb a peer at work.
                return self.last_look(view, more_than, deadline).map(drop);
            }
            self.settle()?;
            view.side().arm();
            // SYNC POINT: ADVERTISED (with recovery::claim), and
            // SYNC POINT: WAITING (with post). The flag is set before the position is looked at again.
            fence(Ordering::SeqCst);
            let limit = order_publisher(view);
            match self.last_look(view, more_than, deadline) {
                Ok(Look::Sleep) => {}
                result => {
                    self.disarm(view);
                    return result.map(drop);
                }
            }
            view.note_sleep(true);
            let waited = self.semaphores.take(self.mine, deadline.earlier(limit));
            view.note_sleep(false);
            if matches!(waited, Ok(Waited::Taken)) {
                self.take_note_of_unit(view, more_than)?;
            } else {
                self.disarm(view);
                waited?;
            }
            // After every unit, and before any verdict or deadline, the position counts: once more.
        }
    }

    /// Takes units that were on their way when this side went on without them.
    fn settle(&mut self) -> Result<(), Fault> {
        while self.owed > 0 && self.semaphores.try_take(self.mine, 1)? {
            self.owed -= 1;
        }
        Ok(())
    }

    /// Looks at the position, and at all else that may end the wait: with the flag set, unless the deadline
    /// is over.
    fn last_look<V: View>(
        &mut self,
        view: &mut V,
        more_than: u32,
        deadline: Deadline,
    ) -> Result<Look, Stop> {
        if view.ready()? > more_than {
            return Ok(Look::Go);
        }
        if self.semaphores.cancelled() {
            return Err(Stop::Cancelled);
        }
        if judge(&self.semaphores, view, more_than, &mut self.reported)?.goes_on()? {
            return Ok(Look::Go);
        }
        if deadline.is_over() {
            return Err(Stop::TimedOut);
        }
        Ok(Look::Sleep)
    }

    /// Takes the flag back after a unit came. Found set, the unit was not the answer to it, but another
    /// one that was on its way, a cancel's, or the notice of an end.
    fn take_note_of_unit<V: View>(&mut self, view: &mut V, more_than: u32) -> Result<(), Corrupt> {
        if view.side().disarm() {
            self.owed = self.owed.saturating_sub(1);
        }
        if view.ready()? <= more_than {
            view.note_spurious();
        }
        Ok(())
    }

    /// Wakes the peer, if it still waits.
    #[cold]
    fn wake(&self, peer: &Side) -> Result<(), Fault> {
        if peer.disarm() {
            self.semaphores.post(self.theirs, 1)
        } else {
            Ok(())
        }
    }

    /// Takes the flag back without a unit. Found taken already, a unit is on its way, which is never
    /// waited for: its poster may be stopped.
    fn disarm(&mut self, view: &impl View) {
        if !view.side().disarm() {
            self.owed = self.owed.saturating_add(1);
        }
    }
}

/// Tells what the last look before sleeping has shown.
enum Look {
    /// Something to go on with.
    Go,
    /// Nothing, and nothing to report.
    Sleep,
}

/// Has the publishing peer's processor order its stores and loads, if it leaves that to us; returns
/// until when to sleep at most.
// SYNC POINT: WAITING (with post, of a publisher that has registered).
fn order_publisher(view: &impl View) -> Deadline {
    if view.peer_side().is_registered() && !barrier::everywhere() {
        Deadline::after(UNSURE)
    } else {
        Deadline::NEVER
    }
}

impl<S: Semaphores> Gate for Adaptive<S> {
    #[inline]
    fn holds(&self) -> bool {
        self.credits > 0
    }

    #[inline]
    fn acquire<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<u32, Stop> {
        if self.credits >= wanted {
            return Ok(wanted);
        }
        self.acquire_afresh(view, wanted, deadline)
    }

    fn acquire_more<V: View>(
        &mut self,
        view: &mut V,
        _: u32,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        // As last looked at: what came since then is what is waited for.
        let known = view.known();
        self.wait(view, known, deadline)
    }

    #[inline]
    fn spend(&mut self, count: u32) {
        self.credits = self.credits.saturating_sub(count);
    }

    fn refund(&mut self, count: u32) {
        self.credits += count;
    }

    /// Credits are no permits here: the positions alone say what may be used.
    fn return_credits(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    #[inline]
    fn post<V: View>(&mut self, view: &V, _: u32) -> Result<(), Fault> {
        if self.registered {
            // SYNC POINT: WAITING (with order_publisher), whose barrier the processor passes here.
            barrier::compiler();
        } else {
            // SYNC POINT: WAITING (with sleep_until). The position is stored before the flag is read.
            fence(Ordering::SeqCst);
        }
        if view.peer_side().waits() {
            return self.wake(view.peer_side());
        }
        Ok(())
    }

    fn look_past(&mut self, epoch: u64) {
        self.reported.set(epoch);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
