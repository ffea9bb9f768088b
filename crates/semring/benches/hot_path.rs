//! What one side does for a message, without the other: the producer fills a ring, then the consumer
//! drains it, in one process. So nobody waits, and what shows is the path of a message that finds room
//! and of one that is there.
//!
//! ```text
//! cargo bench --package semring               time; `-- --test` runs each once, to see that it works
//! scripts/instructions.sh                     instructions, of the same two functions
//! ```
//!
//! Two processes at once, and everything that comes of that, are what `scripts/compare.sh` measures.

use std::cell::RefCell;
use std::fmt;
use std::hint::black_box;

use anyhow::{Context as _, Result, bail, ensure};
use divan::Bencher;
use divan::counter::ItemsCount;
use semring::{Address, Channel, Consumer, Producer, Sync};

/// Messages of a ring, which is what is timed at once.
const SLOTS: u32 = 64;
/// Messages of a batch.
const BATCH: usize = 32;
/// Fits into a descriptor, and does not.
const LENGTHS: [usize; 2] = [48, 64];

const WAYS: [Way; 5] = [
    Way::new("strict", Sync::Strict),
    Way::new("strict-credits", Sync::Strict).credits(16),
    Way::new("strict-batches", Sync::Strict).in_batches(),
    Way::new("adaptive", Sync::Adaptive),
    Way::new("adaptive-batches", Sync::Adaptive).in_batches(),
];

/// A way of using the channel.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    sync: Sync,
    credits: u32,
    is_batched: bool,
}

impl Way {
    const fn new(name: &'static str, sync: Sync) -> Self {
        Self {
            name,
            sync,
            credits: 1,
            is_batched: false,
        }
    }

    const fn credits(self, credits: u32) -> Self {
        Self { credits, ..self }
    }

    const fn in_batches(self) -> Self {
        Self {
            is_batched: true,
            ..self
        }
    }
}

/// A way, with messages of one length.
#[derive(Debug, Clone, Copy)]
struct Case {
    way: Way,
    bytes: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} B", self.way.name, self.bytes)
    }
}

fn cases() -> Vec<Case> {
    let cases = WAYS
        .iter()
        .flat_map(|&way| LENGTHS.map(|bytes| Case { way, bytes }));
    cases.collect()
}

/// Both ends of a channel that nobody else uses.
struct Ends {
    producer: Producer,
    consumer: Consumer,
    case: Case,
    message: Vec<u8>,
}

impl Ends {
    fn new(case: Case) -> Result<Self> {
        semring::prepare_adaptive();
        let name = format!("hot-path-{}", std::process::id());
        let channel = Channel::new(Address::named(&name)?)
            .slots(SLOTS)
            .slot_bytes(64)
            .sync(case.way.sync)
            .credits(case.way.credits);
        Ok(Self {
            producer: channel.producer()?,
            consumer: channel.consumer()?,
            case,
            message: vec![7; case.bytes],
        })
    }

    fn close(mut self) -> Result<()> {
        self.producer.close()?;
        ensure!(self.consumer.recv()?.is_none(), "there is a message more");
        self.consumer.close()?;
        Ok(())
    }
}

/// Fills an empty ring.
#[inline(never)]
fn fill_ring(ends: &mut Ends) -> Result<()> {
    let bytes = ends.case.bytes;
    if ends.case.way.is_batched {
        let batch = [&ends.message[..]; BATCH];
        for _ in 0..SLOTS as usize / BATCH {
            ends.producer.send_batch(black_box(&batch))?;
        }
    } else {
        for _ in 0..SLOTS {
            let mut loan = ends.producer.loan(bytes)?;
            loan.copy_from_slice(black_box(&ends.message));
            loan.publish()?;
        }
    }
    Ok(())
}

/// Drains a full ring.
#[inline(never)]
fn drain_ring(ends: &mut Ends) -> Result<()> {
    let limit = if ends.case.way.is_batched { BATCH } else { 1 };
    let mut left = SLOTS as usize;
    while left > 0 {
        if limit == 1 {
            let message = ends.consumer.recv()?.context("no message")?;
            black_box(&message[..]);
            message.release()?;
            left -= 1;
        } else {
            let batch = ends.consumer.recv_batch(u32::try_from(limit)?)?;
            let batch = batch.context("no message")?;
            batch.iter().for_each(|message| {
                black_box(message);
            });
            left -= batch.len();
            batch.release()?;
        }
    }
    Ok(())
}

/// Times one of the two, and does the other between.
fn time(bencher: Bencher<'_, '_>, case: Case, before: Turn, timed: Turn, after: Turn) {
    let ends = RefCell::new(Ends::new(case).expect("a channel"));
    bencher
        .counter(ItemsCount::new(SLOTS))
        .with_inputs(|| before(&mut ends.borrow_mut()).expect("the turn before"))
        .bench_local_values(|()| {
            timed(&mut ends.borrow_mut()).expect("the turn that is timed");
            Cleared(&ends, after)
        });
    ends.into_inner().close().expect("an end in order");
}

type Turn = fn(&mut Ends) -> Result<()>;

/// Makes room again when it is dropped, which is not timed.
struct Cleared<'a>(&'a RefCell<Ends>, Turn);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.1(&mut self.0.borrow_mut()).expect("the turn after");
    }
}

#[divan::bench(args = cases(), sample_count = 500, sample_size = 1)]
fn loan_and_publish(bencher: Bencher<'_, '_>, case: Case) {
    time(bencher, case, |_| Ok(()), fill_ring, drain_ring);
}

#[divan::bench(args = cases(), sample_count = 500, sample_size = 1)]
fn recv_and_release(bencher: Bencher<'_, '_>, case: Case) {
    time(bencher, case, fill_ring, drain_ring, |_| Ok(()));
}

/// Rounds that are counted, of `SLOTS` messages each.
const ROUNDS: u32 = 100;

/// Fills and drains the ring, for a tool that counts what `fill_ring` or `drain_ring` does; without
/// arguments lists the cases, and how many messages they have.
fn count(arguments: &[String]) -> Result<()> {
    let cases = cases();
    let [way, bytes] = arguments else {
        for Case { way, bytes } in cases {
            println!("{} {bytes} {}", way.name, ROUNDS * SLOTS);
        }
        return Ok(());
    };
    let bytes: usize = bytes.parse()?;
    let mut chosen = cases
        .into_iter()
        .filter(|case| case.way.name == way && case.bytes == bytes);
    let Some(case) = chosen.next() else {
        bail!("no such case: {way} {bytes}");
    };
    let mut ends = Ends::new(case)?;
    for _ in 0..ROUNDS {
        fill_ring(&mut ends)?;
        drain_ring(&mut ends)?;
    }
    ends.close()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "count" => count(rest),
        _ => {
            divan::main();
            Ok(())
        }
    }
}
