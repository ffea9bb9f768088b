//! The two processes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use semring::{
    Address, AttachError, AttachReason, Channel, Consumer, Deadline, Producer, RecvError, SendError,
};

use crate::arguments::Task;
use crate::ledger::Ledger;
use crate::message;

/// Describes the task's channel.
pub fn channel(task: &Task) -> Result<Channel> {
    let address = Address::named(&task.channel)?;
    let channel = Channel::new(address)
        .slots(task.slots)
        .slot_bytes(task.slot_bytes);
    Ok(channel.credits(task.credits))
}

/// Treats a channel that is gone as nothing left to do.
fn unless_gone<T>(result: Result<T, AttachError>) -> Result<Option<T>, AttachError> {
    match result {
        Err(AttachError {
            reason: AttachReason::NotFound,
            ..
        }) => Ok(None),
        result => result.map(Some),
    }
}

/// Sends what is missing of the stream, and closes it. A consumer's death is no reason to stop.
pub fn produce(task: &Task) -> Result<()> {
    let ledger = Ledger::open(task.ledger)?;
    let confirmed = ledger.confirmed()?;
    // All was sent: if the channel is gone, all was received too.
    let create = confirmed < ledger.goal()?;
    let Some(mut producer) = unless_gone(channel(task)?.create(create).producer())? else {
        return Ok(());
    };
    let position = producer.position();
    ensure!(
        position >= confirmed,
        "LOST: {confirmed} confirmed, the channel holds {position}"
    );
    while producer.position() < ledger.goal()? {
        if !send(task, &mut producer, ledger.goal()?)? {
            return Ok(());
        }
        ledger.confirm(producer.position())?;
    }
    producer.close()?;
    Ok(())
}

/// Sends one exchange; false when the consumer has died and nobody comes after it.
fn send(task: &Task, producer: &mut Producer, goal: u64) -> Result<bool> {
    loop {
        let sent = if task.batch > 1 {
            send_batch(task, producer, goal)
        } else {
            send_in_place(task, producer)
        };
        match sent {
            Err(SendError::PeerLost) if task.alone => return Ok(false),
            Err(SendError::PeerLost | SendError::Closed) => {}
            result => return Ok(result.map(|()| true)?),
        }
    }
}

fn send_in_place(task: &Task, producer: &mut Producer) -> Result<(), SendError> {
    let position = producer.position();
    let mut loan = producer.loan(message::length(task.seed, position, task.slot_bytes))?;
    message::fill(task.seed, position, &mut loan);
    Ok(loan.publish()?)
}

fn send_batch(task: &Task, producer: &mut Producer, goal: u64) -> Result<(), SendError> {
    let first = producer.position();
    let last = goal.min(first + u64::from(task.batch));
    let messages: Vec<Vec<u8>> = (first..last)
        .map(|position| message::make(task.seed, position, task.slot_bytes))
        .collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    producer.send_batch(&messages).map(drop)
}

/// Receives and verifies messages until the stream's end. A producer's death is no reason to stop.
pub fn consume(task: &Task) -> Result<()> {
    let ledger = Ledger::open(task.ledger)?;
    let complete = ledger.delivered()? == ledger.goal()?;
    let Some(mut consumer) = unless_gone(channel(task)?.create(!complete).consumer())? else {
        return Ok(());
    };
    // Whoever had received all may have seen the end as well; it does not come twice.
    let deadline = if complete {
        Deadline::after(Duration::ZERO)
    } else {
        Deadline::NEVER
    };
    let mut next = consumer.position();
    loop {
        match receive(task, &ledger, &mut consumer, &mut next, deadline) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => match error.downcast_ref() {
                Some(RecvError::PeerLost) if task.alone => return Ok(()),
                Some(RecvError::PeerLost) => {}
                Some(RecvError::TimedOut) if complete => break,
                _ => return Err(error),
            },
        }
    }
    consumer.close()?;
    Ok(())
}

/// Receives one exchange; false at the end of the stream.
fn receive(
    task: &Task,
    ledger: &Ledger,
    consumer: &mut Consumer,
    next: &mut u64,
    deadline: Deadline,
) -> Result<bool> {
    if task.batch > 1 {
        let Some(batch) = consumer.recv_batch_deadline(task.batch, deadline)? else {
            return Ok(false);
        };
        for (offset, message) in batch.iter().enumerate() {
            let position = batch.position() + offset as u64;
            verify(
                task,
                ledger,
                position,
                message,
                offset < batch.redelivered(),
                next,
            )?;
        }
        batch.release()?;
    } else {
        let Some(message) = consumer.recv_deadline(deadline)? else {
            return Ok(false);
        };
        let marked = message.is_redelivered();
        verify(task, ledger, message.position(), &message, marked, next)?;
        message.release()?;
    }
    Ok(true)
}

fn verify(
    task: &Task,
    ledger: &Ledger,
    position: u64,
    message: &[u8],
    marked: bool,
    next: &mut u64,
) -> Result<()> {
    ensure!(
        position == *next,
        "REORDERED: message {position} came, {next} was next"
    );
    ensure!(
        message == message::make(task.seed, position, task.slot_bytes),
        "TORN: message {position}, of {} bytes, is not what was sent",
        message.len()
    );
    ledger
        .deliver(position, marked)
        .with_context(|| format!("message {position}"))?;
    *next += 1;
    Ok(())
}
