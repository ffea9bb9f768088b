//! Lets both sides exchange while the fuzzer writes into what they tell each other, and into the set.
//!
//! Input: how (1 another writes meanwhile), which geometry, then steps of ten bytes: what, where, a number.

#![no_main]

use libfuzzer_sys::fuzz_target;
use semring::{Consumer, Producer};
use semring_fuzz::{Bytes, Place, Racer, attach, consume, image, produce};
use sysv_ipc::Operation;

/// Tail, head, both words, `end_seen`, `handed_out`, both flags, and the first descriptors.
const FIELDS: [usize; 14] = [
    512, 1024, 640, 1152, 1184, 1280, 648, 1160, 672, 4096, 4160, 4224, 4288, 4352,
];
/// More would only do the same again.
const MAX_STEPS: usize = 40;

fuzz_target!(|input: &[u8]| {
    let mut input = Bytes(input);
    let (how, geometry) = (input.byte(), input.byte());
    let place = Place::new(image(geometry), true);
    let mut steps = Vec::new();
    while !input.is_empty() && steps.len() < MAX_STEPS {
        steps.push((input.byte(), input.byte(), input.number()));
    }
    let field = |index: u8| FIELDS[usize::from(index) % FIELDS.len()];
    let racer = (how & 1 != 0).then(|| {
        let writes = steps.iter().filter(|step| step.0 % 8 < 3);
        Racer::start(
            place.segment,
            writes.map(|step| (field(step.1), step.2)).collect(),
        )
    });
    let alone = racer.is_none();
    let (mut producer, mut consumer) = (None, None);
    for (what, index, number) in steps {
        match what % 8 {
            0..3 => {
                // Gone, when the last one out has removed it.
                let Ok(memory) = place.segment.attach() else {
                    break;
                };
                let old = memory.load_u64(field(index)).unwrap();
                // A number of its own, or one near what is there.
                let value = if what & 128 == 0 {
                    number
                } else {
                    old.wrapping_add(number % 8)
                };
                memory.write(field(index), &value.to_ne_bytes()).unwrap();
            }
            3 => change_units(&place, index % 2, number),
            4 => leave(producer.take(), consumer.take(), index),
            5 => producer = producer.or_else(|| attach(&place, alone, || place.channel.producer())),
            6 => consumer = consumer.or_else(|| attach(&place, alone, || place.channel.consumer())),
            _ => {
                producer.iter_mut().for_each(produce);
                consumer.iter_mut().for_each(consume);
            }
        }
    }
    producer.iter_mut().for_each(produce);
    consumer.iter_mut().for_each(consume);
    drop(racer);
});

/// Posts up to as many units as there can be, or takes all away.
fn change_units(place: &Place, semaphore: u8, number: u64) {
    let Ok(value) = place.set.value(semaphore.into()) else {
        return;
    };
    // Each unit too many is looked at once; few are enough to see that.
    let room = (32767 - value).min(if number % 3 == 1 { 50 } else { 1 });
    let operation = match number % 3 {
        0 if value > 0 => Operation::take(semaphore.into(), value).nowait(),
        1 | 2 if room > 0 => Operation::add(semaphore.into(), room),
        // Of no units, an operation would wait for zero.
        _ => return,
    };
    let _ = place.set.operate(&[operation]);
}

/// Ends both sides, in order or not.
fn leave(producer: Option<Producer>, mut consumer: Option<Consumer>, how: u8) {
    if let Some(mut producer) = producer {
        produce(&mut producer);
        if how & 1 != 0 {
            producer.close().unwrap();
        }
    }
    consumer.iter_mut().for_each(consume);
    if let Some(consumer) = consumer.filter(|_| how & 2 != 0) {
        consumer.close().unwrap();
    }
}
