//! The making of a channel: what it takes before the first message, in one process.

use std::fmt;
use std::time::Instant;

use anyhow::Result;
use semring::{Address, Channel, Producer, Sync};
use serde::{Deserialize, Serialize};

use crate::machine::Stopwatch;
use crate::pattern;
use crate::plan::{Measured, Plan, Role};
use crate::work::start_together;

/// Slots of the channels.
pub const SLOTS: u32 = 64;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetUp {
    /// Attaching to a channel that is there and has a producer, and leaving it.
    Attach,
    /// Making a channel.
    Create,
    /// Making a channel with all its memory.
    Prefault,
    /// Writing into each slot of a new channel for the first time: the kernel finds the memory then.
    FirstRound,
}

impl SetUp {
    pub const ALL: [Self; 4] = [Self::Attach, Self::Create, Self::Prefault, Self::FirstRound];

    /// Returns its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Attach => "attach and close",
            Self::Create => "create",
            Self::Prefault => "create with all pages (`--prefault`)",
            Self::FirstRound => "fill every slot for the first time",
        }
    }

    /// Tells whether it takes longer the more memory the channel has.
    pub const fn grows(self) -> bool {
        !matches!(self, Self::Attach)
    }
}

impl fmt::Display for SetUp {
    /// Writes the name as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attach => "attach",
            Self::Create => "create",
            Self::Prefault => "prefault",
            Self::FirstRound => "first-round",
        })
    }
}

/// Does one side's part: the consumer's, who is alone, since nothing is waited for.
pub fn run(step: SetUp, plan: &Plan) -> Result<Measured> {
    start_together()?;
    if plan.role == Role::Producer {
        return Ok(Measured::default());
    }
    let channel = Channel::new(Address::named(&plan.names.forth())?)
        .slots(SLOTS)
        .slot_bytes(plan.task.size_bytes as u64)
        .sync(Sync::Adaptive)
        .prefault(step == SetUp::Prefault);
    let stopwatch = Stopwatch::start()?;
    let samples_ns = match step {
        SetUp::Attach => attach(&channel, plan.count)?,
        SetUp::Create | SetUp::Prefault => (0..plan.count)
            .map(|_| create(&channel))
            .collect::<Result<_>>()?,
        SetUp::FirstRound => (0..plan.count)
            .map(|_| first_round(&channel, plan.task.size_bytes))
            .collect::<Result<_>>()?,
    };
    let measured = stopwatch.stop()?;
    Ok(Measured {
        samples_ns,
        ..measured
    })
}

fn attach(channel: &Channel, count: u64) -> Result<Vec<u64>> {
    let producer = channel.producer()?;
    let samples_ns = (0..count).map(|_| {
        let started = Instant::now();
        channel.consumer()?.close()?;
        nanoseconds_since(started)
    });
    let samples_ns = samples_ns.collect::<Result<_>>()?;
    remove(channel, producer)?;
    Ok(samples_ns)
}

fn create(channel: &Channel) -> Result<u64> {
    let started = Instant::now();
    let producer = channel.producer()?;
    let sample_ns = nanoseconds_since(started)?;
    remove(channel, producer)?;
    Ok(sample_ns)
}

fn first_round(channel: &Channel, message_bytes: usize) -> Result<u64> {
    let mut producer = channel.producer()?;
    let started = Instant::now();
    for sequence in 0..u64::from(SLOTS) {
        let mut loan = producer.loan(message_bytes)?;
        pattern::fill(&mut loan, sequence);
        loan.publish()?;
    }
    let sample_ns = nanoseconds_since(started)?;
    remove(channel, producer)?;
    Ok(sample_ns)
}

/// Nobody reads these streams, so they do not end by themselves.
fn remove(channel: &Channel, producer: Producer) -> Result<()> {
    producer.close()?;
    channel.remove()?;
    Ok(())
}

fn nanoseconds_since(started: Instant) -> Result<u64> {
    Ok(u64::try_from(started.elapsed().as_nanos())?)
}
