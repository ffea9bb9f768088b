//! Long streams whose producer, consumer or both are killed again and again, at work mostly.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::campaign::{Campaign, Run, sleep_below};
use crate::ledger::Number;
use crate::pair::Pair;
use crate::shape::{DISTURBED, Shape, Victim};

/// Kills in one stream.
const KILLS_PER_STREAM: u64 = 200;
/// Room in the ledger: more than a pair exchanges between two kills.
const MESSAGES_PER_KILL: u64 = 200_000;

pub fn run(campaign: &mut Campaign) {
    let kills = (campaign.plan.kills / 2).div_ceil(Victim::ALL.len() as u64);
    for victim in Victim::ALL {
        campaign.row(&format!("kill {victim}"), |run| {
            for (shape, done) in DISTURBED.into_iter().zip(1..) {
                let goal = kills * done / DISTURBED.len() as u64;
                while run.total.kills < goal {
                    let left = (goal - run.total.kills).min(KILLS_PER_STREAM);
                    stream(shape, victim, left, run).with_context(|| shape.to_string())?;
                    run.show(run.total.kills, kills, "kills");
                }
            }
            Ok(())
        });
    }
}

fn stream(shape: Shape, victim: Victim, kills: u64, run: &mut Run<'_>) -> Result<()> {
    let messages = MESSAGES_PER_KILL * (kills + 1);
    let mut pair = Pair::new(shape, messages, &mut run.rng)?;
    pair.start(&mut run.rng)?;
    while pair.outcome.kills < kills {
        // Short enough to meet a process that is just attaching, or long enough to meet one at work.
        let limit_us = if run.rng.u8(..4) == 0 { 500 } else { 4_000 };
        sleep_below(Duration::from_micros(limit_us), &mut run.rng);
        pair.kill(victim)?;
        pair.start(&mut run.rng)?;
        if pair.ledger.get(Number::Confirmed)? == messages {
            break;
        }
    }
    pair.finish_soon(messages)?;
    pair.tidy()?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(())
}
