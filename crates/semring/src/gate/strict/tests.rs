//! Which semaphore calls the gate makes, and what it makes of their answers, call by call.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::{Gate, Reported, Strict, View};
use crate::Deadline;
use crate::error::{Corrupt, Fault, Role, Stop};
use crate::gate::tests::noted::Call::{self, Post, Sleep, Test, Try};
use crate::gate::tests::noted::{End, MINE, Noted, THEIRS};
use crate::layout::{Side, Word};

/// A consumer's view: how many messages there are, at each look in turn (the last one stays).
#[derive(Debug, Default)]
struct Looks {
    ready: Vec<u32>,
    looked: usize,
    sleeps: RefCell<Vec<bool>>,
    spurious: Cell<u32>,
}

impl View for Looks {
    const ROLE: Role = Role::Consumer;

    fn ready(&mut self) -> Result<u32, Corrupt> {
        let last = self.ready.len() - 1;
        let look = self.looked.min(last);
        self.looked += 1;
        Ok(self.ready[look])
    }

    fn known(&self) -> u32 {
        unreachable!()
    }

    fn side(&self) -> &Side {
        unreachable!()
    }

    fn peer_side(&self) -> &Side {
        unreachable!()
    }

    fn slot_count(&self) -> u32 {
        64
    }

    fn peer_word(&self) -> Word {
        Word::from_bits(0).attached_next()
    }

    fn note_sleep(&self, asleep: bool) {
        self.sleeps.borrow_mut().push(asleep);
    }

    fn note_spurious(&self) {
        self.spurious.set(self.spurious.get() + 1);
    }
}

fn gate(units: u16, credit_limit: u32) -> Strict<Noted> {
    let noted = Noted {
        units: Cell::new(units),
        ..Noted::default()
    };
    Strict::new(noted, MINE, THEIRS, credit_limit, Reported::default())
}

fn looks(ready: &[u32]) -> Looks {
    Looks {
        ready: ready.to_vec(),
        ..Looks::default()
    }
}

fn calls(gate: &Strict<Noted>) -> Vec<Call> {
    gate.semaphores().calls()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(100))
}

#[test]
fn permits_are_taken_one_by_one_in_the_literal_form() {
    let mut gate = gate(9, 1);
    for _ in 0..3 {
        assert_eq!(
            gate.acquire(&mut looks(&[5]), 1, Deadline::NEVER).unwrap(),
            1
        );
        assert_eq!(calls(&gate), [Try(1)]);
        gate.spend(1);
    }
}

#[test]
fn credits_are_taken_together_but_for_the_newest() {
    for (ready, taken) in [(1, 1), (2, 1), (5, 4), (16, 15), (17, 16), (40, 16)] {
        let mut gate = gate(99, 16);
        for use_of in 0..taken {
            let granted = gate.acquire(&mut looks(&[ready - use_of]), 1, Deadline::NEVER);
            assert_eq!(granted.unwrap(), 1);
            gate.spend(1);
        }
        let taken = u16::try_from(taken).unwrap();
        assert_eq!(calls(&gate), [Try(taken)], "{ready} ready");
    }
}

#[test]
fn a_batch_is_taken_in_one_call() {
    for (ready, wanted, taken) in [(5, 8, 5), (20, 5, 5), (2, 2, 2)] {
        // Whatever the limit for single exchanges is.
        let mut gate = gate(99, if ready == 20 { 16 } else { 1 });
        let granted = gate
            .acquire(&mut looks(&[ready]), wanted, Deadline::NEVER)
            .unwrap();
        assert_eq!(u16::try_from(granted).unwrap(), taken);
        // What came meanwhile would make it longer.
        assert_eq!(calls(&gate)[0], Try(taken));
    }
}

#[test]
fn credits_in_hand_are_used_first_and_made_up_to_a_batch() {
    let mut gate = gate(99, 1);
    gate.refund(2);
    assert_eq!(
        gate.acquire(&mut looks(&[9]), 2, Deadline::NEVER).unwrap(),
        2
    );
    assert_eq!(calls(&gate), []);
    assert_eq!(
        gate.acquire(&mut looks(&[9]), 5, Deadline::NEVER).unwrap(),
        5
    );
    assert_eq!(calls(&gate), [Try(3)]);
    gate.spend(4);
    // Without a set what is in hand is still good.
    gate.semaphores().removed.set(true);
    assert_eq!(
        gate.acquire(&mut looks(&[9]), 5, Deadline::NEVER).unwrap(),
        1
    );
}

#[test]
fn without_the_newest_permits_one_is_asked_for() {
    let mut several = gate(1, 1);
    assert_eq!(
        several
            .acquire(&mut looks(&[4, 0]), 4, Deadline::NEVER)
            .unwrap(),
        1
    );
    assert_eq!(calls(&several), [Try(4), Test, Try(1)]);
    // One is not asked for twice: a living peer is about to post it.
    let mut one = gate(0, 1);
    assert_eq!(one.acquire(&mut looks(&[1]), 1, soon()).unwrap(), 1);
    assert_eq!(calls(&one), [Try(1), Test, Sleep]);
}

#[test]
fn the_permits_of_a_dead_peer_are_not_waited_for() {
    let mut gate = gate(0, 1);
    gate.semaphores.peer_gone = true;
    assert_eq!(
        gate.acquire(&mut looks(&[3]), 3, Deadline::NEVER).unwrap(),
        3
    );
    assert_eq!(calls(&gate), [Try(3), Test]);
}

#[test]
fn a_worthless_permit_is_thrown_away() {
    let mut gate = gate(0, 1);
    // Nothing before the first sleep, after it, and before the second; then a message.
    let mut view = looks(&[0, 0, 0, 1]);
    assert_eq!(gate.acquire(&mut view, 1, soon()).unwrap(), 1);
    assert_eq!(calls(&gate), [Test, Sleep, Test, Sleep]);
    assert_eq!(view.spurious.get(), 1);
    assert_eq!(view.sleeps.take(), [true, false, true, false]);
    // With a credit in hand, one message is nothing new, and two are.
    let mut view = looks(&[1, 2]);
    gate.acquire_more(&mut view, 1, soon()).unwrap();
    assert_eq!(calls(&gate), [Test, Sleep]);
    assert_eq!((gate.credits, view.spurious.get()), (2, 0));
    let mut view = looks(&[2, 2, 3]);
    gate.acquire_more(&mut view, 1, soon()).unwrap();
    assert_eq!(calls(&gate), [Test, Sleep, Try(1), Test, Sleep]);
    assert_eq!((gate.credits, view.spurious.get()), (3, 1));
}

#[test]
fn a_deadline_and_a_cancel_end_the_wait() {
    let mut none = gate(0, 1);
    let ended = none.acquire(&mut looks(&[0]), 1, Deadline::after(Duration::ZERO));
    assert!(matches!(ended, Err(Stop::TimedOut)));
    assert_eq!(calls(&none), [Test]);
    // Cancelled while it slept.
    none.semaphores.end.set(Some(End::Cancel));
    let ended = none.acquire(&mut looks(&[0]), 1, Deadline::NEVER);
    assert!(matches!(ended, Err(Stop::Cancelled)));
    assert_eq!(calls(&none), [Test, Sleep]);
    // Cancelled before: even though there is something.
    none.semaphores.cancelled.set(true);
    let ended = none.acquire(&mut looks(&[1]), 1, Deadline::NEVER);
    assert!(matches!(ended, Err(Stop::Cancelled)));
    assert_eq!(calls(&none), []);
}

#[test]
fn without_a_set_a_consumer_takes_what_is_in_memory() {
    let mut gate = gate(9, 1);
    gate.semaphores.removed.set(true);
    assert_eq!(
        gate.acquire(&mut looks(&[1]), 1, Deadline::NEVER).unwrap(),
        1
    );
    let ended = gate.acquire_more(&mut looks(&[1]), 1, Deadline::NEVER);
    assert!(matches!(ended, Err(Stop::Fault(Fault::Removed))));
    assert_eq!(gate.credits, 1);
}

#[test]
fn posts_go_to_the_peer_and_credits_back_where_they_came_from() {
    let mut gate = gate(0, 1);
    gate.post(&Looks::default(), 3).unwrap();
    gate.return_credits().unwrap();
    gate.refund(2);
    gate.return_credits().unwrap();
    gate.return_credits().unwrap();
    assert_eq!(calls(&gate), [Post(THEIRS, 3), Post(MINE, 2)]);
    gate.refund(1);
    gate.spend(2);
    assert_eq!(gate.credits, 0);
}

#[test]
fn an_end_that_was_looked_past_is_waited_through() {
    let mut gate = gate(0, 1);
    gate.semaphores.peer_gone = true;
    gate.look_past(1);
    let ended = gate.acquire(&mut looks(&[0]), 1, Deadline::after(Duration::ZERO));
    assert!(matches!(ended, Err(Stop::TimedOut)));
    gate.look_past(0);
    let ended = gate.acquire(&mut looks(&[0]), 1, Deadline::after(Duration::ZERO));
    assert!(matches!(ended, Err(Stop::PeerLost)));
}
