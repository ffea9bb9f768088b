//! What holds of all slots, whatever chooses them.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::ring::tests::ring;

/// What a producer and its consumer may do next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Send,
    SendInline,
    GiveBack,
    Release,
    TakeOver,
}
const STEPS: [Step; 5] = [
    Step::Send,
    Step::SendInline,
    Step::GiveBack,
    Step::Release,
    Step::TakeOver,
];
const SLOTS: u32 = 4;

/// A producer's slots, and where the messages on their way are.
struct Play {
    slots: RoundSlots,
    on_the_way: VecDeque<Place>,
}

impl Play {
    fn new() -> Self {
        Self {
            slots: RoundSlots::new(&[], (0..SLOTS).collect()),
            on_the_way: VecDeque::new(),
        }
    }

    fn take(&mut self) -> Place {
        let place = Place::Slot(self.slots.take());
        assert!(!self.on_the_way.contains(&place), "{place:?} twice");
        place
    }

    fn play(&mut self, step: Step) {
        let has_room = self.on_the_way.len() < SLOTS as usize;
        match step {
            Step::Send if has_room => {
                let place = self.take();
                self.on_the_way.push_back(place);
            }
            Step::SendInline if has_room => self.on_the_way.push_back(Place::Inline),
            Step::GiveBack if has_room => {
                let first = self.take();
                self.slots.put_back();
                assert_eq!(self.take(), first);
                self.slots.put_back();
            }
            Step::Release => drop(self.on_the_way.pop_front()),
            Step::TakeOver => {
                let on_the_way: Vec<_> = self.on_the_way.iter().map(|&place| (place, 1)).collect();
                let is_unused = |&slot: &u32| !self.on_the_way.contains(&Place::Slot(slot));
                let unused = (0..SLOTS).filter(is_unused).collect();
                self.slots = RoundSlots::new(&on_the_way, unused);
            }
            _ => {}
        }
    }
}

#[test]
fn no_slot_is_used_twice_at_once_whatever_happens() {
    const LENGTH: u32 = 8;
    for number in 0..STEPS.len().pow(LENGTH) {
        let mut play = Play::new();
        // So that slots are out of order, and some are in use, from the beginning.
        for _ in 0..3 {
            play.play(Step::Send);
        }
        let mut rest = number;
        for _ in 0..LENGTH {
            play.play(STEPS[rest % STEPS.len()]);
            rest /= STEPS.len();
        }
    }
}

#[test]
fn slots_are_used_in_a_circle() {
    let mut slots = RoundSlots::new(&[(Place::Slot(2), 1), (Place::Inline, 1)], vec![0, 1, 3]);
    let used: Vec<u32> = (0..8).map(|_| slots.take()).collect();
    assert_eq!(used, [0, 1, 3, 2, 0, 1, 3, 2]);
}

const MIB: u64 = 1 << 20;

/// Takes a slot when the consumer is at `head`, and stays there.
fn take(slots: &mut Slots, head: u64, bytes: u32) -> u32 {
    let at_once = Deadline::after(Duration::ZERO);
    slots.choose(head, bytes, at_once, || Ok(head)).unwrap()
}

#[test]
fn all_of_a_ring_go_round_if_that_is_8_mib_at_most() {
    for (slot_count, slot_bytes, round) in [
        (64, 128 << 10, true),
        (64, (128 << 10) + 1, false),
        (16384, 512, true),
        (16384, 513, false),
        (1, 8 * MIB, true),
        (1, 16 * MIB, false),
    ] {
        let slots = Slots::find(&ring(slot_count, slot_bytes), 0, 0).unwrap();
        let found = matches!(slots, Slots::Round(_));
        assert_eq!(found, round, "{slot_count} x {slot_bytes}");
    }
}

/// Rings of both kinds, with four slots, of which messages 5 to 7 on their way hold two.
fn taken_over() -> [(Ring, u32); 2] {
    [64, 8 * MIB].map(|slot_bytes| {
        let ring = ring(4, slot_bytes);
        let bytes = u32::try_from(slot_bytes).unwrap();
        ring.describe(5, Place::Slot(2), bytes);
        ring.describe(6, Place::Inline, 8);
        ring.describe(7, Place::Slot(0), bytes);
        (ring, bytes)
    })
}

#[test]
fn a_successor_leaves_what_is_on_its_way_alone() {
    for (ring, bytes) in taken_over() {
        let mut slots = Slots::find(&ring, 5, 8).unwrap();
        let first = take(&mut slots, 5, bytes);
        slots.put_back(Place::Inline);
        slots.put_back(Place::Slot(first));
        assert_eq!(
            [take(&mut slots, 5, bytes), take(&mut slots, 5, bytes)],
            [1, 3]
        );
    }
}

#[test]
fn a_slot_that_two_messages_name_is_damage() {
    for (ring, bytes) in taken_over() {
        ring.describe(7, Place::Slot(2), bytes);
        let error = Slots::find(&ring, 5, 8).unwrap_err();
        assert_eq!((error.field, error.found), ("descriptor's slot", 2));
    }
}

#[test]
fn a_stream_never_runs_out_of_slots() {
    for (ring, bytes) in taken_over() {
        let mut slots = Slots::find(&ring, 5, 8).unwrap();
        let mut on_the_way = VecDeque::from([2, 0]);
        for tail in 8..1000 {
            // Two messages stay on their way.
            let head = tail - 3;
            let slot = take(&mut slots, head, bytes);
            assert!(!on_the_way.contains(&slot), "slot {slot} twice");
            slots.note(head, tail, Place::Slot(slot), bytes);
            on_the_way.push_back(slot);
            on_the_way.drain(..on_the_way.len().saturating_sub(2));
        }
    }
}

#[test]
fn a_batch_ends_where_the_hot_slots_do() {
    let [(small, _), (large, bytes)] = taken_over();
    assert!(!Slots::find(&small, 5, 8).unwrap().end_batch_before(64));
    assert!(Slots::find(&large, 5, 8).unwrap().end_batch_before(bytes));
    assert!(!Slots::find(&large, 8, 8).unwrap().end_batch_before(bytes));
}
