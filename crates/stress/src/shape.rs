//! What a channel is like and how it is used, and who is killed.

use std::fmt;

use semring::{Role, Sync};

/// Says who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Producer,
    Consumer,
    /// Both, one right after the other.
    Both,
}

impl Victim {
    pub const ALL: [Self; 3] = [Self::Producer, Self::Consumer, Self::Both];

    pub const fn includes(self, role: Role) -> bool {
        match role {
            Role::Producer => matches!(self, Self::Producer | Self::Both),
            Role::Consumer => matches!(self, Self::Consumer | Self::Both),
        }
    }
}

impl From<Role> for Victim {
    fn from(role: Role) -> Self {
        match role {
            Role::Producer => Self::Producer,
            Role::Consumer => Self::Consumer,
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Both => "both",
        })
    }
}

/// Returns the role at the other end.
pub const fn peer(role: Role) -> Role {
    match role {
        Role::Producer => Role::Consumer,
        Role::Consumer => Role::Producer,
    }
}

/// Both roles.
pub const ROLES: [Role; 2] = [Role::Producer, Role::Consumer];

/// Describes a channel and how it is used.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub slots: u32,
    pub slot_bytes: u64,
    pub credits: u32,
    pub batch: u32,
    pub sync: Sync,
}

impl Shape {
    /// Describes a strict channel.
    pub const fn strict(slots: u32, slot_bytes: u64, credits: u32, batch: u32) -> Self {
        Self {
            slots,
            slot_bytes,
            credits,
            batch,
            sync: Sync::Strict,
        }
    }

    /// Describes an adaptive channel, which has no use for credits.
    pub const fn adaptive(slots: u32, slot_bytes: u64, batch: u32) -> Self {
        Self {
            sync: Sync::Adaptive,
            ..Self::strict(slots, slot_bytes, 1, batch)
        }
    }
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
        if self.sync != Sync::Strict {
            write!(f, ", {}", self.sync)?;
        }
        Ok(())
    }
}

/// Shapes of the streams that are disturbed.
pub const DISTURBED: [Shape; 12] = [
    Shape::strict(1, 64, 1, 1),
    Shape::strict(1, 64, 16, 8),
    Shape::strict(2, 256, 1, 1),
    Shape::strict(2, 256, 16, 8),
    Shape::strict(64, 4096, 1, 1),
    Shape::strict(64, 4096, 16, 1),
    Shape::strict(64, 4096, 1, 8),
    Shape::strict(64, 4096, 16, 8),
    Shape::adaptive(1, 64, 1),
    Shape::adaptive(2, 256, 8),
    Shape::adaptive(64, 4096, 1),
    Shape::adaptive(64, 4096, 8),
];
