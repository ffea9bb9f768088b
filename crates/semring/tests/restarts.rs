//! Goal: however often the two sides restart on one channel, the semaphores' counts stay bounded, no
//! call fails at their ceiling, and the channel still works. Method: 40,000 handles that are dropped
//! without being closed, which leaves behind what a death does, and some hundred real processes that
//! kill themselves.

mod watchdog;

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use semring::{Address, Channel, SendError, TryRecvError};

const RESTARTS: u32 = 40_000;
const PROCESSES: u32 = 200;
const SLOTS: u32 = 4;
/// Twice the slots, a notice of each side, and one unit that trim leaves.
const BOUND: u16 = 2 * 4 + 3;

fn channel(name: &str) -> Result<Channel> {
    let name = format!("restarts-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(SLOTS)
        .slot_bytes(64))
}

/// Sends and receives more than a ring full, and leaves; the last one out removes the channel.
fn still_works(channel: &Channel) -> Result<()> {
    let mut consumer = channel.consumer()?;
    while let Ok(Some(message)) = consumer.try_recv() {
        drop(message);
    }
    let mut producer = channel.producer()?;
    for number in 0..3 * SLOTS {
        producer.send(&number.to_ne_bytes())?;
        let message = consumer.recv()?.expect("a message was sent");
        ensure!(
            *message == number.to_ne_bytes(),
            "message {number} is another one"
        );
    }
    producer.close()?;
    ensure!(consumer.recv()?.is_none(), "the stream has ended");
    consumer.close()?;
    Ok(())
}

#[test]
fn a_producer_restarts_40000_times() -> Result<()> {
    let _watchdog = watchdog::watch("a_producer_restarts_40000_times");
    let channel = channel("producer")?;
    let consumer = channel.consumer()?;
    let set = consumer.link().semaphore_set();
    for restart in 0..RESTARTS {
        let mut producer = channel.producer()?;
        if restart % 4 == 0 && producer.unread()? < SLOTS {
            producer.send(b"x")?;
        }
        drop(producer);
        if restart % 1000 == 0 {
            let values = set.values()?;
            ensure!(
                values.iter().all(|&value| value <= BOUND),
                "restart {restart}: {values:?}"
            );
        }
    }
    drop(consumer);
    still_works(&channel)
}

#[test]
fn a_consumer_restarts_40000_times() -> Result<()> {
    let _watchdog = watchdog::watch("a_consumer_restarts_40000_times");
    let channel = channel("consumer")?;
    let mut producer = channel.producer()?;
    let set = producer.link().semaphore_set();
    for restart in 0..RESTARTS {
        match producer.try_send(b"x") {
            Ok(()) | Err(semring::TrySendError::Full | semring::TrySendError::PeerLost) => {}
            Err(error) => return Err(error.into()),
        }
        let mut consumer = channel.consumer()?;
        match consumer.try_recv() {
            // Every second one dies with the message in hand.
            Ok(Some(message)) if restart % 2 == 0 => message.put_back(),
            Ok(Some(message)) => message.release()?,
            Ok(None) => ensure!(false, "the producer has not closed"),
            Err(TryRecvError::Empty) => {}
            Err(error) => return Err(error.into()),
        }
        drop(consumer);
        if restart % 1000 == 0 {
            let values = set.values()?;
            ensure!(
                values.iter().all(|&value| value <= BOUND),
                "restart {restart}: {values:?}"
            );
        }
    }
    drop(producer);
    still_works(&channel)
}

/// The process that dies: attaches, sends while there is room, and kills itself.
#[test]
#[ignore = "the part of the process that dies, in the test below"]
fn dying_producer() -> Result<()> {
    let name = std::env::var("RESTARTS_CHANNEL")?;
    let channel = Channel::new(Address::named(&name)?).create(false);
    let mut producer = channel.producer()?;
    match producer.try_send(b"x") {
        Ok(()) | Err(semring::TrySendError::Full) => {}
        Err(error) => return Err(error.into()),
    }
    nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::SIGKILL)?;
    Ok(())
}

#[test]
fn processes_die_one_after_the_other() -> Result<()> {
    let _watchdog = watchdog::watch("processes_die_one_after_the_other");
    let channel = channel("processes")?;
    let mut consumer = channel.consumer()?;
    let set = consumer.link().semaphore_set();
    for restart in 0..PROCESSES {
        let status = Command::new(std::env::current_exe()?)
            .args(["--exact", "dying_producer", "--ignored", "--quiet"])
            .env("RESTARTS_CHANNEL", channel.address().name())
            .stdout(Stdio::null())
            .status()?;
        ensure!(
            status.signal() == Some(9),
            "process {restart} ended with {status}"
        );
        if restart % 3 == 0 {
            let message = consumer.recv()?.expect("the producer has not closed");
            ensure!(*message == *b"x");
        }
        let values = set.values()?;
        ensure!(
            values.iter().all(|&value| value <= BOUND),
            "process {restart}: {values:?}"
        );
    }
    drop(consumer);
    still_works(&channel)
}

/// A full ring whose consumer was there and died: reported once, not waited on.
#[test]
fn a_full_ring_beside_a_dead_consumer_is_reported_once() -> Result<()> {
    let _watchdog = watchdog::watch("a_full_ring_beside_a_dead_consumer_is_reported_once");
    let channel = channel("full")?;
    let mut producer = channel.producer()?;
    let consumer = channel.consumer()?;
    for _ in 0..SLOTS {
        producer.send(b"x")?;
    }
    drop(consumer);
    ensure!(producer.send(b"y") == Err(SendError::PeerLost));
    ensure!(producer.try_send(b"y") == Err(semring::TrySendError::Full));
    let consumer = channel.consumer()?;
    consumer.close()?;
    ensure!(producer.send(b"y") == Err(SendError::Closed));
    drop(producer);
    still_works(&channel)
}
