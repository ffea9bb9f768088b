//! `ipcrm` under a pair at work or asleep: what was removed decides what both must make of it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use semring::{AttachReason, Mode, Role, Sync};
use sysv_ipc::{Segment, SemaphoreSet};

use crate::campaign::{Campaign, Run, sleep_below};
use crate::ledger::{Number, Phase};
use crate::pair::{ENDLESS, Pair};
use crate::shape::{DISTURBED, ROLES, Shape, peer};
use crate::side::{Extra, Manner};

/// Messages of the pair that comes after.
const AFTERWARDS: u64 = 100;

/// Says what is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Both learn of it, the consumer when it has received what is in memory; the stream goes on with
    /// a new set.
    Set,
    /// The pair goes on undisturbed, others are refused.
    Segment,
    /// As for the set, but what is left in memory is gone with the last of the two.
    Both,
}

pub fn run(campaign: &mut Campaign) {
    let removals = campaign.plan.removals * DISTURBED.len() as u64;
    for (name, what) in [
        ("set", What::Set),
        ("segment", What::Segment),
        ("both", What::Both),
    ] {
        campaign.row(&format!("ipcrm of {name}"), |run| {
            while run.total.events < removals {
                // At work, or with one side asleep beside an idle one.
                let shape = DISTURBED[run.rng.usize(..DISTURBED.len())];
                let blocked = match run.rng.u8(..3) {
                    0 => None,
                    1 => Some(Role::Producer),
                    _ => Some(Role::Consumer),
                };
                stream(shape, what, blocked, run)
                    .with_context(|| format!("{shape}, blocked: {blocked:?}"))?;
                run.show(run.total.events, removals, "removals");
            }
            Ok(())
        });
    }
}

fn stream(shape: Shape, what: What, blocked: Option<Role>, run: &mut Run<'_>) -> Result<()> {
    let mut pair = Pair::new(shape, ENDLESS, &mut run.rng)?.with(Manner {
        removal: what != What::Segment,
        ..Manner::default()
    });
    start(&mut pair, blocked, run)?;
    remove(&pair, what, run)?;
    run.total.events += 1;
    if what == What::Segment {
        pair.visit(|channel| match channel.producer() {
            Err(error) if matches!(error.reason, AttachReason::RemovedUnderUser { .. }) => Ok(()),
            other => bail!("attached or refused otherwise beside a removed segment: {other:?}"),
        })?;
    }
    pair.ledger.set(Number::Held, 0)?;
    if what == What::Segment {
        pair.finish_soon(ENDLESS)?;
        pair.judge()?;
    } else {
        pair.finish()?;
        for role in ROLES {
            ensure!(
                pair.ledger.is_in(role, Phase::Removed)?,
                "the {role} was not told of the removal"
            );
        }
        let delivered = pair.ledger.get(Number::Delivered)?;
        let confirmed = pair.ledger.get(Number::Confirmed)?;
        // An adaptive producer learns of it when it next sleeps, or wakes its peer, who may have had the
        // news before: what it sends meanwhile waits in memory.
        let waiting = match shape.sync {
            Sync::Adaptive => u64::from(shape.slots),
            _ => 0,
        };
        ensure!(
            delivered + waiting >= confirmed,
            "LOST: {confirmed} confirmed, {delivered} delivered when both had been told"
        );
    }
    pair.set_manner(Manner::default());
    if what == What::Set {
        // The messages are still there: the same stream goes on.
        pair.start(&mut run.rng)?;
        pair.finish_soon(ENDLESS)?;
    } else {
        pair.outcome.messages += pair.ledger.get(Number::Delivered)?;
        pair.afresh(AFTERWARDS)?;
        pair.start(&mut run.rng)?;
        pair.finish()?;
    }
    pair.judge()?;
    run.total += pair.outcome;
    Ok(())
}

/// Starts a pair and waits until it is at work, or the side that is to be blocked is.
fn start(pair: &mut Pair, blocked: Option<Role>, run: &mut Run<'_>) -> Result<()> {
    let Some(role) = blocked else {
        pair.start(&mut run.rng)?;
        pair.wait_until(|pair| Ok(pair.ledger.get(Number::Delivered)? > 0))?;
        sleep_below(Duration::from_millis(2), &mut run.rng);
        return Ok(());
    };
    pair.ledger.set(Number::Held, 1)?;
    let idle = Extra {
        idles: true,
        ..Extra::default()
    };
    pair.spawn(peer(role), idle)?;
    pair.spawn(role, Extra::default())?;
    pair.wait_until(|pair| {
        let ready = pair.ledger.has_reached(peer(role), Phase::Attached)?;
        Ok(ready && pair.is_blocked(role)?)
    })
}

fn remove(pair: &Pair, what: What, run: &mut Run<'_>) -> Result<()> {
    let set = SemaphoreSet::open(pair.key(), Mode::OWNER)?;
    let segment = Segment::open(pair.key(), Mode::OWNER)?;
    match what {
        What::Set => set.remove()?,
        What::Segment => segment.remove()?,
        What::Both if run.rng.bool() => {
            set.remove()?;
            segment.remove()?;
        }
        What::Both => {
            segment.remove()?;
            set.remove()?;
        }
    }
    Ok(())
}
