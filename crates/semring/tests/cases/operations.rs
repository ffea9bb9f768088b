// The cases of operations.rs, which includes this file once for each way of waiting, as `SYNC`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use super::watchdog;
use semring::{
    Address, Channel, CloseOutcome, Consumer, Deadline, DrainError, Producer, RecvError,
    RecvIntoError, SendError, TryRecvError, TrySendError,
};

fn channel(name: &str) -> Result<Channel> {
    let name = format!("operations-{SYNC}-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?)
        .slots(2)
        .slot_bytes(100)
        .sync(SYNC))
}

fn pair(name: &str) -> Result<(Producer, Consumer)> {
    let channel = channel(name)?;
    Ok((channel.producer()?, channel.consumer()?))
}

/// Ends the stream and checks that nothing else was in it.
fn finish(producer: Producer, mut consumer: Consumer) -> Result<()> {
    producer.close()?;
    ensure!(consumer.recv()?.is_none(), "a message was left");
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(30))
}

#[test]
fn messages_of_every_length_arrive() -> Result<()> {
    let _watchdog = watchdog::watch("messages_of_every_length_arrive");
    let (mut producer, mut consumer) = pair("lengths")?;
    for length in 0..=100u8 {
        let sent = vec![length; length.into()];
        producer.send(&sent)?;
        let message = consumer.recv()?.context("a message")?;
        ensure!(
            *message == sent && message.position() == length.into(),
            "{message:?}"
        );
    }
    let too_long = SendError::TooLong {
        bytes: 101,
        limit: 100,
    };
    ensure!(producer.send(&[0; 101]) == Err(too_long));
    finish(producer, consumer)
}

#[test]
fn a_new_channel_has_one_permit_for_each_slot_or_no_wake_up() -> Result<()> {
    let _watchdog = watchdog::watch("a_new_channel_has_one_permit_for_each_slot_or_no_wake_up");
    let (producer, consumer) = pair("permits")?;
    let values = producer.link().semaphore_set().values()?;
    let empty = if SYNC == semring::Sync::Strict { 2 } else { 0 };
    ensure!(values == [empty, 0, 1, 1, 0], "{values:?}");
    finish(producer, consumer)
}

#[test]
fn a_loan_is_filled_shortened_or_given_back() -> Result<()> {
    let _watchdog = watchdog::watch("a_loan_is_filled_shortened_or_given_back");
    let (mut producer, mut consumer) = pair("loans")?;
    for _ in 0..5 {
        drop(producer.loan(100)?);
    }
    let mut loan = producer.loan(100)?;
    loan.fill(7);
    loan.truncate(3);
    loan.truncate(50);
    loan.publish()?;
    let mut buffer = [0; 2];
    let too_small = RecvIntoError::TooSmall {
        message_bytes: 3,
        buffer_bytes: 2,
    };
    let words = "the message has 3 bytes, the buffer only 2; it comes again, into a larger one";
    ensure!(too_small.to_string() == words, "{too_small}");
    ensure!(consumer.recv_into(&mut buffer) == Err(too_small));
    let mut buffer = [0; 4];
    ensure!(consumer.recv_into(&mut buffer) == Ok(Some(3)) && buffer == [7, 7, 7, 0]);
    finish(producer, consumer)
}

#[test]
fn a_message_that_was_forgotten_comes_again() -> Result<()> {
    let _watchdog = watchdog::watch("a_message_that_was_forgotten_comes_again");
    let (mut producer, mut consumer) = pair("forgotten")?;
    producer.send(b"x")?;
    std::mem::forget(consumer.recv()?);
    std::mem::forget(consumer.recv_batch(2)?);
    ensure!(
        consumer
            .recv_deadline(soon())?
            .is_some_and(|message| *message == *b"x")
    );
    finish(producer, consumer)
}

#[test]
fn a_batch_is_what_there_is_room_for() -> Result<()> {
    let _watchdog = watchdog::watch("a_batch_is_what_there_is_room_for");
    let (mut producer, mut consumer) = pair("batches")?;
    let messages: [&[u8]; 4] = [b"a", &[2; 90], b"", &[0; 101]];
    ensure!(producer.send_batch(&messages)? == 2, "two slots");
    ensure!(producer.send_batch(&[])? == 0);
    let batch = consumer.recv_batch(10)?.context("a batch")?;
    ensure!(batch.iter().eq(messages[..2].iter().copied()));
    batch.release_first(1)?;
    ensure!(
        producer.send_batch(&messages[2..])? == 1,
        "the next one is too long"
    );
    let too_long = SendError::TooLong {
        bytes: 101,
        limit: 100,
    };
    ensure!(producer.send_batch(&messages[3..]) == Err(too_long));
    let batch = consumer.recv_batch(10)?.context("a batch")?;
    ensure!(batch.position() == 1 && batch.iter().eq(messages[1..3].iter().copied()));
    batch.release()?;
    finish(producer, consumer)
}

#[test]
fn trying_and_deadlines_do_not_wait_for_ever() -> Result<()> {
    let _watchdog = watchdog::watch("trying_and_deadlines_do_not_wait_for_ever");
    let (mut producer, mut consumer) = pair("deadlines")?;
    ensure!(consumer.try_recv().err() == Some(TryRecvError::Empty));
    ensure!(consumer.recv_deadline(soon()).err() == Some(RecvError::TimedOut));
    ensure!(consumer.ready(soon()).err() == Some(RecvError::TimedOut));
    producer.send(b"1")?;
    producer.ready(soon())?;
    producer.send(b"2")?;
    ensure!(producer.ready(soon()) == Err(SendError::TimedOut));
    ensure!(consumer.ready(soon())?);
    ensure!(producer.try_send(b"3") == Err(TrySendError::Full));
    ensure!(producer.send_deadline(b"3", soon()) == Err(SendError::TimedOut));
    ensure!(producer.drain(soon()) == Err(DrainError::TimedOut));
    drop(consumer.try_recv()?.context("a message")?);
    drop(consumer.try_recv()?.context("a message")?);
    producer.drain(soon())?;
    finish(producer, consumer)
}

#[test]
fn a_wait_is_cancelled_from_another_thread() -> Result<()> {
    let _watchdog = watchdog::watch("a_wait_is_cancelled_from_another_thread");
    let (mut producer, mut consumer) = pair("cancel")?;
    // Before the wait begins, and while it lasts: either way it ends, once.
    for delay_ms in [0, 20] {
        let (of_consumer, of_producer) = (consumer.canceller(), producer.canceller());
        let canceller = thread::spawn(move || {
            thread::sleep(Duration::from_millis(delay_ms));
            of_consumer.cancel();
            of_producer.cancel();
            of_producer.cancel();
        });
        ensure!(consumer.recv().err() == Some(RecvError::Cancelled));
        let sent = loop {
            match producer.send(b"x") {
                Ok(()) => {}
                stopped => break stopped,
            }
        };
        ensure!(sent == Err(SendError::Cancelled), "{sent:?}");
        canceller.join().ok();
        // Nothing else has changed: what was sent is there, and then the ring is empty.
        while consumer.try_recv().is_ok() {}
        ensure!(consumer.recv_deadline(soon()).err() == Some(RecvError::TimedOut));
    }
    let canceller = producer.canceller();
    finish(producer, consumer)?;
    canceller.cancel();
    Ok(())
}

/// What that process says before it waits, and between its deadline and its message.
const WAITING: &str = "WAITING";
const TIMED_OUT: &str = "TIMED OUT";

/// The process that waits with a deadline, in the test below.
#[test]
#[ignore = "the part of the process that waits"]
fn waiting() -> Result<()> {
    let channel = Channel::new(Address::named(&std::env::var("WAITING_CHANNEL")?)?);
    let mut consumer = channel.slots(2).slot_bytes(100).sync(SYNC).consumer()?;
    println!("\n{WAITING}");
    let deadline = Deadline::after(Duration::from_millis(400));
    ensure!(consumer.recv_deadline(deadline).err() == Some(RecvError::TimedOut));
    println!("\n{TIMED_OUT}");
    drop(consumer.recv()?.context("the message")?);
    Ok(())
}

/// Rounds of the storm between the deadline and the message, and most of all: each takes a millisecond or
/// more, the deadline 400. Many more, and a machine that stops for so long once would end the wait.
const ROUNDS_AFTER: u32 = 500;
const MOST_ROUNDS: u32 = 4000;

/// Every stop and continue ends the wait in the kernel; the deadline must not start anew each time, nor
/// a message be lost by it.
#[test]
fn a_deadline_holds_in_a_storm_of_signals() -> Result<()> {
    let _watchdog = watchdog::watch("a_deadline_holds_in_a_storm_of_signals");
    let channel = channel("storm")?;
    let mut waiting = Command::new(std::env::current_exe()?)
        .args(["--exact", &format!("{SYNC}::waiting"), "--ignored", "--nocapture"])
        .env("WAITING_CHANNEL", channel.address().name())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = waiting.stdout.take().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let mut producer = channel.producer()?;
    let waits = lines.find(|line| line == WAITING);
    waits.context("the process has ended before it waited")?;
    let timed_out = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&timed_out);
    thread::spawn(move || {
        for line in lines {
            told.fetch_or(line == TIMED_OUT, Ordering::Relaxed);
        }
    });
    let pid = Pid::from_raw(waiting.id().cast_signed());
    let (mut rounds, mut after_deadline) = (0, 0);
    let status = loop {
        kill(pid, Signal::SIGSTOP)?;
        kill(pid, Signal::SIGCONT)?;
        thread::sleep(Duration::from_millis(1));
        rounds += 1;
        after_deadline += u32::from(timed_out.load(Ordering::Relaxed));
        if after_deadline == ROUNDS_AFTER {
            producer.send(b"x")?;
        }
        if let Some(status) = waiting.try_wait()? {
            break status;
        }
        if rounds == MOST_ROUNDS {
            waiting.kill()?;
        }
    };
    drop(producer);
    channel.remove()?;
    ensure!(
        status.success(),
        "after {rounds} rounds, {after_deadline} of them past its deadline: {status}"
    );
    Ok(())
}
