//! Messages whose length and bytes follow from the seed and their position, so that whoever receives
//! one knows what it must be.

/// Longest message that is made, however large the slots are.
const MAX_BYTES: u64 = 64 * 1024;

/// Says how long messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lengths {
    /// From nothing to a full slot, short ones often.
    #[default]
    Mixed,
    /// A full slot, all of them.
    Full,
}

/// Returns the length of the message at a position.
pub fn length(seed: u64, position: u64, slot_bytes: u64, lengths: Lengths) -> usize {
    let random = mix(seed ^ position.rotate_left(32));
    let limit = slot_bytes.min(MAX_BYTES);
    let bytes = match lengths {
        Lengths::Full => limit,
        Lengths::Mixed if random.is_multiple_of(4) => (random >> 8) % (limit + 1),
        Lengths::Mixed => (random >> 8) % (limit.min(200) + 1),
    };
    usize::try_from(bytes).unwrap_or(0)
}

/// Fills the message at a position: its number first, as far as there is room, then bytes that look
/// random.
pub fn fill(seed: u64, position: u64, bytes: &mut [u8]) {
    let mut word = position;
    let mut state = seed ^ position;
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(word.to_ne_bytes().get(..chunk.len()).unwrap_or_default());
        state = mix(state);
        word = state;
    }
}

/// Makes the message at a position.
pub fn make(seed: u64, position: u64, slot_bytes: u64, lengths: Lengths) -> Vec<u8> {
    let mut bytes = vec![0; length(seed, position, slot_bytes, lengths)];
    fill(seed, position, &mut bytes);
    bytes
}

/// Mixes 64 bits (the finaliser of `SplitMix64`).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_has_other_bytes() {
        let messages: Vec<_> = (0..100)
            .map(|position| make(7, position, 4096, Lengths::Mixed))
            .collect();
        let long = messages.iter().filter(|message| message.len() > 16);
        let mut starts: Vec<_> = long.map(|message| message[..16].to_vec()).collect();
        let count = starts.len();
        starts.sort();
        starts.dedup();
        assert_eq!(starts.len(), count);
    }

    #[test]
    fn lengths_reach_both_ends() {
        let lengths: Vec<_> = (0..10_000)
            .map(|p| length(1, p, 64, Lengths::Mixed))
            .collect();
        assert!(lengths.contains(&0) && lengths.contains(&64));
        assert!(lengths.iter().all(|&length| length <= 64));
        assert_eq!(length(1, 0, 64, Lengths::Full), 64);
    }
}
