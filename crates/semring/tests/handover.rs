//! Goal: what a successor is told is right: which messages come again, and which end of a stream is whose.
//! And a fresh channel has room for two who start at once. Method: handles that are dropped without being
//! closed, which is what a death leaves; two processes for the race.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use semring::{Address, AttachReason, Channel, CloseOutcome, Deadline, RecvError};
use sysv_ipc::{Key, Mode, Operation, SemaphoreSet};

const RACES: u32 = 1500;

fn channel(name: &str) -> Result<Channel> {
    let name = format!("handover-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?).slots(4).slot_bytes(64))
}

fn soon() -> Deadline {
    Deadline::after(std::time::Duration::from_millis(50))
}

/// A batch in hand, a death, one message in hand, another death: all of the batch was seen.
#[test]
fn what_one_consumer_saw_is_marked_for_all_after_it() -> Result<()> {
    let channel = channel("marks")?;
    let mut producer = channel.producer()?;
    producer.send_batch(&[b"a", b"b", b"c"])?;
    let mut first = channel.consumer()?;
    first
        .recv_batch(3)?
        .context("three messages")?
        .release_first(0)?;
    drop(first);
    let mut second = channel.consumer()?;
    second.recv()?.context("a message")?.put_back();
    drop(second);
    let mut third = channel.consumer()?;
    producer.send(b"d")?;
    let batch = third.recv_batch(4)?.context("four messages")?;
    ensure!(
        (batch.len(), batch.redelivered()) == (4, 3),
        "{batch:?}, {}",
        batch.redelivered()
    );
    batch.release()?;
    producer.close()?;
    ensure!(third.recv()?.is_none());
    ensure!(third.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Following goes past the end that was returned, not past one that is yet to come.
#[test]
fn every_end_is_told_once() -> Result<()> {
    let channel = channel("ends")?;
    let mut consumer = channel.consumer()?;
    channel.producer()?.close()?;
    ensure!(consumer.recv()?.is_none());
    ensure!(consumer.recv()?.is_none(), "the end stays the end");
    let mut second = channel.producer()?;
    second.send(b"x")?;
    second.close()?;
    consumer.follow();
    ensure!(consumer.recv()?.is_some_and(|message| *message == *b"x"));
    ensure!(consumer.recv_deadline(soon())?.is_none(), "the second end");
    consumer.follow();
    let waits = consumer
        .recv_deadline(soon())
        .map(|message| message.is_some());
    ensure!(waits == Err(RecvError::TimedOut), "{waits:?}");
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// One of the two that race: in each round it attaches, and uses what it got.
#[test]
#[ignore = "one of the two processes of the test below"]
fn racing() -> Result<()> {
    let number: u16 = std::env::var("RACER")?.parse()?;
    let start = SemaphoreSet::from_id(std::env::var("RACE_START")?.parse()?);
    let (mine, other) = (number, 1 - number);
    for round in 0..RACES {
        start.operate(&[Operation::add(other, 1)])?;
        start.operate(&[Operation::take(mine, 1)])?;
        let name = format!("{}-{round}", std::env::var("RACE_CHANNEL")?);
        let channel = Channel::new(Address::named(&name)?).slots(1).slot_bytes(64);
        let won = match channel.producer() {
            Ok(producer) => Some(producer),
            Err(error) => {
                ensure!(
                    matches!(error.reason, AttachReason::RoleTaken { .. }),
                    "{error}"
                );
                None
            }
        };
        // Both have attached, or not; now whoever did sends.
        start.operate(&[Operation::add(other, 1)])?;
        start.operate(&[Operation::take(mine, 1)])?;
        if let Some(mut producer) = won {
            producer
                .send(b"x")
                .with_context(|| format!("round {round}"))?;
            drop(producer);
            channel.remove()?;
        }
    }
    Ok(())
}

#[test]
fn of_two_who_start_at_once_one_has_the_channel() -> Result<()> {
    let start = SemaphoreSet::create(Key::PRIVATE, 2, Mode::OWNER)?;
    let racers = [0, 1].map(|number| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "racing", "--ignored", "--nocapture"])
            .env("RACER", number.to_string())
            .env("RACE_START", start.id().to_string())
            .env("RACE_CHANNEL", format!("race-{}", std::process::id()))
            .stdout(Stdio::null())
            .spawn()
    });
    let mut ends = Vec::new();
    for racer in racers {
        let status = racer?.wait();
        // One that failed is not waited for by the other.
        if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            start.remove().ok();
        }
        ends.push(status?);
    }
    start.remove().ok();
    ensure!(ends.iter().all(std::process::ExitStatus::success), "{ends:?}");
    Ok(())
}
