//! What a check found.

use serde::{Deserialize, Serialize};

/// Says what a finding means for channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Channels work, until something happens that is named.
    Warn,
    /// Channels do not work, or do not keep a promise.
    Fail,
}

/// Holds what a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub outcome: Outcome,
    /// What was found, in one line.
    pub found: String,
    /// What to do about it, in one line, unless all is well.
    pub remedy: Option<String>,
}

impl Finding {
    pub fn pass(found: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Pass,
            found: found.into(),
            remedy: None,
        }
    }

    pub fn warn(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Warn,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub fn fail(found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Fail,
            ..Self::warn(found, remedy)
        }
    }
}
