//! Memory as x86-64 has it: each processor sees its own stores at once, the others see them later,
//! in order. A fence waits until all are seen, and so does a swap.

use super::state::{BUFFERED, CONSUMER, PRODUCER, State, Store};
use super::{Barriers, Config};
use crate::explorer::Steps;

impl Config {
    /// Stores, to be seen by the others at once or later. There must be room in the buffer.
    pub(super) fn store(&self, n: &mut State, who: usize, store: Store) {
        if self.barriers == Barriers::Needless {
            return n.apply(who, store);
        }
        let free = n.buffers[who].iter().position(|&s| s == Store::Nothing);
        n.buffers[who][free.expect("room in the buffer")] = store;
    }

    /// The oldest store of each process may become visible at any time.
    pub(super) fn step_buffers(s: &State, steps: &mut Steps<State>) {
        for (who, name) in [
            (PRODUCER, "memory: a store of the producer becomes visible"),
            (CONSUMER, "memory: a store of the consumer becomes visible"),
        ] {
            if !s.is_visible(who) {
                let mut n = *s;
                n.show_one(who);
                steps.to(name, n);
            }
        }
    }
}

impl State {
    pub fn apply(&mut self, who: usize, store: Store) {
        match store {
            Store::Nothing => {}
            Store::Position(position) if who == PRODUCER => self.tail = position,
            Store::Position(position) => self.head = position,
            Store::Waiting(waiting) => self.waiting[who] = waiting,
            Store::Registered(registered) => self.registered[who] = registered,
            Store::Word(word) => self.words[who] = word,
        }
    }

    /// Whether the others see all that this process has stored.
    pub fn is_visible(&self, who: usize) -> bool {
        self.buffers[who][0] == Store::Nothing
    }

    pub fn has_room(&self, who: usize) -> bool {
        self.buffers[who][BUFFERED - 1] == Store::Nothing
    }

    fn show_one(&mut self, who: usize) {
        let oldest = self.buffers[who][0];
        self.buffers[who].rotate_left(1);
        self.buffers[who][BUFFERED - 1] = Store::Nothing;
        self.apply(who, oldest);
    }

    /// Makes visible all that this process has stored.
    pub fn show_all(&mut self, who: usize) {
        while !self.is_visible(who) {
            self.show_one(who);
        }
    }

    /// The position that this process has stored last, seen by the others or not.
    pub fn own_position(&self, who: usize) -> u8 {
        let visible = if who == PRODUCER {
            self.tail
        } else {
            self.head
        };
        let stored = self.buffers[who]
            .iter()
            .rev()
            .find_map(|store| match store {
                Store::Position(position) => Some(*position),
                _ => None,
            });
        stored.unwrap_or(visible)
    }
}
