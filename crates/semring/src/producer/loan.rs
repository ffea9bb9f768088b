//! Room for one message in the producer's hands.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use super::Producer;
use crate::error::Fault;
use crate::gate::Gate as _;

/// Holds room for one message, to be filled and [published](Self::publish). Dropping it gives the
/// room back.
///
/// A loan that is forgotten ([`mem::forget`](std::mem::forget)) keeps its room for as long as the producer
/// lives; when all the room has gone that way, the ring counts as full though it is empty.
///
/// Its bytes stand in shared memory, which the consumer leaves alone as long as it keeps the protocol.
#[must_use = "a loan that is not published sends nothing"]
pub struct Loan<'a> {
    pub(super) producer: &'a mut Producer,
}

impl Loan<'_> {
    /// Shortens the message to its first `bytes` bytes; a larger number changes nothing.
    pub fn truncate(&mut self, bytes: usize) {
        let (_, length) = &mut self.producer.lent;
        *length = (*length).min(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Commits the message: it is delivered from now on. Does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the consumer could not be told: [`Removed`](Fault::Removed) without the semaphore set,
    /// [`System`](Fault::System) when the kernel refuses. The message is committed nevertheless.
    #[inline]
    pub fn publish(self) -> Result<(), Fault> {
        ManuallyDrop::new(self).producer.publish()
    }
}

impl Deref for Loan<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let (view, (place, length)) = (&self.producer.view, self.producer.lent);
        view.ring.message(view.tail, place, length)
    }
}

impl DerefMut for Loan<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        let (view, (place, length)) = (&mut self.producer.view, self.producer.lent);
        view.ring.message_mut(view.tail, place, length)
    }
}

impl Drop for Loan<'_> {
    #[inline]
    fn drop(&mut self) {
        self.producer.view.lent -= 1;
        let (place, _) = self.producer.lent;
        self.producer.slots.put_back(place);
        self.producer.gate.refund(1);
    }
}

impl fmt::Debug for Loan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, length) = self.producer.lent;
        f.debug_struct("Loan")
            .field("place", &place)
            .field("length", &length)
            .finish_non_exhaustive()
    }
}
