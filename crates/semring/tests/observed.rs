//! Goal: what a side tells observers in the segment is true: who it is, what it has exchanged, how often it
//! slept in vain. Method: the bytes at the offsets of docs/layout.md, after exchanges whose numbers are known.

mod watchdog;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use semring::{Address, Channel, Mode, RecvError};
use sysv_ipc::{Operation, Segment, SemaphoreSet};

const PRODUCER: usize = 512;
const CONSUMER: usize = 1024;
const FULL: u16 = 1;

fn channel(name: &str) -> Result<Channel> {
    let name = format!("observed-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(4)
        .slot_bytes(100))
}

/// What the counters of one side say.
#[derive(Debug, PartialEq, Eq)]
struct Counters {
    messages: u64,
    bytes: u64,
    sleeps: u64,
    spurious: u64,
    redelivered: u64,
}

fn counters(segment: Segment, side: usize) -> Result<Counters> {
    let memory = segment.attach_read_only()?;
    let number = |offset| memory.load_u64(side + offset);
    Ok(Counters {
        messages: number(264)?,
        bytes: number(272)?,
        sleeps: number(280)?,
        spurious: number(288)?,
        redelivered: number(296)?,
    })
}

#[test]
fn exchanges_are_counted() -> Result<()> {
    let _watchdog = watchdog::watch("exchanges_are_counted");
    let channel = channel("counters")?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
    for length in [5, 100, 60] {
        producer.send(&vec![1; length])?;
    }
    producer.send_batch(&[&[2; 7]])?;
    let (messages, bytes) = (4, 172);
    let none = Counters {
        messages: 0,
        bytes: 0,
        sleeps: 0,
        spurious: 0,
        redelivered: 0,
    };
    ensure!(
        counters(segment, PRODUCER)?
            == Counters {
                messages,
                bytes,
                ..none
            }
    );
    drop(consumer.recv()?.context("the first")?);
    // Two in hand when it ends: its successor has them again.
    std::mem::forget(consumer.recv_batch(2)?);
    drop(consumer);
    let mut consumer = channel.consumer()?;
    drop(consumer.recv_batch(1)?.context("the second")?);
    for _ in 0..2 {
        drop(consumer.recv()?.context("the rest")?);
    }
    ensure!(
        counters(segment, CONSUMER)?
            == Counters {
                messages,
                bytes,
                redelivered: 2,
                ..none
            }
    );
    // Takes what earlier ends left, and then two units that are worth nothing, before it sleeps for one
    // that is.
    while set.value(FULL)? > 0 {
        set.operate(&[Operation::take(FULL, 1).nowait()])?;
    }
    set.operate(&[Operation::add(FULL, 2)])?;
    std::thread::scope(|scope| -> Result<()> {
        let sending = scope.spawn(|| -> Result<()> {
            while set.waiting_for_units(FULL)? == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(producer.send(b"x")?)
        });
        drop(consumer.recv()?.context("the last")?);
        sending.join().ok().context("no panic")?
    })?;
    let (messages, bytes) = (messages + 1, bytes + 1);
    let (spurious, sleeps) = (2, 3);
    let expected = Counters {
        messages,
        bytes,
        sleeps,
        spurious,
        redelivered: 2,
    };
    ensure!(
        counters(segment, CONSUMER)? == expected,
        "{:?}",
        counters(segment, CONSUMER)?
    );
    producer.close()?;
    ensure!(consumer.recv()?.is_none());
    consumer.close()?;
    Ok(())
}

#[test]
fn a_side_says_who_it_is_and_what_it_does() -> Result<()> {
    let _watchdog = watchdog::watch("a_side_says_who_it_is_and_what_it_does");
    let before = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let channel = channel("owner")?;
    let producer = channel.producer()?;
    let memory = producer.link().segment().attach()?;
    ensure!(memory.load_u32(PRODUCER + 144)? == std::process::id());
    ensure!(memory.load_u32(PRODUCER + 148)? == nix::unistd::geteuid().as_raw());
    ensure!(memory.load_u64(PRODUCER + 152)? >= before);
    ensure!(
        memory.load_u64(PRODUCER + 128)? == 1 << 2 | 1,
        "first epoch, attached"
    );
    ensure!(memory.load_u32(CONSUMER + 144)? == 0, "nobody");
    ensure!(
        memory.load_u64(96)? == 0 && memory.load_u64(104)? == 0,
        "no key file"
    );
    ensure!(memory.load_u32(112)? == std::process::id(), "creator");
    ensure!(
        memory.load_u32(116)? == nix::unistd::geteuid().as_raw(),
        "creator"
    );
    ensure!(memory.load_u64(120)? >= before, "created");
    ensure!(memory.load_u64(80)? != memory.load_u64(88)?, "random bytes");
    let mut consumer = channel.consumer()?;
    let activity = |expected| -> Result<()> {
        while memory.load_u32(CONSUMER + 312)? != expected {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    let canceller = consumer.canceller();
    let waiting = std::thread::spawn(move || {
        let ended = consumer.recv().err();
        (consumer, ended)
    });
    activity(1)?;
    ensure!(memory.load_u64(CONSUMER + 304)? >= memory.load_u64(CONSUMER + 152)?);
    canceller.cancel();
    activity(0)?;
    let (consumer, ended) = waiting.join().ok().context("no panic")?;
    ensure!(ended == Some(RecvError::Cancelled));
    drop((memory, producer, consumer));
    channel.remove()?;
    Ok(())
}

/// A creator that died may have left anything behind it.
#[test]
fn a_header_that_is_written_again_starts_from_nothing() -> Result<()> {
    let _watchdog = watchdog::watch("a_header_that_is_written_again_starts_from_nothing");
    let channel = channel("again")?;
    let key = channel.address().key();
    SemaphoreSet::create(key, 5, Mode::OWNER)?;
    let segment = Segment::create(key, 8192 + 4 * 128, Mode::OWNER)?;
    let memory = segment.attach()?;
    memory.write(0, &[0xff; 4096])?;
    memory.write(0, b"semring?")?;
    drop(memory);
    let producer = channel.producer()?;
    let memory = segment.attach_read_only()?;
    for side in [PRODUCER, CONSUMER, CONSUMER + 512, CONSUMER + 5 * 512] {
        let attached = u64::from(side == PRODUCER);
        ensure!(memory.load_u64(side)? == 0, "position");
        ensure!(memory.load_u64(side + 128)? == attached * 5, "word");
        ensure!(memory.load_u64(side + 136)? == 0, "waiting, registered");
        for offset in (256..304).step_by(8).chain([160]) {
            ensure!(memory.load_u64(side + offset)? == 0, "{side} + {offset}");
        }
        ensure!(memory.load_u32(side + 312)? == 0, "activity");
    }
    drop((memory, producer));
    channel.remove()?;
    Ok(())
}

#[test]
fn a_process_of_several_threads_does_not_say_that_it_is_registered() -> Result<()> {
    let _watchdog =
        watchdog::watch("a_process_of_several_threads_does_not_say_that_it_is_registered");
    let channel = channel("registered")?.sync(semring::Sync::Adaptive);
    // The thread of this test and the one that started it: a registration would take some 10 ms.
    let producer = channel.producer()?;
    let memory = producer.link().segment().attach_read_only()?;
    let flags = memory.load_u64(PRODUCER + 136)?;
    drop((memory, producer));
    channel.remove()?;
    ensure!(flags == 0, "waiting or registered: {flags:#x}");
    Ok(())
}
