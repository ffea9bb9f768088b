// The cases of handover.rs, which includes this file once for each way of waiting, as `SYNC`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use super::watchdog;
use semring::{Address, AttachReason, Channel, CloseOutcome, Deadline, Framing, RecvError};
use sysv_ipc::{Key, Mode, Segment, SemaphoreSet};

const RACES: u64 = 1000;

fn channel(name: &str) -> Result<Channel> {
    let name = format!("handover-{SYNC}-{name}-{}", std::process::id());
    let channel = Channel::new(Address::named(&name)?);
    Ok(channel.slots(4).slot_bytes(64).sync(SYNC))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(50))
}

/// A batch in hand, a death, one message in hand, another death: all of the batch was seen.
#[test]
fn what_one_consumer_saw_is_marked_for_all_after_it() -> Result<()> {
    let _watchdog = watchdog::watch("what_one_consumer_saw_is_marked_for_all_after_it");
    let channel = channel("marks")?;
    let mut producer = channel.producer()?;
    producer.send_batch(&[b"a", b"b", b"c"])?;
    let mut first = channel.consumer()?;
    first
        .recv_batch(3)?
        .context("three messages")?
        .put_back();
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

/// The consumer of the test below: deals with the first message, and panics over the second, or over a
/// batch of the second and the third.
#[test]
#[ignore = "a part of the test below"]
fn panics_with_messages_in_hand() {
    let name = std::env::var("PANIC_CHANNEL").unwrap();
    let channel = Channel::new(Address::named(&name).unwrap());
    let mut consumer = channel.consumer().unwrap();
    drop(consumer.recv().unwrap());
    if std::env::var("PANIC_OVER").unwrap() == "a batch" {
        let batch = consumer.recv_batch(2).unwrap().unwrap();
        panic!("with {batch:?} in hand");
    }
    let message = consumer.recv().unwrap().unwrap();
    panic!("with {message:?} in hand");
}

/// A panic is a death: what is in hand was not dealt with.
#[test]
fn what_a_consumer_panics_over_comes_again() -> Result<()> {
    let _watchdog = watchdog::watch("what_a_consumer_panics_over_comes_again");
    for (over, redelivered) in [("a message", 1), ("a batch", 2)] {
        let channel = channel("panics")?;
        let mut producer = channel.producer()?;
        producer.send_batch(&[b"a", b"b", b"c"])?;
        let part = format!("{SYNC}::panics_with_messages_in_hand");
        let output = Command::new(std::env::current_exe()?)
            .args(["--exact", &part, "--ignored", "--nocapture"])
            .env("PANIC_CHANNEL", channel.address().name())
            .env("PANIC_OVER", over)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("count: 2") == (over == "a batch") && said.contains("in hand"), "{said}");
        let mut successor = channel.consumer()?;
        for (position, text) in [(1, b"b"), (2, b"c")] {
            let message = successor.recv_deadline(soon())?.context("it was not dealt with")?;
            ensure!((message.position(), &*message) == (position, &text[..]), "{over}: {message:?}");
            ensure!(message.is_redelivered() == (position <= redelivered), "{over}: {message:?}");
        }
        producer.close()?;
        ensure!(successor.recv()?.is_none() && successor.close()? == CloseOutcome::Removed);
    }
    Ok(())
}

/// A panic that is caught leaves the message and its permit in hand: it comes again, at no call.
#[test]
fn what_a_caught_panic_left_comes_again() -> Result<()> {
    let _watchdog = watchdog::watch("what_a_caught_panic_left_comes_again");
    let channel = channel("caught")?;
    let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    producer.send_batch(&[b"a", b"b"])?;
    for _ in 0..3 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _message = consumer.recv();
            panic!("expected by the test");
        }));
        ensure!(caught.is_err() && consumer.position() == 0);
        ensure!(producer.unread()? == 2);
    }
    for text in [b"a", b"b"] {
        ensure!(consumer.recv_deadline(soon())?.is_some_and(|message| *message == *text));
    }
    producer.close()?;
    ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// A message that is put back and received again was redelivered once.
#[test]
fn a_redelivered_message_is_counted_once() -> Result<()> {
    let _watchdog = watchdog::watch("a_redelivered_message_is_counted_once");
    let channel = channel("counted")?;
    let mut producer = channel.producer()?;
    producer.send_batch(&[b"a", b"b"])?;
    let mut first = channel.consumer()?;
    first.recv()?.context("a message")?.put_back();
    drop(first);
    let mut second = channel.consumer()?;
    for _ in 0..3 {
        second.recv()?.context("a message")?.put_back();
    }
    second.recv_batch(2)?.context("both")?.release()?;
    // Where the counter stands: docs/layout.md.
    let memory = second.link().segment().attach_read_only()?;
    let counted = memory.load_u64(1024 + 296)?;
    ensure!(counted == 1, "counted {counted}");
    producer.close()?;
    ensure!(second.recv()?.is_none());
    ensure!(second.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Following goes past the end that was returned, not past one that is yet to come.
#[test]
fn every_end_is_told_once() -> Result<()> {
    let _watchdog = watchdog::watch("every_end_is_told_once");
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

/// A death that comes after an end that was gone past is told once, however often one goes on.
#[test]
fn a_death_after_an_end_is_told_once() -> Result<()> {
    let _watchdog = watchdog::watch("a_death_after_an_end_is_told_once");
    let channel = channel("death")?;
    let mut consumer = channel.consumer()?;
    channel.producer()?.close()?;
    ensure!(consumer.recv()?.is_none());
    consumer.follow();
    drop(channel.producer()?);
    ensure!(consumer.recv_deadline(soon()).err() == Some(RecvError::PeerLost));
    consumer.follow();
    ensure!(consumer.recv_deadline(soon()).err() == Some(RecvError::TimedOut));
    channel.producer()?.close()?;
    ensure!(consumer.recv()?.is_none());
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// A stream that its producer broke off in order is not taken for a whole one, by nobody who asks.
#[test]
fn an_interrupted_stream_is_told_from_a_whole_one() -> Result<()> {
    let _watchdog = watchdog::watch("an_interrupted_stream_is_told_from_a_whole_one");
    let channel = channel("interrupted")?;
    let mut producer = channel.producer()?;
    producer.send(b"half")?;
    ensure!(producer.interrupt()? == CloseOutcome::Kept { unread: 1 });
    let mut first = channel.consumer()?;
    ensure!(first.recv()?.is_some_and(|message| *message == *b"half"));
    ensure!(first.recv().err() == Some(RecvError::Interrupted));
    ensure!(
        first.recv().err() == Some(RecvError::Interrupted),
        "it stays so"
    );
    let mut next = channel.producer()?;
    first.follow();
    next.send(b"whole")?;
    next.close()?;
    ensure!(first.recv()?.is_some_and(|message| *message == *b"whole"));
    ensure!(
        first.recv()?.is_none(),
        "the next producer's stream is whole"
    );
    ensure!(first.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Of an interrupted stream of which nothing is left, nobody needs to see the end.
#[test]
fn an_interrupted_stream_without_messages_is_removed() -> Result<()> {
    let _watchdog = watchdog::watch("an_interrupted_stream_without_messages_is_removed");
    let channel = channel("nothing-left")?;
    ensure!(channel.producer()?.interrupt()? == CloseOutcome::Removed);
    ensure!(channel.producer()?.close()? == CloseOutcome::Kept { unread: 0 });
    let mut consumer = channel.consumer()?;
    ensure!(
        consumer.recv()?.is_none(),
        "the end of an empty stream is to be seen"
    );
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Who accepts several kinds of messages is told which it got, and what it did not ask for is refused.
#[test]
fn one_of_several_framings_is_found() -> Result<()> {
    let _watchdog = watchdog::watch("one_of_several_framings_is_found");
    let channel = channel("framings")?;
    let producer = channel.clone().framing(Framing::Lines).producer()?;
    let any = channel.clone().framing(Framing::Raw);
    let refused = any.consumer().map(drop).err().context("raw is not lines")?;
    ensure!(
        refused
            .to_string()
            .contains("it has framing lines, you asked for raw")
    );
    let consumer = any
        .or_framings(&[Framing::Lines, Framing::Length])
        .consumer()?;
    ensure!(consumer.link().framing() == Framing::Lines);
    ensure!(consumer.link().nonce() == producer.link().nonce());
    producer.interrupt()?;
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Who finds a segment without a set looks at it before anything else, and is attached meanwhile: that
/// keeps out nobody who attaches at the same time.
#[test]
fn a_look_at_a_channel_that_has_lost_its_set_keeps_nobody_out() -> Result<()> {
    let _watchdog = watchdog::watch("a_look_at_a_channel_that_has_lost_its_set_keeps_nobody_out");
    let channel = channel("look")?;
    let mut producer = channel.producer()?;
    producer.send(b"x")?;
    let (key, link) = (channel.address().key(), producer.link());
    let (segment, set) = (link.segment(), link.semaphore_set());
    drop(producer);
    set.remove()?;
    let look = segment.attach_read_only()?;
    let looker = std::thread::spawn(move || {
        // Over soon after the other has made a new set, and has seen who is attached.
        while SemaphoreSet::open(key, Mode::OWNER).is_err() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(5));
        drop(look);
    });
    let mut consumer = channel.consumer()?;
    looker.join().expect("the looker does not panic");
    ensure!(*consumer.recv()?.expect("one was sent") == *b"x");
    channel.producer()?.close()?;
    ensure!(consumer.recv()?.is_none());
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

/// Waits until both racers have come here so often: awake, so that both go on at once. Fails when the
/// other does not come.
fn meet(arrivals: &AtomicU64, meeting: u64) -> Result<()> {
    let give_up = Instant::now() + Duration::from_secs(100);
    arrivals.fetch_add(1, Ordering::AcqRel);
    while arrivals.load(Ordering::Acquire) < 2 * meeting {
        ensure!(
            Instant::now() < give_up,
            "the other process has not come to meeting {meeting}"
        );
        std::thread::yield_now();
    }
    Ok(())
}

/// One of the two that race: in each round it attaches, and uses what it got.
#[test]
#[ignore = "one of the two processes of the test below"]
fn racing() -> Result<()> {
    let memory = Segment::from_id(std::env::var("RACE_MEETING")?.parse()?).attach()?;
    let arrivals = memory.atomic_u64(0)?;
    for round in 0..RACES {
        let name = format!("{}-{round}", std::env::var("RACE_CHANNEL")?);
        let channel = Channel::new(Address::named(&name)?).slots(1).slot_bytes(64).sync(SYNC);
        meet(arrivals, 2 * round + 1)?;
        let attached = channel.producer();
        // Both have attached, or not; now whoever did sends.
        meet(arrivals, 2 * round + 2)?;
        match attached {
            Ok(mut producer) => {
                producer
                    .send(b"x")
                    .with_context(|| format!("round {round}"))?;
                drop(producer);
                channel.remove()?;
            }
            Err(error) => {
                ensure!(
                    matches!(error.reason, AttachReason::RoleTaken { .. }),
                    "{error}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn of_two_who_start_at_once_one_has_the_channel() -> Result<()> {
    let _watchdog = watchdog::watch("of_two_who_start_at_once_one_has_the_channel");
    let meeting = Segment::create(Key::PRIVATE, 8, Mode::OWNER)?;
    let mut racers = Vec::new();
    for _ in 0..2 {
        let racer = Command::new(std::env::current_exe()?)
            .args(["--exact", &format!("{SYNC}::racing"), "--ignored", "--nocapture"])
            .env("RACE_MEETING", meeting.id().to_string())
            .env("RACE_CHANNEL", format!("race-{SYNC}-{}", std::process::id()))
            .stdout(Stdio::null())
            .spawn();
        racers.push(racer?);
    }
    let ends: Result<Vec<_>, _> = racers.iter_mut().map(Child::wait).collect();
    meeting.remove()?;
    ensure!(
        ends?.iter().all(std::process::ExitStatus::success),
        "a racer failed, see above"
    );
    Ok(())
}
