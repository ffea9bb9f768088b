//! What a side is doing, in the eight bytes that are stored and loaded in one step.

/// Says what a side is doing, together with how often its role was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

/// Says how the last owner of a role has left it, if it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has had the role yet.
    Never,
    /// Somebody took the role and has not closed.
    Attached,
    /// Its owner left in order.
    Closed,
    /// Its owner, a producer, left in order before the end of its stream.
    Interrupted,
}

impl Word {
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// How often the role was taken; 0 for never.
    pub(crate) const fn epoch(self) -> u64 {
        self.0 >> 2
    }

    pub(crate) const fn state(self) -> State {
        match self.0 & 3 {
            0 => State::Never,
            1 => State::Attached,
            2 => State::Closed,
            _ => State::Interrupted,
        }
    }

    /// The word of the next one to take the role.
    pub(crate) const fn attached_next(self) -> Self {
        Self((self.epoch().wrapping_add(1) << 2) | 1)
    }

    /// The word of an owner that leaves in order.
    pub(crate) const fn closed(self) -> Self {
        Self((self.epoch() << 2) | 2)
    }

    /// The word of a producer that leaves in order before the end of its stream.
    pub(crate) const fn interrupted(self) -> Self {
        Self((self.epoch() << 2) | 3)
    }
}
