//! What holds of all slots, whatever chooses them.

use std::collections::VecDeque;

use super::*;

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
