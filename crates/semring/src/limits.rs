//! Whether the machine has room for a segment, asked before a page of it is touched.

use std::fs;

use sysv_ipc::{Limits, page_bytes, segments};

use crate::error::AttachReason;

/// Refuses a segment that exceeds a limit of the machine, naming the limit.
pub(crate) fn check(needed: u64) -> Result<(), AttachReason> {
    let environment = |error: String| AttachReason::Environment(error);
    let limits = Limits::read().map_err(|error| environment(error.to_string()))?;
    let refuse = |limit: String| Err(AttachReason::TooLarge { needed, limit });
    if needed > limits.segment_bytes {
        let limit = limits.segment_bytes;
        return refuse(format!(
            "a segment may have {limit} (raise `sysctl kernel.shmmax`, or ask for fewer or smaller \
             slots)"
        ));
    }
    let page = page_bytes() as u64;
    let in_use: u64 = segments()
        .map_err(|error| environment(error.to_string()))?
        .iter()
        .map(|segment| (segment.bytes as u64).div_ceil(page))
        .sum();
    let free_pages = limits.shared_pages_in_total.saturating_sub(in_use);
    if needed.div_ceil(page) > free_pages {
        return refuse(format!(
            "only {} more may be shared in total (raise `sysctl kernel.shmall`, remove leftovers \
             shown by `ipcs -m`, or ask for fewer or smaller slots)",
            free_pages.saturating_mul(page)
        ));
    }
    match available_bytes() {
        Some(available) if needed > available => refuse(format!(
            "the machine has {available} bytes of memory available; ask for fewer or smaller slots"
        )),
        _ => Ok(()),
    }
}

/// Memory that can be had without pushing others out, and free swap; unknown without /proc/meminfo.
fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some(field(&text, "MemAvailable:")?.saturating_add(field(&text, "SwapFree:").unwrap_or(0)))
}

fn field(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_kilobytes() {
        let text = "MemTotal:       24000 kB\nMemAvailable:   2 kB\nSwapFree: x kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(2048));
        assert_eq!(field(text, "SwapFree:"), None);
        assert_eq!(field(text, "Nothing:"), None);
    }
}
