//! Goal: whatever serde can serialize arrives as it was sent, and what is no such value is told,
//! with its place, and kept. Method: two processes, of which one is killed; ends that mean
//! different types under one name.

mod part;
mod watchdog;

use std::collections::BTreeMap;
use std::fmt::Debug;

use anyhow::{Context as _, Result, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use semring::{
    AttachReason, CloseOutcome, Deadline, DecodeError, Mode, RecvError, SendError, SerdeConsumer,
    SerdeRecvError, SerdeSendError,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use sysv_ipc::Segment;

use part::{Part, Place};

const ORDERS: u32 = 5000;
/// Where the first slot begins in a ring of 64: docs/layout.md.
const SLOTS_OFFSET: usize = 8192;
const STRING_BYTES: usize = 60_000;
const NAME: &str = "order 1";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Order {
    Nothing,
    Buy { item: String, count: Option<u32> },
    Many(Vec<Order>),
    Prices(BTreeMap<String, f64>),
}

impl Order {
    /// From a byte, which stands in a descriptor, to some thousand, which stand in a slot.
    fn number(number: u32) -> Self {
        let item = "x".repeat(number as usize % 300);
        match number % 4 {
            0 => Self::Nothing,
            1 => Self::Buy {
                item,
                count: Some(number),
            },
            2 => Self::Many(vec![Self::number(number + 3); number as usize % 10]),
            _ => Self::Prices([(item, f64::from(number))].into()),
        }
    }
}

/// A value that `Serialize` refuses.
struct Refused;

impl Serialize for Refused {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

/// Receives the end of the stream, and leaves.
fn finish<T: DeserializeOwned + Debug>(
    place: &Place,
    mut consumer: SerdeConsumer<T>,
) -> Result<()> {
    let rest = consumer.recv()?;
    ensure!(rest.is_none(), "{rest:?} was left");
    ensure!(consumer.close()? == CloseOutcome::Removed);
    place.ensure_nothing_left()
}

/// The consumer of the test below.
#[test]
#[ignore = "a part of the test below"]
fn takes_orders() -> Result<()> {
    let mut consumer = part::channel()?.serde_consumer::<Order>(NAME)?;
    let mut number = 0;
    loop {
        let Some(message) = consumer.recv_message()? else {
            break;
        };
        ensure!(*message == Order::number(number), "{number}: {message:?}");
        ensure!(message.position() == u64::from(number) && !message.is_redelivered());
        message.release()?;
        number += 1;
        if let Some(order) = consumer.recv()? {
            ensure!(order == Order::number(number), "{number}: {order:?}");
            number += 1;
        }
    }
    ensure!(number == ORDERS);
    consumer.close()?;
    Ok(())
}

#[test]
fn orders_arrive_in_another_process() -> Result<()> {
    let _watchdog = watchdog::watch("orders_arrive_in_another_process");
    let place = Place::new("serialized-orders")?;
    let mut producer = place.channel.serde_producer(NAME)?;
    let part = Part::start("takes_orders", &place)?;
    for number in 0..ORDERS {
        producer.send(&Order::number(number))?;
    }
    producer.drain(Deadline::NEVER)?;
    producer.close()?;
    part.end()?;
    place.ensure_nothing_left()
}

/// Tries to be the other end with another name, and with a type that is not serialized.
#[test]
#[ignore = "a part of the test below"]
fn strangers() -> Result<()> {
    let channel = part::channel()?;
    let reasons = [
        channel.serde_consumer::<Order>("order 2").err(),
        channel.typed_consumer::<u64>().err(),
    ];
    let asked = [
        r#""order 2" (serialized)"#,
        r#""u64" (8 bytes, aligned to 8)"#,
    ];
    for (error, asked) in reasons.into_iter().zip(asked) {
        let reason = error.context("it should have been refused")?.reason;
        let text = reason.to_string();
        ensure!(matches!(reason, AttachReason::Type { .. }), "{text}");
        let found = r#"its messages are of type "order 1" (serialized), you asked for "#;
        ensure!(text.contains(&format!("{found}{asked}")), "{text}");
    }
    let reason = channel.consumer().err().context("no type")?.reason;
    ensure!(reason.to_string().contains("it has framing typed"));
    Ok(())
}

#[test]
fn another_name_is_refused_and_nothing_changed() -> Result<()> {
    let _watchdog = watchdog::watch("another_name_is_refused_and_nothing_changed");
    let place = Place::new("serialized-refused")?;
    let producer = place.channel.serde_producer::<Order>(NAME)?;
    let before = place.state()?;
    Part::start("strangers", &place)?.end()?;
    ensure!(place.state()? == before, "a refused end changed something");
    producer.close()?;
    finish(&place, place.channel.serde_consumer::<Order>(NAME)?)?;
    for name in ["", &"x".repeat(177)] {
        let error = place.channel.serde_producer::<Order>(name).err();
        let reason = error.context("it should have been refused")?.reason;
        ensure!(matches!(reason, AttachReason::TypeName { .. }), "{reason}");
        let words = " cannot be the name of a type: use 1 to 176 bytes";
        ensure!(reason.to_string().ends_with(words), "{reason}");
        place.ensure_nothing_left()?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_sent_leaves_its_room() -> Result<()> {
    let _watchdog = watchdog::watch("what_cannot_be_sent_leaves_its_room");
    let place = Place::new("serialized-long")?;
    let channel = place.channel.clone().slots(1).slot_bytes(100);
    let mut producer = channel.serde_producer::<Vec<u8>>("bytes")?;
    let mut consumer = channel.serde_consumer::<Vec<u8>>("bytes")?;
    for _ in 0..3 {
        let too_long = SendError::TooLong {
            bytes: 101,
            limit: 100,
        };
        ensure!(producer.send(&vec![7; 100]) == Err(SerdeSendError::Send(too_long)));
        producer.send(&vec![7; 99])?;
        ensure!(consumer.recv()? == Some(vec![7; 99]));
    }
    producer.close()?;
    finish(&place, consumer)?;
    let mut producer = place.channel.serde_producer::<Refused>("refused")?;
    let refused = producer.send(&Refused).err().context("it refuses")?;
    ensure!(matches!(refused, SerdeSendError::Encode(_)), "{refused:?}");
    let words = "the value cannot be serialized: ";
    ensure!(refused.to_string().starts_with(words), "{refused}");
    ensure!(producer.get_ref().position() == 0);
    producer.close()?;
    finish(&place, place.channel.serde_consumer::<()>("refused")?)
}

/// Both ends use one name for two types.
#[test]
fn what_is_no_value_is_told_kept_and_skipped() -> Result<()> {
    let _watchdog = watchdog::watch("what_is_no_value_is_told_kept_and_skipped");
    let place = Place::new("serialized-garbage")?;
    let mut producer = place.channel.serde_producer::<Vec<u8>>(NAME)?;
    let mut consumer = place.channel.serde_consumer::<Order>(NAME)?;
    // An `Order` begins with the number of its variant, 0 to 3; these begin with the bytes' count.
    producer.send(&vec![])?;
    producer.send(&vec![0; 9])?;
    producer.send(&vec![200])?;
    producer.send(&vec![1, 120, 0])?;
    ensure!(consumer.recv()? == Some(Order::Nothing));
    for _ in 0..3 {
        let error = consumer.recv().err().context("there is no ninth variant")?;
        let SerdeRecvError::Decode(DecodeError { position, .. }) = error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(position == 1 && consumer.get_ref().position() == 1);
        ensure!(
            error
                .to_string()
                .starts_with("the message at position 1 is no such value: ")
        );
    }
    ensure!(consumer.skip()? == Some(1));
    let error = consumer.recv().err().context("200 bytes are not there")?;
    ensure!(matches!(error, SerdeRecvError::Decode(_)), "{error:?}");
    ensure!(consumer.skip()? == Some(2));
    let error = consumer.recv().err().context("it goes on after its end")?;
    ensure!(matches!(error, SerdeRecvError::Decode(_)), "{error:?}");
    // It stays for a successor too, who may mean the type that was sent.
    consumer.close()?;
    let mut consumer = place.channel.serde_consumer::<Vec<u8>>(NAME)?;
    ensure!(consumer.recv()? == Some(vec![1, 120, 0]));
    producer.close()?;
    ensure!(consumer.skip()?.is_none());
    finish(&place, consumer)
}

/// The third process of the test below.
#[test]
#[ignore = "a part of the test below"]
fn scribbles_into_a_string() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let key = part::channel()?.address().key();
    let memory = Segment::open(key, Mode::OWNER)?.attach()?;
    loop {
        for byte in [b'x', 0xff] {
            memory.write(SLOTS_OFFSET + STRING_BYTES / 2, &[byte])?;
        }
    }
}

/// What is no UTF-8 is never in a string, whatever somebody writes between the check and the copy.
#[test]
fn a_string_is_one_whoever_scribbles() -> Result<()> {
    let _watchdog = watchdog::watch("a_string_is_one_whoever_scribbles");
    let place = Place::new("serialized-scribbled")?;
    let mut producer = place.channel.serde_producer::<String>("text")?;
    let mut consumer = place.channel.serde_consumer::<String>("text")?;
    producer.send(&"x".repeat(STRING_BYTES))?;
    let _scribbler = Part::start("scribbles_into_a_string", &place)?;
    // A change between two looks shows that the other was at work at the same time.
    let (mut changes, mut was_string) = (0, true);
    while changes < 2000 {
        let is_string = match consumer.recv_message() {
            Ok(Some(text)) => {
                ensure!(str::from_utf8(text.as_bytes()).is_ok(), "{changes}");
                text.put_back();
                true
            }
            Err(SerdeRecvError::Decode(_)) => false,
            other => anyhow::bail!("{other:?}"),
        };
        changes += u32::from(is_string != was_string);
        was_string = is_string;
    }
    ensure!(consumer.skip()? == Some(0));
    producer.close()?;
    finish(&place, consumer)
}

/// A value that is followed by something is no value.
#[test]
fn bytes_that_are_left_over_are_told() -> Result<()> {
    let _watchdog = watchdog::watch("bytes_that_are_left_over_are_told");
    let place = Place::new("serialized-rest")?;
    let mut producer = place.channel.serde_producer::<(u8, u8, u8)>("bytes")?;
    let mut consumer = place.channel.serde_consumer::<u8>("bytes")?;
    producer.send(&(1, 2, 3))?;
    let error = consumer.recv().err().context("three bytes are not one")?;
    ensure!(error.to_string().contains("2 of its 3 bytes are left over"));
    ensure!(consumer.skip()? == Some(0));
    drop(producer);
    let lost = SerdeRecvError::Recv(RecvError::PeerLost);
    ensure!(consumer.recv() == Err(lost));
    place.channel.serde_producer::<u8>("bytes")?.close()?;
    finish(&place, consumer)
}

/// The consumer that dies with a value in hand, in the test below.
#[test]
#[ignore = "a part of the test below"]
fn dies_with_an_order_in_hand() -> Result<()> {
    let mut consumer = part::channel()?.serde_consumer::<Order>(NAME)?;
    ensure!(consumer.recv()? == Some(Order::number(0)));
    let message = consumer.recv_message()?.context("an order")?;
    ensure!(*message == Order::number(1));
    part::say_and_wait("IN HAND")
}

#[test]
fn a_value_in_hand_comes_again() -> Result<()> {
    let _watchdog = watchdog::watch("a_value_in_hand_comes_again");
    let place = Place::new("serialized-killed")?;
    let mut producer = place.channel.serde_producer(NAME)?;
    for number in 0..3 {
        producer.send(&Order::number(number))?;
    }
    let mut part = Part::start("dies_with_an_order_in_hand", &place)?;
    part.wait_for("IN HAND")?;
    part.kill()?;
    let mut consumer = place.channel.serde_consumer::<Order>(NAME)?;
    for number in 1..3 {
        let message = consumer.recv_message()?.context("an order")?;
        ensure!(*message == Order::number(number), "{message:?}");
        ensure!(message.is_redelivered() == (number == 1));
    }
    producer.close()?;
    finish(&place, consumer)
}
