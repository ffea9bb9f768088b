//! Values on the command line: sizes with suffixes, durations, names, keys, modes.

use std::time::Duration;

use semring::{Address, Geometry, Key, Mode};

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

/// Reads a number of slots. For clap.
///
/// # Errors
///
/// A sentence that says how to write it, or which numbers are possible.
pub fn slots(text: &str) -> Result<u32, String> {
    let slots = text
        .parse()
        .map_err(|error| format!("{error}; write a whole number"))?;
    Geometry::new(slots, 1)
        .map(Geometry::slot_count)
        .map_err(|error| error.to_string())
}

/// Reads the size of a slot in bytes, with or without a suffix. For clap.
///
/// # Errors
///
/// A sentence that says how to write it, or which sizes are possible.
pub fn slot_size(text: &str) -> Result<u64, String> {
    Geometry::new(1, size(text)?)
        .map(Geometry::slot_bytes)
        .map_err(|error| error.to_string())
}

/// Reads the name of a channel: NAME or USER/NAME. Whether there is such a user is not asked. For clap.
///
/// # Errors
///
/// A sentence that says which names are possible.
pub fn channel(text: &str) -> Result<String, String> {
    let name = text.split_once('/').map_or(text, |(_, name)| name);
    match Address::named(name) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a key: `0x41010002` as `ipcs` prints it, or a decimal number; not 0, which leads to nothing.
/// For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn key(text: &str) -> Result<Key, String> {
    let key = text.parse().map_err(|error| format!("{error}"))?;
    match Address::key_number(key) {
        Ok(_) => Ok(key),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a mode that lets at least the owner in: `0600`, `0660`. For clap.
///
/// # Errors
///
/// A sentence that says how to write it.
pub fn mode(text: &str) -> Result<Mode, String> {
    let mode: Mode = text.parse().map_err(|error| format!("{error}"))?;
    if Mode::OWNER.is_wider_than(mode) {
        return Err(format!(
            "{mode} does not let its owner read and write; give 0600, or with more rights 0660"
        ));
    }
    Ok(mode)
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

    #[test]
    fn what_cannot_be_had_is_told_before_anything_is_tried() {
        assert_eq!(slots("16384"), Ok(16384));
        assert!(slots("3").unwrap_err().contains("for instance 2 or 4"));
        assert!(slots("many").unwrap_err().contains("a whole number"));
        assert_eq!(slot_size("1KiB"), Ok(1024));
        assert!(slot_size("0").unwrap_err().contains("use 1 to"));
        assert_eq!(channel("alice/orders"), Ok("alice/orders".to_owned()));
        for name in ["", "alice/", "a/b/c", "a\tb"] {
            let error = channel(name).unwrap_err();
            assert!(error.contains("cannot be the name of a channel"), "{error}");
        }
        assert!(key("0").unwrap_err().contains("IPC_PRIVATE"));
        assert_eq!(mode("0640"), Ok(Mode::from_bits(0o640)));
        for useless in ["0", "0060", "0400"] {
            assert!(mode(useless).unwrap_err().contains("its owner"));
        }
    }
}
