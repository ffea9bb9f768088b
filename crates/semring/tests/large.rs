//! Goal: a ring that is larger than what goes round of it is as good as any other: whatever the consumer
//! does, every slot can be filled, and nothing waits for it longer than a moment. Method: messages of a
//! mebibyte, of which eight go round, through a ring of sixteen.

mod watchdog;

use anyhow::{Context as _, Result, ensure};
use semring::{Address, Channel, SendError, TrySendError};

const MESSAGE_BYTES: usize = 1 << 20;
const SLOTS: u32 = 16;
const HOT: usize = 8;

fn channel(test: &str) -> Result<Channel> {
    let name = format!("large-{test}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(SLOTS)
        .slot_bytes(MESSAGE_BYTES as u64))
}

fn messages() -> Vec<Vec<u8>> {
    let numbers = 0..=u8::MAX;
    let numbers = numbers.take(SLOTS as usize);
    numbers.map(|number| vec![number; MESSAGE_BYTES]).collect()
}

#[test]
fn a_batch_ends_with_the_hot_slots_while_the_consumer_may_keep_up() -> Result<()> {
    let _watchdog =
        watchdog::watch("a_batch_ends_with_the_hot_slots_while_the_consumer_may_keep_up");
    let channel = channel("batch")?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    let messages = messages();
    let all: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    ensure!(producer.send_batch(&all)? == HOT);
    // Nobody has released anything meanwhile: the rest goes at once.
    ensure!(producer.send_batch(&all[HOT..])? == all.len() - HOT);
    producer.close()?;
    for expected in all {
        let message = consumer.recv()?.context("a message")?;
        ensure!(*message == *expected, "{}", message[0]);
    }
    ensure!(consumer.recv()?.is_none());
    consumer.close()?;
    Ok(())
}

#[test]
fn a_batch_taken_in_part_leaves_its_permits_for_the_next() -> Result<()> {
    let _watchdog = watchdog::watch("a_batch_taken_in_part_leaves_its_permits_for_the_next");
    let channel = channel("permits")?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    let messages = messages();
    let all: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    for _ in 0..100 {
        let mut rest = &all[..];
        while !rest.is_empty() {
            let sent = producer.send_batch(rest)?;
            for expected in &rest[..sent] {
                ensure!(*consumer.recv()?.context("a message")? == **expected);
            }
            rest = &rest[sent..];
        }
    }
    // All permits are there: the ring can be filled to its last slot.
    for message in &all {
        producer.try_send(message)?;
    }
    ensure!(matches!(producer.try_send(all[0]), Err(TrySendError::Full)));
    drop((producer, consumer));
    channel.remove()?;
    Ok(())
}

#[test]
fn a_ring_takes_as_many_messages_as_it_has_slots_with_nobody_there() -> Result<()> {
    let _watchdog =
        watchdog::watch("a_ring_takes_as_many_messages_as_it_has_slots_with_nobody_there");
    let channel = channel("alone")?;
    let mut producer = channel.producer()?;
    for message in messages() {
        producer.send(&message)?;
    }
    ensure!(matches!(
        producer.try_send(&[0; 64]),
        Err(TrySendError::Full)
    ));
    producer.close()?;
    let mut consumer = channel.consumer()?;
    for expected in messages() {
        ensure!(*consumer.recv()?.context("a message")? == *expected);
    }
    ensure!(consumer.recv()?.is_none());
    consumer.close()?;
    Ok(())
}

#[test]
fn a_consumer_that_died_is_not_waited_for() -> Result<()> {
    let _watchdog = watchdog::watch("a_consumer_that_died_is_not_waited_for");
    let channel = channel("died")?;
    let (mut producer, consumer) = (channel.producer()?, channel.consumer()?);
    let messages = messages();
    let (first, rest) = messages.split_at(HOT);
    for message in first {
        producer.send(message)?;
    }
    // Without a word, as death does.
    drop(consumer);
    for message in rest {
        producer.send(message)?;
    }
    ensure!(producer.send(&messages[0]) == Err(SendError::PeerLost));
    drop(producer);
    channel.remove()?;
    Ok(())
}
