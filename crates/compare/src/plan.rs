//! What the run and its two sides tell each other: the plan as an argument, the report as a line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::Names;
use crate::transports::Kind;

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
    /// CPU time of a consumer that waits for its first message.
    IdleCpu,
}

impl Measure {
    pub const ALL: [Self; 3] = [Self::Throughput, Self::RoundTrip, Self::IdleCpu];
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throughput => "throughput",
            Self::RoundTrip => "round trip",
            Self::IdleCpu => "idle reader",
        })
    }
}

/// What one side is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub role: Role,
    pub transport: Kind,
    pub measure: Measure,
    pub size_bytes: usize,
    /// Messages before those that are measured.
    pub warm_up: u64,
    /// Messages, or round trips, that are measured.
    pub count: u64,
    /// How long the producer lets an idle reader wait.
    pub idle_ns: u64,
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
#[expect(
    clippy::struct_field_names,
    reason = "units belong in the names, and all of these are times"
)]
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    pub elapsed_ns: u64,
    /// User and system time of the process meanwhile.
    pub cpu_ns: u64,
    /// Each round trip.
    pub samples_ns: Vec<u64>,
}
