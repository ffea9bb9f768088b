//! Follows what the readers put out through what the writers were given.

use std::collections::BTreeSet;

/// A place in the stream: in the first writer's input, or in the second's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    First(usize),
    Second(usize),
}

/// Holds where in the stream the readers can be: a stream that stops anywhere in the first input, not
/// before `least`, and goes on with the second.
#[derive(Debug)]
pub struct Follow<'a> {
    first: &'a [u8],
    second: &'a [u8],
    /// Bytes of the first input that must not be missing.
    least: usize,
    /// Bytes that may be delivered again after a reader's end: a message's.
    again: usize,
    states: BTreeSet<At>,
}

impl<'a> Follow<'a> {
    pub fn new(first: &'a [u8], second: &'a [u8], least: usize, again: usize) -> Self {
        Self {
            first,
            second,
            least,
            again,
            states: BTreeSet::from([At::First(0)]),
        }
    }

    /// Goes through what one reader put out; false when it does not fit.
    pub fn read(&mut self, output: &[u8]) -> bool {
        for &byte in output {
            let steps: Vec<At> = self.states.iter().copied().collect();
            self.states.clear();
            for at in steps {
                self.step(at, byte);
            }
        }
        !self.states.is_empty()
    }

    fn step(&mut self, at: At, byte: u8) {
        let second = match at {
            At::First(index) => {
                if self.first.get(index) == Some(&byte) {
                    self.states.insert(At::First(index + 1));
                }
                (index >= self.least).then_some(0)
            }
            At::Second(index) => Some(index),
        };
        if let Some(index) = second
            && self.second.get(index) == Some(&byte)
        {
            self.states.insert(At::Second(index + 1));
        }
    }

    /// Lets the next reader begin up to a message earlier.
    pub fn next_reader(&mut self) {
        for at in self.states.clone() {
            for back in 1..=self.again {
                let earlier = match at {
                    At::First(index) => index.checked_sub(back).map(At::First),
                    At::Second(index) => index.checked_sub(back).map(At::Second),
                };
                self.states.extend(earlier);
            }
        }
    }

    /// Demands the end of an input; false when the readers cannot be there.
    pub fn at_end(&mut self) -> bool {
        let (first, second) = (At::First(self.first.len()), At::Second(self.second.len()));
        self.states.retain(|&at| at == first || at == second);
        !self.states.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(least: usize, outputs: &[&[u8]]) -> bool {
        let mut follow = Follow::new(b"abcd", b"xyz", least, 1);
        let fits = outputs.iter().all(|output| {
            let fits = follow.read(output);
            follow.next_reader();
            fits
        });
        fits && follow.at_end()
    }

    #[test]
    fn whole_streams_fit() {
        assert!(fits(0, &[b"abcd"]));
        assert!(fits(4, &[b"abcdxyz"]));
        assert!(fits(2, &[b"ab", b"bxyz"]));
        assert!(fits(0, &[b"", b"xy", b"yz"]));
    }

    #[test]
    fn gaps_repetitions_and_missing_ends_do_not() {
        assert!(!fits(0, &[b"abd"]));
        assert!(!fits(0, &[b"abc", b"bcd", b"abcd"]));
        assert!(!fits(0, &[b"abcdxy"]));
        assert!(!fits(3, &[b"abxyz"]));
        assert!(!fits(0, &[b"abcdyz"]));
        assert!(!fits(0, &[b"abcdxyzz"]));
    }
}
