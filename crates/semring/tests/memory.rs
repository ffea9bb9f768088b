//! Goal: a new channel has the memory it was asked for: huge pages or an error that says how to have them,
//! and all of it there at once. Method: what the kernel says of the mapping in /proc/self/smaps.

mod watchdog;

use std::fs;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use semring::{Address, AttachReason, Channel, Framing, Link};

const POOL: &str = "/proc/sys/vm/nr_hugepages";

fn channel(test: &str) -> Result<Channel> {
    let name = format!("memory-{test}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(4)
        .slot_bytes(1 << 20))
}

/// Reads what smaps says of the segment's mapping, in kB.
fn mapping(link: &Link, name: &str) -> Result<u64> {
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let start = format!("{:x}-", link.mapped_at());
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&start));
    let found = lines.find_map(|line| line.strip_prefix(name));
    let amount = found.context("the field")?.trim_start_matches(':').trim();
    Ok(amount.trim_end_matches("kB").trim().parse()?)
}

#[test]
fn all_memory_is_there_if_it_was_asked_for() -> Result<()> {
    let _watchdog = watchdog::watch("all_memory_is_there_if_it_was_asked_for");
    let channel = channel("prefault")?;
    for prefault in [false, true] {
        let producer = channel.clone().prefault(prefault).producer()?;
        let link = producer.link();
        let (resident, all) = (mapping(link, "Rss")?, mapping(link, "Size")?);
        ensure!(all > 4096);
        ensure!(
            prefault == (resident == all),
            "prefault {prefault}: {resident} of {all} kB"
        );
        drop(producer);
        channel.remove()?;
    }
    Ok(())
}

#[test]
fn a_channel_of_lines_or_frames_has_more_slots_unless_told_otherwise() -> Result<()> {
    let _watchdog = watchdog::watch("a_channel_of_lines_or_frames_has_more_slots");
    let cases = [
        (Framing::Messages, None, 64),
        (Framing::Raw, None, 64),
        (Framing::Lines, None, 1024),
        (Framing::Length, None, 1024),
        (Framing::Lines, Some(2), 2),
    ];
    for (framing, slots, expected) in cases {
        let name = format!("memory-slots-{}", std::process::id());
        let mut channel = Channel::new(Address::named(&name)?).framing(framing);
        if let Some(slots) = slots {
            channel = channel.slots(slots);
        }
        let found = channel.producer()?.geometry().slot_count();
        channel.remove()?;
        ensure!(found == expected, "{framing}: {found} slots");
    }
    Ok(())
}

/// Sets how many huge pages the machine reserves, and sets it back.
struct Pool {
    before: String,
}

impl Pool {
    /// Returns nothing where that is not for us to do, or has no effect.
    fn of(pages: u64) -> Result<Option<Self>> {
        let before = fs::read_to_string(POOL)?;
        if fs::write(POOL, pages.to_string()).is_err() {
            return Ok(None);
        }
        let pool = Self { before };
        let reserved: u64 = fs::read_to_string(POOL)?.trim().parse()?;
        Ok((reserved == pages).then_some(pool))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Err(error) = fs::write(POOL, &self.before) {
            eprintln!("{POOL} should be {} again: {error}", self.before.trim());
        }
    }
}

/// One test, since the pool is the machine's.
#[test]
fn huge_pages_are_used_or_asked_for() -> Result<()> {
    let _watchdog = watchdog::watch("huge_pages_are_used_or_asked_for");
    let huge = channel("huge")?.huge_pages(true);
    let Some(pool) = Pool::of(0)? else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: huge_pages_are_used_or_asked_for: setting {POOL} needs root"
        );
        return Ok(());
    };
    let reason = huge.producer().err().context("refused")?.reason;
    let text = reason.to_string();
    ensure!(matches!(reason, AttachReason::HugePages { .. }), "{text}");
    ensure!(
        text.contains("3 of 2048 KiB are needed, 0 are free")
            && text.contains("`sysctl vm.nr_hugepages=3`"),
        "{text}"
    );
    let none = huge.clone().create(false).consumer();
    let none = none.err().context("none is left")?;
    ensure!(matches!(none.reason, AttachReason::NotFound), "{none}");
    drop(pool);

    let Some(_pool) = Pool::of(3)? else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: huge_pages_are_used_or_asked_for: no 3 huge pages can be reserved"
        );
        return Ok(());
    };
    let mut producer = huge.clone().prefault(true).producer()?;
    ensure!(mapping(producer.link(), "KernelPageSize")? == 2048);
    ensure!(mapping(producer.link(), "Size")? == 3 * 2048);
    // The other side need not know.
    let mut consumer = channel("huge")?.consumer()?;
    let sent = vec![7; 1 << 20];
    producer.send(&sent)?;
    ensure!(*consumer.recv()?.context("a message")? == *sent);
    // Nor does a successor, which finds a segment that is longer than it need be.
    drop(producer);
    ensure!(consumer.recv().is_err());
    channel("huge")?.producer()?.close()?;
    ensure!(consumer.recv()?.is_none());
    consumer.close()?;
    Ok(())
}
