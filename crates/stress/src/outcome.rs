//! What was done, counted.

/// Counts what was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    pub messages: u64,
    pub kills: u64,
    /// Stops, signals, removals, whatever the scenario does beside kills.
    pub events: u64,
    /// Deliveries of a message that had been delivered before, all of them marked.
    pub repeated: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.kills += other.kills;
        self.events += other.events;
        self.repeated += other.repeated;
    }
}
