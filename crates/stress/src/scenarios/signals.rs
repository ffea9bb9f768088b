//! Storms of signals: each interrupts a wait, none may end it, lose a message or move a deadline.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use semring::Role;

use crate::campaign::{Campaign, Run, sleep_below};
use crate::ledger::{Number, Phase};
use crate::pair::{ENDLESS, HANG, Pair};
use crate::shape::{DISTURBED, ROLES, Shape, peer};
use crate::side::{Extra, Manner};

/// How long each wait may take in a storm on a side that is blocked: many times what lies between two
/// signals, so a deadline that began anew with each would never come.
const DEADLINE: Duration = Duration::from_millis(20);
/// How often it must have come.
const TIMEOUTS: u64 = 3;
/// Longest time between two signals.
const LIMIT: Duration = Duration::from_micros(60);

/// Says what a storm is made of.
pub struct Storm {
    /// Whether the sides must handle SIGUSR1.
    pub handled: bool,
    /// Does it once to the pair.
    pub strike: fn(&Pair, &mut Run<'_>) -> Result<()>,
}

pub fn run(campaign: &mut Campaign) {
    let signals = campaign.plan.signals;
    campaign.row("signals, busy", |run| storm_busy(&SIGNALS, signals, run));
    for role in ROLES {
        campaign.row(&format!("signals, {role} blocked"), |run| {
            storm_blocked(&SIGNALS, role, signals, run)
        });
    }
}

const SIGNALS: Storm = Storm {
    handled: true,
    strike: |pair, run| {
        for role in ROLES {
            pair.signal(role, Signal::SIGUSR1)?;
        }
        sleep_below(LIMIT, &mut run.rng);
        Ok(())
    },
};

/// Strikes a pair at work, in every shape; every other stream has a side that mostly sleeps.
pub fn storm_busy(storm: &Storm, strikes: u64, run: &mut Run<'_>) -> Result<()> {
    for (shape, done) in DISTURBED.into_iter().zip(1..) {
        let goal = strikes * done / DISTURBED.len() as u64;
        for slow in [None, Some(Role::Producer), Some(Role::Consumer)] {
            let share = run.total.events + (goal - run.total.events) / 2;
            let goal = if slow == Some(Role::Consumer) {
                goal
            } else {
                share
            };
            busy(storm, shape, slow, goal, run).with_context(|| shape.to_string())?;
            run.show(run.total.events, strikes, "strikes");
        }
    }
    Ok(())
}

fn busy(
    storm: &Storm,
    shape: Shape,
    slow: Option<Role>,
    goal: u64,
    run: &mut Run<'_>,
) -> Result<()> {
    let mut pair = Pair::new(shape, ENDLESS, &mut run.rng)?.with(Manner {
        signals: storm.handled,
        slow,
        ..Manner::default()
    });
    pair.start(&mut run.rng)?;
    pair.wait_until(|pair| Ok(pair.ledger.get(Number::Delivered)? > 0))?;
    while run.total.events < goal {
        (storm.strike)(&pair, run)?;
        run.total.events += 1;
    }
    pair.finish_soon(ENDLESS)?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(())
}

/// Strikes a side that is blocked beside an idle peer, and counts how often its deadline comes.
pub fn storm_blocked(storm: &Storm, role: Role, strikes: u64, run: &mut Run<'_>) -> Result<()> {
    for (shape, done) in DISTURBED.into_iter().zip(1..) {
        let goal = strikes * done / DISTURBED.len() as u64;
        blocked(storm, shape, role, goal, run).with_context(|| shape.to_string())?;
        run.show(run.total.events, strikes, "strikes");
    }
    Ok(())
}

fn blocked(storm: &Storm, shape: Shape, role: Role, goal: u64, run: &mut Run<'_>) -> Result<()> {
    let mut pair = Pair::new(shape, ENDLESS, &mut run.rng)?.with(Manner {
        signals: storm.handled,
        deadline: Some(DEADLINE),
        ..Manner::default()
    });
    pair.ledger.set(Number::Held, 1)?;
    let idle = Extra {
        idles: true,
        ..Extra::default()
    };
    pair.spawn(peer(role), idle)?;
    pair.spawn(role, Extra::default())?;
    pair.wait_until(|pair| {
        let idle = pair.ledger.has_reached(peer(role), Phase::Attached)?;
        Ok(idle && pair.ledger.has_reached(role, Phase::Attached)?)
    })?;
    let since = Instant::now();
    while run.total.events < goal || pair.ledger.get(Number::Timeouts)? < TIMEOUTS {
        (storm.strike)(&pair, run)?;
        run.total.events += 1;
        ensure!(
            since.elapsed() < HANG || pair.ledger.get(Number::Timeouts)? >= TIMEOUTS,
            "HANG: the deadlines of the {role} do not come in the storm"
        );
    }
    pair.ledger.set(Number::Held, 0)?;
    pair.finish_soon(ENDLESS)?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(())
}
