//! Bytes to send: pseudo-random ones, and numbered records whose order can be checked.

use std::fmt::Write as _;
use std::ops::Range;

/// Marsaglia's xorshift: the same numbers in every run, so that a failure can be repeated.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

pub fn pseudo_random(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut data: Vec<u8> = (0..bytes.div_ceil(8))
        .flat_map(|_| random.next().to_ne_bytes())
        .collect();
    data.truncate(bytes);
    data
}

/// Bytes of a numbered record.
pub const RECORD_BYTES: usize = 64;

/// Records with the numbers from 0 on.
pub fn records(count: usize) -> Vec<u8> {
    numbered(0..count)
}

/// Records with these numbers.
pub fn numbered(numbers: Range<usize>) -> Vec<u8> {
    let mut text = String::with_capacity(numbers.len() * RECORD_BYTES);
    for number in numbers {
        writeln!(text, "{number:063}").unwrap();
    }
    text.into_bytes()
}

/// Compares contents, and says where they part rather than showing all.
#[track_caller]
pub fn assert_same(found: &[u8], expected: &[u8]) {
    if found != expected {
        let part = found.iter().zip(expected).position(|(a, b)| a != b);
        panic!(
            "{} bytes arrived, {} were sent; the first difference is at {part:?}",
            found.len(),
            expected.len()
        );
    }
}
