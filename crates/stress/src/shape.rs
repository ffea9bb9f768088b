//! What is done to the two processes while they stream.

use std::fmt;

/// Says who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Nobody.
    Nobody,
    /// The producer.
    Producer,
    /// The consumer.
    Consumer,
    /// Both, one right after the other.
    Both,
}

impl Victim {
    /// Those who can be killed.
    pub const ALL: [Self; 3] = [Self::Producer, Self::Consumer, Self::Both];

    pub const fn includes_producer(self) -> bool {
        matches!(self, Self::Producer | Self::Both)
    }

    pub const fn includes_consumer(self) -> bool {
        matches!(self, Self::Consumer | Self::Both)
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "steady",
            Self::Producer => "kill producer",
            Self::Consumer => "kill consumer",
            Self::Both => "kill both",
        })
    }
}

/// Describes a channel and how it is used.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub slots: u32,
    pub slot_bytes: u64,
    pub credits: u32,
    pub batch: u32,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} B", self.slots, self.slot_bytes)?;
        if self.credits > 1 {
            write!(f, ", credits {}", self.credits)?;
        }
        if self.batch > 1 {
            write!(f, ", batch {}", self.batch)?;
        }
        Ok(())
    }
}

/// Describes one stream of messages and what happens to it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub shape: Shape,
    pub victim: Victim,
    /// Messages in the stream; with kills, the most that it may have.
    pub messages: u64,
    /// SIGKILLs before the stream may end.
    pub kills: u64,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.victim, self.shape)
    }
}

const fn shape(slots: u32, slot_bytes: u64, credits: u32, batch: u32) -> Shape {
    Shape {
        slots,
        slot_bytes,
        credits,
        batch,
    }
}

/// Shapes of the streams without kills, and which share of 100 of the messages each has: a ring of
/// one or two slots sleeps at every message.
const STEADY: [(Shape, u64); 8] = [
    (shape(1, 64, 1, 1), 1),
    (shape(2, 4096, 1, 1), 2),
    (shape(64, 56, 1, 1), 20),
    (shape(64, 56, 16, 1), 20),
    (shape(64, 65536, 1, 1), 17),
    (shape(1024, 256, 1, 1), 18),
    (shape(1024, 256, 1, 64), 20),
    (shape(16384, 64, 16, 8), 2),
];

/// Shapes of the streams with kills.
pub const KILLED: [Shape; 5] = [
    shape(1, 64, 1, 1),
    shape(2, 256, 1, 1),
    shape(2, 256, 2, 2),
    shape(64, 4096, 1, 1),
    shape(64, 4096, 16, 8),
];

/// Room in the ledger: more than a pair exchanges between two kills.
const MESSAGES_PER_KILL: u64 = 200_000;

/// Lists the streams without kills, for so many messages all together.
pub fn steady(messages: u64) -> Vec<Scenario> {
    let scenario = |&(shape, share): &(Shape, u64)| Scenario {
        shape,
        victim: Victim::Nobody,
        messages: messages * share / 100,
        kills: 0,
    };
    STEADY.iter().map(scenario).collect()
}

/// Lists the long streams with kills, for so many kills all together.
pub fn killed(kills: u64) -> Vec<Scenario> {
    let kills = kills.div_ceil((KILLED.len() * Victim::ALL.len()) as u64);
    let messages = MESSAGES_PER_KILL * (kills + 1);
    KILLED
        .iter()
        .flat_map(|&shape| {
            Victim::ALL.map(|victim| Scenario {
                shape,
                victim,
                messages,
                kills,
            })
        })
        .collect()
}
