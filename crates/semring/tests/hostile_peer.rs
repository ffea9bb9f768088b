//! Goal: a peer that writes, posts, takes or holds what the protocol does not allow gets a named refusal or
//! an end in time, never a crash, an access outside the segment or an endless loop. Method: a second process
//! does it while this one exchanges, or this one does it to its own objects where the moment matters.

mod watchdog;

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use semring::{
    Address, Channel, CloseOutcome, Consumer, Corrupt, Deadline, DrainError, Fault, Producer,
    RecvError, SendError,
};
use sysv_ipc::{Operation, Segment, SemaphoreSet};

const SLOTS: u32 = 4;
const EMPTY: u16 = 0;
const FULL: u16 = 1;
const PRODUCER: u16 = 2;
/// Most units a semaphore holds.
const CEILING: u16 = 32767;
const TAIL: usize = 512;
const PRODUCER_WORD: usize = 640;
const HEAD: usize = 1024;
const HANDED_OUT: usize = 1280;
const DESCRIPTORS: usize = 4096;
const INLINE: u32 = u32::MAX;
/// The segment that the other process is to damage, and what it is to write where.
const SEGMENT: &str = "HOSTILE_SEGMENT";
const SCRIBBLES: &str = "HOSTILE_SCRIBBLES";
const CHANNEL: &str = "HOSTILE_CHANNEL";

fn channel(name: &str) -> Result<Channel> {
    let name = format!("hostile-peer-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(SLOTS)
        .slot_bytes(128))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(30))
}

fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}

/// Another process, killed when dropped.
struct Part(Child);

impl Part {
    fn start(name: &str, variables: &[(&str, String)]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--exact", name, "--ignored", "--quiet"]);
        command
            .envs(variables.iter().cloned())
            .stdout(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends this process with the test, however that ends.
fn end_with_the_test() -> Result<()> {
    Ok(set_pdeathsig(Signal::SIGKILL)?)
}

fn segment_of_the_test() -> Result<Segment> {
    Ok(Segment::from_id(std::env::var(SEGMENT)?.parse()?))
}

/// Starts a process that writes these values to the same eight bytes, one after the other, without end.
fn scribbler(segment: Segment, offset: usize, values: &[u64]) -> Result<Part> {
    let scribbles = format!("{offset} {values:?}").replace(['[', ',', ']'], "");
    let variables = [(SEGMENT, segment.id().to_string()), (SCRIBBLES, scribbles)];
    Part::start("scribbling", &variables)
}

#[test]
#[ignore = "the other process: writes into the segment without end"]
fn scribbling() -> Result<()> {
    end_with_the_test()?;
    let plan = std::env::var(SCRIBBLES)?;
    let mut numbers = plan.split(' ').map(str::parse);
    let offset: u64 = numbers.next().context("an offset")??;
    let values = numbers.collect::<Result<Vec<u64>, _>>()?;
    let memory = segment_of_the_test()?.attach()?;
    let field = memory.atomic_u64(usize::try_from(offset)?)?;
    loop {
        for &value in &values {
            field.store(value, Ordering::Release);
            // Leaves the other a moment with each value.
            for _ in 0..5 {
                std::hint::spin_loop();
            }
        }
    }
}

/// The two halves of a descriptor, as one number.
fn descriptor(length: u32, slot: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..].copy_from_slice(&slot.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

#[test]
fn a_descriptor_that_changes_between_two_looks() -> Result<()> {
    let _watchdog = watchdog::watch("a_descriptor_that_changes_between_two_looks");
    let channel = channel("descriptor")?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    producer.send(&[1; 100])?;
    let wrong = [
        (129, 0),
        (u32::MAX, 1),
        (10, SLOTS),
        (10, 1 << 31),
        (57, INLINE),
    ];
    let mut values = Vec::new();
    for (length, slot) in wrong {
        values.extend([
            descriptor(10, 0),
            descriptor(length, slot),
            descriptor(10, INLINE),
        ]);
    }
    let scribbler = scribbler(producer.link().segment(), DESCRIPTORS, &values)?;
    let (mut received, mut refused) = (0, 0);
    while received < 300_000 || refused < 50_000 {
        let length = match consumer.recv() {
            Ok(Some(message)) => {
                let length = message.iter().map(|_| 1).sum::<usize>();
                message.put_back();
                length
            }
            Err(RecvError::Fault(Fault::Corrupt(corrupt))) => {
                ensure!(corrupt.field.starts_with("descriptor's "), "{corrupt}");
                refused += 1;
                continue;
            }
            other => bail!("{other:?}"),
        };
        // 100 until the other process has begun.
        ensure!(
            length == 10 || (refused == 0 && length == 100),
            "{length} bytes"
        );
        received += 1;
    }
    drop((scribbler, producer, consumer));
    channel.remove()?;
    Ok(())
}

#[test]
fn a_word_that_never_rests() -> Result<()> {
    let _watchdog = watchdog::watch("a_word_that_never_rests");
    let channel = channel("word")?;
    let (producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    let values: Vec<u64> = (0..40).collect();
    let scribbler = scribbler(producer.link().segment(), PRODUCER_WORD, &values)?;
    drop(producer);
    let (mut ended, mut lost, mut interrupted) = (0, 0, 0);
    while ended < 100 || lost < 100 || interrupted < 100 {
        match consumer.recv_deadline(now()) {
            Ok(None) => ended += 1,
            Err(RecvError::PeerLost) => lost += 1,
            Err(RecvError::Interrupted) => interrupted += 1,
            Err(RecvError::Fault(Fault::Corrupt(corrupt))) if corrupt.field == "word" => {}
            Err(RecvError::TimedOut) => {}
            other => bail!("{other:?}"),
        }
    }
    drop((scribbler, consumer));
    channel.remove()?;
    Ok(())
}

/// A pair with head 1 and tail 3, as both have seen.
fn pair(name: &str) -> Result<(Channel, Producer, Consumer)> {
    let channel = channel(name)?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    for number in 1..=3 {
        producer.send(&[number; 100])?;
    }
    drop(consumer.recv()?.context("a message was sent")?);
    ensure!(consumer.unread() == Ok(2) && producer.unread() == Ok(2));
    Ok((channel, producer, consumer))
}

fn jumped(field: &'static str, found: u64, expected: &'static str) -> Fault {
    let expected = expected.into();
    Fault::Corrupt(Corrupt {
        field,
        found,
        expected,
    })
}

#[test]
fn positions_that_jump() -> Result<()> {
    let _watchdog = watchdog::watch("positions_that_jump");
    let (channel, mut producer, mut consumer) = pair("jump")?;
    let memory = producer.link().segment().attach()?;
    let (tail, head) = (memory.atomic_u64(TAIL)?, memory.atomic_u64(HEAD)?);
    for found in [0, 2, 6, 7, 1 << 32, u64::MAX - 1, u64::MAX] {
        tail.store(found, Ordering::Release);
        let fault = jumped("tail", found, "3 to 5");
        ensure!(
            consumer.recv().err() == Some(fault.clone().into()),
            "tail {found}"
        );
        ensure!(
            consumer.recv_batch(9).err() == Some(fault.clone().into()),
            "tail {found}"
        );
        ensure!(
            consumer.unread().map_err(Fault::from) == Err(fault),
            "tail {found}"
        );
    }
    tail.store(3, Ordering::Release);
    for found in [0, 4, 5, 1 << 32, u64::MAX - 1, u64::MAX] {
        head.store(found, Ordering::Release);
        let fault = jumped("head", found, "1 to 3");
        ensure!(
            producer.send(b"x") == Err(fault.clone().into()),
            "head {found}"
        );
        ensure!(
            producer.send_batch(&[b"x"]) == Err(fault.clone().into()),
            "head {found}"
        );
        ensure!(
            producer.drain(soon()) == Err(fault.clone().into()),
            "head {found}"
        );
        ensure!(
            producer.unread().map_err(Fault::from) == Err(fault),
            "head {found}"
        );
    }
    head.store(1, Ordering::Release);
    // Put right, all goes on.
    producer.send(&[4; 100])?;
    for number in 2..=4 {
        let message = consumer.recv()?.context("a message was sent")?;
        ensure!(*message == [number; 100]);
    }
    drop(memory);
    producer.close()?;
    ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    drop(channel);
    Ok(())
}

#[test]
fn positions_that_wrap() -> Result<()> {
    let _watchdog = watchdog::watch("positions_that_wrap");
    let channel = channel("wrap")?;
    let producer = channel.producer()?;
    let segment = producer.link().segment();
    drop(producer);
    for offset in [TAIL, HEAD, HANDED_OUT] {
        segment
            .attach()?
            .atomic_u64(offset)?
            .store(u64::MAX - 1, Ordering::Release);
    }
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    for number in 0..20 {
        let sent = [[number; 100], [number + 100; 100]];
        ensure!(producer.send_batch(&[&sent[0], &sent[1]])? == 2);
        let batch = consumer.recv_batch(2)?.context("two messages")?;
        let position = (u64::MAX - 1).wrapping_add(2 * u64::from(number));
        ensure!(batch.position() == position && batch.redelivered() == 0);
        ensure!(batch.iter().eq(sent.iter().map(|message| &message[..])));
    }
    producer.close()?;
    ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Fills a semaphore to its ceiling.
fn fill(set: SemaphoreSet, semaphore: u16) -> Result<()> {
    let units = CEILING - set.value(semaphore)?;
    if units > 0 {
        set.operate(&[Operation::add(semaphore, units)])?;
    }
    Ok(())
}

#[test]
fn a_peer_that_posts_all_the_units_there_can_be() -> Result<()> {
    let _watchdog = watchdog::watch("a_peer_that_posts_all_the_units_there_can_be");
    let channel = channel("units")?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    let set = producer.link().semaphore_set();
    fill(set, FULL)?;
    fill(set, EMPTY)?;
    // At the ceiling a post counts as done.
    producer.send(b"x")?;
    consumer.recv()?.context("a message was sent")?.release()?;
    // Each unit is looked at once, and thrown away.
    let before = consumer.calls().sleeps;
    let mut waits = 0;
    while set.value(FULL)? > 0 {
        ensure!(consumer.recv_deadline(soon()).err() == Some(RecvError::TimedOut));
        waits += 1;
    }
    let sleeps = consumer.calls().sleeps - before;
    ensure!(
        sleeps <= u64::from(CEILING) + waits,
        "{sleeps} looks in {waits} waits"
    );
    // Leaving and attaching at the ceiling, in every order; counts are bounded again afterwards.
    for _ in 0..3 {
        fill(set, FULL)?;
        fill(set, EMPTY)?;
        drop(producer);
        fill(set, FULL)?;
        drop(consumer);
        producer = channel.producer()?;
        ensure!(
            set.value(FULL)? <= 5 && set.value(EMPTY)? <= 5,
            "{:?}",
            set.values()?
        );
        fill(set, EMPTY)?;
        consumer = channel.consumer()?;
        producer.send(b"y")?;
        consumer.recv()?.context("a message was sent")?.release()?;
        ensure!(consumer.recv_deadline(now()).err() == Some(RecvError::TimedOut));
    }
    fill(set, FULL)?;
    fill(set, EMPTY)?;
    producer.close()?;
    ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

#[test]
fn a_peer_that_takes_the_role_away_and_posts_all_the_units_there_can_be() -> Result<()> {
    let test = "a_peer_that_takes_the_role_away_and_posts_all_the_units_there_can_be";
    let _watchdog = watchdog::watch(test);
    for close in [true, false] {
        let channel = channel("role")?;
        let producer = channel.producer()?;
        let set = producer.link().semaphore_set();
        set.operate(&[Operation::take(PRODUCER, 1)])?;
        fill(set, FULL)?;
        if close {
            ensure!(producer.close()? == CloseOutcome::Kept { unread: 0 });
        } else {
            drop(producer);
        }
        // What leaving took for itself, it has given back.
        ensure!(channel.setup_limit(Duration::ZERO).remove()? == 0);
    }
    Ok(())
}

#[test]
fn a_peer_that_takes_permits_away() -> Result<()> {
    let _watchdog = watchdog::watch("a_peer_that_takes_permits_away");
    let (channel, mut producer, mut consumer) = pair("thief")?;
    let set = producer.link().semaphore_set();
    let take_all = |semaphore| -> Result<()> {
        let units = set.value(semaphore)?;
        Ok(set.operate(&[Operation::take(semaphore, units).nowait()])?)
    };
    take_all(FULL)?;
    ensure!(consumer.recv_deadline(soon()).err() == Some(RecvError::TimedOut));
    take_all(EMPTY)?;
    ensure!(producer.send_deadline(b"x", soon()) == Err(SendError::TimedOut));
    // What is in memory needs no permit once nobody can post one.
    drop(producer);
    take_all(FULL)?;
    for number in 2..=3 {
        let message = consumer.recv()?.context("a message was sent")?;
        ensure!(*message == [number; 100]);
    }
    ensure!(consumer.recv().err() == Some(RecvError::PeerLost));
    let mut producer = channel.producer()?;
    drop(consumer);
    take_all(EMPTY)?;
    for _ in 0..SLOTS {
        producer.send(b"y")?;
    }
    ensure!(producer.send(b"y") == Err(SendError::PeerLost));
    drop(producer);
    ensure!(channel.remove()? == SLOTS.into());
    Ok(())
}

#[test]
#[ignore = "the other process: gives the segment's memory back, as MADV_REMOVE does"]
fn punching() -> Result<()> {
    let segment = segment_of_the_test()?;
    let memory = segment.attach()?;
    let start = format!("{:x}-", memory.as_ptr().addr());
    let maps = fs::read_to_string("/proc/self/maps")?;
    let line = maps.lines().find(|line| line.starts_with(&start));
    let range = line
        .and_then(|line| line.split(' ').next())
        .context("a mapping")?;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/map_files/{range}"))?;
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(
        &file,
        hole,
        0,
        i64::try_from(memory.bytes().next_multiple_of(4096))?,
    )?;
    Ok(())
}

#[test]
fn a_peer_that_gives_the_memory_back() -> Result<()> {
    let _watchdog = watchdog::watch("a_peer_that_gives_the_memory_back");
    let (channel, mut producer, mut consumer) = pair("hole")?;
    let segment = producer.link().segment();
    let mut puncher = Part::start("punching", &[(SEGMENT, segment.id().to_string())])?;
    if !puncher.0.wait()?.success() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: punching a hole into the segment: needs root; zeros are written instead"
        );
        let memory = segment.attach()?;
        memory.write(0, &vec![0; memory.bytes()])?;
    }
    ensure!(consumer.recv().err() == Some(jumped("tail", 0, "3 to 5").into()));
    ensure!(producer.send(b"x") == Err(jumped("head", 0, "1 to 3").into()));
    let refused = channel
        .consumer()
        .map(drop)
        .map_err(|error| error.to_string());
    // A segment of zeros under a role that is held: not one to begin anew.
    ensure!(refused.is_err_and(|text| text.contains("still holds the producer role")));
    let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
    drop((producer, consumer));
    segment.remove()?;
    set.remove()?;
    Ok(())
}

#[test]
#[ignore = "the other process: holds a message and the role for ever"]
fn holding() -> Result<()> {
    end_with_the_test()?;
    let channel = Channel::new(Address::named(&std::env::var(CHANNEL)?)?);
    let mut consumer = channel.consumer()?;
    let _message = consumer.recv()?.context("a message was sent")?;
    loop {
        std::thread::park();
    }
}

#[test]
fn a_consumer_that_never_releases() -> Result<()> {
    let _watchdog = watchdog::watch("a_consumer_that_never_releases");
    let channel = channel("holder")?;
    let mut producer = channel.producer()?;
    let name = channel.address().name().to_owned();
    let mut holder = Part::start("holding", &[(CHANNEL, name)])?;
    for _ in 0..SLOTS {
        producer.send(b"x")?;
    }
    while !producer.has_consumer()? {
        ensure!(
            holder.0.try_wait()?.is_none(),
            "the other process has ended"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    for _ in 0..3 {
        ensure!(producer.send_deadline(b"y", soon()) == Err(SendError::TimedOut));
        ensure!(producer.drain(soon()) == Err(DrainError::TimedOut));
        ensure!(producer.unread()? == SLOTS && producer.has_consumer()?);
    }
    drop(holder);
    ensure!(producer.send(b"y") == Err(SendError::PeerLost));
    drop(producer);
    ensure!(channel.remove()? == SLOTS.into());
    Ok(())
}
