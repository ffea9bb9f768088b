//! What stands in a message: one word, made of the message's number, over and over.
//!
//! It costs little to make and to check, so that the transport is measured and not this; and a
//! message that is lost, doubled, torn or old has other words than those expected.

use anyhow::{Result, bail};

/// Sets the lowest bit of every byte: none is a NUL, where the flag version's texts end.
const NO_NUL: u64 = 0x0101_0101_0101_0101;
/// 2⁶⁴ divided by the golden ratio: its multiples are far apart, in every byte.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const WORD_BYTES: usize = size_of::<u64>();

const fn word(sequence: u64) -> u64 {
    sequence.wrapping_add(1).wrapping_mul(SPREAD) | NO_NUL
}

/// Writes every byte of message number `sequence`.
pub fn fill(message: &mut [u8], sequence: u64) {
    let word = word(sequence).to_ne_bytes();
    let mut words = message.chunks_exact_mut(WORD_BYTES);
    for target in &mut words {
        target.copy_from_slice(&word);
    }
    for (target, byte) in words.into_remainder().iter_mut().zip(word) {
        *target = byte;
    }
}

/// Checks every byte of what should be message number `sequence`, of `bytes` bytes.
///
/// # Errors
///
/// A sentence that says what is wrong, and where.
pub fn check(message: &[u8], sequence: u64, bytes: usize) -> Result<()> {
    let expected = word(sequence);
    let (blocks, rest) = message.split_at(whole_blocks(message.len()));
    let wrong = differences_in_blocks(blocks, expected) | differences(rest, expected);
    if wrong == 0 && message.len() == bytes {
        return Ok(());
    }
    describe(message, sequence, bytes)
}

/// Words that are looked at side by side in a long message: with a verdict for each, none waits for the
/// one before it, and memory is read as fast as it comes.
const BLOCK_WORDS: usize = 8;
const BLOCK_BYTES: usize = BLOCK_WORDS * WORD_BYTES;
/// Shorter messages are over before that pays.
const LONG_BYTES: usize = 512;

/// Returns how much of a message of `bytes` bytes is looked at in blocks.
const fn whole_blocks(bytes: usize) -> usize {
    if bytes < LONG_BYTES {
        0
    } else {
        bytes - bytes % BLOCK_BYTES
    }
}

/// Returns 0 if all words are the one expected. All of them before the verdict: a loop without a way out
/// is what the compiler makes fast.
fn differences_in_blocks(message: &[u8], expected: u64) -> u64 {
    let mut wrong = [0; BLOCK_WORDS];
    for block in message.chunks_exact(BLOCK_BYTES) {
        for (wrong, word) in wrong.iter_mut().zip(block.chunks_exact(WORD_BYTES)) {
            *wrong |= word.try_into().map_or(0, u64::from_ne_bytes) ^ expected;
        }
    }
    wrong.iter().fold(0, |all, wrong| all | wrong)
}

/// Returns 0 if all words, and the bytes behind the last, are those expected.
fn differences(message: &[u8], expected: u64) -> u64 {
    let words = message.chunks_exact(WORD_BYTES);
    let rest = words.remainder().iter().zip(expected.to_ne_bytes());
    let rest = rest.fold(0, |wrong, (&byte, expected)| wrong | (byte ^ expected));
    words.fold(u64::from(rest), |wrong, word| {
        wrong | (word.try_into().map_or(0, u64::from_ne_bytes) ^ expected)
    })
}

#[cold]
fn describe(message: &[u8], sequence: u64, bytes: usize) -> Result<()> {
    if message.len() != bytes {
        let found = message.len();
        bail!(
            "payload check failed: message {sequence} arrived with {found} bytes instead of {bytes}"
        );
    }
    let expected = word(sequence).to_ne_bytes();
    let mut pairs = message.iter().zip(expected.iter().cycle());
    let offset = pairs.position(|(found, expected)| found != expected);
    let offset = offset.unwrap_or_default();
    let found = message.get(offset).copied().unwrap_or_default();
    let expected = expected[offset % WORD_BYTES];
    bail!(
        "payload check failed: message {sequence} arrived damaged: byte {offset} is {found:#04x} instead \
         of {expected:#04x}"
    );
}

/// Damages one byte in the middle, so that it still is no NUL.
pub fn damage(message: &mut [u8]) {
    let middle = message.len() / 2;
    if let Some(byte) = message.get_mut(middle) {
        *byte ^= 0x80;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_is_found_in_order_and_has_no_nul() {
        for bytes in [1, 7, 8, 9, 63, 64, 65, 4096] {
            let mut message = vec![0; bytes];
            for sequence in [0, 1, 2, 64, u64::MAX] {
                fill(&mut message, sequence);
                assert!(!message.contains(&0), "{bytes} {sequence}");
                check(&message, sequence, bytes).unwrap();
            }
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        for bytes in [1, 8, 65, 512, 1029] {
            for offset in 0..bytes {
                let mut message = vec![0; bytes];
                fill(&mut message, 5);
                message[offset] ^= 0x80;
                let error = check(&message, 5, bytes).unwrap_err().to_string();
                assert!(error.contains(&format!("byte {offset} ")), "{error}");
            }
        }
        let mut message = [0; 65];
        fill(&mut message, 5);
        damage(&mut message);
        assert!(check(&message, 5, 65).is_err());
    }

    #[test]
    fn another_message_and_another_length_are_noticed() {
        let mut message = [0; 64];
        for sequence in 0..1000 {
            fill(&mut message, sequence);
            for other in [sequence + 1, sequence + 2, sequence + 64] {
                assert!(check(&message, other, 64).is_err());
            }
        }
        fill(&mut message, 1);
        assert!(check(&message[..56], 1, 64).is_err());
        assert!(check(&[], 1, 64).is_err());
    }
}
