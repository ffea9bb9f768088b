//! Streams in which one adaptive side is about to fall asleep each time the other publishes: a wake-up that
//! is lost leaves both asleep. Whichever side pays for the order of the memory accesses: the sleeper with
//! `membarrier`, or a publisher that has not registered, with a fence.

use crate::campaign::Campaign;
use crate::pair::Pair;
use crate::shape::{ROLES, Shape};
use crate::side::Manner;

const SHAPE: Shape = Shape::adaptive(1, 64, 1);

pub fn run(campaign: &mut Campaign) {
    let exchanges = campaign.plan.edges;
    for (who, threads) in [("sleeper", false), ("publisher", true)] {
        for slow in ROLES {
            let name = format!("at the edge of sleep, {slow} slow, the {who} pays");
            campaign.row(&name, |run| {
                let mut pair = Pair::new(SHAPE, exchanges, &mut run.rng)?.with(Manner {
                    slow: Some(slow),
                    edge: true,
                    threads,
                    ..Manner::default()
                });
                pair.start(&mut run.rng)?;
                pair.finish()?;
                pair.judge()?;
                run.total += pair.outcome;
                Ok(())
            });
        }
    }
}
