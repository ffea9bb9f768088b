//! The time from a SIGKILL to the return of the peer's blocked call.

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use nix::sys::signal::Signal;
use semring::Role;

use crate::campaign::{Campaign, Run};
use crate::ledger::{Number, Phase};
use crate::pair::{ENDLESS, Pair};
use crate::shape::{ROLES, Shape, Victim, peer};
use crate::side::{Extra, now_ns};

const SHAPE: Shape = Shape::strict(2, 64, 1, 1);
/// Resident memory of a large process.
const LARGE_BYTES: usize = 256 << 20;

pub fn run(campaign: &mut Campaign) {
    let sizes = [
        ("small", 0, campaign.plan.returns),
        ("256 MiB", LARGE_BYTES, campaign.plan.large_returns),
    ];
    for (size, resident_bytes, kills) in sizes {
        for victim in ROLES {
            let name = format!("SIGKILL of {victim} ({size}) to return");
            let mut line = String::new();
            campaign.row(&name, |run| {
                let mut times_ns = Histogram::new(3)?;
                let result = stream(victim, resident_bytes, kills, &mut times_ns, run);
                line = figures(&name, &times_ns);
                result
            });
            campaign.table.note(line);
        }
    }
}

/// Kills one owner of a role after the other beside a peer that is blocked all the time.
fn stream(
    victim: Role,
    resident_bytes: usize,
    kills: u64,
    times_ns: &mut Histogram<u64>,
    run: &mut Run<'_>,
) -> Result<()> {
    let mut pair = Pair::new(SHAPE, ENDLESS, &mut run.rng)?;
    let survivor = peer(victim);
    let idle = Extra {
        idles: true,
        resident_bytes,
        ..Extra::default()
    };
    pair.ledger.set(Number::Held, 1)?;
    pair.spawn(survivor, Extra::default())?;
    for count in 1..=kills {
        pair.spawn(victim, idle)?;
        pair.wait_until(|pair| {
            let attached = pair.ledger.is_in(victim, Phase::Attached)?;
            Ok(attached && pair.is_blocked(survivor)?)
        })?;
        let killed_at = now_ns()?;
        pair.signal(victim, Signal::SIGKILL)?;
        pair.wait_until(|pair| Ok(pair.ledger.get(Number::Losses)? == count))?;
        let returned_at = pair.ledger.get(Number::LostAt)?;
        ensure!(
            returned_at >= killed_at,
            "the peer of a living {victim} was told of its death"
        );
        times_ns.record(returned_at - killed_at)?;
        pair.kill(Victim::from(victim))?;
        run.show(count, kills, "kills");
    }
    pair.ledger.set(Number::Held, 0)?;
    pair.start(&mut run.rng)?;
    pair.finish_soon(ENDLESS)?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(())
}

fn figures(name: &str, times_ns: &Histogram<u64>) -> String {
    let us = |nanoseconds: u64| format!("{} µs", nanoseconds / 1000);
    format!(
        "{name:<42} {:>7} kills   p50 {:>9}   p99 {:>9}   max {:>9}",
        times_ns.len(),
        us(times_ns.value_at_quantile(0.5)),
        us(times_ns.value_at_quantile(0.99)),
        us(times_ns.max()),
    )
}
