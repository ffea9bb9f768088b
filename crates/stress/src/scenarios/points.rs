//! Death at every named point of the library, in every shape, and what the successors make of it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use semring::{CRASH_POINTS, Role};

use crate::campaign::{Campaign, Run};
use crate::pair::Pair;
use crate::shape::{ROLES, Shape, peer};
use crate::side::Extra;

/// Rings, credits and batches with which every point is tried.
const SLOTS: [u32; 3] = [1, 2, 64];
const CREDITS: [u32; 2] = [1, 16];
const BATCHES: [u32; 2] = [1, 8];

/// Kills once at each point in each shape; every point must have been reached.
pub fn run(campaign: &mut Campaign) {
    let mut reached = BTreeMap::<&str, u64>::new();
    let rounds = campaign.plan.points;
    for slots in SLOTS {
        let name = format!("kill at every named point, {slots} slots");
        campaign.row(&name, |run| {
            for _ in 0..rounds {
                for batch in BATCHES {
                    let strict = CREDITS.map(|credits| Shape::strict(slots, 256, credits, batch));
                    for shape in strict
                        .into_iter()
                        .chain([Shape::adaptive(slots, 256, batch)])
                    {
                        every_point(shape, &mut reached, run).with_context(|| shape.to_string())?;
                    }
                }
            }
            for point in CRASH_POINTS {
                ensure!(
                    reached.contains_key(point),
                    "the point {point} was never reached"
                );
            }
            Ok(())
        });
    }
    for point in CRASH_POINTS {
        let times = reached.get(point).copied().unwrap_or(0);
        campaign
            .table
            .note(format!("  {point:<26} {times:>4} kills"));
    }
}

fn every_point(
    shape: Shape,
    reached: &mut BTreeMap<&'static str, u64>,
    run: &mut Run<'_>,
) -> Result<()> {
    for (&point, done) in CRASH_POINTS.iter().zip(0..) {
        run.show(done, CRASH_POINTS.len() as u64, "points");
        for role in ROLES {
            let other = role.to_string() != point.split('-').next().unwrap_or_default();
            let is_of_a_role = point.starts_with("producer") || point.starts_with("consumer");
            if is_of_a_role && other {
                continue;
            }
            let time = if is_of_a_role && !point.ends_with("seen") {
                run.rng.u64(1..=4)
            } else {
                1
            };
            let kills = one_crash(shape, role, (point, time), run)
                .with_context(|| format!("{role} at {point}, time {time}"))?;
            *reached.entry(point).or_default() += kills;
        }
    }
    Ok(())
}

/// Runs one stream in which one side dies at the point, and its successor goes on.
fn one_crash(
    shape: Shape,
    role: Role,
    crash: (&'static str, u64),
    run: &mut Run<'_>,
) -> Result<u64> {
    let messages = u64::from(shape.slots * 2 + shape.batch * 6);
    let mut pair = Pair::new(shape, messages, &mut run.rng)?;
    // Who attaches first creates; who dies while attaching is to have been that one, mostly.
    let alone = crash.0.starts_with("attach") && run.rng.u8(..4) > 0;
    if !alone && run.rng.bool() {
        pair.spawn(peer(role), Extra::default())?;
    }
    let dies = Extra {
        crash: Some(crash),
        ..Extra::default()
    };
    pair.spawn(role, dies)?;
    if !alone {
        pair.start(&mut run.rng)?;
    }
    let killed = pair.wait_for(role)?;
    if killed || alone {
        pair.start(&mut run.rng)?;
    }
    pair.finish()?;
    pair.tidy()?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(pair.outcome.kills)
}
