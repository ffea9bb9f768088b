//! The verdict on a peer, case by case, with a peer that does as it is told.

pub(super) mod noted;

use std::cell::Cell;

use super::{MAX_ROUNDS, Reported, Verdict, View, judge};
use crate::error::{Corrupt, Fault, Role};
use crate::layout::{Side, Word};

use noted::Noted;

/// A peer: whether its role is free, what its word is at each look (the last one stays), and how far the
/// position lets this side go on.
struct Peer<const CONSUMER: bool> {
    free: bool,
    words: Vec<u64>,
    looks: Cell<usize>,
    ready: u32,
}

impl<const CONSUMER: bool> View for Peer<CONSUMER> {
    const ROLE: Role = if CONSUMER {
        Role::Consumer
    } else {
        Role::Producer
    };

    fn ready(&mut self) -> Result<u32, Corrupt> {
        Ok(self.ready)
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
        let look = self.looks.replace(self.looks.get() + 1);
        Word::from_bits(
            *self
                .words
                .get(look)
                .unwrap_or(&self.words[self.words.len() - 1]),
        )
    }

    fn note_sleep(&self, _: bool) {}
    fn note_spurious(&self) {}
}

const fn attached(epoch: u64) -> u64 {
    epoch << 2 | 1
}

const fn closed(epoch: u64) -> u64 {
    epoch << 2 | 2
}

/// Judges with one credit in hand.
fn verdict<const CONSUMER: bool>(
    mut peer: Peer<CONSUMER>,
    reported: &mut Reported,
) -> Result<Verdict, Fault> {
    let semaphores = Noted {
        peer: Peer::<CONSUMER>::ROLE.peer(),
        peer_gone: peer.free,
        ..Noted::default()
    };
    judge(&semaphores, &mut peer, 1, reported)
}

fn peer<const CONSUMER: bool>(free: bool, words: &[u64], ready: u32) -> Peer<CONSUMER> {
    let (words, looks) = (words.to_vec(), Cell::new(0));
    Peer {
        free,
        words,
        looks,
        ready,
    }
}

#[test]
fn each_case_has_its_verdict() {
    let cases: [(bool, &[u64], u32, Verdict); 9] = [
        (false, &[attached(1)], 1, Verdict::Wait),
        (false, &[closed(1)], 1, Verdict::Wait),
        (true, &[0], 1, Verdict::Wait),
        (true, &[attached(1)], 2, Verdict::Ready),
        (true, &[closed(1)], 2, Verdict::Ready),
        (true, &[attached(1)], 1, Verdict::Lost),
        (true, &[attached(1)], 0, Verdict::Lost),
        (true, &[closed(7)], 1, Verdict::Closed(7)),
        // It closed between the two looks at its word: judged by the word that stays.
        (true, &[attached(7), closed(7)], 1, Verdict::Closed(7)),
    ];
    for (free, words, ready, expected) in cases {
        let found = verdict(peer::<true>(free, words, ready), &mut Reported::default());
        assert_eq!(
            found.unwrap(),
            expected,
            "consumer: {free} {words:?} {ready}"
        );
        let found = verdict(peer::<false>(free, words, ready), &mut Reported::default());
        assert_eq!(
            found.unwrap(),
            expected,
            "producer: {free} {words:?} {ready}"
        );
    }
}

#[test]
fn an_end_is_reported_once_but_that_of_a_stream_stays() {
    let again = |reported: &mut Reported, word| {
        let producer = verdict(peer::<false>(true, &[word], 1), reported).unwrap();
        (
            producer,
            verdict(peer::<false>(true, &[word], 1), reported).unwrap(),
        )
    };
    let mut reported = Reported::default();
    assert_eq!(
        again(&mut reported, attached(1)),
        (Verdict::Lost, Verdict::Wait)
    );
    assert_eq!(
        again(&mut reported, attached(2)),
        (Verdict::Lost, Verdict::Wait)
    );
    assert_eq!(
        again(&mut reported, closed(3)),
        (Verdict::Closed(3), Verdict::Wait)
    );

    let mut reported = Reported::default();
    for _ in 0..2 {
        let consumer = verdict(peer::<true>(true, &[closed(1)], 1), &mut reported);
        assert_eq!(consumer.unwrap(), Verdict::Closed(1));
    }
    reported.set(1);
    let consumer = verdict(peer::<true>(true, &[closed(1)], 1), &mut reported);
    assert_eq!(consumer.unwrap(), Verdict::Wait);
}

#[test]
fn a_word_that_nobody_writes_is_damage() {
    for word in [3, 7, u64::MAX] {
        // Only a producer's stream can be interrupted.
        let found = verdict(peer::<false>(true, &[word], 1), &mut Reported::default());
        let Err(Fault::Corrupt(corrupt)) = found else {
            panic!("{word}: {found:?}");
        };
        assert_eq!((corrupt.field, corrupt.found), ("word", word));
    }
}

#[test]
fn an_interrupted_stream_stays_so_until_it_is_looked_past() {
    let interrupted = Word::from_bits(attached(2)).interrupted().to_bits();
    let mut reported = Reported::default();
    for _ in 0..2 {
        let found = verdict(peer::<true>(true, &[interrupted], 1), &mut reported);
        assert_eq!(found.unwrap(), Verdict::Interrupted(2));
    }
    reported.set(2);
    let found = verdict(peer::<true>(true, &[interrupted], 1), &mut reported);
    assert_eq!(found.unwrap(), Verdict::Wait);
}

#[test]
fn a_word_that_changes_for_ever_is_damage_in_the_end() {
    let changes = |count: u32| (0..u64::from(count)).map(attached).collect::<Vec<_>>();
    // Two looks in each round; in the last of the rounds allowed it rests.
    let words = changes(2 * MAX_ROUNDS - 1);
    let found = verdict(peer::<true>(true, &words, 1), &mut Reported::default());
    assert_eq!(found.unwrap(), Verdict::Lost);
    let words = changes(2 * MAX_ROUNDS + 9);
    let found = verdict(peer::<true>(true, &words, 1), &mut Reported::default());
    assert!(matches!(found, Err(Fault::Corrupt(corrupt)) if corrupt.field == "word"));
}
