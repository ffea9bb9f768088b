//! The one clock that stands in the segment: nanoseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads the clock; a clock set before 1970 reads 0.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Says when a time was: "14:03:22 UTC, 3 s ago".
pub(crate) fn when(then_ns: u64) -> String {
    let of_day = then_ns / 1_000_000_000 % 86400;
    let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02} UTC, {}", ago(then_ns))
}

/// Says how long ago a time was, in words: "3 s ago".
fn ago(then_ns: u64) -> String {
    let seconds = Duration::from_nanos(now_ns().saturating_sub(then_ns)).as_secs();
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86400),
    }
}
