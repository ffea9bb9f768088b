//! Storms of SIGSTOP and SIGCONT: nothing is lost or repeated, and deadlines still end.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;

use crate::campaign::{Campaign, Run, sleep_below};
use crate::pair::Pair;
use crate::scenarios::signals::{Storm, storm_blocked, storm_busy};
use crate::shape::ROLES;

/// Longest time for which a side is stopped, and between two stops.
const LIMIT: Duration = Duration::from_micros(300);

pub fn run(campaign: &mut Campaign) {
    let stops = campaign.plan.stops;
    campaign.row("stop and continue, busy", |run| {
        storm_busy(&STOPS, stops, run).context("busy")
    });
    for role in ROLES {
        campaign.row(&format!("stop and continue, {role} blocked"), |run| {
            storm_blocked(&STOPS, role, stops, run)
        });
    }
}

const STOPS: Storm = Storm {
    handled: false,
    strike: stop,
};

/// Stops one side or both for a while.
fn stop(pair: &Pair, run: &mut Run<'_>) -> Result<()> {
    let both = run.rng.u8(..4) == 0;
    let first = run.rng.usize(..2);
    let roles = &ROLES[if both { 0..2 } else { first..first + 1 }];
    for &role in roles {
        pair.signal(role, Signal::SIGSTOP)?;
    }
    sleep_below(LIMIT, &mut run.rng);
    for &role in roles {
        pair.signal(role, Signal::SIGCONT)?;
    }
    sleep_below(LIMIT, &mut run.rng);
    Ok(())
}
