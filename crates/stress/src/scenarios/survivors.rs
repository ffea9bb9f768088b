//! Kills one side at work and lets nobody come after it: the other must learn of it and end.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use semring::Role;

use crate::campaign::{Campaign, Run, sleep_below};
use crate::ledger::{Number, Phase};
use crate::pair::{ENDLESS, Pair};
use crate::shape::{DISTURBED, ROLES, Shape, Victim, peer};
use crate::side::Manner;

pub fn run(campaign: &mut Campaign) {
    let kills = campaign.plan.survivors / 2;
    for role in ROLES {
        campaign.row(&format!("kill {role}, no successor"), |run| {
            while run.total.kills < kills {
                let shape = DISTURBED[run.rng.usize(..DISTURBED.len())];
                stream(shape, role, run).with_context(|| shape.to_string())?;
                run.show(run.total.kills, kills, "kills");
            }
            Ok(())
        });
    }
}

fn stream(shape: Shape, victim: Role, run: &mut Run<'_>) -> Result<()> {
    let mut pair = Pair::new(shape, ENDLESS, &mut run.rng)?.with(Manner {
        alone: true,
        ..Manner::default()
    });
    pair.start(&mut run.rng)?;
    pair.wait_until(|pair| Ok(pair.ledger.get(Number::Delivered)? > 0))?;
    sleep_below(Duration::from_millis(3), &mut run.rng);
    pair.kill(Victim::from(victim))?;
    pair.finish()?;
    ensure!(
        pair.ledger.is_in(peer(victim), Phase::Lost)?,
        "the survivor was not told of the death"
    );
    if victim == Role::Producer {
        pair.judge_survivor()?;
    } else {
        pair.outcome.messages = pair.ledger.get(Number::Delivered)?;
    }
    run.total += pair.outcome;
    Ok(())
}
