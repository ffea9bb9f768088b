//! The literal form: `P(EMPTY)` write `V(FULL)` / `P(FULL)` read `V(EMPTY)`.
//!
//! One semaphore call before and one after each exchange, on each side. Two named steps away from it:
//! with *credits* a side takes several permits in one call and uses them one by one, so that an
//! exchange costs it little more than the call that posts; in *batches* one exchange is several
//! messages.

use crate::Deadline;
use crate::error::{Fault, Stop};
use crate::gate::{Gate, Reported, View, goes_on_without_set, judge};
use crate::semaphores::{Semaphore, Semaphores, Waited};

/// Waits for a permit before each exchange and posts one after it.
#[derive(Debug)]
pub(crate) struct Strict<S> {
    semaphores: S,
    /// Where this side's permits come from.
    mine: Semaphore,
    /// Where it posts the peer's.
    theirs: Semaphore,
    /// Permits in hand.
    credits: u32,
    /// Most permits to take in one call when a single exchange is wanted: 1 is the literal form.
    credit_limit: u32,
    reported: Reported,
}

/// Tells what a look at the positions, and then at the semaphore, has shown.
enum Look {
    /// Credits are in hand.
    Granted,
    /// There is something to go on with, and a living peer is about to post the permit for it.
    OnItsWay,
    /// There is nothing to go on with.
    Nothing,
}

impl<S: Semaphores> Strict<S> {
    pub(crate) const fn new(
        semaphores: S,
        mine: Semaphore,
        theirs: Semaphore,
        credit_limit: u32,
        reported: Reported,
    ) -> Self {
        Self {
            semaphores,
            mine,
            theirs,
            credits: 0,
            credit_limit,
            reported,
        }
    }

    pub(crate) const fn semaphores(&self) -> &S {
        &self.semaphores
    }

    /// Looks before waiting: with something to go on with, takes a permit for it if one comes at
    /// once, or if the peer died before it could post it.
    fn look<V: View>(&mut self, view: &mut V, wanted: u32) -> Result<Look, Fault> {
        let ready = view.ready()?.saturating_sub(self.credits);
        if ready == 0 {
            return Ok(Look::Nothing);
        }
        let units = if wanted == 1 && self.credit_limit > 1 {
            // The newest permit may still be on its way; asking for it too would get none at all.
            (ready - 1).clamp(1, self.credit_limit)
        } else {
            ready.min(wanted)
        };
        // A ring has at most 16384 slots.
        let granted = self
            .semaphores
            .try_take(self.mine, u16::try_from(units).unwrap_or(u16::MAX))?;
        // Truth first: a permit may have died with its owner, what it stood for has not.
        if granted || self.semaphores.is_free(V::ROLE.peer())? {
            self.credits += units;
            return Ok(Look::Granted);
        }
        // Those that its last exchange is about to post were asked for too: without them, one comes.
        if units > 1 && self.semaphores.try_take(self.mine, 1)? {
            self.credits += 1;
            return Ok(Look::Granted);
        }
        Ok(Look::OnItsWay)
    }

    /// Sleeps until a unit comes. True when it was worth something.
    fn sleep(&mut self, view: &mut impl View, deadline: Deadline) -> Result<bool, Stop> {
        view.note_sleep(true);
        let waited = self.semaphores.take(self.mine, deadline);
        view.note_sleep(false);
        match waited? {
            Waited::TimedOut => Err(Stop::TimedOut),
            Waited::Taken if view.ready()? > self.credits => {
                self.credits += 1;
                Ok(true)
            }
            Waited::Taken => {
                view.note_spurious();
                Ok(false)
            }
        }
    }

    /// Waits until one more credit is in hand.
    fn wait_for_permit<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        loop {
            if self.semaphores.cancelled() {
                return Err(Stop::Cancelled);
            }
            match self.look(view, wanted)? {
                Look::Granted => return Ok(()),
                Look::OnItsWay => {}
                Look::Nothing => {
                    let verdict = judge(&self.semaphores, view, self.credits, &mut self.reported)?;
                    if verdict.goes_on()? {
                        continue;
                    }
                }
            }
            if deadline.is_over() {
                return Err(Stop::TimedOut);
            }
            if self.sleep(view, deadline)? {
                return Ok(());
            }
        }
    }
}

impl<S: Semaphores> Gate for Strict<S> {
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
        if self.credits == 0 {
            self.acquire_more(view, wanted, deadline)?;
        }
        if self.credits < wanted {
            // What comes at once makes the batch longer; nothing is waited for, or lost, by it.
            match self.look(view, wanted - self.credits) {
                Ok(_) | Err(Fault::Removed) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(self.credits.min(wanted))
    }

    fn acquire_more<V: View>(
        &mut self,
        view: &mut V,
        wanted: u32,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        match self.wait_for_permit(view, wanted, deadline) {
            Err(stop) if goes_on_without_set(&stop, view, self.credits)? => {
                self.credits += 1;
                Ok(())
            }
            result => result,
        }
    }

    fn spend(&mut self, count: u32) {
        self.credits = self.credits.saturating_sub(count);
    }

    fn refund(&mut self, count: u32) {
        self.credits += count;
    }

    fn return_credits(&mut self) -> Result<(), Fault> {
        let credits = u16::try_from(self.credits).unwrap_or(u16::MAX);
        self.credits = 0;
        if credits == 0 {
            Ok(())
        } else {
            self.semaphores.post(self.mine, credits)
        }
    }

    #[inline]
    fn post<V: View>(&mut self, _: &V, count: u32) -> Result<(), Fault> {
        // At most the slot count, 16384.
        self.semaphores
            .post(self.theirs, u16::try_from(count).unwrap_or(u16::MAX))
    }

    fn look_past(&mut self, epoch: u64) {
        self.reported.set(epoch);
    }
}

#[cfg(test)]
mod tests;
