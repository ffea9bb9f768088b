//! Goal: values arrive as they were sent, and ends that do not mean the same type never meet.
//! Method: two processes, of which one is killed; every field about the type damaged; every
//! difference between two ends tried, and the whole segment compared before and after.

mod part;
mod watchdog;

use anyhow::{Context as _, Result, ensure};
use bytemuck::{Pod, Zeroable};
use semring::{
    AttachError, AttachReason, Channel, CloseOutcome, Deadline, Fault, Framing, PlainData,
    RecvError, TryRecvError, TrySendError, TypedConsumer, TypedProducer,
};

use part::{Part, Place};

const VALUES: u32 = 10_000;
/// Where the fields stand: docs/layout.md.
const FRAMING: usize = 72;
const TYPE_BYTES: usize = 320;
const TYPE_ALIGN: usize = 328;
const TYPE_NAME_BYTES: usize = 332;
const TYPE_NAME: usize = 336;
const DESCRIPTORS: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Tick {
    time_ns: u64,
    price: f64,
    number: u32,
    flags: [u16; 2],
}

impl PlainData for Tick {
    const NAME: &'static str = "tick 1";
}

impl Tick {
    fn number(number: u32) -> Self {
        Self {
            time_ns: u64::from(number) << 32,
            price: f64::from(number) / 4.0,
            number,
            flags: [1, 0xffff],
        }
    }
}

/// Too long to stand in a descriptor, and aligned to a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u64; 16]);

impl PlainData for Line {
    const NAME: &'static str = "line";
}

/// Types that take another's name.
macro_rules! impostor {
    ($name:ident, $as:literal, $of:ty) => {
        #[derive(Clone, Copy, Pod, Zeroable)]
        #[repr(transparent)]
        struct $name($of);

        impl PlainData for $name {
            const NAME: &'static str = $as;
        }
    };
}
impostor!(Short, "u64", u32);
impostor!(Unaligned, "u64", [u32; 2]);
impostor!(Renamed, "u64 ", u64);
impostor!(Nameless, "", u64);
impostor!(
    LongName,
    "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 \
     123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234567",
    u64
);
impostor!(
    LongestName,
    "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 \
     123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456",
    u64
);
impostor!(Nothing, "nothing", ());

fn pair<T: PlainData>(place: &Place) -> Result<(TypedProducer<T>, TypedConsumer<T>)> {
    let channel = place.channel.clone().slots(4);
    Ok((channel.typed_producer()?, channel.typed_consumer()?))
}

/// Ends the stream, in which nothing else is left.
fn finish<T: PlainData>(
    place: &Place,
    producer: TypedProducer<T>,
    mut consumer: TypedConsumer<T>,
) -> Result<()> {
    producer.close()?;
    ensure!(consumer.recv()?.is_none(), "a value was left");
    ensure!(consumer.close()? == CloseOutcome::Removed);
    place.ensure_nothing_left()
}

fn refusal<T>(result: Result<T, AttachError>) -> Result<AttachReason> {
    let error = result.err();
    Ok(error.context("it should have been refused")?.reason)
}

/// The consumer of the test below: takes the values in every way there is.
#[test]
#[ignore = "a part of the test below"]
fn takes_ticks() -> Result<()> {
    let mut consumer = part::channel()?.typed_consumer::<Tick>()?;
    let mut number = 0;
    let mut values = [Tick::number(0); 5];
    loop {
        let count = match number % 3 {
            0 => match consumer.recv()? {
                None => break,
                Some(value) => {
                    values[0] = value;
                    1
                }
            },
            1 => match consumer.recv_message()? {
                None => break,
                Some(message) => {
                    ensure!(message.position() == u64::from(number) && *message == message.get());
                    values[0] = *message;
                    message.release()?;
                    1
                }
            },
            _ => consumer.recv_batch(&mut values)?,
        };
        if count == 0 {
            break;
        }
        for value in &values[..count] {
            ensure!(*value == Tick::number(number), "{number}: {value:?}");
            number += 1;
        }
    }
    ensure!(number == VALUES);
    consumer.close()?;
    Ok(())
}

#[test]
fn values_arrive_in_another_process() -> Result<()> {
    let _watchdog = watchdog::watch("values_arrive_in_another_process");
    let place = Place::new("typed-values")?;
    let mut producer = place.channel.typed_producer::<Tick>()?;
    ensure!(producer.get_ref().geometry().slot_bytes() == 24);
    let part = Part::start("takes_ticks", &place)?;
    let mut number = 0;
    while number < VALUES {
        match number % 3 {
            0 => {
                producer.send(&Tick::number(number))?;
                number += 1;
            }
            1 => {
                let mut loan = producer.loan()?;
                *loan = Tick::number(number);
                ensure!(loan.number == number);
                loan.publish()?;
                number += 1;
            }
            _ => {
                let values: Vec<Tick> =
                    (number..VALUES.min(number + 7)).map(Tick::number).collect();
                number += u32::try_from(producer.send_batch(&values)?)?;
            }
        }
    }
    producer.drain(Deadline::NEVER)?;
    producer.close()?;
    part.end()?;
    place.ensure_nothing_left()
}

#[test]
fn long_and_odd_types_arrive() -> Result<()> {
    let _watchdog = watchdog::watch("long_and_odd_types_arrive");
    let place = Place::new("typed-odd")?;
    let (mut producer, mut consumer) = pair::<Line>(&place)?;
    for number in 0..9 {
        let mut loan = producer.loan()?;
        loan.0 = [number; 16];
        loan.publish()?;
        let message = consumer.recv_message()?.context("a line")?;
        ensure!(*message == Line([number; 16]));
        ensure!(std::ptr::from_ref(&*message).addr() % 64 == 0);
    }
    finish(&place, producer, consumer)?;
    let (mut producer, mut consumer) = pair::<u128>(&place)?;
    for number in [0, u128::MAX, 1 << 100] {
        producer.send(&number)?;
        producer.send(&number)?;
        ensure!(
            consumer.recv()? == Some(number),
            "from a place aligned to 8"
        );
        ensure!(consumer.recv_message()?.context("one")?.get() == number);
    }
    finish(&place, producer, consumer)?;
    let (mut producer, mut consumer) = pair::<Nothing>(&place)?;
    producer.send(&Nothing(()))?;
    producer.loan()?.publish()?;
    ensure!(consumer.recv_batch(&mut [Nothing(()); 4])? == 2);
    finish(&place, producer, consumer)?;
    let (mut producer, mut consumer) = pair::<LongestName>(&place)?;
    producer.send(&LongestName(3))?;
    ensure!(consumer.recv()?.is_some_and(|value| value.0 == 3));
    finish(&place, producer, consumer)
}

#[test]
fn a_full_and_an_empty_ring_are_told() -> Result<()> {
    let _watchdog = watchdog::watch("a_full_and_an_empty_ring_are_told");
    let place = Place::new("typed-full")?;
    let (mut producer, mut consumer) = pair::<u16>(&place)?;
    ensure!(consumer.try_recv() == Err(TryRecvError::Empty));
    ensure!(producer.send_batch(&[1, 2, 3, 4, 5])? == 4);
    ensure!(producer.try_send(&5) == Err(TrySendError::Full));
    drop(consumer.recv_message()?);
    drop(producer.loan()?);
    producer.try_send(&5)?;
    consumer.recv_message()?.context("a value")?.put_back();
    let mut values = [0; 3];
    ensure!(consumer.recv_batch(&mut [])? == 0);
    ensure!(consumer.recv_batch(&mut values)? == 3 && values == [2, 3, 4]);
    ensure!(consumer.try_recv()? == Some(5));
    finish(&place, producer, consumer)
}

fn ensure_type(reason: &AttachReason, asked: &str) -> Result<()> {
    let text = reason.to_string();
    let found = r#"its messages are of type "u64" (8 bytes, aligned to 8)"#;
    ensure!(matches!(reason, AttachReason::Type { .. }), "{text}");
    ensure!(text.contains(found) && text.contains(asked), "{text}");
    Ok(())
}

fn ensure_framing(reason: &AttachReason, found: &str, asked: &str) -> Result<()> {
    let text = reason.to_string();
    ensure!(matches!(reason, AttachReason::Framing { .. }), "{text}");
    ensure!(
        text.contains(&format!("framing {found}, you asked for {asked}")),
        "{text}"
    );
    Ok(())
}

/// Tries to be the other end of an `u64` channel with every other type, and with none.
#[test]
#[ignore = "a part of the test below"]
fn strangers() -> Result<()> {
    let channel = part::channel()?;
    let asked = |name: &str| format!("you asked for {name}");
    let of_size =
        |name: &str, bytes, align| asked(&format!("{name:?} ({bytes} bytes, aligned to {align})"));
    ensure_type(
        &refusal(channel.typed_consumer::<i64>())?,
        &of_size("i64", 8, 8),
    )?;
    ensure_type(
        &refusal(channel.typed_consumer::<Short>())?,
        &of_size("u64", 4, 4),
    )?;
    ensure_type(
        &refusal(channel.typed_consumer::<Unaligned>())?,
        &of_size("u64", 8, 4),
    )?;
    ensure_type(
        &refusal(channel.typed_consumer::<Renamed>())?,
        &of_size("u64 ", 8, 8),
    )?;
    for framing in [Framing::Messages, Framing::Demo, Framing::Raw] {
        let reason = refusal(channel.clone().framing(framing).consumer())?;
        ensure_framing(&reason, "typed", &framing.to_string())?;
    }
    let reason = refusal(channel.clone().framing(Framing::Typed).consumer())?;
    ensure!(matches!(reason, AttachReason::Untyped), "{reason}");
    let reason = refusal(channel.clone().slot_bytes(16).typed_consumer::<u64>())?;
    ensure!(reason.to_string().contains("slot size 8, you asked for 16"));
    let reason = refusal(channel.slot_bytes(7).typed_consumer::<u64>())?;
    ensure!(
        reason
            .to_string()
            .contains("a value of 8 bytes does not fit into a slot of 7")
    );
    Ok(())
}

#[test]
fn another_type_is_refused_and_nothing_changed() -> Result<()> {
    let _watchdog = watchdog::watch("another_type_is_refused_and_nothing_changed");
    let place = Place::new("typed-refused")?;
    let mut producer = place.channel.typed_producer::<u64>()?;
    producer.send(&42)?;
    let before = place.state()?;
    Part::start("strangers", &place)?.end()?;
    ensure!(place.state()? == before, "a refused end changed something");
    let mut consumer = place.channel.typed_consumer::<u64>()?;
    ensure!(consumer.recv()? == Some(42));
    finish(&place, producer, consumer)
}

#[test]
fn a_channel_without_a_type_refuses_one() -> Result<()> {
    let _watchdog = watchdog::watch("a_channel_without_a_type_refuses_one");
    let place = Place::new("typed-untyped")?;
    for framing in [Framing::Messages, Framing::Demo, Framing::Raw] {
        let channel = place.channel.clone().framing(framing);
        let producer = channel.producer()?;
        let before = place.state()?;
        let reason = refusal(channel.typed_consumer::<u64>())?;
        ensure_framing(&reason, &framing.to_string(), "typed")?;
        ensure!(place.state()? == before, "a refused end changed something");
        producer.close()?;
        let mut consumer = channel.consumer()?;
        ensure!(consumer.recv()?.is_none());
        ensure!(consumer.close()? == CloseOutcome::Removed);
        place.ensure_nothing_left()?;
    }
    Ok(())
}

#[test]
fn an_impossible_type_makes_no_channel() -> Result<()> {
    let _watchdog = watchdog::watch("an_impossible_type_makes_no_channel");
    let place = Place::new("typed-impossible")?;
    let channel = &place.channel;
    let reason = refusal(channel.clone().framing(Framing::Typed).producer())?;
    ensure!(matches!(reason, AttachReason::Untyped), "{reason}");
    place.ensure_nothing_left()?;
    for reason in [
        refusal(channel.typed_producer::<Nameless>())?,
        refusal(channel.typed_consumer::<LongName>())?,
    ] {
        ensure!(matches!(reason, AttachReason::TypeName { .. }), "{reason}");
        place.ensure_nothing_left()?;
    }
    let reason = refusal(channel.clone().slot_bytes(7).typed_producer::<u64>())?;
    ensure!(
        matches!(reason, AttachReason::TypeTooLong { .. }),
        "{reason}"
    );
    place.ensure_nothing_left()
}

/// Overwrites a field, has both ends refused, and puts it back.
fn scribble_and_refuse<const N: usize>(
    place: &Place,
    attach: &dyn Fn(&Channel) -> Result<[AttachReason; 2]>,
    (offset, value, words): (usize, [u8; N], &str),
) -> Result<()> {
    let whole = place.state()?.1;
    place.scribble(offset, &value)?;
    let before = place.state()?;
    for reason in attach(&place.channel)? {
        ensure!(matches!(reason, AttachReason::Corrupt(_)), "{reason}");
        ensure!(reason.to_string().contains(words), "{reason}");
    }
    ensure!(place.state()? == before, "{words}: something changed");
    place.scribble(offset, &whole[offset..offset + N])
}

#[test]
fn a_damaged_type_is_refused() -> Result<()> {
    let _watchdog = watchdog::watch("a_damaged_type_is_refused");
    let place = Place::new("typed-damage")?;
    place.channel.typed_producer::<u64>()?.close()?;
    let typed = |channel: &Channel| -> Result<[AttachReason; 2]> {
        Ok([
            refusal(channel.typed_producer::<u64>())?,
            refusal(channel.typed_consumer::<u64>())?,
        ])
    };
    let (four, eight) = (u32::to_ne_bytes, u64::to_ne_bytes);
    for case in [
        (TYPE_ALIGN, four(3), "type_align is 3, expected a power of"),
        (TYPE_ALIGN, four(0), "type_align is 0, expected a power of"),
        (TYPE_ALIGN, four(16), "type_bytes is 8, expected a multiple"),
        (TYPE_NAME_BYTES, four(0), "type_name_bytes is 0, expected 1"),
        (TYPE_NAME_BYTES, four(177), "type_name_bytes is 177"),
        (TYPE_NAME_BYTES, four(u32::MAX), "is 4294967295, expected"),
        (FRAMING, four(6), "framing is 6, expected"),
    ] {
        scribble_and_refuse(&place, &typed, case)?;
    }
    for case in [
        (TYPE_BYTES, eight(9), "type_bytes is 9, expected"),
        (TYPE_BYTES, eight(16), "type_align 8, at most 8"),
        (
            TYPE_BYTES,
            eight(u64::MAX),
            "type_bytes is 1844674407370955",
        ),
    ] {
        scribble_and_refuse(&place, &typed, case)?;
    }
    // A name that is no text is another name.
    place.scribble(TYPE_NAME, b"\xff\x1b")?;
    for reason in typed(&place.channel)? {
        ensure!(reason.to_string().contains(r#""�\u{1b}4" ("#), "{reason}");
    }
    place.scribble(TYPE_NAME, b"u6")?;
    let mut consumer = place.channel.typed_consumer::<u64>()?;
    ensure!(consumer.recv()?.is_none());
    ensure!(consumer.close()? == CloseOutcome::Removed);
    place.ensure_nothing_left()
}

#[test]
fn a_type_where_none_should_be_is_refused() -> Result<()> {
    let _watchdog = watchdog::watch("a_type_where_none_should_be_is_refused");
    let place = Place::new("typed-none")?;
    place.channel.producer()?.close()?;
    let untyped = |channel: &Channel| -> Result<[AttachReason; 2]> {
        Ok([refusal(channel.producer())?, refusal(channel.consumer())?])
    };
    for field in [TYPE_BYTES, TYPE_ALIGN, TYPE_NAME_BYTES] {
        let words = "is 1, expected 0, since framing is not typed";
        scribble_and_refuse(&place, &untyped, (field, 1u32.to_ne_bytes(), words))?;
    }
    let mut consumer = place.channel.consumer()?;
    ensure!(consumer.recv()?.is_none());
    ensure!(consumer.close()? == CloseOutcome::Removed);
    Ok(())
}

#[test]
fn a_message_of_another_length_is_no_value() -> Result<()> {
    let _watchdog = watchdog::watch("a_message_of_another_length_is_no_value");
    let place = Place::new("typed-length")?;
    let (mut producer, mut consumer) = pair::<u64>(&place)?;
    producer.send_batch(&[1, 2])?;
    for length in [0u32, 7, 9] {
        // The second one, so that a batch has a good one before it.
        place.scribble(DESCRIPTORS + 64, &length.to_ne_bytes())?;
        let mut values = [0; 4];
        let stopped = consumer.recv_batch(&mut values).err();
        let Some(RecvError::Fault(Fault::Corrupt(corrupt))) = stopped else {
            anyhow::bail!("{length}: {stopped:?}");
        };
        ensure!(corrupt.field == "descriptor's length" && corrupt.found == length.into());
        ensure!(values == [0; 4] && consumer.get_ref().position() == 0);
    }
    ensure!(consumer.recv()? == Some(1));
    for _ in 0..2 {
        let stopped = consumer.recv().err().context("9 bytes")?;
        ensure!(stopped.to_string().contains("9, expected 8, the size of"));
    }
    place.scribble(DESCRIPTORS + 64, &8u32.to_ne_bytes())?;
    ensure!(consumer.recv()? == Some(2), "it stayed");
    finish(&place, producer, consumer)
}

/// The consumer that dies with a value in hand, in the test below.
#[test]
#[ignore = "a part of the test below"]
fn dies_with_a_tick_in_hand() -> Result<()> {
    let mut consumer = part::channel()?.typed_consumer::<Tick>()?;
    ensure!(consumer.recv()? == Some(Tick::number(0)));
    let message = consumer.recv_message()?.context("a tick")?;
    ensure!(*message == Tick::number(1) && !message.is_redelivered());
    part::say_and_wait("IN HAND")
}

#[test]
fn a_value_in_hand_comes_again() -> Result<()> {
    let _watchdog = watchdog::watch("a_value_in_hand_comes_again");
    let place = Place::new("typed-killed")?;
    let mut producer = place.channel.typed_producer::<Tick>()?;
    for number in 0..3 {
        producer.send(&Tick::number(number))?;
    }
    let mut part = Part::start("dies_with_a_tick_in_hand", &place)?;
    part.wait_for("IN HAND")?;
    part.kill()?;
    let mut consumer = place.channel.typed_consumer::<Tick>()?;
    for number in 1..3 {
        let message = consumer.recv_message()?.context("a tick")?;
        ensure!(*message == Tick::number(number), "{message:?}");
        ensure!(message.is_redelivered() == (number == 1));
    }
    finish(&place, producer, consumer)
}
