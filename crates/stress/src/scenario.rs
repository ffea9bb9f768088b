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

/// Describes one stream of messages and what happens to it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub slots: u32,
    pub slot_bytes: u64,
    pub victim: Victim,
    /// Messages in the stream; with kills, the most that it may have.
    pub messages: u64,
    /// SIGKILLs before the stream may end.
    pub kills: u64,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.victim {
            Victim::Nobody => "steady",
            Victim::Producer => "kill producer",
            Victim::Consumer => "kill consumer",
            Victim::Both => "kill both",
        };
        write!(f, "{what}, {} x {} B", self.slots, self.slot_bytes)
    }
}

/// Geometries, and which share of 100 of the messages each gets: a ring of one or two slots sleeps at
/// every message.
const STEADY: [(u32, u64, u64); 6] = [
    (1, 64, 1),
    (2, 4096, 2),
    (64, 56, 40),
    (64, 65536, 37),
    (1024, 256, 18),
    (16384, 64, 2),
];

/// Geometries of the streams with kills.
const KILLED: [(u32, u64); 3] = [(1, 64), (2, 256), (64, 4096)];

/// Room in the ledger: more than a pair exchanges between two kills.
const MESSAGES_PER_KILL: u64 = 200_000;

/// Lists the scenarios for so many messages and kills, all together.
pub fn list(messages: u64, kills: u64) -> Vec<Scenario> {
    let steady = STEADY.iter().map(|&(slots, slot_bytes, share)| Scenario {
        slots,
        slot_bytes,
        victim: Victim::Nobody,
        messages: messages * share / 100,
        kills: 0,
    });
    let victims = [Victim::Producer, Victim::Consumer, Victim::Both];
    let combinations = (KILLED.len() * victims.len()) as u64;
    let killed = KILLED.iter().flat_map(move |&(slots, slot_bytes)| {
        victims.map(|victim| {
            let kills = kills.div_ceil(combinations);
            let messages = MESSAGES_PER_KILL * (kills + 1);
            Scenario {
                slots,
                slot_bytes,
                victim,
                messages,
                kills,
            }
        })
    });
    steady.chain(killed).collect()
}
