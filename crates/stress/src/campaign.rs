//! Runs the scenarios, one after the other, and says what came out.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use fastrand::Rng;

use crate::arguments::Arguments;
use crate::pair::{Outcome, Pair};
use crate::scenario::{self, KILLED, Scenario, Shape, Victim};
use crate::table::Table;

/// Messages after the last kill of a long stream.
const LAST_MESSAGES: u64 = 200;
/// Deaths without a successor, in each shape.
const SURVIVORS: u64 = 12;
/// Messages of a stream that no survivor comes to the end of.
const ENDLESS: u64 = 50_000_000;
/// Messages of a short stream.
const SHORT: u64 = 40;

/// Runs all scenarios and prints what came out, a line each.
pub fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    println!("stress: seed {seed}");
    let mut table = Table::new(seed);
    let mut rng = Rng::with_seed(seed);
    for scenario in scenario::steady(arguments.messages) {
        table.row(scenario, || long_stream(&scenario, &mut rng))?;
    }
    // Half of the kills meet pairs at work, half meet them while they attach, close and remove.
    for scenario in scenario::killed(arguments.kills.div_ceil(2)) {
        table.row(scenario, || long_stream(&scenario, &mut rng))?;
    }
    let kills = (arguments.kills / 2).div_ceil(KILLED.len() as u64);
    for shape in KILLED {
        table.row(format!("short, {shape}"), || {
            short_streams(shape, kills, &mut rng)
        })?;
    }
    for shape in KILLED {
        table.row(format!("survivors, {shape}"), || {
            survivors(shape, SURVIVORS, &mut rng)
        })?;
    }
    if arguments.crash_points {
        crash_points(&mut table, &mut rng)?;
    }
    table.end();
    println!("stress: 0 lost, 0 gaps, 0 reordered, 0 torn, 0 hangs, nothing left behind");
    Ok(())
}

#[cfg(feature = "crash-points")]
fn crash_points(table: &mut Table, rng: &mut Rng) -> Result<()> {
    crate::crashes::run(table, rng)
}

#[cfg(not(feature = "crash-points"))]
fn crash_points(_: &mut Table, _: &mut Rng) -> Result<()> {
    anyhow::bail!("this program was built without its crash points: add --features crash-points")
}

fn seed_of_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos()
        .into()
}

/// Streams on one channel until all kills are done, then to the end.
fn long_stream(scenario: &Scenario, rng: &mut Rng) -> Result<Outcome> {
    let mut pair = Pair::new(scenario.shape, scenario.messages, rng)?;
    pair.start(rng)?;
    while pair.outcome.kills < scenario.kills {
        // Short enough to meet a process that is just attaching, or long enough to meet one at work.
        let limit_us = if rng.u8(..4) == 0 { 2_000 } else { 8_000 };
        thread::sleep(Duration::from_micros(rng.u64(..limit_us)));
        pair.kill(scenario.victim)?;
        pair.start(rng)?;
    }
    if scenario.kills > 0 {
        let last = pair.ledger.confirmed()? + u64::from(scenario.shape.slots) + LAST_MESSAGES;
        pair.ledger.set_goal(last.min(scenario.messages))?;
    }
    pair.finish()?;
    pair.judge()?;
    Ok(std::mem::take(&mut pair.outcome))
}

/// Runs short streams, each on a channel of its own, and kills once in each, at any time from its
/// creation to its removal.
fn short_streams(shape: Shape, kills: u64, rng: &mut Rng) -> Result<Outcome> {
    let mut total = Outcome::default();
    while total.kills < kills {
        let victim = Victim::ALL[rng.usize(..Victim::ALL.len())];
        let mut pair = Pair::new(shape, SHORT, rng)?;
        pair.start(rng)?;
        thread::sleep(Duration::from_micros(rng.u64(..3_000)));
        pair.kill(victim)?;
        pair.start(rng)?;
        pair.finish()?;
        pair.tidy()?;
        pair.judge()?;
        total.add(&pair.outcome);
    }
    Ok(total)
}

/// Kills one side at work and lets nobody come after it: the other must learn of it and end.
fn survivors(shape: Shape, deaths: u64, rng: &mut Rng) -> Result<Outcome> {
    let mut total = Outcome::default();
    while total.kills < deaths {
        let victim = if rng.bool() {
            Victim::Producer
        } else {
            Victim::Consumer
        };
        let mut pair = Pair::new(shape, ENDLESS, rng)?.without_successors();
        pair.start(rng)?;
        pair.wait_for_traffic()?;
        thread::sleep(Duration::from_micros(rng.u64(..3_000)));
        pair.kill(victim)?;
        pair.finish()?;
        pair.judge_survivor(victim)?;
        total.add(&pair.outcome);
    }
    Ok(total)
}
