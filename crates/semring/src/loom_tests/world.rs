//! Two processes and what they share, in the model: how they attach, exchange, die and leave.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::heap::Heap;
use crate::channel::Link;
use crate::crash::Died;
use crate::error::{DrainError, RecvError, Role, SendError};
use crate::gate::adaptive::Adaptive;
use crate::gate::strict::Strict;
use crate::gate::{EitherGate, Reported};
use crate::layout::State;
use crate::ring::Ring;
use crate::semaphores::{Kernel, Semaphores as _, Shared};
use crate::slots::Slots;
use crate::{Address, Consumer, Deadline, Producer, Sync, recovery};

/// What two processes share, and what their owner remembers of them.
#[derive(Clone)]
pub(super) struct World {
    memory: Arc<Heap>,
    pub(super) semaphores: Arc<Shared>,
    sync: Sync,
    credits: u32,
    batch: u32,
}

impl World {
    pub(super) fn new(sync: Sync, slots: u32, credits: u32, batch: u32) -> Self {
        let memory = Heap::new(slots);
        Self {
            memory,
            semaphores: Shared::new(),
            sync,
            credits,
            batch,
        }
    }

    pub(super) fn ring(&self) -> Ring {
        self.memory.ring()
    }

    fn gate(&self, role: Role, process: usize, reported: Reported) -> EitherGate<Kernel> {
        let kernel = Kernel::of(&self.semaphores, process, role);
        let (mine, theirs) = (role.awaits(), role.peer().awaits());
        match self.sync {
            Sync::Strict => {
                EitherGate::Strict(Strict::new(kernel, mine, theirs, self.credits, reported))
            }
            Sync::Adaptive => {
                let geometry = self.ring().geometry();
                let gate = Adaptive::new(kernel, mine, theirs, false, geometry, reported);
                EitherGate::Adaptive(gate)
            }
        }
    }

    /// Attaches as `channel/attach.rs` does, without the search for kernel objects.
    pub(super) fn producer(&self, process: usize) -> Producer {
        let setup = Kernel::of(&self.semaphores, process, Role::Producer);
        setup.lock_setup(Deadline::NEVER).unwrap();
        let ring = self.ring();
        let positions = (ring.head(), ring.tail());
        let slots = Slots::find(&ring, positions.0, positions.1).unwrap();
        let mut reported = Reported::default();
        if setup.is_free(Role::Consumer).unwrap() {
            reported.set(ring.word(Role::Consumer).epoch());
        }
        assert!(setup.is_free(Role::Producer).unwrap());
        assert!(recovery::claim(&setup, &ring, Role::Producer, self.sync).unwrap());
        setup.unlock_setup().unwrap();
        let gate = self.gate(Role::Producer, process, reported);
        Producer::new(ring, gate, link(Role::Producer), slots, positions)
    }

    pub(super) fn consumer(&self, process: usize) -> Consumer {
        let setup = Kernel::of(&self.semaphores, process, Role::Consumer);
        setup.lock_setup(Deadline::NEVER).unwrap();
        let ring = self.ring();
        let positions = (ring.head(), ring.tail());
        let mut reported = Reported::default();
        let word = ring.word(Role::Producer);
        let end_seen = ring.side(Role::Consumer).end_seen.load(Ordering::Acquire);
        if word.state() == State::Closed && end_seen == word.epoch() {
            reported.set(word.epoch());
        }
        assert!(setup.is_free(Role::Consumer).unwrap());
        assert!(recovery::claim(&setup, &ring, Role::Consumer, self.sync).unwrap());
        setup.unlock_setup().unwrap();
        let gate = self.gate(Role::Consumer, process, reported);
        Consumer::new(ring, gate, link(Role::Consumer), positions)
    }

    /// Runs a process, which may die; returns its end of the channel unless it did.
    pub(super) fn process<T: End>(
        &self,
        number: usize,
        attach: impl FnOnce() -> T,
        body: impl FnOnce(&mut T),
    ) -> Option<T> {
        let mut end = None;
        let result = catch_unwind(AssertUnwindSafe(|| body(end.insert(attach()))));
        match result {
            Ok(()) => end,
            Err(payload) if payload.is::<Died>() => {
                self.semaphores.end(number);
                end.inspect(End::forget_role);
                None
            }
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Sends messages up to position `goal`; each is as long as its number, and full of it.
    pub(super) fn send_until(&self, producer: &mut Producer, goal: u64) {
        while producer.position() < goal {
            let first = producer.position();
            let last = goal.min(first + u64::from(self.batch));
            let messages: Vec<Vec<u8>> = (first..last).map(content).collect();
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let sent = if self.batch > 1 {
                producer.send_batch(&messages).map(drop)
            } else {
                producer.send(messages[0])
            };
            match sent {
                Ok(()) | Err(SendError::PeerLost | SendError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until the consumer, or its successor, has read all.
    pub(super) fn drain(&self, producer: &mut Producer) {
        loop {
            match producer.drain(Deadline::NEVER) {
                Ok(()) => break,
                Err(DrainError::PeerLost | DrainError::Closed) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Receives until position `goal`, or the end of the stream when there is none. Returns how often
    /// the producer was reported lost.
    pub(super) fn receive_until(&self, consumer: &mut Consumer, goal: Option<u64>) -> u32 {
        let mut lost = 0;
        while goal.is_none_or(|goal| consumer.position() < goal) {
            match consumer.recv_batch(self.batch) {
                Ok(Some(batch)) => {
                    for (offset, message) in batch.iter().enumerate() {
                        assert_eq!(message, content(batch.position() + offset as u64));
                    }
                    batch.release().unwrap();
                }
                Ok(None) => break,
                Err(RecvError::PeerLost) => lost += 1,
                Err(error) => panic!("{error}"),
            }
        }
        lost
    }
}

/// One end of a channel, whose process may die: the dead do not leave.
pub(super) trait End {
    fn forget_role(&self);
}

impl End for Producer {
    fn forget_role(&self) {
        self.link().forget_role();
    }
}

impl End for Consumer {
    fn forget_role(&self) {
        self.link().forget_role();
    }
}

/// Odd positions travel in a slot, even ones inline.
pub(super) fn content(position: u64) -> Vec<u8> {
    let length = if position % 2 == 0 {
        1 + position
    } else {
        57 + position
    };
    vec![u8::try_from(position).unwrap() + 1; usize::try_from(length).unwrap()]
}

fn link(role: Role) -> Link {
    Link::modelled(role, Address::named("model").unwrap())
}
