//! The numbered messages of the demonstration: a counter in four bytes, then text.

/// Makes the bytes of a numbered message.
#[must_use]
pub fn encode(counter: i32, text: &str) -> Vec<u8> {
    let mut bytes = counter.to_ne_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Returns the counter and the text of a numbered message, or nothing when it is too short to be one.
#[must_use]
pub fn decode(message: &[u8]) -> Option<(i32, String)> {
    let (counter, text) = message.split_first_chunk()?;
    Some((
        i32::from_ne_bytes(*counter),
        String::from_utf8_lossy(text).into_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back() {
        assert_eq!(decode(&encode(-7, "Grüße")), Some((-7, "Grüße".to_owned())));
        assert_eq!(decode(&[1, 2, 3]), None);
    }
}
