//! What a pass is about: a transport, or the machine itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bare::Bare;
use crate::transports::Kind;

/// One of the two, in the order of the table; a word in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    Bare(Bare),
    Transport(Kind),
}

impl Subject {
    /// Returns its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bare(bare) => bare.title(),
            Self::Transport(kind) => kind.title(),
        }
    }

    /// Returns the transport, unless it is the machine.
    pub const fn transport(self) -> Option<Kind> {
        match self {
            Self::Bare(_) => None,
            Self::Transport(kind) => Some(kind),
        }
    }

    /// Returns how many messages it takes until all of its memory has been used once.
    pub const fn slots(self) -> u32 {
        match self {
            Self::Bare(_) => 1,
            Self::Transport(kind) => kind.slots(),
        }
    }
}

impl fmt::Display for Subject {
    /// Writes the name as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(bare) => bare.fmt(f),
            Self::Transport(kind) => kind.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_json_names_one_subject() {
        let bare = Bare::ALL.map(Subject::Bare);
        let transports = Kind::all().iter().map(|&kind| Subject::Transport(kind));
        for subject in bare.into_iter().chain(transports) {
            let json = serde_json::to_string(&subject).unwrap();
            assert_eq!(json, format!("\"{subject}\""));
            assert_eq!(serde_json::from_str::<Subject>(&json).unwrap(), subject);
        }
    }
}
