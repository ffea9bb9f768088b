//! Goal: whatever stands in the segment, attaching and exchanging end in success or in a refusal that
//! names the field, what stands there and what should; a refused attach has changed nothing. Method: every
//! field of docs/layout.md in turn gets every value that is likely to hurt, before a side attaches and
//! while both are attached; messages are on their way meanwhile.

mod watchdog;

use anyhow::{Context as _, Result, bail, ensure};
use semring::{
    Address, AttachReason, Channel, Consumer, Corrupt, Deadline, DrainError, Fault, Mode, Producer,
    RecvError, Role, SendError,
};
use sysv_ipc::{Segment, SemaphoreSet};

const SLOTS: u32 = 4;
const SLOT_BYTES: u64 = 128;
const SEGMENT_BYTES: usize = 8192 + 4 * 128;

/// Says what is to come of a field with a wrong value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Every wrong value is refused.
    Refused,
    /// Nobody relies on it: all goes on as if nothing had happened.
    Ignored,
    /// Some values are possible; others are seen to be refused, with each of the words.
    Judged,
}
use Rule::{Ignored, Judged, Refused};

/// A field: name, offset, bytes, rule, and the words of which each refusal has one.
type Field = (&'static str, usize, usize, Rule, &'static [&'static str]);

const SIZES: &[&str] = &["slot_count", "slots_offset", "segment_bytes"];
const NAME: &[&str] = &["name_bytes is", "already belongs to the channel"];

#[rustfmt::skip]
const IDENTITY: &[Field] = &[
    ("magic", 0, 8, Refused, &["starts with"]),
    ("version", 8, 4, Refused, &["layout version"]),
    ("header_bytes", 12, 4, Refused, &["header_bytes is"]),
    ("segment_bytes", 16, 8, Refused, &["segment_bytes is"]),
    ("slot_bytes", 24, 8, Refused, &["slot_bytes is", "slot_stride is", "slot size"]),
    ("slot_stride", 32, 8, Refused, &["slot_stride is"]),
    ("slot_count", 40, 4, Refused, SIZES),
    ("sync", 44, 4, Judged, &["sync is"]),
    ("descriptors_offset", 48, 8, Refused, &["descriptors_offset is"]),
    ("slots_offset", 56, 8, Refused, &["slots_offset is"]),
    // Put right, when nobody else is attached.
    ("semaphore_id", 64, 4, Ignored, &[]),
    ("semaphore_count", 68, 4, Refused, &["semaphore_count is"]),
    ("framing", 72, 4, Refused, &["framing"]),
    ("consumer_count", 76, 4, Refused, &["consumer_count is"]),
    ("nonce", 80, 8, Ignored, &[]),
    ("nonce", 88, 8, Ignored, &[]),
    ("key_device", 96, 8, Ignored, &[]),
    ("key_inode", 104, 8, Ignored, &[]),
    ("creator_pid", 112, 4, Ignored, &[]),
    ("creator_uid", 116, 4, Ignored, &[]),
    ("created_at_ns", 120, 8, Ignored, &[]),
    ("name_bytes", 128, 4, Refused, NAME),
    ("name", 132, 8, Refused, NAME),
    ("type_bytes", 320, 8, Refused, &["type_bytes is"]),
    ("type_align", 328, 4, Refused, &["type_align is"]),
    ("type_name_bytes", 332, 4, Refused, &["type_name_bytes is"]),
    ("type_name", 336, 8, Ignored, &[]),
    ("type_name", 504, 8, Ignored, &[]),
];

/// Of both sides, at 512 and at 1024; position and word follow below.
#[rustfmt::skip]
const SIDE: &[Field] = &[
    ("reserved", 8, 8, Ignored, &[]),
    ("waiting", 136, 4, Ignored, &[]),
    ("registered", 140, 4, Ignored, &[]),
    ("pid", 144, 4, Ignored, &[]),
    ("uid", 148, 4, Ignored, &[]),
    ("since_ns", 152, 8, Ignored, &[]),
    ("end_seen", 160, 8, Ignored, &[]),
    ("reserved", 168, 8, Ignored, &[]),
    ("handed_out", 256, 8, Ignored, &[]),
    ("messages", 264, 8, Ignored, &[]),
    ("bytes", 272, 8, Ignored, &[]),
    ("sleeps", 280, 8, Ignored, &[]),
    ("spurious", 288, 8, Ignored, &[]),
    ("redelivered", 296, 8, Ignored, &[]),
    ("active_at_ns", 304, 8, Ignored, &[]),
    ("activity", 312, 4, Ignored, &[]),
    ("reserved", 316, 4, Ignored, &[]),
];

const LENGTH: &[&str] = &["descriptor's length is"];
const SLOT: &[&str] = &["expected below 4"];
const SLOT_OR_INLINE: &[&str] = &[SLOT[0], "expected one of its own", LENGTH[0]];
const POSITION: &[&str] = &["tail is"];

/// What the protocol lives on. Messages 2, 3 and 4 are on their way.
#[rustfmt::skip]
const PROTOCOL: &[Field] = &[
    ("tail", 512, 8, Judged, POSITION),
    // Whatever it is, it is one of its states.
    ("producer's word", 640, 8, Ignored, &[]),
    ("head", 1024, 8, Judged, POSITION),
    ("consumer's word", 1152, 8, Judged, &["word is"]),
    ("consumer 1's head", 1536, 8, Ignored, &[]),
    ("consumer 5's last bytes", 4088, 8, Ignored, &[]),
    ("length of message 4", 4096, 4, Judged, LENGTH),
    ("slot of message 4", 4100, 4, Judged, SLOT_OR_INLINE),
    ("length of no message", 4160, 4, Ignored, &[]),
    ("slot of no message", 4164, 4, Ignored, &[]),
    ("length of message 2", 4224, 4, Judged, LENGTH),
    ("slot of message 2", 4228, 4, Judged, SLOT),
    ("length of message 3", 4288, 4, Judged, LENGTH),
    ("slot of message 3", 4292, 4, Judged, SLOT_OR_INLINE),
    ("after the descriptors", 4352, 8, Ignored, &[]),
];

/// All fields, the sides' at their places.
fn fields() -> impl Iterator<Item = Field> {
    let sides = [512, 1024].into_iter().flat_map(|side| {
        let at = move |&(name, offset, bytes, rule, words): &Field| {
            (name, side + offset, bytes, rule, words)
        };
        SIDE.iter().map(at)
    });
    IDENTITY
        .iter()
        .copied()
        .chain(sides)
        .chain(PROTOCOL.iter().copied())
}

/// Values that are likely to hurt: the ends, the neighbours, a few of no kind, and, where it may matter,
/// each bit flipped.
fn values(right: u64, bytes: usize, rule: Rule, seed: usize) -> Vec<u64> {
    let all = if bytes == 8 {
        u64::MAX
    } else {
        (1 << (8 * bytes)) - 1
    };
    let mut values = vec![
        0,
        1,
        all,
        all >> 1,
        right.wrapping_sub(1),
        right.wrapping_add(1),
    ];
    if rule != Ignored {
        values.extend((0..8 * bytes).map(|bit| right ^ (1 << bit)));
    }
    let mut random = seed as u64;
    values.extend(
        std::iter::repeat_with(|| {
            random = random
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            random ^ (random >> 33)
        })
        .take(4),
    );
    for value in &mut values {
        *value &= all;
    }
    values.retain(|&value| value != right);
    values
}

/// A channel whose producer died with messages 2, 3 and 4 unread, as it is to be found each time.
struct Place {
    channel: Channel,
    segment: Segment,
    set: SemaphoreSet,
    image: Vec<u8>,
}

impl Place {
    fn new(name: &str) -> Result<Self> {
        let name = format!("hostile-{name}-{}", std::process::id());
        let channel = Channel::new(Address::named(&name)?)
            .slots(SLOTS)
            .slot_bytes(SLOT_BYTES);
        let mut producer = channel.producer()?;
        let mut consumer = channel.consumer()?;
        for number in 0..5 {
            producer.send(&text(number))?;
            if number < 2 {
                drop(consumer.recv()?.context("a message was sent")?);
            }
        }
        let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
        drop((producer, consumer));
        let mut image = vec![0; SEGMENT_BYTES];
        segment.attach_read_only()?.read(0, &mut image)?;
        Ok(Self {
            channel,
            segment,
            set,
            image,
        })
    }

    /// Puts the segment back as it was, but for one field.
    fn flip(&self, offset: usize, bytes: usize, value: u64) -> Result<Vec<u8>> {
        let mut image = self.image.clone();
        image[offset..offset + bytes].copy_from_slice(&value.to_ne_bytes()[..bytes]);
        self.segment.attach()?.write(0, &image)?;
        Ok(image)
    }

    fn content(&self) -> Result<Vec<u8>> {
        let mut content = vec![0; SEGMENT_BYTES];
        self.segment.attach_read_only()?.read(0, &mut content)?;
        Ok(content)
    }

    /// The number that stands in a field.
    fn right(&self, offset: usize, bytes: usize) -> u64 {
        number(&self.image, offset, bytes)
    }

    fn remove(self) -> Result<()> {
        self.flip(0, 0, 0)?;
        self.channel.remove()?;
        Ok(())
    }
}

fn number(content: &[u8], offset: usize, bytes: usize) -> u64 {
    let mut number = [0; 8];
    number[..bytes].copy_from_slice(&content[offset..offset + bytes]);
    u64::from_ne_bytes(number)
}

/// Message 2 stands inline, 3 and 4 in slots.
fn text(number: u8) -> Vec<u8> {
    let length = [100, 100, 5, 100, 128][usize::from(number)];
    vec![number; length]
}

/// What a use came to: the refusal, if there was one.
type Outcome = Option<String>;

/// Checks that a fault is damage, named in full.
fn damage(fault: &Fault) -> Result<Outcome> {
    let Fault::Corrupt(Corrupt {
        field,
        found,
        expected,
    }) = fault
    else {
        bail!("neither success nor damage: {fault}");
    };
    ensure!(!field.is_empty() && !expected.is_empty(), "{fault:?}");
    let text = fault.to_string();
    ensure!(
        text.contains(&format!("{field} is {found}, expected {expected}")),
        "{text}"
    );
    Ok(Some(text))
}

fn now() -> Deadline {
    Deadline::after(std::time::Duration::ZERO)
}

/// Receives what there is, at most a ring full and one more, and returns it with how it ended.
fn receive(consumer: &mut Consumer) -> Result<(Vec<Vec<u8>>, Outcome)> {
    let mut received = Vec::new();
    if let Ok(Some(batch)) = consumer.recv_batch_deadline(SLOTS, now()) {
        ensure!(batch.iter().all(|message| message.len() <= 128));
        ensure!(batch.redelivered() <= batch.len());
        batch.release_first(0)?;
    }
    for _ in 0..=SLOTS {
        match consumer.recv_deadline(now()) {
            Ok(Some(message)) => {
                ensure!(message.len() <= 128);
                received.push(message.to_vec());
                message.release()?;
            }
            Ok(None) | Err(RecvError::TimedOut | RecvError::PeerLost | RecvError::Interrupted) => {
                break;
            }
            Err(RecvError::Fault(fault)) => return Ok((received, damage(&fault)?)),
            Err(error) => bail!("{error}"),
        }
    }
    ensure!(received.len() <= SLOTS as usize, "more than a ring holds");
    Ok((received, None))
}

/// Sends while there is room, looks at how the consumer does, and returns how it ended.
fn send(producer: &mut Producer) -> Result<Outcome> {
    for _ in 0..=SLOTS {
        match producer.send_deadline(&[5; 100], now()) {
            Ok(()) => {}
            Err(SendError::TimedOut | SendError::PeerLost | SendError::Closed) => break,
            Err(SendError::Fault(fault)) => return damage(&fault),
            Err(error) => bail!("{error}"),
        }
    }
    match producer.drain(now()) {
        Ok(()) | Err(DrainError::TimedOut | DrainError::PeerLost | DrainError::Closed) => Ok(None),
        Err(DrainError::Fault(fault)) => damage(&fault),
        Err(error) => bail!("{error}"),
    }
}

/// Attaches as one side and uses it. With nothing wrong all is as it should be.
fn use_as(role: Role, channel: &Channel) -> Result<(bool, Outcome)> {
    let refused = |reason: AttachReason| {
        let reason = reason.to_string();
        ensure!(!reason.contains("pass `--mode"), "{reason}");
        Ok((false, Some(reason)))
    };
    match role {
        Role::Producer => match channel.producer() {
            Ok(mut producer) => {
                let outcome = send(&mut producer)?;
                let full = outcome.is_some() || producer.position() == 6;
                Ok((full, outcome))
            }
            Err(error) => refused(error.reason),
        },
        Role::Consumer => match channel.consumer() {
            Ok(mut consumer) => {
                let (received, outcome) = receive(&mut consumer)?;
                Ok((received == [2, 3, 4].map(text), outcome))
            }
            Err(error) => refused(error.reason),
        },
    }
}

/// Checks one outcome against the rule; returns with which of the words the value was refused.
fn check(rule: Rule, words: &[&str], whole: bool, outcome: Outcome) -> Result<Option<usize>> {
    let Some(text) = outcome else {
        ensure!(rule != Refused, "accepted");
        ensure!(rule == Judged || whole, "messages were lost or changed");
        return Ok(None);
    };
    ensure!(rule != Ignored, "refused: {text}");
    let word = words.iter().position(|word| text.contains(word));
    ensure!(word.is_some(), "refused for another reason: {text}");
    Ok(word)
}

#[test]
fn every_field_before_a_side_attaches() -> Result<()> {
    let _watchdog = watchdog::watch("every_field_before_a_side_attaches");
    let place = Place::new("before")?;
    let mut cases = 0;
    for (name, offset, bytes, rule, words) in fields() {
        let mut seen = vec![false; words.len()];
        for value in values(place.right(offset, bytes), bytes, rule, offset) {
            for role in [Role::Producer, Role::Consumer] {
                let case = || format!("{role}, {name} at {offset} is {value:#x}");
                let image = place.flip(offset, bytes, value)?;
                let units = place.set.values()?;
                let (whole, outcome) = use_as(role, &place.channel).with_context(case)?;
                let unchanged = place.content()? == image && place.set.values()? == units;
                let refused = check(rule, words, whole, outcome).with_context(case)?;
                // A consumer looks at a descriptor when its turn comes; all else is looked at first.
                let first = rule == Refused || refused.is_some_and(|word| words[word] == "tail is");
                ensure!(!first || unchanged, "{}: refused, but changed", case());
                if let Some(word) = refused {
                    seen[word] = true;
                }
                cases += 1;
            }
        }
        let missing = words.iter().zip(&seen).find(|(_, seen)| !**seen);
        ensure!(
            rule != Judged || missing.is_none(),
            "{name} was never refused: {missing:?}"
        );
    }
    println!("{cases} cases");
    place.remove()
}

#[test]
fn every_field_while_both_sides_are_attached() -> Result<()> {
    let _watchdog = watchdog::watch("every_field_while_both_sides_are_attached");
    let place = Place::new("while")?;
    let mut cases = 0;
    for (name, offset, bytes, mut rule, words) in fields() {
        // A producer that is attached looks at head alone.
        let words = [words, &["head is"]].concat();
        if rule == Refused {
            // What a side needs of the identity it knows since it attached.
            rule = Ignored;
        }
        for value in values(place.right(offset, bytes), bytes, rule, offset) {
            let case = || format!("{name} at {offset} is {value:#x}");
            place.flip(0, 0, 0)?;
            let mut consumer = place.channel.consumer()?;
            let mut producer = place.channel.producer()?;
            place
                .segment
                .attach()?
                .write(offset, &value.to_ne_bytes()[..bytes])?;
            let sent = send(&mut producer).with_context(case)?;
            let (received, outcome) = receive(&mut consumer).with_context(case)?;
            let mut expected: Vec<_> = [2, 3, 4].map(text).into();
            expected.push(vec![5; 100]);
            check(rule, &words, received == expected, outcome).with_context(case)?;
            check(rule, &words, producer.position() == 6, sent).with_context(case)?;
            cases += 1;
        }
    }
    println!("{cases} cases");
    place.remove()
}

#[test]
fn a_refusal_puts_no_new_set_in_the_place_of_a_removed_one() -> Result<()> {
    let _watchdog = watchdog::watch("a_refusal_puts_no_new_set_in_the_place_of_a_removed_one");
    let place = Place::new("adopted")?;
    place.set.remove()?;
    for (tail, descriptor) in [(99u64, 0), (5, 9 << 32)] {
        let mut image = place.image.clone();
        image[512..520].copy_from_slice(&tail.to_ne_bytes());
        image[4224..4232].copy_from_slice(&u64::to_ne_bytes(descriptor));
        place.segment.attach()?.write(0, &image)?;
        ensure!(place.channel.producer().is_err(), "damaged");
        ensure!(place.content()? == image, "changed though refused");
        let set = SemaphoreSet::open(place.channel.address().key(), Mode::from_bits(0));
        ensure!(set.is_err(), "left a set behind, though refused");
    }
    // Undamaged, it gets one, and the messages are still there.
    place.flip(0, 0, 0)?;
    let (whole, outcome) = use_as(Role::Consumer, &place.channel)?;
    ensure!(whole && outcome.is_none(), "{outcome:?}");
    place.channel.remove()?;
    Ok(())
}
