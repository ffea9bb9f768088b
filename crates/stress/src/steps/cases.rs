//! Which operations are stepped through, in which surroundings.

use std::fmt;

use anyhow::Result;
use semring::{Role, Sync};

use crate::arguments::Level;
use crate::ledger::{Number, Phase};
use crate::message::Lengths;
use crate::pair::Pair;
use crate::shape::{ROLES, Shape, Victim, peer};
use crate::side::{Extra, Operation};

/// Messages that fit into a descriptor, and messages that need a slot.
const INLINE_BYTES: u64 = 32;
const SLOT_BYTES: u64 = 64;

/// Says who is there when the operation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nobody, and no channel.
    Nobody,
    /// The peer, asleep for want of what the operation gives it.
    Peer,
    /// The peer, idle until the operation sleeps for want of what it gives.
    Idle,
    /// The peer, beside a predecessor that was killed at work.
    Dead,
}

/// Describes one operation in its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub operation: Operation,
    pub role: Role,
    pub shape: Shape,
    pub lengths: Lengths,
    /// Which time the operation is done.
    pub time: u64,
    before: Before,
}

/// Lists the cases of an operation.
pub fn list(operation: Operation, level: Level) -> Vec<Case> {
    match operation {
        Operation::Attach => attaching(),
        Operation::Send => exchanging(operation, Role::Producer, level),
        Operation::Recv | Operation::Release => exchanging(operation, Role::Consumer, level),
        Operation::Close => ROLES
            .into_iter()
            .map(|role| Case::of(operation, role, Shape::strict(2, SLOT_BYTES, 1, 1)))
            .collect(),
    }
}

fn attaching() -> Vec<Case> {
    let mut cases = Vec::new();
    for role in ROLES {
        for before in [Before::Nobody, Before::Peer, Before::Dead] {
            let case = Case::of(Operation::Attach, role, Shape::strict(2, SLOT_BYTES, 1, 1));
            cases.push(Case { before, ..case });
        }
    }
    cases
}

fn exchanging(operation: Operation, role: Role, level: Level) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes(level) {
        let case = Case::of(operation, role, shape);
        // The first takes the permits, the second may have some in hand.
        cases.push(case);
        if shape.credits > 1 && shape.slots > 2 {
            cases.push(Case { time: 2, ..case });
        }
        if operation != Operation::Release && shape.credits == 1 && shape.batch == 1 {
            let time = match role {
                Role::Producer => u64::from(shape.slots) + 1,
                Role::Consumer => 1,
            };
            let before = Before::Idle;
            cases.push(Case {
                time,
                before,
                ..case
            });
        }
    }
    cases
}

fn shapes(level: Level) -> Vec<Shape> {
    if level == Level::Quick {
        return vec![
            Shape::strict(1, SLOT_BYTES, 1, 1),
            Shape::strict(2, INLINE_BYTES, 1, 2),
            Shape::strict(64, INLINE_BYTES, 16, 1),
            Shape::adaptive(1, SLOT_BYTES, 1),
            Shape::adaptive(2, INLINE_BYTES, 2),
        ];
    }
    let mut shapes = vec![
        Shape::adaptive(1, SLOT_BYTES, 1),
        Shape::adaptive(2, INLINE_BYTES, 2),
        Shape::adaptive(64, SLOT_BYTES, 8),
        Shape::strict(2, SLOT_BYTES, 1, 8),
        Shape::strict(64, SLOT_BYTES, 16, 8),
    ];
    for slots in [1, 2, 64] {
        for bytes in [INLINE_BYTES, SLOT_BYTES] {
            for credits in [1, 16] {
                shapes.push(Shape::strict(slots, bytes, credits, 1));
            }
        }
    }
    shapes
}

impl Case {
    /// Describes the first time of an operation, beside a peer that is there.
    const fn of(operation: Operation, role: Role, shape: Shape) -> Self {
        Self {
            operation,
            role,
            shape,
            lengths: Lengths::Full,
            time: 1,
            before: Before::Peer,
        }
    }

    /// Tells whether a quick run takes only a sample of it.
    pub fn is_long(&self) -> bool {
        // An adaptive side spins before it sleeps: thousands of the same few instructions.
        matches!(self.operation, Operation::Attach | Operation::Close)
            || self.shape.sync == Sync::Adaptive
    }

    /// Tells whether the peer must learn of the death by itself, before a successor comes: it does
    /// wherever in an exchange the kill was, with everything sent or no room left.
    pub const fn leaves_a_survivor(&self) -> bool {
        !matches!(self.operation, Operation::Attach | Operation::Close)
    }

    /// Returns how many messages the stream has: enough to fill the ring and to go on after it.
    pub fn messages(&self) -> u64 {
        u64::from(self.shape.slots + 2 * self.shape.batch + 2)
    }

    /// Starts who is to be there before.
    pub fn prepare(&self, pair: &mut Pair) -> Result<()> {
        let peer = peer(self.role);
        if self.before == Before::Nobody {
            return Ok(());
        }
        let idles = self.before == Before::Idle;
        pair.ledger.set(Number::Held, idles.into())?;
        if self.before == Before::Dead {
            pair.spawn(self.role, Extra::default())?;
        }
        let extra = Extra {
            idles,
            ..Extra::default()
        };
        pair.spawn(peer, extra)?;
        let blocks = !idles && self.operation != Operation::Close;
        pair.wait_until(|pair| {
            if self.before == Before::Dead {
                return Ok(pair.ledger.get(Number::Confirmed)? > 0);
            }
            let attached = pair.ledger.has_reached(peer, Phase::Attached)?;
            Ok(attached && (!blocks || pair.is_blocked(peer)?))
        })?;
        if self.before == Before::Dead {
            pair.kill(Victim::from(self.role))?;
        }
        Ok(())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            role,
            shape,
            time,
            before,
            ..
        } = self;
        write!(
            f,
            "{operation} of the {role}, time {time}, {shape}, before: {before:?}"
        )
    }
}
