//! Takes over a ring whose positions are possible and whose descriptors are what the fuzzer says.
//!
//! Input: how (1 another writes the descriptors meanwhile, 2 the producer first), which geometry, head, how
//! far tail is ahead, then the descriptors from the first index on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use semring_fuzz::{Bytes, GEOMETRIES, Place, Racer, attach, consume, image, produce};

const TAIL: usize = 512;
const HEAD: usize = 1024;
const DESCRIPTORS: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let mut input = Bytes(input);
    let (how, geometry, head) = (input.byte(), input.byte(), input.number());
    let slots = GEOMETRIES[usize::from(geometry) % GEOMETRIES.len()].0;
    let tail = head.wrapping_add(u64::from(input.byte()) % u64::from(slots + 1));
    let mut bytes = image(geometry).to_vec();
    bytes[TAIL..TAIL + 8].copy_from_slice(&tail.to_ne_bytes());
    bytes[HEAD..HEAD + 8].copy_from_slice(&head.to_ne_bytes());
    let mut writes = Vec::new();
    for offset in (0..slots as usize).map(|index| DESCRIPTORS + 64 * index) {
        if input.is_empty() {
            break;
        }
        let (good, value) = (
            bytes[offset..offset + 8].try_into().unwrap(),
            input.number(),
        );
        writes.extend([(offset, u64::from_ne_bytes(good)), (offset, value)]);
        bytes[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
    }
    let place = Place::new(&bytes, true);
    let racer = (how & 1 != 0).then(|| Racer::start(place.segment, writes));
    let alone = racer.is_none();
    let mut producer = None;
    if how & 2 != 0 {
        producer = attach(&place, alone, || place.channel.producer());
        producer.iter_mut().for_each(produce);
    }
    let mut consumer = attach(&place, alone, || place.channel.consumer());
    consumer.iter_mut().for_each(consume);
    let mut producer = producer.or_else(|| attach(&place, alone, || place.channel.producer()));
    producer.iter_mut().for_each(produce);
    consumer.iter_mut().for_each(consume);
    drop(racer);
});
