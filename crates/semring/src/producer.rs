//! The end that sends. The mirror image of `consumer.rs`.

mod loan;

use std::fmt;

use crate::channel::{CloseOutcome, Link};
use crate::error::{Corrupt, DrainError, Fault, Role, SendError, TrySendError};
use crate::gate::{EitherGate, Gate, View};
use crate::layout::{INLINE_BYTES, Side, Word};
use crate::ring::{Place, Ring, distance};
use crate::semaphores::{Kernel, Semaphores as _};
use crate::slots::Slots;
use crate::{Calls, Canceller, Deadline, Geometry};

pub use loan::Loan;

/// How many messages before its descriptor is written its line is taken from the consumer: as long before
/// as the line takes to come.
const AHEAD: u32 = 2;

/// Sends messages into a channel.
///
/// A message is *committed* when [`send`](Self::send) or [`Loan::publish`] has stored it: it then
/// arrives, in order, whoever dies. There is one producer at a time; dropping it without
/// [`close`](Self::close) tells the consumer that it died.
pub struct Producer {
    view: ProducerView,
    gate: EitherGate<Kernel>,
    slots: Slots,
    /// Place and length of the message that is lent, if one is. Here and not in the [`Loan`], which so is
    /// passed on in a register: when it is copied in one piece that was stored in several, the processor
    /// waits until all stores before have ended, those into the consumer's lines included.
    lent: (Place, u32),
    link: Link,
}

/// The ring as the producer sees it.
pub(crate) struct ProducerView {
    ring: Ring,
    /// Messages committed: the own position.
    tail: u64,
    /// Messages released, when last looked at; at most `slot_count` behind `tail`.
    head: u64,
    /// Slots between the two that were free then, and still are.
    free: u32,
    /// Loans not yet published or given back. Each has room of its own.
    lent: u32,
}

impl ProducerView {
    /// Loads the consumer's position and checks it: it only grows, and not past `tail`.
    #[inline]
    fn look(&mut self) -> Result<u32, Corrupt> {
        let head = self.ring.head();
        let slot_count = self.ring.geometry().slot_count();
        let on_the_way = distance(self.tail, head, slot_count);
        match on_the_way {
            Some(count) if distance(self.tail, self.head, slot_count) >= on_the_way => {
                self.head = head;
                self.free = slot_count - count;
                Ok(count)
            }
            _ => {
                let expected = format!("{} to {}", self.head, self.tail);
                Err(Corrupt::new("head", head, expected))
            }
        }
    }
}

impl View for ProducerView {
    const ROLE: Role = Role::Producer;

    #[inline]
    fn ready(&mut self) -> Result<u32, Corrupt> {
        self.look()?;
        Ok(self.known())
    }

    #[inline]
    fn known(&self) -> u32 {
        self.free.saturating_sub(self.lent)
    }

    fn slot_count(&self) -> u32 {
        self.ring.geometry().slot_count()
    }

    fn peer_word(&self) -> Word {
        self.ring.word(Role::Consumer)
    }

    #[inline]
    fn side(&self) -> &Side {
        self.ring.side(Role::Producer)
    }

    #[inline]
    fn peer_side(&self) -> &Side {
        self.ring.side(Role::Consumer)
    }
}

impl Producer {
    pub(crate) fn new(
        ring: Ring,
        gate: EitherGate<Kernel>,
        link: Link,
        slots: Slots,
        (head, tail): (u64, u64),
    ) -> Self {
        let slot_count = ring.geometry().slot_count();
        let on_the_way = distance(tail, head, slot_count).unwrap_or(slot_count);
        Self {
            view: ProducerView {
                ring,
                tail,
                head,
                free: slot_count - on_the_way,
                lent: 0,
            },
            gate,
            slots,
            lent: (Place::Inline, 0),
            link,
        }
    }

    /// Sends a message, waiting as long as the ring is full.
    ///
    /// `P(EMPTY)`, write, `V(FULL)`: two semaphore calls when there is room.
    ///
    /// # Errors
    ///
    /// [`SendError`], which says why the message was not sent. After a [`Fault`] it may have been committed
    /// all the same, without the consumer being told: then [`position`](Self::position) has grown, and to
    /// send it again would be to send it twice.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_deadline(message, Deadline::NEVER)
    }

    /// Sends a message, waiting no longer than until `deadline` while the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send), and [`SendError::TimedOut`].
    #[inline]
    pub fn send_deadline(&mut self, message: &[u8], deadline: Deadline) -> Result<(), SendError> {
        let mut loan = self.loan_deadline(message.len(), deadline)?; // P(EMPTY)
        loan.copy_from_slice(message); // write
        Ok(loan.publish()?) // V(FULL)
    }

    /// Sends a message if the ring has room for it now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], which says why the message was not sent.
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        Ok(self.send_deadline(message, Deadline::after(std::time::Duration::ZERO))?)
    }

    /// Lends room for a message of `bytes` bytes, to be filled in place, waiting as long as the ring
    /// is full. Its first contents are whatever was there before.
    ///
    /// Where messages of more than 8 MiB are on their way, it waits a moment longer for a consumer that
    /// keeps up (docs/protocol.md, Which slot is filled next).
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send).
    #[inline]
    pub fn loan(&mut self, bytes: usize) -> Result<Loan<'_>, SendError> {
        self.loan_deadline(bytes, Deadline::NEVER)
    }

    /// Lends room for a message, waiting no longer than until `deadline` while the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send), and [`SendError::TimedOut`].
    #[inline]
    pub fn loan_deadline(
        &mut self,
        bytes: usize,
        deadline: Deadline,
    ) -> Result<Loan<'_>, SendError> {
        let length = self.check_length(bytes)?;
        if !self.gate.holds() {
            self.acquire(1, deadline)?; // P(EMPTY)
        }
        crash_point!("producer-permitted");
        self.lent = (self.choose_place(length, deadline)?, length);
        self.gate.spend(1);
        self.view.lent += 1;
        Ok(Loan { producer: self })
    }

    /// Sends messages in one exchange: as many of them, from the first on, as there is room for at
    /// once, at least one, waiting as long as the ring is full. Returns how many were sent.
    ///
    /// `P(EMPTY)` and `V(FULL)` each take and post all their permits in one call, so a message costs a
    /// fraction of one. Of large messages it is no more than some 8 MiB at once, so that the consumer can
    /// begin (docs/protocol.md, Which slot is filled next).
    ///
    /// ```
    /// # use semring::{Address, Channel};
    /// # let channel = Channel::new(Address::named("doc-batch")?);
    /// # let mut producer = channel.producer()?;
    /// # let mut consumer = channel.consumer()?;
    /// let mut rest: &[&[u8]] = &[b"one", b"two", b"three"];
    /// while !rest.is_empty() {
    ///     let sent = producer.send_batch(rest)?;
    ///     rest = &rest[sent..];
    /// }
    /// # producer.close()?;
    /// # assert_eq!(consumer.recv_batch(64)?.expect("three messages").len(), 3);
    /// # assert!(consumer.recv()?.is_none());
    /// # consumer.close()?;
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send), of the first message; one that is too long and not the first ends
    /// the batch before it.
    pub fn send_batch(&mut self, messages: &[&[u8]]) -> Result<usize, SendError> {
        self.send_batch_deadline(messages, Deadline::NEVER)
    }

    /// Sends messages in one exchange, waiting no longer than until `deadline` while the ring is full.
    ///
    /// # Errors
    ///
    /// As of [`send_batch`](Self::send_batch), and [`SendError::TimedOut`].
    pub fn send_batch_deadline(
        &mut self,
        messages: &[&[u8]],
        deadline: Deadline,
    ) -> Result<usize, SendError> {
        self.send_each(messages.iter().copied(), deadline)
    }

    /// Sends messages in one exchange, as [`send_batch_deadline`](Self::send_batch_deadline) does.
    pub(crate) fn send_each<'a>(
        &mut self,
        messages: impl Iterator<Item = &'a [u8]> + Clone,
        deadline: Deadline,
    ) -> Result<usize, SendError> {
        let Some(first) = messages.clone().next() else {
            return Ok(0);
        };
        self.check_length(first.len())?;
        let wanted = messages
            .clone()
            .take_while(|message| self.check_length(message.len()).is_ok());
        // More than a ring full cannot be granted anyway.
        let wanted = wanted.take(self.geometry().slot_count() as usize).count();
        let wanted = u32::try_from(wanted).unwrap_or(1);
        let granted = self.acquire(wanted, deadline)?; // P(EMPTY)
        crash_point!("producer-permitted");
        let mut position = self.view.tail;
        let mut sent = 0;
        for message in messages.take(granted as usize) {
            let length = self.check_length(message.len())?;
            if sent > 0 && self.slots.end_batch_before(length) {
                break;
            }
            let place = self.choose_place(length, deadline)?;
            self.view
                .ring
                .message_mut(position, place, length)
                .copy_from_slice(message); // write
            self.describe(position, place, length);
            position = position.wrapping_add(1);
            sent += 1;
        }
        self.gate.spend(sent);
        self.commit(sent)?; // V(FULL)
        Ok(sent as usize)
    }

    /// Waits for permits, up to `wanted`.
    #[inline(never)]
    fn acquire(&mut self, wanted: u32, deadline: Deadline) -> Result<u32, SendError> {
        Ok(self.gate.acquire(&mut self.view, wanted, deadline)?)
    }

    /// Checks that a message fits into a slot.
    #[inline]
    fn check_length(&self, bytes: usize) -> Result<u32, SendError> {
        let limit = self.geometry().slot_bytes();
        match u32::try_from(bytes) {
            Ok(length) if u64::from(length) <= limit => Ok(length),
            _ => Err(SendError::TooLong { bytes, limit }),
        }
    }

    /// Waits until there is room for a message: takes the permit that the next loan or send uses, so
    /// that it need not wait, but for the moment that [`loan`](Self::loan) tells of.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send), without `TooLong`, and [`SendError::TimedOut`].
    pub fn ready(&mut self, deadline: Deadline) -> Result<(), SendError> {
        self.acquire(1, deadline).map(drop)
    }

    /// Chooses where the next message stands: inline when it fits there, else in a free slot, a hot one
    /// if it comes within a moment.
    #[inline]
    fn choose_place(&mut self, length: u32, deadline: Deadline) -> Result<Place, Fault> {
        if length as usize <= INLINE_BYTES {
            return Ok(Place::Inline);
        }
        match self.slots.in_turn() {
            Some(slot) => Ok(Place::Slot(slot)),
            None => self.choose_slot(length, deadline),
        }
    }

    #[inline(never)]
    fn choose_slot(&mut self, length: u32, deadline: Deadline) -> Result<Place, Fault> {
        let Self { slots, view, .. } = self;
        let head = view.head;
        let look = || view.look().map(|_| view.head);
        let slot = slots.choose(head, length, deadline, look)?;
        Ok(Place::Slot(slot))
    }

    /// Describes and commits the lent message, and tells the consumer.
    #[inline]
    fn publish(&mut self) -> Result<(), Fault> {
        let (position, (place, length)) = (self.view.tail, self.lent);
        self.describe(position, place, length);
        self.view.lent -= 1;
        self.commit(1)
    }

    /// Has the line of a descriptor come that is written soon, unless the consumer may still want it: the
    /// store of a message's descriptor would wait for it, and all that is stored later with it.
    #[inline]
    fn prepare_to_describe(&self) {
        if self.view.known() > AHEAD {
            let position = self.view.tail.wrapping_add(AHEAD.into());
            self.view.ring.prefetch_to_describe(position);
        }
    }

    /// Notes where the message of a position stands, privately first, since the descriptor takes the
    /// place of an older one.
    #[inline]
    fn describe(&mut self, position: u64, place: Place, length: u32) {
        crash_point!("producer-written");
        self.slots.note(self.view.head, position, place, length);
        self.view.ring.describe(position, place, length);
        self.view.side().count_bytes(length.into());
    }

    /// Commits the next `count` messages in one store, and tells the consumer.
    #[inline]
    fn commit(&mut self, count: u32) -> Result<(), Fault> {
        crash_point!("producer-described");
        let view = &mut self.view;
        view.tail = view.tail.wrapping_add(count.into());
        view.free = view.free.saturating_sub(count);
        view.ring.commit(view.tail);
        crash_point!("producer-committed");
        view.side().count_messages(count.into());
        self.prepare_to_describe();
        let posted = self.gate.post(&self.view, count); // V(FULL)
        crash_point!("producer-posted");
        posted
    }

    /// Waits until the consumer has released every message.
    ///
    /// # Errors
    ///
    /// [`DrainError`], which says why messages are left.
    pub fn drain(&mut self, deadline: Deadline) -> Result<(), DrainError> {
        let result = loop {
            match self.view.look() {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(corrupt) => break Err(Fault::from(corrupt).into()),
            }
            if let Err(stop) = self.gate.acquire_more(&mut self.view, u32::MAX, deadline) {
                break Err(stop.into());
            }
        };
        // What was waited with are permits for slots that are free: they go back where they came from.
        let returned = self.gate.return_credits();
        result.and(returned.map_err(DrainError::from))
    }

    /// Ends the stream in order and leaves: the consumer receives what is left and then the end.
    /// The last one out of a stream whose end has been seen removes segment and semaphore set.
    ///
    /// Waits only for others that are attaching or leaving, 10 seconds at most; then it leaves all the same,
    /// and removes nothing.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses; then this side counts as left all the same, and its role is free
    /// at the end of the process at the latest.
    pub fn close(self) -> Result<CloseOutcome, Fault> {
        let last_word = Word::closed;
        self.link
            .close(&self.view.ring, self.gate.semaphores(), last_word)
    }

    /// Leaves in order before the end of the stream, so that nobody takes what was sent for all of it:
    /// the consumer receives what is left and then [`RecvError::Interrupted`](crate::RecvError).
    /// Segment and semaphore set are removed by the last one out once nothing is left to be received.
    ///
    /// Waits only for others that are attaching or leaving, 10 seconds at most; then it leaves all the same,
    /// and removes nothing.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses; then this side counts as left all the same, and its role is free
    /// at the end of the process at the latest.
    pub fn interrupt(self) -> Result<CloseOutcome, Fault> {
        let last_word = Word::interrupted;
        self.link
            .close(&self.view.ring, self.gate.semaphores(), last_word)
    }

    /// Returns the position that the next message will have: how many were ever committed.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.view.tail
    }

    /// Returns how many messages are committed and not yet released; stale when it is returned.
    /// Does not block.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when the consumer's position makes no sense.
    pub fn unread(&mut self) -> Result<u32, Corrupt> {
        self.view.look()
    }

    /// Tells whether there is a consumer now; stale when it is returned.
    /// Does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses to say.
    pub fn has_consumer(&self) -> Result<bool, Fault> {
        Ok(!self.gate.semaphores().is_free(Role::Consumer)?)
    }

    /// Returns the ring's sizes.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.view.ring.geometry()
    }

    /// Returns what the channel consists of.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the semaphore calls of this handle, by kind.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.gate.semaphores().calls()
    }

    /// Returns what ends a wait of this producer from another thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.gate.semaphores().canceller()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.link.abandon(self.gate.semaphores());
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("tail", &self.view.tail)
            .field("head", &self.view.head)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
