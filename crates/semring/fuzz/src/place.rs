//! The objects of one run, what stands in them, and a second writer.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use semring::{Address, Channel, Key, Mode};
use sysv_ipc::{Attachment, Segment, SemaphoreSet};

use crate::GEOMETRIES;

/// What a creator that was killed leaves. While somebody is attached, such a segment is waited for, for
/// seconds, and so is one of zeros.
const UNFINISHED: u64 = u64::from_ne_bytes(*b"semring?");
const SEMAPHORE_ID: usize = 64;

/// Reads numbers off the input, zero where it has ended.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// Reads a byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// Reads eight bytes.
    pub fn number(&mut self) -> u64 {
        u64::from_ne_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Tells whether all has been read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A segment and a semaphore set, removed when dropped.
#[derive(Debug)]
pub struct Place {
    pub channel: Channel,
    pub segment: Segment,
    pub set: SemaphoreSet,
}

fn key() -> Key {
    Key::from_bits(std::process::id())
}

impl Place {
    /// Makes the objects, with these bytes in the segment and, if `named`, the set's number in its header.
    pub fn new(image: &[u8], named: bool) -> Self {
        remove_all();
        let set = SemaphoreSet::create(key(), 5, Mode::OWNER).unwrap();
        let segment = Segment::create(key(), image.len(), Mode::OWNER).unwrap();
        let memory = segment.attach().unwrap();
        copy_in(&memory, image);
        if named && image.len() > SEMAPHORE_ID + 4 {
            let id = set.id().to_ne_bytes();
            memory.write(SEMAPHORE_ID, &id).unwrap();
        }
        let channel = Channel::new(Address::key_number(key()).unwrap());
        Self {
            channel,
            segment,
            set,
        }
    }

    /// Returns what stands in the segment, and the units in the set; an error when they are removed.
    pub fn content(&self) -> Result<(Vec<u8>, Vec<u16>), sysv_ipc::Error> {
        let memory = self.segment.attach_read_only()?;
        Ok((copy_out(&memory), self.set.values()?))
    }
}

/// Fills a segment that nobody else is attached to. Byte by byte, as the library copies, takes too long.
fn copy_in(memory: &Attachment, image: &[u8]) {
    assert!(image.len() <= memory.bytes());
    // SAFETY: so many bytes are mapped for writing there, and nobody else touches them now.
    unsafe {
        memory
            .as_ptr()
            .copy_from_nonoverlapping(NonNull::from(image).cast(), image.len())
    };
}

/// Copies a whole segment that nobody writes to.
fn copy_out(memory: &Attachment) -> Vec<u8> {
    // SAFETY: so many bytes are mapped for reading there, and nobody writes to them now.
    unsafe { std::slice::from_raw_parts(memory.as_ptr().as_ptr(), memory.bytes()) }.to_vec()
}

impl Drop for Place {
    fn drop(&mut self) {
        remove_all();
    }
}

fn remove_all() {
    let any = Mode::from_bits(0);
    if let Ok(segment) = Segment::open(key(), any) {
        segment.remove().unwrap();
    }
    if let Ok(set) = SemaphoreSet::open(key(), any) {
        set.remove().unwrap();
    }
}

/// Gives the bytes of a good segment with a few messages on their way, as the library itself makes it.
pub fn image(geometry: u8) -> &'static [u8] {
    static IMAGES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let images = IMAGES.get_or_init(|| GEOMETRIES.iter().map(make).collect());
    &images[usize::from(geometry) % images.len()]
}

fn make(&(slots, slot_bytes): &(u32, u64)) -> Vec<u8> {
    remove_all();
    let channel = Channel::new(Address::key_number(key()).unwrap());
    let channel = channel.slots(slots).slot_bytes(slot_bytes);
    let (mut producer, mut consumer) = (channel.producer().unwrap(), channel.consumer().unwrap());
    assert!(crate::guard::is_guarded(producer.link().mapped_at()));
    for number in 0..=slots {
        let bytes = if number % 2 == 0 {
            slot_bytes
        } else {
            slot_bytes.min(5)
        };
        producer.send(&vec![7; bytes.try_into().unwrap()]).unwrap();
        if number < slots.div_ceil(2) {
            drop(consumer.recv().unwrap());
        }
    }
    let segment = producer.link().segment();
    drop((producer, consumer));
    let memory = segment.attach_read_only().unwrap();
    let image = copy_out(&memory);
    drop(memory);
    remove_all();
    image
}

/// Writes into a segment, through a mapping of its own, until it is dropped.
#[derive(Debug)]
pub struct Racer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Racer {
    /// Starts writing these numbers, each to its offset, without end.
    pub fn start(segment: Segment, writes: Vec<(usize, u64)>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let memory = segment.attach().unwrap();
        let last = memory.bytes() / 8;
        let waited_for = |magic| magic == UNFINISHED || magic == 0;
        let begun = !waited_for(memory.load_u64(0).unwrap());
        let thread = thread::spawn(move || {
            while begun && !stopped.load(Ordering::Relaxed) {
                for &(offset, value) in &writes {
                    let offset = offset / 8 % last * 8;
                    if offset > 0 || !waited_for(value) {
                        let field = memory.atomic_u64(offset).unwrap();
                        field.store(value, Ordering::Release);
                    }
                }
                std::hint::spin_loop();
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
