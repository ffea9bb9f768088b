//! The work that is measured, the same for every transport: each message is written by the one side
//! and checked by the other, byte for byte.

use std::io::Write as _;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::machine::{Stopwatch, now_ns};
use crate::pattern;
use crate::plan::{GO, Measure, Measured, Plan, READY, Role};
use crate::transports::{Consume, Job, Produce, Transport};

/// The part of one side in a plan.
#[derive(Debug)]
pub struct Work<'a> {
    pub(crate) plan: &'a Plan,
}

impl Job for Work<'_> {
    type Output = Result<Measured>;

    fn run<T: Transport>(self, transport: T) -> Result<Measured> {
        let plan = self.plan;
        match (plan.task.measure, plan.role) {
            (Measure::RoundTrip, Role::Producer) => ask(plan, transport),
            (Measure::RoundTrip, Role::Consumer) => answer(plan, transport),
            (Measure::WakeUp | Measure::IdleCpu, Role::Producer) => send_late(plan, transport),
            (Measure::WakeUp, Role::Consumer) => be_woken(plan, transport),
            (Measure::IdleCpu, Role::Consumer) => wait_idly(plan, transport),
            (_, Role::Producer) => send_stream(plan, transport),
            (_, Role::Consumer) => receive_stream(plan, transport),
        }
    }
}

fn send_stream<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    let mut producer = transport.producer(&plan.names.forth(), plan.task.size_bytes)?;
    start_together()?;
    send_all(&mut producer, plan, 0..plan.warm_up)?;
    let stopwatch = Stopwatch::start()?;
    send_all(&mut producer, plan, plan.warm_up..plan.total())?;
    let measured = stopwatch.stop()?;
    producer.close()?;
    Ok(measured)
}

/// This side's time counts: from the check of the last message of the warm-up to that of the last.
fn receive_stream<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    let mut consumer = transport.consumer(&plan.names.forth(), plan.task.size_bytes)?;
    start_together()?;
    receive_all(&mut consumer, plan, 0..plan.warm_up)?;
    let stopwatch = Stopwatch::start()?;
    receive_all(&mut consumer, plan, plan.warm_up..plan.total())?;
    let measured = stopwatch.stop()?;
    consumer.close()?;
    Ok(measured)
}

fn ask<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    // Both sides open the end first that waits for nobody.
    let mut producer = transport.producer(&plan.names.forth(), plan.task.size_bytes)?;
    let mut consumer = transport.consumer(&plan.names.back(), plan.task.size_bytes)?;
    let mut round_trip = |sequence| {
        send(&mut producer, plan, sequence)?;
        receive(&mut consumer, plan, sequence)
    };
    start_together()?;
    (0..plan.warm_up).try_for_each(&mut round_trip)?;
    // Filled, so that the memory is there and no page fault is taken for a slow answer.
    let mut samples_ns = vec![1; usize::try_from(plan.count)?];
    let stopwatch = Stopwatch::start()?;
    let mut before = Instant::now();
    for (sequence, sample_ns) in (plan.warm_up..).zip(&mut samples_ns) {
        round_trip(sequence)?;
        // The end of one is the beginning of the next: one look at the clock each.
        let after = Instant::now();
        *sample_ns = u64::try_from((after - before).as_nanos())?;
        before = after;
    }
    let measured = stopwatch.stop()?;
    producer.close()?;
    consumer.close()?;
    Ok(Measured {
        samples_ns,
        ..measured
    })
}

fn answer<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    let mut producer = transport.producer(&plan.names.back(), plan.task.size_bytes)?;
    let mut consumer = transport.consumer(&plan.names.forth(), plan.task.size_bytes)?;
    let mut round_trip = |sequence| {
        receive(&mut consumer, plan, sequence)?;
        send(&mut producer, plan, sequence)
    };
    start_together()?;
    (0..plan.warm_up).try_for_each(&mut round_trip)?;
    let stopwatch = Stopwatch::start()?;
    (plan.warm_up..plan.total()).try_for_each(&mut round_trip)?;
    let measured = stopwatch.stop()?;
    producer.close()?;
    consumer.close()?;
    Ok(measured)
}

fn send_late<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    let mut producer = transport.producer(&plan.names.forth(), plan.task.size_bytes)?;
    start_together()?;
    let stopwatch = Stopwatch::start()?;
    let mut samples_ns = Vec::new();
    for sequence in 0..plan.total() {
        thread::sleep(Duration::from_nanos(plan.task.pause_ns));
        samples_ns.push(now_ns());
        send(&mut producer, plan, sequence)?;
    }
    let measured = stopwatch.stop()?;
    producer.close()?;
    Ok(Measured {
        samples_ns,
        ..measured
    })
}

fn be_woken<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    let mut consumer = transport.consumer(&plan.names.forth(), plan.task.size_bytes)?;
    start_together()?;
    let stopwatch = Stopwatch::start()?;
    let mut samples_ns = Vec::new();
    for sequence in 0..plan.total() {
        consumer.recv(|message| {
            samples_ns.push(now_ns());
            pattern::check(message, sequence, plan.task.size_bytes)
        })??;
    }
    let measured = stopwatch.stop()?;
    consumer.close()?;
    Ok(Measured {
        samples_ns,
        ..measured
    })
}

fn wait_idly<T: Transport>(plan: &Plan, transport: T) -> Result<Measured> {
    let mut consumer = transport.consumer(&plan.names.forth(), plan.task.size_bytes)?;
    start_together()?;
    let stopwatch = Stopwatch::start()?;
    let measured = consumer.recv(|message| {
        let measured = stopwatch.stop()?;
        pattern::check(message, 0, plan.task.size_bytes)?;
        Ok::<_, anyhow::Error>(measured)
    })??;
    consumer.close()?;
    Ok(measured)
}

fn send_all(producer: &mut impl Produce, plan: &Plan, sequences: Range<u64>) -> Result<()> {
    let mut sequence = sequences.start;
    producer.send_each(sequences.end - sequences.start, |message| {
        write(message, plan, sequence);
        sequence += 1;
    })
}

fn receive_all(consumer: &mut impl Consume, plan: &Plan, sequences: Range<u64>) -> Result<()> {
    let mut sequence = sequences.start;
    consumer.recv_each(sequences.end - sequences.start, |message| {
        pattern::check(message, sequence, plan.task.size_bytes)?;
        sequence += 1;
        Ok(())
    })
}

fn send(producer: &mut impl Produce, plan: &Plan, sequence: u64) -> Result<()> {
    producer.send(|message| write(message, plan, sequence))
}

fn receive(consumer: &mut impl Consume, plan: &Plan, sequence: u64) -> Result<()> {
    consumer.recv(|message| pattern::check(message, sequence, plan.task.size_bytes))?
}

fn write(message: &mut [u8], plan: &Plan, sequence: u64) {
    pattern::fill(message, sequence);
    if plan.corrupt == Some(sequence) {
        pattern::damage(message);
    }
}

/// Tells the run that this side is attached, and waits until both are.
pub fn start_together() -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{READY}")
        .and_then(|()| output.flush())
        .context("cannot say that this side is ready")?;
    let mut word = String::new();
    std::io::stdin().read_line(&mut word)?;
    if word.trim_end() != GO {
        bail!("the program that started this one has ended");
    }
    Ok(())
}
