//! How numbers, times and users are written.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::{Uid, User};
use semring_cli::printable;

/// Cuts a text that is longer than `limit` characters, and shows that it was cut.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let start: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{start}…")
}

/// Writes a count with its noun: "1 message", "5 messages".
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Writes a count in at most six characters: "950", "12.3 k", "4.5 M".
pub fn short_count(count: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if count < 10_000 {
        return count.to_string();
    }
    // Tenths of a unit, without a floating-point number's rounding up to the next unit.
    let mut tenths = count / 100;
    let mut unit = 0;
    while tenths >= 10_000 {
        tenths /= 1000;
        unit += 1;
    }
    let unit = UNITS.get(unit).unwrap_or(&"");
    if tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// Writes a size as exactly as its largest unit allows: "64 KiB", "100 B", "4 GiB".
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    let mut number = bytes;
    while number >= 1024 && number.is_multiple_of(1024) && unit + 1 < UNITS.len() {
        number /= 1024;
        unit += 1;
    }
    format!("{number} {}", UNITS[unit])
}

/// Writes how long something has lasted: "12 s", "3 min", "5 h", "4 days".
pub fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

/// Says how long ago a time was, given in nanoseconds since 1970; nothing for a time that is still to
/// come.
pub fn since(then_ns: u64) -> Duration {
    let then = UNIX_EPOCH + Duration::from_nanos(then_ns);
    SystemTime::now().duration_since(then).unwrap_or_default()
}

/// Writes a time, given in nanoseconds since 1970, in UTC: "2026-11-27T23:16:05Z".
pub fn timestamp(then_ns: u64) -> String {
    let then = UNIX_EPOCH + Duration::from_nanos(then_ns);
    humantime::format_rfc3339_seconds(then).to_string()
}

/// Writes when something was, in UTC, and how long ago: "23:16:05 UTC, 12 s ago", "2026-11-20, 7 days ago".
pub fn when(then_ns: u64) -> String {
    let (ago, stamp) = (since(then_ns), timestamp(then_ns));
    let (date, time) = stamp.split_once('T').unwrap_or((&stamp, ""));
    let at = if ago < Duration::from_secs(86400) {
        format!("{} UTC", time.trim_end_matches('Z'))
    } else {
        date.to_owned()
    };
    format!("{at}, {} ago", lasting(ago))
}

/// Writes bytes as they follow each other, two digits for each.
pub fn hexadecimal(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Knows users by name.
#[derive(Debug, Default)]
pub struct Users(HashMap<u32, String>);

impl Users {
    /// Returns the name of a user, or the number of one who has none.
    pub fn name(&mut self, id: u32) -> &str {
        self.0.entry(id).or_insert_with(|| {
            let user = User::from_uid(Uid::from_raw(id)).ok().flatten();
            user.map_or_else(|| id.to_string(), |user| printable(&user.name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_visibly() {
        assert_eq!(shorten("orders", 6), "orders");
        assert_eq!(shorten("ordersandmore", 6), "order…");
    }

    #[test]
    fn numbers_are_short() {
        for (count, text) in [
            (0, "0"),
            (9999, "9999"),
            (10_000, "10.0 k"),
            (99_999, "99.9 k"),
            (123_456, "123 k"),
            (1_000_000, "1.0 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(short_count(count), text);
        }
        assert_eq!(counted(1, "message"), "1 message");
        assert_eq!(counted(0, "message"), "0 messages");
    }

    #[test]
    fn sizes_are_exact() {
        for (bytes, text) in [
            (100, "100 B"),
            (65_536, "64 KiB"),
            (65_537, "65537 B"),
            (4_294_963_200, "4194300 KiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_are_in_words() {
        assert_eq!(lasting(Duration::from_secs(119)), "119 s");
        assert_eq!(lasting(Duration::from_secs(120)), "2 min");
        assert_eq!(lasting(Duration::from_secs(7200)), "2 h");
        assert_eq!(lasting(Duration::from_secs(172_800)), "2 days");
        assert_eq!(since(u64::MAX), Duration::ZERO);
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(u64::MAX), "2554-07-21T23:34:33Z");
        assert!(when(0).starts_with("1970-01-01, "), "{}", when(0));
        assert_eq!(when(u64::MAX), "23:34:33 UTC, 0 s ago");
    }
}
