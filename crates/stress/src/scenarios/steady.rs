//! Streams that nobody disturbs, in many shapes.

use crate::campaign::Campaign;
use crate::pair::Pair;
use crate::shape::Shape;

/// Shapes, and which share of 100 of the messages each has: a ring of one or two slots sleeps at every
/// message.
const SHAPES: [(Shape, u64); 12] = [
    (Shape::strict(1, 64, 1, 1), 1),
    (Shape::strict(2, 4096, 1, 1), 2),
    (Shape::strict(64, 56, 1, 1), 13),
    (Shape::strict(64, 56, 16, 1), 13),
    (Shape::strict(64, 65536, 1, 1), 11),
    (Shape::strict(1024, 256, 1, 1), 12),
    (Shape::strict(1024, 256, 1, 64), 13),
    (Shape::strict(16384, 64, 16, 8), 2),
    (Shape::adaptive(1, 64, 1), 3),
    (Shape::adaptive(64, 56, 1), 10),
    (Shape::adaptive(64, 65536, 1), 10),
    (Shape::adaptive(1024, 256, 64), 10),
];

pub fn run(campaign: &mut Campaign) {
    for (shape, share) in SHAPES {
        let messages = campaign.plan.messages * share / 100;
        campaign.row(&format!("steady, {shape}"), |run| {
            let mut pair = Pair::new(shape, messages, &mut run.rng)?;
            pair.start(&mut run.rng)?;
            pair.finish()?;
            pair.judge()?;
            run.total += pair.outcome;
            Ok(())
        });
    }
}
