//! What a channel is called, and how one is found by what it is called.

use anyhow::Result;
use semring::{Address, Key};
use semring_cli::arguments::named;

use crate::arguments::Which;
use crate::survey::{Channel, Survey};
use crate::words::Users;

/// Says what `--channel` takes for a channel: NAME, or USER/NAME for somebody else's; `None` when it is
/// known by its key, or the name in it is not that of the key.
pub fn name_of(channel: &Channel, users: &mut Users) -> Option<String> {
    let name = &channel.snapshot()?.name;
    let owner = channel.segment.permissions.creator_user_id;
    let address = Address::named_by(owner, name).ok()?;
    if address.key() != channel.key && channel.key != Key::PRIVATE {
        return None;
    }
    if owner == nix::unistd::geteuid().as_raw() {
        return Some(name.clone());
    }
    Some(format!("{}/{name}", users.name(owner)))
}

/// Says what a channel is called in a table: its name, else its key.
pub fn title_of(channel: &Channel, users: &mut Users) -> String {
    name_of(channel, users).unwrap_or_else(|| channel.key.to_string())
}

/// Says where to look for a channel.
#[derive(Debug)]
pub struct Wanted {
    /// As it was asked for, for messages.
    pub text: String,
    /// Its key.
    pub key: Key,
    /// The name that must stand in it; empty when it may be any.
    pub name: String,
    /// The identifier that may be meant instead.
    pub id: Option<i32>,
}

impl Wanted {
    /// Reads what was asked for.
    ///
    /// # Errors
    ///
    /// An [`AddressError`](semring::AddressError), or a user who does not exist.
    pub fn read(which: &Which) -> Result<Self> {
        let address = match (&which.key, &which.path) {
            (Some(key), _) => Address::key_number(*key)?,
            (None, Some(path)) => Address::file(path, which.project)?,
            (None, None) => named(&which.channel)?.0,
        };
        let by_name = !address.name().is_empty();
        Ok(Self {
            text: address.to_string(),
            key: address.key(),
            name: address.name().to_owned(),
            id: which.channel.parse().ok().filter(|_| by_name),
        })
    }

    /// Finds the channel in what there is; by key first, then by the identifier of segment or set.
    pub fn find<'a>(&self, survey: &'a Survey) -> Option<&'a Channel> {
        let mut by_key = survey.channels.iter();
        by_key.find(|channel| channel.key == self.key).or_else(|| {
            survey
                .channels
                .iter()
                .find(|channel| self.is_id_of(channel))
        })
    }

    fn is_id_of(&self, channel: &Channel) -> bool {
        let set = channel.set_entry().map(|entry| entry.set.id());
        let segment = channel.segment.segment.id();
        self.id.is_some_and(|id| id == segment || Some(id) == set)
    }
}
