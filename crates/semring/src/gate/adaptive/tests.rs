//! Which calls the gate makes, what becomes of the flag, and which units it owes, call by call.

use std::cell::Cell;
use std::time::Duration;

use super::{Adaptive, Apart, Gate, LOOKS, Reported, View};
use crate::Deadline;
use crate::error::{Corrupt, Fault, Role, Stop};
use crate::gate::tests::noted::Call::{self, Post, Sleep, Test, Try};
use crate::gate::tests::noted::{End, MINE, Noted, THEIRS};
use crate::geometry::Geometry;
use crate::layout::{Side, Word};

/// A consumer's view. A message is there once the flag has been set for so many looks, or after so many
/// sleeps; and the producer may take the flag back as it publishes.
struct Messages {
    own: Side,
    peer: Side,
    known: u32,
    /// Looks with the flag set until a message is there; the flag is then taken back, or not.
    after_arming: Option<(u32, bool)>,
    after_sleeps: Option<u32>,
    /// Looks until so many messages are there.
    after_looks: Option<(u32, u32)>,
    looks: u32,
    sleeps: Cell<u32>,
    spurious: Cell<u32>,
    word: Word,
}

impl Messages {
    fn none() -> Self {
        Self {
            own: Side::zeroed(),
            peer: Side::zeroed(),
            known: 0,
            after_arming: None,
            after_sleeps: None,
            after_looks: None,
            looks: 0,
            sleeps: Cell::new(0),
            spurious: Cell::new(0),
            word: Word::from_bits(0).attached_next(),
        }
    }
}

impl View for Messages {
    const ROLE: Role = Role::Consumer;

    fn ready(&mut self) -> Result<u32, Corrupt> {
        self.looks += 1;
        if let Some((looks, messages)) = self.after_looks
            && self.looks > looks
        {
            self.known = messages;
        }
        if let Some((looks, takes)) = &mut self.after_arming
            && self.own.waits()
        {
            if *looks == 0 {
                self.known = 1;
                if *takes {
                    self.own.disarm();
                }
            } else {
                *looks -= 1;
            }
        }
        if self
            .after_sleeps
            .is_some_and(|sleeps| self.sleeps.get() >= sleeps)
        {
            self.known = 1;
        }
        Ok(self.known)
    }

    fn known(&self) -> u32 {
        self.known
    }

    fn slot_count(&self) -> u32 {
        64
    }

    fn peer_word(&self) -> Word {
        self.word
    }

    fn side(&self) -> &Side {
        &self.own
    }

    fn peer_side(&self) -> &Side {
        &self.peer
    }

    fn note_sleep(&self, asleep: bool) {
        self.sleeps.set(self.sleeps.get() + u32::from(asleep));
    }

    fn note_spurious(&self) {
        self.spurious.set(self.spurious.get() + 1);
    }
}

fn gate(semaphores: Noted) -> Adaptive<Noted> {
    let geometry = Geometry::new(64, 64).unwrap();
    Adaptive::new(
        semaphores,
        MINE,
        THEIRS,
        false,
        geometry,
        Reported::default(),
    )
}

/// Returns the calls made, without those that test the peer's role.
fn calls(gate: &Adaptive<Noted>) -> Vec<Call> {
    let calls = gate.semaphores.calls().into_iter();
    calls.filter(|&call| call != Test).collect()
}

#[test]
fn what_is_known_costs_nothing() {
    let mut gate = gate(Noted::default());
    let mut messages = Messages::none();
    messages.known = 5;
    for (wanted, granted) in [(1, 1), (5, 5), (7, 5)] {
        let acquired = gate.acquire(&mut messages, wanted, Deadline::NEVER);
        assert!(matches!(acquired, Ok(count) if count == granted));
    }
    assert_eq!(calls(&gate), []);
}

#[test]
fn credits_are_used_without_a_look() {
    let mut gate = gate(Noted::default());
    let mut messages = Messages::none();
    messages.known = 2;
    assert!(!gate.holds());
    assert!(gate.acquire(&mut messages, 1, Deadline::NEVER).is_ok());
    let mut held = || {
        gate.spend(1);
        gate.holds()
    };
    assert_eq!([held(), held(), held()], [true, false, false]);
    gate.refund(1);
    assert!(gate.holds() && gate.acquire(&mut messages, 1, Deadline::NEVER).is_ok());
    assert_eq!((messages.looks, calls(&gate)), (1, vec![]));
}

/// Longer than between two looks at the clock, and much shorter than a spin lasts, unless the machine does
/// something else just then: once in several tries is enough.
#[test]
fn what_comes_while_looking_costs_no_call() {
    let looked = (0..20).any(|_| {
        let mut gate = gate(Noted::default());
        let mut messages = Messages::none();
        messages.after_looks = Some((2 * LOOKS, 1));
        messages.after_sleeps = Some(1);
        assert!(gate.acquire(&mut messages, 1, Deadline::NEVER).is_ok());
        calls(&gate).is_empty() && !messages.own.waits()
    });
    assert!(looked);
}

#[test]
fn a_spin_ends() {
    let mut gate = gate(Noted::default());
    let mut messages = Messages::none();
    messages.after_sleeps = Some(1);
    assert!(gate.acquire(&mut messages, 1, Deadline::NEVER).is_ok());
    assert_eq!(calls(&gate), [Sleep]);
}

#[test]
fn a_deadline_that_is_over_is_not_spun_past() {
    let mut gate = gate(Noted::default());
    let mut messages = Messages::none();
    let acquired = gate.acquire(&mut messages, 1, Deadline::after(Duration::ZERO));
    assert!(matches!(acquired, Err(Stop::TimedOut)));
    // One round, and the looks before it, before the flag is set and after.
    assert!(messages.looks < 2 * LOOKS, "{} looks", messages.looks);
}

/// Who only asks arms no flag, and makes the peer post nothing, nor passes a barrier for it.
#[test]
fn a_deadline_that_is_over_leaves_the_peer_alone() {
    let mut gate = gate(Noted::default());
    gate.owed = 1;
    let mut messages = Messages::none();
    // There would be a message, and its unit on the way, as soon as the flag is set.
    messages.after_arming = Some((0, true));
    for _ in 0..3 {
        let acquired = gate.acquire(&mut messages, 1, Deadline::after(Duration::ZERO));
        assert!(matches!(acquired, Err(Stop::TimedOut)));
    }
    assert_eq!((calls(&gate), gate.owed), (vec![], 1));
}

/// But it is told of everything that a wait is.
#[test]
fn a_deadline_that_is_over_hides_nothing() {
    let over = || Deadline::after(Duration::ZERO);
    let mut messages = Messages::none();
    let mut lost = gate(Noted {
        peer_gone: true,
        ..Noted::default()
    });
    let acquired = lost.acquire(&mut messages, 1, over());
    assert!(matches!(acquired, Err(Stop::PeerLost)), "{acquired:?}");
    let mut cancelled = gate(Noted {
        cancelled: Cell::new(true),
        ..Noted::default()
    });
    let acquired = cancelled.acquire(&mut messages, 1, over());
    assert!(matches!(acquired, Err(Stop::Cancelled)), "{acquired:?}");
    messages.known = 1;
    let acquired = gate(Noted::default()).acquire(&mut messages, 1, over());
    assert!(matches!(acquired, Ok(1)), "{acquired:?}");
}

#[test]
fn several_at_once_make_for_a_rest() {
    for (known, found, rests) in [(0, 5, true), (0, 1, false), (3, 5, true), (3, 4, false)] {
        let mut gate = gate(Noted::default());
        let mut messages = Messages::none();
        (messages.known, messages.after_looks) = (known, Some((3, found)));
        assert!(gate.acquire_more(&mut messages, 1, Deadline::NEVER).is_ok());
        assert_eq!(gate.rest.is_taken(), rests, "{found} after {known}");
    }
}

#[test]
fn a_message_that_comes_before_the_sleep_is_not_slept_over() {
    for taken_back in [false, true] {
        let mut gate = gate(Noted::default());
        let mut messages = Messages::none();
        messages.after_arming = Some((0, taken_back));
        assert!(matches!(
            gate.acquire(&mut messages, 1, Deadline::NEVER),
            Ok(1)
        ));
        assert_eq!((calls(&gate), messages.own.waits()), (vec![], false));
        // Taken back by the publisher, whose unit is on its way.
        assert_eq!(gate.owed, u32::from(taken_back));
    }
}

#[test]
fn an_owed_unit_is_taken_before_the_next_sleep_and_not_waited_for() {
    for units in [0, 1] {
        let mut gate = gate(Noted {
            units: Cell::new(units),
            ..Noted::default()
        });
        gate.owed = 1;
        let mut messages = Messages::none();
        messages.after_sleeps = Some(1);
        assert!(matches!(
            gate.acquire(&mut messages, 1, Deadline::NEVER),
            Ok(1)
        ));
        assert_eq!(calls(&gate), [Try(1), Sleep]);
        // The flag was set when the unit came: that was the one owed, if there was one.
        assert_eq!(gate.owed, 0);
        assert!(!messages.own.waits());
    }
}

#[test]
fn a_worthless_unit_is_slept_on_after() {
    let mut gate = gate(Noted::default());
    let mut messages = Messages::none();
    messages.after_sleeps = Some(3);
    assert!(matches!(
        gate.acquire(&mut messages, 1, Deadline::NEVER),
        Ok(1)
    ));
    assert_eq!(calls(&gate), [Sleep; 3]);
    assert_eq!(messages.spurious.get(), 2);
}

/// What ends a wait, until when it lasts, how it ends, and the calls that it makes.
type Case = (Noted, Deadline, fn(&Stop) -> bool, Vec<Call>);

#[test]
fn every_end_takes_the_flag_back() {
    let past = || Deadline::after(Duration::ZERO);
    let later = || Deadline::after(Duration::from_millis(2));
    let cases: [Case; 5] = [
        (
            Noted::default(),
            past(),
            |stop| matches!(stop, Stop::TimedOut),
            vec![],
        ),
        (
            Noted {
                end: Cell::new(Some(End::Deadline)),
                ..Noted::default()
            },
            later(),
            |stop| matches!(stop, Stop::TimedOut),
            vec![Sleep],
        ),
        (
            Noted {
                end: Cell::new(Some(End::Removed)),
                ..Noted::default()
            },
            Deadline::NEVER,
            |stop| matches!(stop, Stop::Fault(Fault::Removed)),
            vec![Sleep],
        ),
        (
            Noted {
                cancelled: Cell::new(true),
                ..Noted::default()
            },
            Deadline::NEVER,
            |stop| matches!(stop, Stop::Cancelled),
            vec![],
        ),
        (
            Noted {
                peer_gone: true,
                ..Noted::default()
            },
            Deadline::NEVER,
            |stop| matches!(stop, Stop::PeerLost),
            vec![],
        ),
    ];
    for (semaphores, deadline, expected, made) in cases {
        let mut gate = gate(semaphores);
        let mut messages = Messages::none();
        let stop = gate.acquire(&mut messages, 1, deadline).unwrap_err();
        assert!(expected(&stop), "{stop:?}");
        assert!(!messages.own.waits(), "{stop:?}");
        assert_eq!(calls(&gate)[..made.len()], made, "{stop:?}");
        assert_eq!(gate.owed, 0, "{stop:?}");
    }
}

/// The set is gone, and a message came meanwhile: it needs no wake-up.
#[test]
fn what_is_in_memory_is_received_after_a_removal() {
    let mut gate = gate(Noted {
        end: Cell::new(Some(End::Removed)),
        ..Noted::default()
    });
    let mut messages = Messages::none();
    messages.after_sleeps = Some(1);
    assert!(matches!(
        gate.acquire(&mut messages, 1, Deadline::NEVER),
        Ok(1)
    ));
}

#[test]
fn only_a_sleeper_is_woken_and_once() {
    for registered in [false, true] {
        let mut gate = Adaptive::new(
            Noted::default(),
            MINE,
            THEIRS,
            registered,
            Geometry::new(64, 64).unwrap(),
            Reported::default(),
        );
        let messages = Messages::none();
        gate.post(&messages, 3).unwrap();
        assert_eq!(calls(&gate), []);
        messages.peer.arm();
        gate.post(&messages, 3).unwrap();
        gate.post(&messages, 3).unwrap();
        assert_eq!(calls(&gate), [Post(THEIRS, 1)]);
        assert!(!messages.peer.waits());
    }
}

/// Waiting for more than what is known, a producer's drain sleeps though there is something.
#[test]
fn more_is_waited_for_than_is_known() {
    let mut gate = gate(Noted::default());
    let mut messages = Messages::none();
    (messages.known, messages.after_arming) = (1, None);
    let soon = Deadline::after(Duration::from_millis(1));
    gate.semaphores.end.set(Some(End::Deadline));
    let stop = gate.acquire_more(&mut messages, 9, soon).unwrap_err();
    assert!(matches!(stop, Stop::TimedOut), "{stop:?}");
    assert!(calls(&gate).contains(&Sleep));
}

/// In a stream of long messages: who comes close to the peer holds back until it is far away.
#[test]
fn a_side_that_comes_too_close_holds_back() {
    let mut gate = gate(Noted::default());
    gate.apart = Apart::of(Geometry::new(512, 16 << 10).unwrap());
    let mut messages = Messages::none();
    messages.known = 2;
    let mut acquire =
        |messages: &mut Messages, deadline| gate.acquire(messages, 3, deadline).unwrap();
    for _ in 0..31 {
        assert_eq!(acquire(&mut messages, Deadline::NEVER), 2);
    }
    assert_eq!(messages.looks, 31);
    assert_eq!(acquire(&mut messages, Deadline::after(Duration::ZERO)), 2);
    assert_eq!(messages.looks, 32);
    messages.after_looks = Some((33, 200));
    assert_eq!(acquire(&mut messages, Deadline::NEVER), 3);
    assert_eq!(messages.looks, 34);
    assert_eq!(calls(&gate), []);
}
