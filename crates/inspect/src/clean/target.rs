//! What is to be looked at: everything, or what was asked for.

use std::collections::HashSet;

use anyhow::Result;
use semring::{Kept, Key, Leftover, Removal};
use semring_cli::{operand, printable};

use crate::arguments::Which;
use crate::names::{Wanted, name_of};
use crate::survey::{Channel, Foreign, Survey};
use crate::words::Users;

use super::outcome::Outcome;

/// Names for other programs why a segment is kept that was removed and still has users.
pub const SEGMENT_REMOVED: &str = "segment removed";

/// Something to be removed or kept.
#[derive(Debug)]
pub struct Target {
    /// What it is called, fit for a terminal.
    pub title: String,
    /// Its key.
    pub key: Key,
    /// Its owner's name.
    pub owner: String,
    /// What `semring clean` takes for it, as a command's argument.
    pub argument: String,
    /// Whether it was asked for, rather than found.
    pub named: bool,
    /// What is known already: that it is kept, or is not there.
    settled: Option<Settled>,
}

#[derive(Debug, Clone)]
enum Settled {
    Missing,
    Kept(&'static str, String),
}

impl Target {
    /// Chooses what was asked for, or all that may be a channel's.
    ///
    /// # Errors
    ///
    /// An [`AddressError`](semring::AddressError), or a user who does not exist.
    pub fn choose(wanted: &[Which], survey: &Survey, users: &mut Users) -> Result<Vec<Self>> {
        if !wanted.is_empty() {
            let wanted = wanted.iter().map(Wanted::read);
            return wanted
                .map(|wanted| Ok(Self::wanted(&wanted?, survey, users)))
                .collect();
        }
        let channels = survey.channels.iter();
        let mut targets: Vec<Self> = channels
            .map(|channel| Self::channel(channel, users))
            .collect();
        let parts = survey.foreign.iter().filter(|part| part.may_be_a_channels);
        targets.extend(parts.map(|part| Self::part(part, users)));
        // A segment that was removed under its users lives beside the next one of its key.
        let mut seen = HashSet::new();
        targets.retain(|target| target.settled.is_some() || seen.insert(target.key));
        Ok(targets)
    }

    fn wanted(wanted: &Wanted, survey: &Survey, users: &mut Users) -> Self {
        let named = true;
        if let Some(channel) = wanted.find(survey) {
            let mut target = Self::channel(channel, users);
            if channel.key != Key::PRIVATE {
                // The set of a segment that was removed can be had by its key.
                target.settled = None;
            }
            let found = channel.snapshot().map(|snapshot| &snapshot.name);
            let found = found.filter(|found| !wanted.name.is_empty() && **found != wanted.name);
            if let Some(found) = found.filter(|_| channel.key == wanted.key) {
                let sentence = format!(
                    "its key {} belongs to the channel \"{}\": two names collide",
                    wanted.key,
                    printable(found)
                );
                target.settled = Some(Settled::Kept("collision", sentence));
            }
            return Self { named, ..target };
        }
        let is_wanted = |object: &&Foreign| {
            object.permissions.key == wanted.key || Some(object.id) == wanted.id
        };
        match survey.foreign.iter().find(is_wanted) {
            Some(object) => Self {
                named,
                ..Self::part(object, users)
            },
            None => Self {
                title: printable(&wanted.text),
                key: wanted.key,
                owner: String::new(),
                argument: String::new(),
                named,
                settled: Some(Settled::Missing),
            },
        }
    }

    fn channel(channel: &Channel, users: &mut Users) -> Self {
        let name = name_of(channel, users);
        let key = channel.key.to_string();
        let gone = channel.segment.marked_for_removal;
        let sentence = "its segment was removed, and ends with its last user";
        Self {
            title: printable(name.as_ref().unwrap_or(&key)),
            argument: name.map_or_else(|| format!("--key {key}"), |name| operand(&name)),
            key: channel.key,
            owner: users
                .name(channel.segment.permissions.owner_user_id)
                .to_owned(),
            named: false,
            settled: gone.then(|| Settled::Kept(SEGMENT_REMOVED, sentence.to_owned())),
        }
    }

    /// An object that is no channel's by itself.
    fn part(object: &Foreign, users: &mut Users) -> Self {
        let permissions = object.permissions;
        let foreign = || {
            let sentence = format!("it is another program's: {}", object.evidence);
            Settled::Kept("foreign", sentence)
        };
        Self {
            title: format!("{} {}", object.kind, object.id),
            key: permissions.key,
            owner: users.name(permissions.owner_user_id).to_owned(),
            argument: format!("--key {}", permissions.key),
            named: false,
            settled: (!object.may_be_a_channels).then(foreign),
        }
    }

    /// Removes it, or tells what would become of it.
    pub fn clean(&self, force: bool, dry_run: bool) -> Outcome {
        match &self.settled {
            Some(Settled::Missing) => return Outcome::Missing,
            Some(Settled::Kept(word, sentence)) => return Outcome::Settled(word, sentence.clone()),
            None => {}
        }
        let against = force.then(|| self.kept()).flatten();
        let removal = self.removal().force(force);
        let result = if dry_run {
            removal.preview()
        } else {
            removal.remove()
        };
        match result {
            Ok(leftover) => Outcome::Removed(leftover, against),
            Err(Kept::NotFound) => Outcome::Missing,
            Err(kept) => Outcome::Kept(kept),
        }
    }

    /// Tells what `--force` would remove, and what speaks against that.
    pub fn doomed(&self) -> Option<(&Self, Leftover, Kept)> {
        let kept = self.kept()?;
        let leftover = self.removal().force(true).preview().ok()?;
        Some((self, leftover, kept))
    }

    /// Tells why it would be kept without force.
    fn kept(&self) -> Option<Kept> {
        if self.settled.is_some() {
            return None;
        }
        self.removal().preview().err()
    }

    fn removal(&self) -> Removal {
        Removal::new(self.key).unmarked(self.named)
    }
}
