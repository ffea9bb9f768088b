//! Kills while a side attaches, takes over, closes or removes, each in a short stream of its own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use semring::Role;

use crate::campaign::{Campaign, Run};
use crate::ledger::{Number, Phase};
use crate::pair::Pair;
use crate::shape::{DISTURBED, ROLES, Shape, Victim, peer};
use crate::side::Extra;

/// Messages of a short stream, beside what the ring holds.
const MESSAGES: u64 = 8;

/// Says when the kill comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// While the first of its role attaches, with its peer there or not.
    Attach,
    /// While a successor attaches.
    Takeover,
    /// While the producer closes.
    Close,
    /// While the consumer closes, which is the last one out and removes.
    Removal,
}

impl When {
    /// About how long it takes: the kill comes at any time in it.
    const fn longest_ns(self) -> u64 {
        match self {
            Self::Attach => 100_000,
            Self::Takeover => 30_000,
            Self::Close => 12_000,
            Self::Removal => 25_000,
        }
    }
}

pub fn run(campaign: &mut Campaign) {
    let phases = [
        ("attach", When::Attach),
        ("takeover", When::Takeover),
        ("close", When::Close),
        ("removal", When::Removal),
    ];
    let kills = (campaign.plan.kills / 2).div_ceil(phases.len() as u64);
    for (name, when) in phases {
        campaign.row(&format!("kill during {name}"), |run| {
            while run.total.kills < kills {
                let shape = DISTURBED[run.rng.usize(..DISTURBED.len())];
                stream(shape, when, run).with_context(|| shape.to_string())?;
                run.show(run.total.kills, kills, "kills");
            }
            Ok(())
        });
    }
}

fn stream(shape: Shape, when: When, run: &mut Run<'_>) -> Result<()> {
    let messages = u64::from(shape.slots.min(8)) + MESSAGES;
    let mut pair = Pair::new(shape, messages, &mut run.rng)?;
    let role = match when {
        When::Attach | When::Takeover => ROLES[run.rng.usize(..2)],
        When::Close => Role::Producer,
        When::Removal => Role::Consumer,
    };
    if run.rng.bool() || when == When::Removal {
        pair.spawn(peer(role), Extra::default())?;
    }
    if when == When::Takeover {
        pair.spawn(role, Extra::default())?;
        pair.wait_until(|pair| {
            // The first consumer has nothing to receive where there is no producer yet.
            let confirmed = pair.ledger.get(Number::Confirmed)? > 0;
            Ok(confirmed || pair.ledger.has_reached(role, Phase::Attached)?)
        })?;
        pair.kill(Victim::from(role))?;
    }
    let phase = match when {
        When::Attach | When::Takeover => Phase::Attaching,
        When::Close | When::Removal => Phase::Closing,
    };
    let time = Duration::from_nanos(run.rng.u64(..when.longest_ns()));
    let dies = Extra {
        fuse: Some((phase, time)),
        ..Extra::default()
    };
    pair.spawn(role, dies)?;
    if phase == Phase::Closing && !pair.runs(peer(role)) {
        // It closes only when all is sent, for which there may be no room without a consumer.
        pair.spawn(peer(role), Extra::default())?;
    }
    if pair.wait_for(role)? {
        run.total.events += u64::from(pair.ledger.is_in(role, phase)?);
    }
    pair.start(&mut run.rng)?;
    pair.finish()?;
    pair.tidy()?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(())
}
