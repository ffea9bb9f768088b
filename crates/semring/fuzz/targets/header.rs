//! Attaches to a segment whose header, or all of it, is what the fuzzer says.
//!
//! Input: how (1 another writes meanwhile, 2 with the set's true number, 4 zeros behind the input instead
//! of a good segment, 8 the producer first), which geometry, then the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use semring_fuzz::{Bytes, Place, Racer, attach, consume, image, produce};

fuzz_target!(|input: &[u8]| {
    let mut input = Bytes(input);
    let (how, geometry) = (input.byte(), input.byte());
    let mut bytes = image(geometry).to_vec();
    if how & 4 != 0 {
        bytes.fill(0);
    }
    let good = bytes.clone();
    let length = input.0.len().min(bytes.len());
    bytes[..length].copy_from_slice(&input.0[..length]);
    let place = Place::new(&bytes, how & 2 != 0);
    let racer = (how & 1 != 0).then(|| {
        let numbers = |bytes: &[u8]| {
            let chunks = bytes
                .as_chunks::<8>()
                .0
                .iter()
                .enumerate()
                .take(length.div_ceil(8));
            chunks
                .map(|(index, chunk)| (8 * index, u64::from_ne_bytes(*chunk)))
                .collect::<Vec<_>>()
        };
        let mut writes = numbers(&bytes);
        writes.extend(numbers(&good));
        writes.retain(|&(offset, _)| offset != 64);
        Racer::start(place.segment, writes)
    });
    let alone = racer.is_none();
    let mut producer = None;
    if how & 8 != 0 {
        producer = attach(&place, alone, || place.channel.producer());
    }
    let mut consumer = attach(&place, alone, || place.channel.consumer());
    let mut producer = producer.or_else(|| attach(&place, alone, || place.channel.producer()));
    for _ in 0..2 {
        producer.iter_mut().for_each(produce);
        consumer.iter_mut().for_each(consume);
    }
    drop(racer);
});
