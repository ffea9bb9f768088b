//! The idea naked: `P(EMPTY)`, write, `V(FULL)` against `P(FULL)`, read, `V(EMPTY)`.
//!
//! Two processes, one segment, one set of two semaphores, and nothing but `sysv-ipc`. What is missing
//! here is what the `semring` crate is for: should one of the two be killed, the other waits for ever,
//! and both objects stay.
//!
//!     cargo run --example exchange

use std::process::{Command, id};

use anyhow::{Context, Result, ensure};
use sysv_ipc::{Attachment, Key, Mode, Operation, Segment, SemaphoreSet};

const EMPTY: u16 = 0;
const FULL: u16 = 1;
const SLOTS: u16 = 2;
const SLOT_BYTES: usize = 64;
const MESSAGES: usize = 5;

fn produce(memory: &Attachment, permits: SemaphoreSet) -> Result<()> {
    for position in 0..MESSAGES {
        let text = format!("Message #{} from process {}", position + 1, id());
        permits.operate(&[Operation::take(EMPTY, 1)])?; // P(EMPTY)
        write(memory, position, &text)?;
        permits.operate(&[Operation::add(FULL, 1)])?; // V(FULL)
    }
    Ok(())
}

fn consume(memory: &Attachment, permits: SemaphoreSet) -> Result<()> {
    for position in 0..MESSAGES {
        permits.operate(&[Operation::take(FULL, 1)])?; // P(FULL)
        let text = read(memory, position)?;
        permits.operate(&[Operation::add(EMPTY, 1)])?; // V(EMPTY)
        println!("process {} read: {text}", id());
    }
    Ok(())
}

/// Writes a message into the slot of its position: its length in a byte, then its text.
fn write(memory: &Attachment, position: usize, text: &str) -> Result<()> {
    let slot = position % usize::from(SLOTS) * SLOT_BYTES;
    let length = u8::try_from(text.len())?;
    memory.write(slot, &[length])?;
    Ok(memory.write(slot + 1, text.as_bytes())?)
}

fn read(memory: &Attachment, position: usize) -> Result<String> {
    let slot = position % usize::from(SLOTS) * SLOT_BYTES;
    let mut length = [0];
    memory.read(slot, &mut length)?;
    let mut text = vec![0; usize::from(length[0])];
    memory.read(slot + 1, &mut text)?;
    Ok(String::from_utf8(text)?)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [segment, permits] = arguments.as_slice() {
        let segment = Segment::from_id(segment.parse()?);
        return consume(&segment.attach()?, SemaphoreSet::from_id(permits.parse()?));
    }
    let bytes = usize::from(SLOTS) * SLOT_BYTES;
    let segment = Segment::create(Key::PRIVATE, bytes, Mode::OWNER)?;
    let permits = SemaphoreSet::create(Key::PRIVATE, 2, Mode::OWNER)?;
    let result = run(segment, permits);
    segment.remove()?;
    permits.remove()?;
    result
}

fn run(segment: Segment, permits: SemaphoreSet) -> Result<()> {
    permits.operate(&[Operation::add(EMPTY, SLOTS)])?; // a new set is all zero; all slots are empty
    let mut consumer = Command::new(std::env::current_exe()?)
        .args([segment.id().to_string(), permits.id().to_string()])
        .spawn()
        .context("cannot start the second process")?;
    produce(&segment.attach()?, permits)?;
    ensure!(consumer.wait()?.success(), "the consumer failed");
    Ok(())
}
