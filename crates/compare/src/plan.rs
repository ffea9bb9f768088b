//! What the run and its two sides tell each other: the plan as an argument, the report as a line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bare::Bare;
use crate::names::Names;
use crate::subject::Subject;
use crate::transports::hot_slots;
use crate::units;

/// What a side writes on a line of its own once it is attached.
pub const READY: &str = "ready";
/// What both sides are told then, so that they begin together.
pub const GO: &str = "go";

/// Which of the two processes. In a round trip both send and receive; the producer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Producer,
    Consumer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        })
    }
}

/// What is measured, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Messages in a second, one way.
    Throughput,
    /// Time from sending a message to having its answer.
    RoundTrip,
    /// Time from sending a message to having it on the other side, which has waited for a while.
    WakeUp,
    /// CPU time of a consumer that waits for its first message.
    IdleCpu,
    /// Messages in a second, one way, through rings of more and fewer slots.
    BySlots,
    /// Messages in a second, one way, of short streams and long ones.
    ByMessages,
    /// Time to make a channel, to use it for the first time, to attach to it.
    SetUp,
}

impl Measure {
    /// Tells whether messages in a second are counted, as opposed to time.
    pub const fn is_rate(self) -> bool {
        matches!(self, Self::Throughput | Self::BySlots | Self::ByMessages)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throughput => "throughput",
            Self::RoundTrip => "round trip",
            Self::WakeUp => "wake-up",
            Self::IdleCpu => "idle reader",
            Self::BySlots => "throughput by slots",
            Self::ByMessages => "throughput by messages",
            Self::SetUp => "set-up",
        })
    }
}

/// What one pass measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    pub measure: Measure,
    /// Of a message; 0 where there is none.
    pub size_bytes: usize,
    /// How long the producer lets the consumer wait before each message; 0: not at all.
    pub pause_ns: u64,
    /// Slots of the ring; 0: as many as the transport has.
    #[serde(default)]
    pub slots: u32,
    /// Messages of the pass; 0: as many as last for as long as a pass should.
    #[serde(default)]
    pub messages: u64,
    pub subject: Subject,
}

impl Task {
    /// Makes one that leaves everything else to the subject.
    pub const fn new(measure: Measure, size_bytes: usize, subject: Subject) -> Self {
        Self {
            measure,
            size_bytes,
            pause_ns: 0,
            slots: 0,
            messages: 0,
            subject,
        }
    }

    /// Returns how many messages it takes until all of the memory has been used once.
    pub const fn slots(self) -> u32 {
        match (self.slots, self.subject) {
            (0, Subject::Transport(kind)) => kind.slots(self.size_bytes),
            (0, Subject::Bare(Bare::FillSlots | Bare::CopySlots)) => hot_slots(self.size_bytes),
            (0, Subject::Bare(_) | Subject::SetUp(_)) => 1,
            (slots, _) => slots,
        }
    }

    /// Tells whether it matters how far the CPUs are from each other.
    pub const fn takes_both_cpus(self) -> bool {
        match (self.measure, self.subject) {
            (Measure::IdleCpu, _) | (_, Subject::SetUp(_)) => false,
            (_, Subject::Bare(bare)) => matches!(bare, Bare::Semop | Bare::Futex | Bare::Lines),
            (_, Subject::Transport(_)) => true,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.measure, self.subject.title())?;
        if self.size_bytes > 0 {
            write!(f, ", {}", units::bytes(self.size_bytes))?;
        }
        if self.slots > 0 {
            write!(f, ", {} slots", self.slots)?;
        }
        if self.messages > 0 {
            write!(f, ", {} messages", self.messages)?;
        }
        Ok(())
    }
}

/// What one side is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub role: Role,
    pub task: Task,
    /// Messages before those that are measured.
    pub warm_up: u64,
    /// Messages, round trips or calls that are measured.
    pub count: u64,
    pub names: Names,
    /// Identifier of the segment in which the two sides bounce a cache line; none: they do not.
    pub board: Option<i32>,
    /// CPU to stay on; none: wherever the kernel likes.
    pub cpu: Option<usize>,
    /// Number of the message to damage.
    pub corrupt: Option<u64>,
    /// Process that started this one, and without which it has no purpose.
    pub parent_pid: u32,
}

impl Plan {
    /// Returns the messages of a pass, those of the warm-up included.
    pub const fn total(&self) -> u64 {
        self.warm_up + self.count
    }
}

/// What one side has measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Median round trip of a cache line before and after, of the side that measures it.
    pub bounce_before_ns: Option<f64>,
    pub bounce_after_ns: Option<f64>,
    pub measured: Measured,
}

/// What the work itself took on one side.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// From the first message that counts to the last.
    pub elapsed_ns: u64,
    /// User and system time of the process meanwhile.
    pub cpu_ns: u64,
    /// How often it gave up its CPU meanwhile, or had it taken away.
    pub switches: u64,
    /// Each round trip; of a wake-up the times at which each message was sent, or had arrived.
    pub samples_ns: Vec<u64>,
}
