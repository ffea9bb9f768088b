//! A use of each side that comes past every check, and what must hold whatever the bytes are.

use semring::{
    AttachError, AttachReason, Consumer, Corrupt, DrainError, Fault, Producer, RecvError,
    RecvIntoError, SendError,
};

use crate::{Place, now};

/// The fields that may be called damaged: those of docs/layout.md, and what is reckoned from them.
const FIELDS: [&str; 22] = [
    "header_bytes",
    "segment_bytes",
    "slot_bytes",
    "slot_stride",
    "slot_count",
    "sync",
    "descriptors_offset",
    "slots_offset",
    "semaphore_count",
    "framing",
    "consumer_count",
    "name_bytes",
    "type_bytes",
    "type_align",
    "type_name_bytes",
    "size of the segment",
    "tail",
    "head",
    "word",
    "descriptor's slot",
    "descriptor's length",
    "free slots",
];

/// Checks that damage is named in full.
pub fn check(corrupt: &Corrupt) {
    let Corrupt {
        field,
        found,
        expected,
    } = corrupt;
    assert!(FIELDS.contains(field), "{corrupt:?}");
    assert!(
        corrupt
            .to_string()
            .contains(&format!("{field} is {found}, expected {expected}"))
    );
    assert!(!expected.is_empty(), "{corrupt:?}");
}

fn check_fault(fault: &Fault) {
    match fault {
        Fault::Corrupt(corrupt) => check(corrupt),
        fault => panic!("{fault}"),
    }
}

/// Returns what was attached; or checks the refusal, which changes nothing where nobody else writes.
pub fn attach<T>(
    place: &Place,
    alone: bool,
    attach: impl FnOnce() -> Result<T, AttachError>,
) -> Option<T> {
    let before = alone.then(|| place.content().ok());
    match attach() {
        Ok(side) => Some(side),
        Err(error) => {
            match &error.reason {
                AttachReason::Corrupt(corrupt) => check(corrupt),
                AttachReason::Foreign { .. }
                | AttachReason::Version { .. }
                | AttachReason::Differs { .. }
                | AttachReason::Framing { .. }
                | AttachReason::SetRemoved { .. } => {}
                reason => panic!("{reason}"),
            }
            if let Some(before) = before {
                assert!(
                    before == place.content().ok(),
                    "refused, but changed: {error}"
                );
            }
            None
        }
    }
}

/// Receives in every way, at most two rings full.
pub fn consume(consumer: &mut Consumer) {
    let slots = consumer.geometry().slot_count();
    let limit = consumer.geometry().slot_bytes();
    let mut buffer = [0; 64];
    for round in 0..2 * slots {
        match consumer.unread() {
            Ok(unread) => assert!(unread <= slots, "{unread} of {slots} on their way"),
            Err(corrupt) => return check(&corrupt),
        }
        match round % 4 {
            // Has no deadline, so a message is made sure of before.
            0 => match copy_out(consumer, &mut buffer) {
                Ok(Some(bytes)) => assert_eq!(bytes, buffer[..bytes].len()),
                Ok(None) => return,
                Err(RecvIntoError::TooSmall { message_bytes, .. }) => {
                    assert!(message_bytes as u64 <= limit.max(56));
                }
                Err(RecvIntoError::Recv(RecvError::Fault(fault))) => return check_fault(&fault),
                Err(_) => return,
            },
            1 => match consumer.recv_batch_deadline(slots, now()) {
                Ok(Some(batch)) => {
                    assert!(batch.len() <= slots as usize && batch.redelivered() <= batch.len());
                    std::hint::black_box(batch.iter().flatten().copied().fold(0, u8::wrapping_add));
                    batch.release_first(batch_part(slots)).unwrap();
                }
                Ok(None) => return,
                Err(RecvError::Fault(fault)) => return check_fault(&fault),
                Err(_) => return,
            },
            _ => match consumer.recv_deadline(now()) {
                Ok(Some(message)) => {
                    assert!(message.len() as u64 <= limit.max(56));
                    std::hint::black_box(message.iter().copied().fold(0, u8::wrapping_add));
                    if round % 4 == 2 {
                        message.put_back()
                    } else {
                        message.release().unwrap()
                    }
                }
                Ok(None) => return,
                Err(RecvError::Fault(fault)) => return check_fault(&fault),
                Err(_) => return,
            },
        }
    }
}

fn copy_out(consumer: &mut Consumer, buffer: &mut [u8]) -> Result<Option<usize>, RecvIntoError> {
    if !consumer.ready(now())? {
        return Ok(None);
    }
    consumer.recv_into(buffer)
}

const fn batch_part(slots: u32) -> usize {
    slots as usize / 2
}

/// Sends in every way, at most two rings full.
pub fn produce(producer: &mut Producer) {
    let slots = producer.geometry().slot_count();
    let limit = usize::try_from(producer.geometry().slot_bytes()).unwrap();
    let long = vec![1; limit.min(5000)];
    for round in 0..2 * slots {
        match producer.unread() {
            Ok(unread) => assert!(unread <= slots, "{unread} of {slots} on their way"),
            Err(corrupt) => return check(&corrupt),
        }
        let sent = match round % 3 {
            0 => producer.send_deadline(&long, now()),
            1 => producer
                .send_batch_deadline(&[&long, b"", &long[..1]], now())
                .map(drop),
            _ => producer
                .loan_deadline(limit.min(80), now())
                .map(|mut loan| {
                    loan.fill(2);
                    loan.truncate(57);
                    if round % 2 == 0 {
                        loan.publish().unwrap();
                    }
                }),
        };
        match sent {
            Ok(()) => {}
            Err(SendError::Fault(fault)) => return check_fault(&fault),
            Err(_) => break,
        }
    }
    if let Err(DrainError::Fault(fault)) = producer.drain(now()) {
        check_fault(&fault);
    }
}
