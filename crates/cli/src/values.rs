//! Values on the command line: sizes with suffixes, durations, keys, modes.

use std::time::Duration;

use semring::{Key, Mode};

/// Reads a number of bytes: `4096`, `64KiB`, `2GiB`, `1MB`. For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn size(text: &str) -> Result<u64, String> {
    parse_size::parse_size(text)
        .map_err(|error| format!("{error}; write bytes with or without a suffix, 4096 or 64KiB"))
}

/// Reads a duration: `500ms`, `2s`, `1min`. For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number with its unit, 500ms or 2s"))
}

/// Reads a key: `0x41010002` as `ipcs` prints it, or a decimal number. For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn key(text: &str) -> Result<Key, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads a mode: `0600`. For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn mode(text: &str) -> Result<Mode, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads a count with or without a suffix: `5`, `10k`. For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn count(text: &str) -> Result<u64, String> {
    parse_size::Config::new()
        .with_decimal()
        .parse_size(text)
        .map_err(|error| format!("{error}; write a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_mean_what_they_say() {
        assert_eq!(size("64KiB"), Ok(65536));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("7"), Ok(7));
        assert!(size("seven").is_err());
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("5").unwrap_err().contains("500ms"));
        assert_eq!(count("10k"), Ok(10_000));
    }
}
