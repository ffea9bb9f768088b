//! Death at every named point of the library, in every shape, and what the successors make of it.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use fastrand::Rng;
use semring::{CRASH_POINTS, Role};

use crate::pair::{Crash, Outcome, Pair};
use crate::scenario::Shape;
use crate::table::Table;

/// Rings, credits and batches with which every point is tried.
const SLOTS: [u32; 3] = [1, 2, 64];
const CREDITS: [u32; 2] = [1, 16];
const BATCHES: [u32; 2] = [1, 8];

/// Kills once at each point in each shape; every point must have been reached.
pub fn run(table: &mut Table, rng: &mut Rng) -> Result<()> {
    let mut reached = BTreeMap::<&str, u64>::new();
    for slots in SLOTS {
        for credits in CREDITS {
            for batch in BATCHES {
                let shape = Shape {
                    slots,
                    slot_bytes: 256,
                    credits,
                    batch,
                };
                table.row(format!("every point, {shape}"), || {
                    every_point(shape, &mut reached, rng)
                })?;
            }
        }
    }
    for point in CRASH_POINTS {
        let times = reached.get(point).copied().unwrap_or(0);
        println!("  {point:<26} {times:>4} kills");
        ensure!(times > 0, "the point {point} was never reached");
    }
    Ok(())
}

fn every_point(
    shape: Shape,
    reached: &mut BTreeMap<&'static str, u64>,
    rng: &mut Rng,
) -> Result<Outcome> {
    let mut total = Outcome::default();
    for &point in CRASH_POINTS {
        for role in [Role::Producer, Role::Consumer] {
            let other = role.to_string() != point.split('-').next().unwrap_or_default();
            let is_of_a_role = point.starts_with("producer") || point.starts_with("consumer");
            if is_of_a_role && other {
                continue;
            }
            let time = if is_of_a_role && !point.ends_with("seen") {
                rng.u64(1..=4)
            } else {
                1
            };
            let outcome = one_crash(shape, Crash { role, point, time }, rng)
                .map_err(|error| error.context(format!("{role} at {point}, time {time}")))?;
            *reached.entry(point).or_default() += outcome.kills;
            total.add(&outcome);
        }
    }
    Ok(total)
}

/// Runs one stream in which one side dies at the point, and its successor goes on.
fn one_crash(shape: Shape, crash: Crash, rng: &mut Rng) -> Result<Outcome> {
    let messages = u64::from(shape.slots * 2 + shape.batch * 6);
    let mut pair = Pair::new(shape, messages, rng)?;
    // Who attaches first creates; who dies while attaching is to have been that one, mostly.
    let alone = crash.point.starts_with("attach") && rng.u8(..4) > 0;
    if !alone && rng.bool() {
        let role = if crash.role == Role::Producer {
            Role::Consumer
        } else {
            Role::Producer
        };
        pair.spawn(role, None)?;
    }
    pair.spawn(crash.role, Some(crash))?;
    if !alone {
        pair.start(rng)?;
    }
    let killed = pair.wait_for(crash.role)?;
    if killed || alone {
        pair.start(rng)?;
    }
    pair.finish()?;
    pair.tidy()?;
    pair.judge()?;
    Ok(std::mem::take(&mut pair.outcome))
}
