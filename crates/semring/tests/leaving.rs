//! Goal: leaving says what it did, and removes both objects when the stream has served and not before; what is
//! asked of a channel that cannot be given is refused and leaves nothing behind. Method: both handles in one
//! process, and a look at the objects after each step.

mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use semring::{
    Address, AttachReason, Channel, CloseOutcome, Framing, Key, Mode, RecvError, Role, TryRecvError,
};
use sysv_ipc::{Segment, SemaphoreSet};

fn channel(name: &str) -> Result<Channel> {
    let name = format!("leaving-{name}-{}", std::process::id());
    Ok(Channel::new(Address::named(&name)?).slots(4).slot_bytes(64))
}

/// Tells which of the two objects there are.
fn objects(key: Key) -> (bool, bool) {
    let any = Mode::from_bits(0);
    (
        Segment::open(key, any).is_ok(),
        SemaphoreSet::open(key, any).is_ok(),
    )
}

const BOTH: (bool, bool) = (true, true);
const NEITHER: (bool, bool) = (false, false);

const fn kept(unread: u64) -> CloseOutcome {
    CloseOutcome::Kept { unread }
}

#[test]
fn the_first_one_in_makes_the_channel() -> Result<()> {
    let _watchdog = watchdog::watch("the_first_one_in_makes_the_channel");
    let channel = channel("first")?;
    let key = channel.address().key();
    let (consumer, producer) = (channel.consumer()?, channel.producer()?);
    let (first, second) = (consumer.link(), producer.link());
    ensure!(first.created() && !second.created());
    ensure!(first.key() == key && second.address() == channel.address());
    ensure!(first.segment() == second.segment() && first.semaphore_set() == second.semaphore_set());
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    for link in [first, second] {
        let start = format!("{:x}-", link.mapped_at());
        let map = maps.lines().find(|line| line.starts_with(&start));
        ensure!(map.is_some_and(|line| line.contains("SYSV")), "{start}");
    }
    ensure!(objects(key) == BOTH);
    drop((consumer, producer));
    ensure!(channel.remove()? == 0 && objects(key) == NEITHER);
    Ok(())
}

#[test]
fn a_stream_stays_until_its_end_has_been_seen() -> Result<()> {
    let _watchdog = watchdog::watch("a_stream_stays_until_its_end_has_been_seen");
    let channel = channel("end")?;
    let key = channel.address().key();
    let mut producer = channel.producer()?;
    for number in 0..3 {
        producer.send(&[number])?;
    }
    ensure!(producer.close()? == kept(3) && objects(key) == BOTH);
    let mut consumer = channel.consumer()?;
    consumer.recv()?.context("the first")?.release()?;
    ensure!(consumer.close()? == kept(2));
    let mut consumer = channel.consumer()?;
    consumer.recv()?.context("the second")?.release()?;
    consumer.recv()?.context("the third")?.release()?;
    // All received, but the end was not: the next one is told of it.
    ensure!(consumer.close()? == kept(0) && objects(key) == BOTH);
    let mut consumer = channel.consumer()?;
    ensure!(consumer.recv()?.is_none());
    ensure!(consumer.close()? == CloseOutcome::Removed && objects(key) == NEITHER);
    Ok(())
}

#[test]
fn a_stream_whose_end_was_seen_is_over_for_the_next_consumer() -> Result<()> {
    let _watchdog = watchdog::watch("a_stream_whose_end_was_seen_is_over_for_the_next_consumer");
    let channel = channel("over")?;
    channel.producer()?.close()?;
    let mut consumer = channel.consumer()?;
    ensure!(consumer.recv()?.is_none());
    drop(consumer);
    let mut consumer = channel.consumer()?;
    ensure!(
        consumer.try_recv().err() == Some(TryRecvError::Empty),
        "waits for the next one"
    );
    let mut producer = channel.producer()?;
    producer.send(b"x")?;
    producer.close()?;
    ensure!(consumer.recv()?.is_some_and(|message| *message == *b"x"));
    ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

#[test]
fn the_last_one_out_removes() -> Result<()> {
    let _watchdog = watchdog::watch("the_last_one_out_removes");
    let channel = channel("last")?;
    let key = channel.address().key();
    // Nobody ever came.
    ensure!(channel.consumer()?.close()? == CloseOutcome::Removed && objects(key) == NEITHER);
    // The other is still there.
    let (producer, consumer) = (channel.producer()?, channel.consumer()?);
    ensure!(consumer.close()? == kept(0) && objects(key) == BOTH);
    ensure!(
        producer.close()? == kept(0) && objects(key) == BOTH,
        "its end was not seen"
    );
    let mut consumer = channel.consumer()?;
    ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    // The producer was lost: a successor may come.
    let (producer, mut consumer) = (channel.producer()?, channel.consumer()?);
    drop(producer);
    ensure!(consumer.recv().err() == Some(RecvError::PeerLost));
    ensure!(consumer.close()? == kept(0) && objects(key) == BOTH);
    ensure!(channel.remove()? == 0 && objects(key) == NEITHER);
    Ok(())
}

/// What the last one out finds in memory may be damaged, or be written by the other a moment before.
#[test]
fn a_channel_that_may_be_needed_is_not_removed() -> Result<()> {
    const PRODUCER_WORD: usize = 640;
    const END_SEEN: usize = 1184;
    let _watchdog = watchdog::watch("a_channel_that_may_be_needed_is_not_removed");
    let channel = channel("needed")?;
    let write = |segment: Segment, offset, number: u64| -> Result<()> {
        Ok(segment.attach()?.write(offset, &number.to_ne_bytes())?)
    };
    // The consumer has seen the end, but has not left.
    let (producer, consumer) = (channel.producer()?, channel.consumer()?);
    write(producer.link().segment(), END_SEEN, 1)?;
    ensure!(producer.close()? == kept(0));
    ensure!(consumer.close()? == CloseOutcome::Removed);
    // No producer was ever there, and yet there is a message; or it was there, but is in no state.
    for (word, sent) in [(0, 1), (4, 0)] {
        let mut producer = channel.producer()?;
        for _ in 0..sent {
            producer.send(b"x")?;
        }
        drop(producer);
        let consumer = channel.consumer()?;
        write(consumer.link().segment(), PRODUCER_WORD, word)?;
        ensure!(consumer.close()? == kept(sent), "word {word}");
        ensure!(channel.remove()? == sent);
    }
    Ok(())
}

#[test]
fn leaving_what_was_removed() -> Result<()> {
    let _watchdog = watchdog::watch("leaving_what_was_removed");
    let channel = channel("removed")?;
    let key = channel.address().key();
    let (producer, consumer) = (channel.producer()?, channel.consumer()?);
    producer.link().semaphore_set().remove()?;
    ensure!(producer.close()? == CloseOutcome::RemovedBefore);
    drop(consumer);
    Segment::open(key, Mode::from_bits(0))?.remove()?;
    // Without its segment, the last one out removes the set.
    let consumer = channel.consumer()?;
    consumer.link().segment().remove()?;
    ensure!(objects(key) == (false, true));
    ensure!(consumer.close()? == CloseOutcome::Removed && objects(key) == NEITHER);
    Ok(())
}

#[test]
fn a_role_that_is_held_is_refused_by_name() -> Result<()> {
    let _watchdog = watchdog::watch("a_role_that_is_held_is_refused_by_name");
    let channel = channel("held")?;
    let key = channel.address().key();
    let held = |reason: AttachReason, wanted: Role| match reason {
        AttachReason::RoleTaken { role, pid, since } => {
            let own = u32::try_from(pid) == Ok(std::process::id());
            ensure!(
                role == wanted && own && !since.is_empty(),
                "{role} {pid} {since}"
            );
            Ok(())
        }
        reason => Err(reason.into()),
    };
    let mut producer = channel.producer()?;
    producer.send(b"x")?;
    held(
        channel.producer().err().context("held")?.reason,
        Role::Producer,
    )?;
    held(
        channel.remove().err().context("held")?.reason,
        Role::Producer,
    )?;
    let consumer = channel.consumer()?;
    held(
        channel.consumer().err().context("held")?.reason,
        Role::Consumer,
    )?;
    drop(producer);
    held(
        channel.remove().err().context("held")?.reason,
        Role::Consumer,
    )?;
    drop(consumer);
    ensure!(objects(key) == BOTH && channel.remove()? == 1 && objects(key) == NEITHER);
    Ok(())
}

#[test]
fn what_is_not_there_is_not_made_when_it_was_not_to_be() -> Result<()> {
    let _watchdog = watchdog::watch("what_is_not_there_is_not_made_when_it_was_not_to_be");
    let channel = channel("absent")?;
    let key = channel.address().key();
    let open = channel.clone().create(false);
    let absent = |reason| matches!(reason, AttachReason::NotFound);
    ensure!(open.producer().is_err_and(|error| absent(error.reason)) && objects(key) == NEITHER);
    ensure!(open.consumer().is_err_and(|error| absent(error.reason)) && objects(key) == NEITHER);
    ensure!(channel.remove().is_err_and(|error| absent(error.reason)) && objects(key) == NEITHER);
    // A set alone is what a creator leaves that died early.
    let set = SemaphoreSet::create(key, 5, Mode::OWNER)?;
    ensure!(open.producer().is_err_and(|error| absent(error.reason)));
    ensure!(objects(key) == (false, true) && set.values()? == [0; 5]);
    ensure!(channel.remove()? == 0 && objects(key) == NEITHER);
    Ok(())
}

#[test]
fn what_was_asked_for_and_differs_is_refused() -> Result<()> {
    let _watchdog = watchdog::watch("what_was_asked_for_and_differs_is_refused");
    let channel = channel("differs")?;
    let producer = channel.producer()?;
    let differs =
        |other: Channel, wanted: &str| match other.consumer().map_err(|error| error.reason) {
            Err(AttachReason::Differs { what, .. }) => what == wanted,
            _ => false,
        };
    ensure!(differs(channel.clone().slots(8), "slot count"));
    ensure!(differs(channel.clone().slot_bytes(65), "slot size"));
    let framed_otherwise = |other: Channel| matches!(other.consumer(), Err(error) if matches!(error.reason, AttachReason::Framing { .. }));
    ensure!(framed_otherwise(channel.clone().framing(Framing::Raw)));
    for framing in [Framing::Raw, Framing::Demo] {
        let name = format!("differs-{framing}-{}", std::process::id());
        let framed = Channel::new(Address::named(&name)?).framing(framing);
        let producer = framed.producer()?;
        ensure!(framed_otherwise(framed.clone().framing(Framing::Messages)));
        drop((producer, framed.consumer()?));
        framed.remove()?;
    }
    let name = channel.address().clone();
    let consumer = Channel::new(name).slots(4).consumer()?;
    ensure!(
        consumer.geometry() == producer.geometry(),
        "what was left out is as it is found"
    );
    drop((producer, consumer));
    channel.remove()?;
    Ok(())
}

#[test]
fn an_unfinished_segment_is_finished_or_made_anew() -> Result<()> {
    let _watchdog = watchdog::watch("an_unfinished_segment_is_finished_or_made_anew");
    let channel = channel("unfinished")?;
    let key = channel.address().key();
    // As creators leave it that die before, or while, they write the header.
    for (bytes, start) in [
        (8448, [0; 8]),
        (8448, *b"semring?"),
        (9000, [0; 8]),
        (9000, *b"semring?"),
    ] {
        SemaphoreSet::create(key, 5, Mode::OWNER)?;
        let segment = Segment::create(key, bytes, Mode::OWNER)?;
        segment.attach()?.write(0, &start)?;
        let open = channel.clone().create(false);
        let refused = open.consumer().err().context("not to be made")?.reason;
        ensure!(matches!(refused, AttachReason::NotFound), "{refused}");
        let (mut producer, mut consumer) = (channel.producer()?, channel.consumer()?);
        ensure!((producer.link().segment() == segment) == (bytes == 8448));
        producer.send(b"x")?;
        ensure!(consumer.recv()?.is_some_and(|message| *message == *b"x"));
        producer.close()?;
        ensure!(consumer.recv()?.is_none() && consumer.close()? == CloseOutcome::Removed);
    }
    // Zeros without a set, or anything else: another program's.
    for (bytes, start, set) in [
        (8448, *b"\0\0\0\0\0\0\0\0", false),
        (8448, *b"anything", true),
    ] {
        if set {
            SemaphoreSet::create(key, 5, Mode::OWNER)?;
        }
        let segment = Segment::create(key, bytes, Mode::OWNER)?;
        segment.attach()?.write(0, &start)?;
        let refused = channel
            .consumer()
            .err()
            .context("another program's")?
            .reason;
        ensure!(matches!(refused, AttachReason::Foreign { .. }), "{refused}");
        ensure!(channel.remove().is_err(), "removed another program's");
        ensure!(
            objects(key) == (true, set)
                && segment.attach()?.load_u64(0)? == u64::from_ne_bytes(start)
        );
        segment.remove()?;
        if set {
            SemaphoreSet::open(key, Mode::from_bits(0))?.remove()?;
        }
    }
    Ok(())
}

/// Somebody who is attached may be about to write the header: waited for, not written over.
#[test]
fn an_unfinished_segment_that_somebody_uses_is_waited_for() -> Result<()> {
    let _watchdog = watchdog::watch("an_unfinished_segment_that_somebody_uses_is_waited_for");
    let channel = channel("waited")?;
    let key = channel.address().key();
    SemaphoreSet::create(key, 5, Mode::OWNER)?;
    let memory = Segment::create(key, 8448, Mode::OWNER)?.attach()?;
    let gone = Arc::new(AtomicBool::new(false));
    let going = Arc::clone(&gone);
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        going.store(true, Ordering::SeqCst);
        drop(memory);
    });
    let producer = channel.producer()?;
    ensure!(gone.load(Ordering::SeqCst), "not waited for");
    drop(producer);
    other.join().ok().context("no panic")?;
    channel.remove()?;
    Ok(())
}
