//! Slots, descriptors, inline messages and several loans, in the order of `slots.rs`, `producer.rs` and
//! `ring.rs`.
//!
//! Three questions. Are the slots that `descriptors[head..tail)` does not name free, right after a
//! producer's death at any step? Is there a free slot whenever there is a permit, with loans
//! outstanding and with a view of `head` that is out of date? Does the consumer ever see a slot
//! written that it has in hand?
//!
//! Permits are what the positions show (`strict.rs` has the semaphores): a producer takes any number of
//! them, up to what is ready. Slots are used first-in first-out, as the code does. The code lends one
//! slot at a time, the design allows several; the model has both.

// A model's methods take it by reference, as `Model` does, however small it is.
#![allow(clippy::trivially_copy_pass_by_ref)]

mod runs;

use crate::explorer::{Model, Steps};

/// The most slots of any run.
const SLOTS: usize = 3;

/// Says where a message stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Place {
    #[default]
    Inline,
    Slot(u8),
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Content {
    #[default]
    Nothing,
    /// Bytes of a message that is not complete.
    Unfinished,
    /// The message of this position.
    Message(u8),
}

/// What the producer does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum At {
    #[default]
    Between,
    /// Described so many messages from `tail` on, the next step commits them.
    Described(u8),
    FindPositions,
    FindDescriptors,
}

/// Slots in the order in which they will be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Queue {
    slots: [u8; SLOTS],
    length: u8,
}

impl Queue {
    fn push_back(&mut self, slot: u8) {
        self.slots[usize::from(self.length)] = slot;
        self.length += 1;
    }

    fn push_front(&mut self, slot: u8) {
        self.slots[..].rotate_right(1);
        self.slots[0] = slot;
        self.length += 1;
    }

    fn pop_front(&mut self) -> Option<u8> {
        if self.length == 0 {
            return None;
        }
        let slot = self.slots[0];
        self.slots[..].rotate_left(1);
        self.slots[SLOTS - 1] = 0;
        self.length -= 1;
        Some(slot)
    }

    fn iter(&self) -> impl Iterator<Item = u8> {
        self.slots[..usize::from(self.length)].iter().copied()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct State {
    // The segment.
    tail: u8,
    head: u8,
    descriptors: [Place; SLOTS],
    contents: [Content; SLOTS],

    // The producer's private memory.
    at: At,
    /// `head` when last looked at.
    seen_head: u8,
    credits: u8,
    lent: u8,
    /// Bits: the slots that are lent out.
    loans: u8,
    /// Loans of messages that will stand in their descriptor.
    inline_loans: u8,
    free: Queue,
    /// Where the messages from `reclaimed` on stand.
    places: [Place; SLOTS],
    reclaimed: u8,

    /// The consumer has the messages `head .. in_hand`.
    in_hand: u8,

    deaths: u8,
    wrong: Wrong,
}

/// What is wrong with a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Wrong {
    #[default]
    Nothing,
    Torn,
    TornInHand,
    Overfull,
    NoSlot,
}

/// What a run covers.
#[derive(Clone, Copy)]
struct Config {
    slots: u8,
    messages: u8,
    /// Most loans at once.
    loans: u8,
    /// Most permits taken at once, and most messages of a batch.
    credits: u8,
    deaths: u8,
    flaw: Flaw,
}

/// What a control does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// The room that the positions show is not lessened by what is lent.
    LoansNotCounted,
    /// Takes slots back only when it has none left, by the descriptors as they are then.
    ReclaimsLate,
    /// Notes where a message stands before it has taken back the slot noted there.
    NotesBeforeReclaim,
    /// Takes all slots for free after a death.
    AllFreeAfterDeath,
    /// Takes a slot back when the message in it is handed out, not when it is released.
    FreeWhenHandedOut,
}

impl Config {
    fn index(&self, position: u8) -> usize {
        usize::from(position % self.slots)
    }

    /// Takes back the slots of all messages released when `head` was last looked at.
    fn reclaim(&self, s: &mut State) {
        while s.reclaimed < s.seen_head {
            let index = self.index(s.reclaimed);
            let place = if self.flaw == Flaw::ReclaimsLate {
                s.descriptors[index]
            } else {
                s.places[index]
            };
            // Damaged by a flaw, a slot may seem free twice.
            if let Place::Slot(slot) = place
                && usize::from(s.free.length) < SLOTS
            {
                s.free.push_back(slot);
            }
            s.reclaimed += 1;
        }
    }

    /// Chooses a slot.
    fn take_slot(&self, s: &mut State) -> Option<u8> {
        if self.flaw != Flaw::ReclaimsLate || s.free.length == 0 {
            self.reclaim(s);
        }
        let slot = s.free.pop_front();
        if slot.is_none() {
            s.wrong = Wrong::NoSlot;
        }
        slot
    }

    /// Notes privately where the next message stands, then writes its descriptor.
    fn describe(&self, s: &mut State, position: u8, place: Place) {
        match self.flaw {
            Flaw::ReclaimsLate => {}
            Flaw::NotesBeforeReclaim => {
                s.places[self.index(position)] = place;
                self.reclaim(s);
            }
            _ => self.reclaim(s),
        }
        s.places[self.index(position)] = place;
        s.descriptors[self.index(position)] = place;
        if let Place::Slot(slot) = place {
            s.contents[usize::from(slot)] = Content::Message(position);
        }
    }

    /// The consumer: receives, may have several in hand, releases in order.
    fn consume(&self, s: &State, steps: &mut Steps<State>) {
        let intact = |position: u8| match s.descriptors[self.index(position)] {
            Place::Inline => true,
            Place::Slot(slot) => s.contents[usize::from(slot)] == Content::Message(position),
        };
        if s.in_hand < s.tail {
            let mut n = *s;
            if !intact(s.in_hand) {
                n.wrong = Wrong::Torn;
            }
            n.in_hand += 1;
            steps.to("consumer: receives", n);
        }
        for released in s.head + 1..=s.in_hand {
            let mut n = *s;
            if !(s.head..released).all(intact) {
                n.wrong = Wrong::TornInHand;
            }
            n.head = released;
            steps.to("consumer: releases", n);
        }
    }

    /// The producer between two operations: looks, takes permits, lends, publishes, sends batches.
    fn produce(&self, s: &State, steps: &mut Steps<State>) {
        let head = if self.flaw == Flaw::FreeWhenHandedOut {
            s.in_hand
        } else {
            s.head
        };
        let free = self.slots - (s.tail - head);
        let ready = if self.flaw == Flaw::LoansNotCounted {
            free
        } else {
            free.saturating_sub(s.lent)
        };
        let left = self.messages - s.tail;
        if s.credits == 0 {
            for credits in 1..=ready.min(self.credits) {
                let mut n = *s;
                n.seen_head = head;
                n.credits = credits;
                steps.to("producer: loads head, takes permits", n);
            }
            // A look of its own, as `unread` and `drain` have.
            if s.seen_head != head {
                let mut n = *s;
                n.seen_head = head;
                steps.to("producer: loads head", n);
            }
        }
        if s.credits > 0 && s.lent < self.loans.min(left) {
            let mut n = *s;
            n.credits -= 1;
            n.lent += 1;
            if let Some(slot) = self.take_slot(&mut n) {
                n.loans |= 1 << slot;
                n.contents[usize::from(slot)] = Content::Unfinished;
            }
            steps.to("producer: lends a slot", n);
            let mut n = *s;
            n.credits -= 1;
            n.lent += 1;
            n.inline_loans += 1;
            steps.to("producer: lends room in a descriptor", n);
        }
        for batch in 1..=s.credits.min(left.saturating_sub(s.lent)) {
            self.send_batch(s, batch, steps);
        }
        self.settle(s, steps);
    }

    /// Writes a batch, each message inline or in a slot, and describes it; one commit follows.
    fn send_batch(&self, s: &State, batch: u8, steps: &mut Steps<State>) {
        for inline in 0..1_u8 << batch {
            let mut n = *s;
            for offset in 0..batch {
                let place = if inline >> offset & 1 == 1 {
                    Place::Inline
                } else {
                    self.take_slot(&mut n).map_or(Place::Inline, Place::Slot)
                };
                self.describe(&mut n, s.tail + offset, place);
            }
            n.credits -= batch;
            n.at = At::Described(batch);
            steps.to("producer: writes and describes messages", n);
        }
    }

    /// Publishes or abandons one of the loans, in any order.
    fn settle(&self, s: &State, steps: &mut Steps<State>) {
        for slot in (0..self.slots).filter(|slot| s.loans >> slot & 1 == 1) {
            let mut n = *s;
            n.loans &= !(1 << slot);
            n.lent -= 1;
            let mut abandoned = n;
            self.describe(&mut n, s.tail, Place::Slot(slot));
            n.at = At::Described(1);
            steps.to("producer: describes a loan", n);
            if usize::from(abandoned.free.length) < SLOTS {
                abandoned.free.push_front(slot);
            }
            abandoned.credits += 1;
            steps.to("producer: abandons a loan", abandoned);
        }
        if s.inline_loans > 0 {
            let mut n = *s;
            n.inline_loans -= 1;
            n.lent -= 1;
            let mut abandoned = n;
            self.describe(&mut n, s.tail, Place::Inline);
            n.at = At::Described(1);
            steps.to("producer: describes an inline loan", n);
            abandoned.credits += 1;
            steps.to("producer: abandons an inline loan", abandoned);
        }
    }

    /// Finds the free slots: those that no message on its way is in.
    fn find_free(&self, s: &mut State) {
        let mut used = 0_u8;
        for position in s.seen_head..s.tail {
            let place = s.descriptors[self.index(position)];
            s.places[self.index(position)] = place;
            if let Place::Slot(slot) = place {
                used |= 1 << slot;
            }
        }
        if self.flaw == Flaw::AllFreeAfterDeath {
            used = 0;
        }
        s.free = Queue::default();
        for slot in (0..self.slots).filter(|slot| used >> slot & 1 == 0) {
            s.free.push_back(slot);
        }
    }
}

impl Model for Config {
    type State = State;

    fn start(&self) -> State {
        let mut start = State::default();
        self.find_free(&mut start);
        start
    }

    fn steps(&self, s: &State, steps: &mut Steps<State>) {
        self.consume(s, steps);
        let mut n = *s;
        match s.at {
            At::Between => self.produce(s, steps),
            At::Described(count) => {
                n.tail += count;
                n.at = At::Between;
                if n.tail - n.head > self.slots {
                    n.wrong = Wrong::Overfull;
                }
                steps.to("producer: commits", n);
            }
            At::FindPositions => {
                n.seen_head = s.head;
                n.reclaimed = s.head;
                n.at = At::FindDescriptors;
                steps.to("producer: attaches, loads head and tail", n);
            }
            At::FindDescriptors => {
                self.find_free(&mut n);
                n.at = At::Between;
                steps.to("producer: reads the descriptors between them", n);
            }
        }
    }

    fn surroundings(&self, s: &State, steps: &mut Steps<State>) {
        if s.deaths == self.deaths {
            return;
        }
        let mut n = *s;
        n.deaths += 1;
        let consumer = State {
            in_hand: s.head,
            ..n
        };
        steps.to("consumer: is killed; a successor starts", consumer);
        // What it wrote stays, its private memory does not.
        let producer = State {
            at: At::FindPositions,
            tail: n.tail,
            head: n.head,
            descriptors: n.descriptors,
            contents: n.contents,
            in_hand: n.in_hand,
            deaths: n.deaths,
            ..State::default()
        };
        steps.to("producer: is killed; a successor starts", producer);
    }

    fn violation(&self, s: &State) -> Option<&'static str> {
        match s.wrong {
            Wrong::Torn => return Some("a message torn when it is received"),
            Wrong::TornInHand => return Some("a message torn while it is in hand"),
            Wrong::Overfull => return Some("more messages than slots"),
            Wrong::NoSlot => return Some("a permit and no free slot"),
            Wrong::Nothing => {}
        }
        if !matches!(s.at, At::Between) {
            return None;
        }
        // Each slot is free, lent, or noted for a message not yet taken back.
        let mut found = s.loans;
        let mut count = s.loans.count_ones();
        for slot in s.free.iter() {
            found |= 1 << slot;
            count += 1;
        }
        for position in s.reclaimed..s.tail {
            if let Place::Slot(slot) = s.places[self.index(position)] {
                found |= 1 << slot;
                count += 1;
            }
        }
        let all = (1 << self.slots) - 1;
        let flawed = self.flaw == Flaw::ReclaimsLate;
        if !flawed && (found != all || count != u32::from(self.slots)) {
            return Some("a slot forgotten, or in two places");
        }
        None
    }

    fn good_rest(&self, s: &State) -> bool {
        s.tail == self.messages && s.head == s.tail && s.lent == 0
    }
}
