//! Which slot comes next: the hot ones in a circle while the consumer keeps up, the cold ones when it does
//! not, and none twice whatever happens.

use std::cell::Cell;
use std::collections::HashSet;

use super::*;

const MIB: u64 = 1 << 20;

fn all_free(slot_count: u32, slot_bytes: u64) -> HotSlots {
    let mut slots = HotSlots::none_free(Geometry::new(slot_count, slot_bytes).unwrap(), 0);
    slots.cold.extend(0..slot_count);
    slots
}

/// Plays a producer whose consumer releases what the test says.
struct Play {
    slots: HotSlots,
    bytes: u32,
    tail: u64,
    /// Slots of the messages on their way.
    on_the_way: VecDeque<u32>,
}

impl Play {
    /// Begins with all slots free, and messages that fill one.
    fn new(slot_count: u32, slot_bytes: u64) -> Self {
        Self {
            slots: all_free(slot_count, slot_bytes),
            bytes: u32::try_from(slot_bytes).unwrap(),
            tail: 0,
            on_the_way: VecDeque::new(),
        }
    }

    fn head(&self) -> u64 {
        self.tail - self.on_the_way.len() as u64
    }

    fn send(&mut self) -> u32 {
        self.slots.reclaim(self.head());
        let slot = self.slots.take(self.bytes).expect("a free slot");
        assert!(!self.on_the_way.contains(&slot), "slot {slot} twice");
        self.slots.note(self.tail, Place::Slot(slot), self.bytes);
        self.tail += 1;
        self.on_the_way.push_back(slot);
        slot
    }

    fn release(&mut self, count: usize) {
        self.on_the_way.drain(..count);
        self.slots.reclaim(self.head());
    }

    /// Sends `count` messages, with `ahead` of them on their way.
    fn stream(&mut self, count: usize, ahead: usize) -> Vec<u32> {
        let sent = (0..count).map(|_| {
            let slot = self.send();
            self.release(self.on_the_way.len().saturating_sub(ahead));
            slot
        });
        sent.collect()
    }
}

fn circle(length: u32, count: usize) -> Vec<u32> {
    (0..length).cycle().take(count).collect()
}

#[test]
fn while_the_consumer_keeps_up_8_mib_go_round() {
    let cases = [
        (64, 64 << 10, 64),
        (64, 128 << 10, 64),
        (64, 256 << 10, 32),
        (64, MIB, 8),
        (64, 4 * MIB, 2),
        (64, 16 * MIB, 2),
        (16384, 64 << 10, 128),
        (2, 16 * MIB, 2),
        (1, 16 * MIB, 1),
    ];
    for (slot_count, slot_bytes, hot) in cases {
        for ahead in [0, 1] {
            let mut play = Play::new(slot_count, slot_bytes);
            let sent = play.stream(1000, ahead.min(slot_count as usize - 1));
            assert_eq!(sent, circle(hot, 1000), "{slot_count} x {slot_bytes}");
        }
    }
}

#[test]
fn a_consumer_that_falls_behind_is_given_cold_slots_and_later_hot_ones_again() {
    let mut play = Play::new(64, MIB);
    assert_eq!(play.stream(64, 64), circle(64, 64));
    assert_eq!(play.slots.take(1), None);
    play.release(64);
    assert_eq!((play.slots.hot.len(), play.slots.cold.len()), (8, 56));
    let sent: HashSet<u32> = play.stream(1000, 7).into_iter().collect();
    assert_eq!(sent.len(), 8);
}

#[test]
fn a_hot_slot_is_waited_for() {
    let mut play = Play::new(64, MIB);
    play.stream(8, 8);
    play.slots.patience = Duration::MAX;
    let looks = Cell::new(0);
    let look = || {
        looks.set(looks.get() + 1);
        Ok(u64::from(looks.get() > 10 * LOOKS))
    };
    assert!(play.slots.is_worth_waiting(play.bytes));
    play.slots
        .wait_for_hot(play.bytes, Deadline::NEVER, look)
        .unwrap();
    assert_eq!(looks.get(), 10 * LOOKS + 1);
    play.on_the_way.pop_front();
    assert_eq!(play.send(), 0);
}

#[test]
fn a_wait_is_as_long_as_a_consumer_may_read() {
    let reading = Duration::from_nanos(MIB);
    assert_eq!(all_free(4, 8 * MIB).patience, PATIENCE + reading);
}

#[test]
fn a_wait_in_vain_is_not_made_again_before_the_consumer_moves() {
    let mut play = Play::new(64, MIB);
    play.stream(8, 8);
    play.slots.patience = Duration::ZERO;
    let looks = Cell::new(0);
    let wait = |play: &mut Play| {
        looks.set(0);
        let head = play.head();
        let look = || {
            looks.set(looks.get() + 1);
            Ok(head)
        };
        play.slots
            .wait_for_hot(play.bytes, Deadline::NEVER, look)
            .unwrap();
        looks.get()
    };
    assert_eq!(wait(&mut play), LOOKS);
    assert_eq!(play.send(), 8);
    assert!(!play.slots.is_worth_waiting(play.bytes));
    assert_eq!(wait(&mut play), 0);
    assert_eq!(play.send(), 9);
    // The slot of the one released is hot no more: nine others are in use.
    play.release(1);
    assert!(play.slots.is_worth_waiting(play.bytes));
    assert_eq!(wait(&mut play), LOOKS);
}

#[test]
fn while_the_consumer_moves_each_message_is_worth_a_wait() {
    let mut play = Play::new(64, MIB);
    play.stream(12, 12);
    play.slots.patience = Duration::ZERO;
    for released in 1..=4 {
        let look = || Ok(released);
        play.slots
            .wait_for_hot(play.bytes, Deadline::NEVER, look)
            .unwrap();
        play.on_the_way.pop_front();
        assert!(play.slots.is_worth_waiting(play.bytes));
    }
}

#[test]
fn a_wait_for_a_hot_slot_ends_at_the_deadline() {
    let mut play = Play::new(4, 8 * MIB);
    play.stream(2, 2);
    play.slots.patience = Duration::MAX;
    let deadline = Deadline::after(Duration::ZERO);
    play.slots
        .wait_for_hot(play.bytes, deadline, || Ok(0))
        .unwrap();
    assert_eq!(play.send(), 2);
}

#[test]
fn a_position_that_makes_no_sense_ends_the_wait() {
    let mut play = Play::new(4, 8 * MIB);
    play.stream(2, 2);
    let corrupt = || Err(Corrupt::new("head", 9, "0 to 2"));
    let error = play
        .slots
        .wait_for_hot(play.bytes, Deadline::NEVER, corrupt);
    assert_eq!(error, Err(Corrupt::new("head", 9, "0 to 2")));
}

#[test]
fn short_messages_go_round_in_as_many_slots_as_they_fill_8_mib_of() {
    let mut play = Play::new(16384, 64 << 10);
    play.bytes = 1 << 10;
    assert_eq!(play.stream(20_000, 1), circle(8192, 20_000));
    play.bytes = 64 << 10;
    play.stream(20_000, 1);
    let long: HashSet<u32> = play.stream(1000, 1).into_iter().collect();
    assert_eq!(long.len(), 128);
    play.bytes = 1 << 10;
    play.stream(20_000, 1);
    let short: HashSet<u32> = play.stream(20_000, 1).into_iter().collect();
    assert_eq!(short.len(), 8192);
}

#[test]
fn what_was_not_used_goes_first_again() {
    let mut play = Play::new(8, 4 * MIB);
    for sent in 0..6 {
        let slot = play.slots.take(play.bytes).unwrap();
        play.slots.put_back(slot);
        assert_eq!(slot, sent % 2);
        assert_eq!(play.stream(1, 0), [slot]);
    }
}

#[test]
fn no_slot_is_given_twice_or_lost_whatever_the_consumer_does() {
    let mut random = fastrand::Rng::with_seed(6);
    for slot_bytes in [64, 512 << 10, MIB, 8 * MIB] {
        let mut play = Play::new(32, slot_bytes);
        for _ in 0..10_000 {
            if play.on_the_way.len() < 32 && random.bool() {
                play.send();
            } else {
                play.release(random.usize(0..=play.on_the_way.len()));
            }
            let HotSlots {
                hot,
                cold,
                hot_bytes,
                ..
            } = &play.slots;
            let free = hot.iter().map(|hot| &hot.slot).chain(cold);
            let all: HashSet<&u32> = free.chain(&play.on_the_way).collect();
            assert_eq!(all.len(), 32);
            assert_eq!(*hot_bytes, (32 - cold.len()) as u64 * slot_bytes);
            assert!(hot.is_empty() || *hot_bytes <= HOT_BYTES || play.slots.go_round() <= 2);
        }
    }
}
