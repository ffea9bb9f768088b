//! Goal: an observer is told what stands in a segment, whoever has scribbled in it, and changes nothing.
//! Method: channels whose state is known, headers with one field garbled, headers of random bytes.

mod watchdog;

use anyhow::{Context as _, Result, bail, ensure};
use semring::observe::{Observation, Snapshot, State};
use semring::{Address, Channel, Framing, Mode, Sync};
use sysv_ipc::{ErrorKind, Key, Segment};

/// Headers that are looked at.
const ROUNDS: u32 = 5000;

fn channel(name: &str) -> Result<Channel> {
    let name = format!("observe-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(4)
        .slot_bytes(100))
}

fn snapshot(segment: Segment) -> Result<Snapshot> {
    match Observation::take(segment)? {
        Observation::Channel(snapshot) => Ok(*snapshot),
        other => bail!("{other:?}"),
    }
}

#[test]
fn a_channel_is_seen_as_it_is() -> Result<()> {
    let _watchdog = watchdog::watch("a_channel_is_seen_as_it_is");
    let channel = channel("whole")?.sync(Sync::Adaptive);
    let (mut producer, consumer) = (channel.producer()?, channel.consumer()?);
    drop(consumer);
    let mut consumer = channel.consumer()?;
    for length in [5, 100, 60] {
        producer.send(&vec![1; length])?;
    }
    drop(consumer.recv()?.context("the first")?);
    let link = producer.link();
    let (segment, set, nonce) = (link.segment(), link.semaphore_set(), link.nonce());
    consumer.close()?;
    let seen = snapshot(segment)?;
    ensure!(seen.name == channel.address().name());
    ensure!((seen.sync, seen.framing) == (Sync::Adaptive, Framing::Messages));
    ensure!((seen.geometry.slot_count(), seen.geometry.slot_bytes()) == (4, 100));
    ensure!((seen.set, seen.nonce) == (set, nonce));
    ensure!((seen.tail, seen.head, seen.filled) == (3, 1, Some(2)));
    ensure!(seen.producer.state == State::Attached && seen.producer.epoch == 1);
    ensure!(seen.producer.takeovers() == 0);
    ensure!((seen.producer.messages, seen.producer.bytes) == (3, 165));
    ensure!(seen.consumer.state == State::Closed && seen.consumer.takeovers() == 1);
    ensure!((seen.consumer.messages, seen.consumer.handed_out) == (1, 1));
    drop(producer);
    channel.remove()?;
    let gone = Observation::take(segment);
    ensure!(gone.is_err_and(|error| error.kind() == ErrorKind::Removed));
    Ok(())
}

/// Goes through the fields of the identity that have one right value, and through the two positions.
#[test]
fn a_garbled_field_is_named() -> Result<()> {
    let _watchdog = watchdog::watch("a_garbled_field_is_named");
    let channel = channel("garbled")?;
    let producer = channel.producer()?;
    let segment = producer.link().segment();
    let memory = segment.attach()?;
    for (offset, field) in [
        (12, "header_bytes"),
        (16, "segment_bytes"),
        (24, "slot_bytes"),
        (32, "slot_stride"),
        (40, "slot_count"),
        (44, "sync"),
        (48, "descriptors_offset"),
        (56, "slots_offset"),
        (68, "semaphore_count"),
        (72, "framing"),
        (76, "consumer_count"),
        (128, "name_bytes"),
        (320, "type_bytes"),
    ] {
        let mut right = [0; 4];
        memory.read(offset, &mut right)?;
        memory.write(offset, &[0xff; 4])?;
        match Observation::take(segment)? {
            Observation::Damaged(corrupt) => ensure!(corrupt.field == field, "{corrupt}"),
            other => bail!("{field}: {other:?}"),
        }
        memory.write(offset, &right)?;
    }
    memory.write(8, &[7])?;
    ensure!(matches!(
        Observation::take(segment)?,
        Observation::OtherVersion {
            found: 7,
            expected: 1
        }
    ));
    memory.write(8, &[1])?;
    memory.write(512, &[9])?;
    ensure!(snapshot(segment)?.filled.is_none(), "9 of 4 slots");
    memory.write(0, b"semring?")?;
    ensure!(matches!(
        Observation::take(segment)?,
        Observation::Unfinished
    ));
    drop((memory, producer));
    channel.remove()?;
    Ok(())
}

#[test]
fn what_is_no_channel_is_told_apart() -> Result<()> {
    let _watchdog = watchdog::watch("what_is_no_channel_is_told_apart");
    let small = Segment::create(Key::PRIVATE, 108, Mode::OWNER)?;
    let large = Segment::create(Key::PRIVATE, 8192, Mode::OWNER)?;
    let of_small = Observation::take(small)?;
    let blank = Observation::take(large)?;
    large.attach()?.write(4095, &[1])?;
    let of_large = Observation::take(large)?;
    small.remove()?;
    large.remove()?;
    ensure!(
        matches!(&of_small, Observation::Foreign { evidence } if evidence.contains("108 bytes"))
    );
    ensure!(matches!(blank, Observation::Blank));
    ensure!(matches!(of_large, Observation::Foreign { .. }));
    Ok(())
}

#[test]
fn random_bytes_are_survived() -> Result<()> {
    let _watchdog = watchdog::watch("random_bytes_are_survived");
    let channel = channel("random")?;
    let producer = channel.producer()?;
    let segment = producer.link().segment();
    let memory = segment.attach()?;
    let mut right = [0; 4096];
    memory.read(0, &mut right)?;
    let mut random = fastrand::Rng::with_seed(7);
    let (mut whole, mut damaged) = (0, 0);
    for _ in 0..ROUNDS {
        let mut header = right;
        // A few bytes behind magic and version, so that every check is reached, or all of them.
        let start = random.usize(12..1024);
        let end = (start + random.usize(1..9)).min(1024);
        let garbled = if random.bool() { start..end } else { 12..4096 };
        random.fill(&mut header[garbled]);
        memory.write(0, &header)?;
        match Observation::take(segment)? {
            Observation::Channel(seen) => {
                ensure!(seen.filled.is_none_or(|filled| filled <= 4), "{seen:?}");
                whole += 1;
            }
            Observation::Damaged(_) => damaged += 1,
            other => bail!("{other:?}"),
        }
    }
    memory.write(0, &right)?;
    ensure!(whole > ROUNDS / 10 && damaged > ROUNDS / 2, "{whole} whole");
    drop((memory, producer));
    channel.remove()?;
    Ok(())
}
