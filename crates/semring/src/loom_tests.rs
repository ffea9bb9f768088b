//! The real code under the model checker: ring, gate, claim, repair and close, on modelled semaphores,
//! through every interleaving and every order of memory that the language allows (within loom's
//! bound on preemptions).
//!
//!     RUSTFLAGS='--cfg loom' cargo test --release -p semring --lib loom_tests
//!
//! A process is a thread that attaches, exchanges and leaves; its death is the end of that thread at a
//! named point, followed by what the kernel does at the end of a process. A wait that nobody ends is a
//! deadlock, which loom reports; an access to a message's bytes that the positions do not order, too.
//! `scripts/controls.sh` puts defects into the code and demands that these tests fail.

mod heap;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::crash::PLAN;
use crate::error::{RecvError, Role, SendError};
use crate::semaphores::Semaphore;
use crate::{Consumer, Producer, Sync};

use world::{World, content};

fn plan(point: &'static str, time: u32) {
    PLAN.with(|plan| plan.set(Some((point, time))));
}

fn explore(preemptions: usize, model: impl Fn() + std::marker::Sync + Send + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let counter = Arc::clone(&executions);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} executions", executions.load(Ordering::Relaxed));
}

/// A stream from start to end: all arrives, and the consumer sees the end.
fn stream(sync: Sync, slots: u32, credits: u32, batch: u32, messages: u64, preemptions: usize) {
    explore(preemptions, move || {
        let world = World::new(sync, slots, credits, batch);
        let consuming = {
            let world = world.clone();
            loom::thread::spawn(move || {
                let mut consumer = world.consumer(1);
                assert_eq!(world.receive_until(&mut consumer, None), 0);
                assert_eq!(consumer.position(), messages);
                consumer.close().unwrap();
            })
        };
        let mut producer = world.producer(0);
        world.send_until(&mut producer, messages);
        producer.close().unwrap();
        consuming.join().unwrap();
    });
}

#[test]
fn a_ring_of_one_slot() {
    stream(Sync::Strict, 1, 1, 1, 2, 3);
}

#[test]
fn a_ring_of_two_slots() {
    stream(Sync::Strict, 2, 1, 1, 3, 2);
}

#[test]
fn credits() {
    stream(Sync::Strict, 2, 2, 1, 3, 2);
}

#[test]
fn batches() {
    stream(Sync::Strict, 2, 1, 2, 3, 2);
}

#[test]
fn an_adaptive_ring_of_one_slot() {
    stream(Sync::Adaptive, 1, 1, 1, 2, 3);
}

#[test]
fn an_adaptive_ring_of_two_slots() {
    stream(Sync::Adaptive, 2, 1, 1, 3, 2);
}

#[test]
fn adaptive_batches() {
    stream(Sync::Adaptive, 2, 1, 2, 3, 2);
}

/// What happens to whom.
#[derive(Clone, Copy)]
struct Death {
    sync: Sync,
    role: Role,
    point: &'static str,
    time: u32,
    slots: u32,
    batch: u32,
    messages: u64,
}

/// One side dies at a point; its successor goes on; all arrives, in order, and the end is seen. The
/// producer waits until all has been read, so that nothing depends on the notice of its end; and at
/// the end no permit is missing.
fn death(case: Death, preemptions: usize) {
    let Death {
        sync,
        role,
        point,
        time,
        slots,
        batch,
        messages,
    } = case;
    explore(preemptions, move || {
        let world = World::new(sync, slots, 1, batch);
        let consuming = {
            let world = world.clone();
            loom::thread::spawn(move || {
                if role == Role::Consumer {
                    plan(point, time);
                }
                let receive = |consumer: &mut Consumer| {
                    world.receive_until(consumer, None);
                };
                let consumer = world
                    .process(1, || world.consumer(1), receive)
                    .or_else(|| world.process(2, || world.consumer(2), receive));
                consumer.unwrap().close().unwrap();
            })
        };
        if role == Role::Producer {
            plan(point, time);
        }
        let send = |producer: &mut Producer| {
            world.send_until(producer, messages);
            world.drain(producer);
        };
        let producer = world
            .process(0, || world.producer(0), send)
            .or_else(|| world.process(3, || world.producer(3), send));
        producer.unwrap().close().unwrap();
        consuming.join().unwrap();
        assert_eq!(world.ring().head(), messages);
        if sync == Sync::Adaptive {
            return;
        }
        // The consumer left last: its notice is one more than the permits for all slots.
        let permits = world.semaphores.value(Semaphore::Empty);
        assert!(
            permits > slots.cast_signed(),
            "{permits} units, notice included, for {slots} empty slots"
        );
    });
}

/// The points that a model can reach, for each role.
const ATTACHING: [&str; 5] = [
    "attach-trimmed",
    "attach-claimed",
    "attach-word-set",
    "attach-full-repaired",
    "attach-repaired",
];
const PRODUCING: [&str; 5] = [
    "producer-permitted",
    "producer-written",
    "producer-described",
    "producer-committed",
    "producer-posted",
];
const CONSUMING: [&str; 5] = [
    "consumer-permitted",
    "consumer-handed-out",
    "consumer-read",
    "consumer-acknowledged",
    "consumer-posted",
];

/// Small rings, in which a permit that is lost is missed.
fn deaths(
    sync: Sync,
    role: Role,
    points: impl IntoIterator<Item = &'static str>,
    shapes: &[(u32, u32, u32)],
) {
    for point in points {
        for &(slots, batch, time) in shapes {
            let messages = u64::from(slots) + 1;
            death(
                Death {
                    sync,
                    role,
                    point,
                    time,
                    slots,
                    batch,
                    messages,
                },
                2,
            );
        }
    }
}

/// A permit dies in the producer's hand, and the consumer goes on while the successor counts.
#[test]
fn a_permit_dies_in_hand() {
    let point = "producer-permitted";
    let (time, slots, batch, messages) = (2, 2, 1, 2);
    death(
        Death {
            sync: Sync::Strict,
            role: Role::Producer,
            point,
            time,
            slots,
            batch,
            messages,
        },
        3,
    );
}

#[test]
fn a_producer_dies_while_it_attaches() {
    deaths(Sync::Strict, Role::Producer, ATTACHING, &[(1, 1, 1)]);
}

#[test]
fn a_consumer_dies_while_it_attaches() {
    deaths(Sync::Strict, Role::Consumer, ATTACHING, &[(1, 1, 1)]);
}

#[test]
fn a_producer_dies_and_is_succeeded() {
    deaths(
        Sync::Strict,
        Role::Producer,
        PRODUCING,
        &[(1, 1, 1), (2, 1, 1), (2, 1, 2), (2, 2, 1)],
    );
}

#[test]
fn a_consumer_dies_and_is_succeeded() {
    deaths(
        Sync::Strict,
        Role::Consumer,
        CONSUMING,
        &[(1, 1, 1), (2, 1, 1), (2, 1, 2), (2, 2, 1)],
    );
}

#[test]
fn an_adaptive_producer_dies_while_it_attaches() {
    deaths(Sync::Adaptive, Role::Producer, ATTACHING, &[(1, 1, 1)]);
}

#[test]
fn an_adaptive_consumer_dies_while_it_attaches() {
    deaths(Sync::Adaptive, Role::Consumer, ATTACHING, &[(1, 1, 1)]);
}

#[test]
fn an_adaptive_producer_dies_and_is_succeeded() {
    let shapes = [(1, 1, 1), (2, 1, 1), (2, 2, 1)];
    deaths(Sync::Adaptive, Role::Producer, PRODUCING, &shapes);
}

#[test]
fn an_adaptive_consumer_dies_and_is_succeeded() {
    let shapes = [(1, 1, 1), (2, 1, 1), (2, 2, 1)];
    deaths(Sync::Adaptive, Role::Consumer, CONSUMING, &shapes);
}

/// A producer dies and nobody comes after it: the consumer receives what was committed, and learns of
/// the death once.
fn producer_dies_for_good(sync: Sync) {
    for (point, slots) in PRODUCING
        .into_iter()
        .flat_map(|point| [(point, 1), (point, 2)])
    {
        explore(3, move || {
            // As many messages at once as there are slots: one notice for several lost permits.
            let world = World::new(sync, slots, 1, slots);
            let producing = {
                let world = world.clone();
                loom::thread::spawn(move || {
                    plan(point, 1);
                    let send = |producer: &mut Producer| world.send_until(producer, 4);
                    assert!(world.process(0, || world.producer(0), send).is_none());
                })
            };
            let mut consumer = world.consumer(1);
            loop {
                match consumer.recv() {
                    Ok(Some(message)) => assert_eq!(*message, content(message.position())),
                    Ok(None) => panic!("a death passed off as an end"),
                    Err(RecvError::PeerLost) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            producing.join().unwrap();
            assert_eq!(consumer.position(), world.ring().tail());
        });
    }
}

#[test]
fn a_producer_dies_for_good() {
    producer_dies_for_good(Sync::Strict);
}

#[test]
fn an_adaptive_producer_dies_for_good() {
    producer_dies_for_good(Sync::Adaptive);
}

/// A consumer dies and nobody comes after it: the producer that finds the ring full learns of it.
fn consumer_dies_for_good(sync: Sync) {
    for point in CONSUMING {
        explore(3, move || {
            let world = World::new(sync, 1, 1, 1);
            // Attached before the producer comes, so that it is this producer's loss.
            let consuming = {
                let world = world.clone();
                loom::thread::spawn(move || {
                    plan(point, 1);
                    let receive = |consumer: &mut Consumer| {
                        world.receive_until(consumer, None);
                    };
                    assert!(world.process(1, || world.consumer(1), receive).is_none());
                })
            };
            let mut producer = world.producer(0);
            let mut told = false;
            for _ in 0..4 {
                match producer.send(&content(producer.position())) {
                    Ok(()) => {}
                    Err(SendError::PeerLost) => {
                        told = true;
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            consuming.join().unwrap();
            assert!(told, "four messages went into one slot");
        });
    }
}

#[test]
fn a_consumer_dies_for_good() {
    consumer_dies_for_good(Sync::Strict);
}

#[test]
fn an_adaptive_consumer_dies_for_good() {
    consumer_dies_for_good(Sync::Adaptive);
}
