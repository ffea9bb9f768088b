//! Whether the machine has room for a segment, asked before a page of it is touched.

use std::fs;

use sysv_ipc::{ErrorKind, Limits, page_bytes, segments};

use crate::error::AttachReason;

/// Refuses a segment that exceeds a limit of the machine, naming the limit. Whether there are enough huge
/// pages is the kernel's to say.
pub(crate) fn check(needed: u64, huge_pages: bool) -> Result<(), AttachReason> {
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
        Some(available) if needed > available && !huge_pages => refuse(format!(
            "the machine has {available} bytes of memory available; ask for fewer or smaller slots"
        )),
        _ => Ok(()),
    }
}

/// Returns the bytes in a huge page of the default size.
pub(crate) fn huge_page_bytes() -> Result<u64, AttachReason> {
    let text = fs::read_to_string("/proc/meminfo").ok();
    let bytes = text.and_then(|text| field(&text, "Hugepagesize:"));
    bytes.filter(|&bytes| bytes > 0).ok_or_else(|| {
        let obstacle = "this kernel has none, as /proc/meminfo shows".to_owned();
        AttachReason::HugePages { obstacle }
    })
}

/// Says why the kernel gave no huge pages for a segment of `needed` bytes, and what to do.
pub(crate) fn huge_pages_refused(needed: u64, kind: ErrorKind) -> AttachReason {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let count = |name| number(&text, name).unwrap_or(0);
    let page = field(&text, "Hugepagesize:").unwrap_or(1).max(1);
    let pages = needed.div_ceil(page);
    let free = count("HugePages_Free:").saturating_sub(count("HugePages_Rsvd:"));
    let obstacle = match kind {
        ErrorKind::NotOwner => "this user may not use them; put a group of theirs into `sysctl \
             vm.hugetlb_shm_group`, or give the program CAP_IPC_LOCK"
            .to_owned(),
        _ => format!(
            "{pages} of {} KiB are needed, {free} are free; reserve more (`sysctl vm.nr_hugepages={}`)",
            page / 1024,
            (count("HugePages_Total:") + pages).saturating_sub(free)
        ),
    };
    AttachReason::HugePages { obstacle }
}

/// Memory that can be had without pushing others out, and free swap; unknown without /proc/meminfo.
fn available_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some(field(&text, "MemAvailable:")?.saturating_add(field(&text, "SwapFree:").unwrap_or(0)))
}

/// Reads an amount of memory, in bytes.
fn field(meminfo: &str, name: &str) -> Option<u64> {
    let amount = entry(meminfo, name)?.strip_suffix("kB")?;
    amount.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Reads a count.
fn number(meminfo: &str, name: &str) -> Option<u64> {
    entry(meminfo, name)?.parse().ok()
}

fn entry<'a>(meminfo: &'a str, name: &str) -> Option<&'a str> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_use_huge_pages_learns_how_to_be_let() {
        let reason = huge_pages_refused(1, ErrorKind::NotOwner).to_string();
        assert!(
            reason.contains("vm.hugetlb_shm_group") && reason.contains("CAP_IPC_LOCK"),
            "{reason}"
        );
    }

    #[test]
    fn meminfo_is_read_in_kilobytes() {
        let text = "MemTotal:       24000 kB\nMemAvailable:   2 kB\nSwapFree: x kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(2048));
        assert_eq!(field(text, "SwapFree:"), None);
        assert_eq!(field(text, "Nothing:"), None);
        assert_eq!(
            number("HugePages_Free:       3\n", "HugePages_Free:"),
            Some(3)
        );
    }
}
