//! What a pass is about: a transport, the machine itself, or the making of a channel.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bare::Bare;
use crate::set_up::SetUp;
use crate::transports::Kind;

/// One of these, in the order of the table; a word in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Subject {
    Bare(Bare),
    Transport(Kind),
    SetUp(SetUp),
}

impl Subject {
    /// Returns its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bare(bare) => bare.title(),
            Self::Transport(kind) => kind.title(),
            Self::SetUp(set_up) => set_up.title(),
        }
    }

    /// Returns the transport, if it is about one and its messages.
    pub const fn transport(self) -> Option<Kind> {
        match self {
            Self::Bare(_) | Self::SetUp(_) => None,
            Self::Transport(kind) => Some(kind),
        }
    }
}

impl fmt::Display for Subject {
    /// Writes the name as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(bare) => bare.fmt(f),
            Self::Transport(kind) => kind.fmt(f),
            Self::SetUp(set_up) => set_up.fmt(f),
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
        let set_ups = SetUp::ALL.map(Subject::SetUp);
        for subject in bare.into_iter().chain(transports).chain(set_ups) {
            let json = serde_json::to_string(&subject).unwrap();
            assert_eq!(json, format!("\"{subject}\""));
            assert_eq!(serde_json::from_str::<Subject>(&json).unwrap(), subject);
        }
    }
}
