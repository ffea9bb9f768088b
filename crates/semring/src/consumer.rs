//! The end that receives. The mirror image of `producer.rs`.

mod batch;
mod message;

use std::fmt;
use std::sync::atomic::Ordering;

use crate::channel::{CloseOutcome, Link};
use crate::error::{Corrupt, Fault, RecvError, RecvIntoError, Role, Stop, TryRecvError};
use crate::gate::{EitherGate, Gate, View};
use crate::layout::{Side, Word};
use crate::ring::{Place, Ring, distance};
use crate::semaphores::{Kernel, Semaphores as _};
use crate::{Calls, Canceller, Deadline, Geometry};

pub use batch::Batch;
pub use message::Message;

/// How many messages must be there for the next one's descriptor to be fetched ahead: the producer has
/// left its line alone for a while then.
const AHEAD: u32 = 4;

/// Receives messages from a channel.
///
/// A message is *released* when its [`Message`] is dropped: only then may the producer use its room
/// again. What was received and not released when a consumer dies, or panics, goes to its successor,
/// marked as [redelivered](Message::is_redelivered). There is one consumer at a time.
pub struct Consumer {
    view: ConsumerView,
    gate: EitherGate<Kernel>,
    /// How many messages, from the next one on, an earlier consumer has been handed.
    redelivered_left: u32,
    /// Position after the last message that any consumer has been handed: never behind `head`.
    handed_out: u64,
    /// Epoch of the producer whose end of stream was returned.
    ended: Option<u64>,
    /// Place and length of the message in hand, if there is one: here and not in the [`Message`], as the
    /// producer's `lent`.
    in_hand: (Place, u32),
    /// Where the messages of the batch in hand stand, with their lengths.
    parts: Vec<(Place, u32)>,
    /// Slot and length of the next message if it is like the last and slots are used in order: a guess.
    /// None after an inline message: a line fetched in vain shows in the p99 of round trips.
    expected: Option<(u32, u32)>,
    link: Link,
}

/// The ring as the consumer sees it.
pub(crate) struct ConsumerView {
    ring: Ring,
    /// Messages released: the own position.
    head: u64,
    /// Messages committed, when last looked at; at most `slot_count` ahead of `head`.
    tail: u64,
    /// Messages between the two.
    unread: u32,
}

impl ConsumerView {
    /// Loads the producer's position and checks it: it only grows, and not past the ring.
    #[inline]
    fn look(&mut self) -> Result<u32, Corrupt> {
        let tail = self.ring.tail();
        let slot_count = self.ring.geometry().slot_count();
        let on_the_way = distance(tail, self.head, slot_count);
        match on_the_way {
            Some(count) if distance(self.tail, self.head, slot_count) <= on_the_way => {
                self.tail = tail;
                self.unread = count;
                Ok(count)
            }
            _ => {
                let last = self.head.wrapping_add(slot_count.into());
                Err(Corrupt::new(
                    "tail",
                    tail,
                    format!("{} to {last}", self.tail),
                ))
            }
        }
    }
}

impl View for ConsumerView {
    const ROLE: Role = Role::Consumer;

    #[inline]
    fn ready(&mut self) -> Result<u32, Corrupt> {
        self.look()
    }

    #[inline]
    fn known(&self) -> u32 {
        self.unread
    }

    fn slot_count(&self) -> u32 {
        self.ring.geometry().slot_count()
    }

    fn peer_word(&self) -> Word {
        self.ring.word(Role::Producer)
    }

    #[inline]
    fn side(&self) -> &Side {
        self.ring.side(Role::Consumer)
    }

    #[inline]
    fn peer_side(&self) -> &Side {
        self.ring.side(Role::Producer)
    }
}

impl Consumer {
    pub(crate) fn new(
        ring: Ring,
        gate: EitherGate<Kernel>,
        link: Link,
        (head, tail): (u64, u64),
    ) -> Self {
        let slot_count = ring.geometry().slot_count();
        let handed_out = ring.side(Role::Consumer).handed_out.load(Ordering::Relaxed);
        let redelivered_left = distance(handed_out, head, slot_count).unwrap_or(0);
        let unread = distance(tail, head, slot_count).unwrap_or(0);
        Self {
            view: ConsumerView {
                ring,
                head,
                tail,
                unread,
            },
            gate,
            redelivered_left,
            handed_out: head.wrapping_add(redelivered_left.into()),
            ended: None,
            in_hand: (Place::Inline, 0),
            parts: Vec::new(),
            expected: None,
            link,
        }
    }

    /// Receives the next message, waiting as long as the ring is empty. `None` is the end of the
    /// stream: the producer has closed, and all it had sent has been received.
    ///
    /// `P(FULL)`, read, `V(EMPTY)`: the second call is made when the message is dropped.
    ///
    /// # Errors
    ///
    /// [`RecvError`], which says why there is no message though the stream has not ended.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, RecvError> {
        self.recv_deadline(Deadline::NEVER)
    }

    /// Receives the next message, waiting no longer than until `deadline` while the ring is empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Deadline) -> Result<Option<Message<'_>>, RecvError> {
        // P(FULL)
        if !self.gate.holds() && self.acquire(1, deadline)? == 0 {
            return Ok(None);
        }
        crash_point!("consumer-permitted");
        if let Some((slot, bytes)) = self.expected {
            self.view.ring.prefetch(slot, bytes);
        }
        let described = self.view.ring.described(self.view.head);
        let (place, length) = described.map_err(Fault::from)?;
        self.expected = match place {
            Place::Inline => None,
            Place::Slot(slot) => Some((slot.wrapping_add(1), length)),
        };
        self.in_hand = (place, length);
        self.prepare_to_read();
        self.hand_out(1);
        Ok(Some(Message { consumer: self })) // read; V(EMPTY) when it is dropped
    }

    /// Receives up to `limit` messages in one exchange: those that are there at once, at least one,
    /// waiting as long as the ring is empty. `None` is the end of the stream.
    ///
    /// `P(FULL)` and `V(EMPTY)` each take and post all their permits in one call. All messages of the
    /// batch are released together, and all of them come again should this consumer die before.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv).
    pub fn recv_batch(&mut self, limit: u32) -> Result<Option<Batch<'_>>, RecvError> {
        self.recv_batch_deadline(limit, Deadline::NEVER)
    }

    /// Receives up to `limit` messages in one exchange, waiting no longer than until `deadline` while
    /// the ring is empty.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    pub fn recv_batch_deadline(
        &mut self,
        limit: u32,
        deadline: Deadline,
    ) -> Result<Option<Batch<'_>>, RecvError> {
        let granted = self.acquire(limit.max(1), deadline)?; // P(FULL)
        if granted == 0 {
            return Ok(None);
        }
        crash_point!("consumer-permitted");
        self.parts.clear();
        for offset in 0..granted {
            let position = self.view.head.wrapping_add(offset.into());
            self.parts
                .push(self.view.ring.described(position).map_err(Fault::from)?);
        }
        self.hand_out(granted);
        Ok(Some(Batch {
            consumer: self,
            count: granted,
        })) // read
    }

    /// Has the next message's descriptor come, unless the producer may still be writing it.
    #[inline]
    fn prepare_to_read(&self) {
        if self.view.known() > AHEAD {
            let next = self.view.head.wrapping_add(1);
            self.view.ring.prefetch_described(next);
        }
    }

    /// Waits for permits, up to `wanted`; 0 at the end of the stream.
    #[inline(never)]
    fn acquire(&mut self, wanted: u32, deadline: Deadline) -> Result<u32, RecvError> {
        let granted = self.gate.acquire(&mut self.view, wanted, deadline);
        granted.or_else(|stop| self.stopped(stop))
    }

    /// Says why there is no message: 0 at the end of the stream, which is noted.
    #[cold]
    fn stopped(&mut self, stop: Stop) -> Result<u32, RecvError> {
        match stop {
            Stop::Closed(epoch) => {
                self.note_end(epoch);
                Ok(0)
            }
            Stop::Interrupted(epoch) => {
                self.note_end(epoch);
                Err(RecvError::Interrupted)
            }
            Stop::PeerLost => Err(RecvError::PeerLost),
            Stop::TimedOut => Err(RecvError::TimedOut),
            Stop::Cancelled => Err(RecvError::Cancelled),
            Stop::Fault(fault) => Err(fault.into()),
        }
    }

    /// Waits until there is a message: takes the permit that the next receive uses, so that it need not
    /// wait. False at the end of the stream.
    ///
    /// # Errors
    ///
    /// As of [`recv`](Self::recv), and [`RecvError::TimedOut`].
    pub fn ready(&mut self, deadline: Deadline) -> Result<bool, RecvError> {
        Ok(self.acquire(1, deadline)? > 0)
    }

    /// Receives the next message if there is one now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`], which says why there is no message though the stream has not ended.
    pub fn try_recv(&mut self) -> Result<Option<Message<'_>>, TryRecvError> {
        Ok(self.recv_deadline(Deadline::after(std::time::Duration::ZERO))?)
    }

    /// Copies the next message into `buffer` and releases it, waiting as long as the ring is empty.
    /// Returns its length, or `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError`]; a message that does not fit is not lost, the next call has it again.
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, RecvIntoError> {
        let Some(message) = self.recv()? else {
            return Ok(None);
        };
        let (message_bytes, buffer_bytes) = (message.len(), buffer.len());
        let Some(target) = buffer.get_mut(..message_bytes) else {
            message.put_back();
            return Err(RecvIntoError::TooSmall {
                message_bytes,
                buffer_bytes,
            });
        };
        target.copy_from_slice(&message);
        // As when it is dropped: the next call meets the same fault and reports it.
        let _ = message.release();
        Ok(Some(message_bytes))
    }

    /// Notes, before messages are handed out, that they were: a successor marks them as redelivered.
    /// The note never goes back: what was handed out as a batch and put back may come again alone.
    #[inline]
    fn hand_out(&mut self, count: u32) {
        let first = self.view.head;
        if self.handed_out.wrapping_sub(first) < count.into() {
            self.handed_out = first.wrapping_add(count.into());
        }
        let side = self.view.side();
        side.handed_out.store(self.handed_out, Ordering::Relaxed);
        crash_point!("consumer-handed-out");
    }

    /// Acknowledges the one message in hand.
    #[inline]
    fn release_in_hand(&mut self) -> Result<(), Fault> {
        let (_, bytes) = self.in_hand;
        self.release(1, bytes.into())
    }

    /// Acknowledges the first `count` messages in hand, of `bytes` bytes, and tells the producer.
    #[inline]
    fn release(&mut self, count: u32, bytes: u64) -> Result<(), Fault> {
        crash_point!("consumer-read");
        // The permits were in hand until now: a message that is put back, or forgotten, comes again.
        self.gate.spend(count);
        let view = &mut self.view;
        view.head = view.head.wrapping_add(count.into());
        view.unread = view.unread.saturating_sub(count);
        view.ring.acknowledge(view.head);
        crash_point!("consumer-acknowledged");
        view.side().count_messages(count.into());
        view.side().count_bytes(bytes);
        // Counted now and not when handed out: what is put back is handed out more than once.
        let redelivered = self.redelivered_left.min(count);
        self.redelivered_left -= redelivered;
        view.side().count_redelivered(redelivered.into());
        let posted = self.gate.post(&self.view, count); // V(EMPTY)
        crash_point!("consumer-posted");
        match posted {
            // When the set was removed nobody is left to be told; the next call has the news when the
            // memory is empty.
            Err(Fault::Removed) => Ok(()),
            posted => posted,
        }
    }

    /// Notes which end of stream was seen, so that the last one out may remove the channel. It is the
    /// epoch that was judged: by now another producer may have come, whose end is yet to be told.
    fn note_end(&mut self, epoch: u64) {
        self.ended = Some(epoch);
        // SYNC POINT: END SEEN (with has_served, consume_at). What it ends has been received before.
        self.view.side().end_seen.store(epoch, Ordering::Release);
        crash_point!("consumer-end-seen");
    }

    /// Goes on after the end of a stream: the next call waits for another producer, instead of
    /// returning the same end again. Does nothing while there is no end.
    pub fn follow(&mut self) {
        if let Some(epoch) = self.ended.take() {
            self.gate.look_past(epoch);
        }
    }

    /// Leaves in order. What was not received stays for the next consumer. The last one out of a
    /// stream whose end has been seen removes segment and semaphore set.
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

    /// Returns the position of the next message: how many were ever released.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.view.head
    }

    /// Returns how many messages are committed and not yet released; stale when it is returned.
    /// Does not block.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when the producer's position makes no sense.
    pub fn unread(&mut self) -> Result<u32, Corrupt> {
        self.view.look()
    }

    /// Tells whether there is a producer now; stale when it is returned.
    /// Does not block.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the kernel refuses to say.
    pub fn has_producer(&self) -> Result<bool, Fault> {
        Ok(!self.gate.semaphores().is_free(Role::Producer)?)
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

    /// Returns what ends a wait of this consumer from another thread.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        self.gate.semaphores().canceller()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.link.abandon(self.gate.semaphores());
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("head", &self.view.head)
            .field("tail", &self.view.tail)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}
