//! The two processes.

use anyhow::{Context as _, Result, ensure};
use semring::{Address, Channel, RecvError, SendError};

use crate::arguments::Task;
use crate::ledger::Ledger;
use crate::message;

fn channel(task: &Task) -> Result<Channel> {
    let address = Address::named(&task.channel)?;
    Ok(Channel::new(address)
        .slots(task.slots)
        .slot_bytes(task.slot_bytes))
}

/// Sends what is missing of the stream, and closes it. A consumer's death is no reason to stop.
pub fn produce(task: &Task) -> Result<()> {
    let ledger = Ledger::open(task.ledger)?;
    let mut producer = channel(task)?.producer()?;
    let confirmed = ledger.confirmed()?;
    let position = producer.position();
    ensure!(
        position >= confirmed,
        "LOST: {confirmed} confirmed, the channel holds {position}"
    );
    while producer.position() < ledger.goal()? {
        send(task, &mut producer)?;
        ledger.confirm(producer.position())?;
    }
    producer.close()?;
    Ok(())
}

fn send(task: &Task, producer: &mut semring::Producer) -> Result<()> {
    let position = producer.position();
    let length = message::length(task.seed, position, task.slot_bytes);
    loop {
        match producer.loan(length) {
            Ok(mut loan) => {
                message::fill(task.seed, position, &mut loan);
                return Ok(loan.publish()?);
            }
            Err(SendError::PeerLost | SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives and verifies messages until the stream's end. A producer's death is no reason to stop.
pub fn consume(task: &Task) -> Result<()> {
    let ledger = Ledger::open(task.ledger)?;
    let mut consumer = channel(task)?.consumer()?;
    let mut next = consumer.position();
    loop {
        match consumer.recv() {
            Ok(Some(message)) => {
                let position = message.position();
                ensure!(
                    position == next,
                    "REORDERED: message {position} came, {next} was next"
                );
                ensure!(
                    message::is_right(task.seed, position, task.slot_bytes, &message),
                    "TORN: message {position} has {} wrong bytes",
                    message.len()
                );
                ledger.deliver(position, message.is_redelivered())?;
                message.release()?;
                next += 1;
            }
            Ok(None) => break,
            Err(RecvError::PeerLost) => {}
            Err(error) => return Err(error).context("receiving"),
        }
    }
    consumer.close()?;
    Ok(())
}
