//! Where the channel is and what it is like, as every program takes it.

use std::num::NonZeroU8;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use semring::{Address, Channel, Framing, Key, Mode, Sync};

use crate::quoting::{channel_option, option};
use crate::values;

/// Name of the channel that is meant without a word about it.
const DEFAULT: &str = "default";

/// Holds the arguments that say where the channel is, and what is asked of it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Channel")]
pub struct ChannelArguments {
    /// Name of the channel; USER/NAME for one that somebody else made
    #[arg(long, value_name = "NAME", default_value = DEFAULT, value_parser = values::channel)]
    channel: String,

    /// Use the `ftok` key of this existing file instead of a name
    #[arg(long, value_name = "FILE", conflicts_with_all = ["channel", "key"])]
    path: Option<PathBuf>,

    /// Project number of the `ftok` key
    #[arg(long, value_name = "N", default_value = "65", requires = "path")]
    project: NonZeroU8,

    /// Use this key instead of a name, as `ipcs` shows it
    #[arg(long, value_name = "0x...", value_parser = values::key, conflicts_with = "channel")]
    key: Option<Key>,

    /// Who may use the channel: its mode when created, the widest that is accepted
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = values::mode)]
    mode: Mode,

    /// Number of slots, a power of two from 1 to 16384 [default: 64, of lines and frames 1024, or as
    /// found]
    #[arg(long, value_name = "N", value_parser = values::slots)]
    slots: Option<u32>,

    /// Size of a slot, which is the longest message [default: 64KiB, or as found]
    #[arg(long, value_name = "BYTES", value_parser = values::slot_size)]
    slot_size: Option<u64>,

    /// How to wait: `strict` calls a semaphore before and after each exchange, `adaptive` only to sleep
    /// and to wake [default: strict, or as found]
    #[arg(long, value_enum, value_name = "SYNC")]
    sync: Option<SyncArgument>,

    /// Make a new channel of huge pages, which must have been reserved (`sysctl vm.nr_hugepages`)
    #[arg(long)]
    huge_pages: bool,

    /// Provide all memory of a new channel when it is made, not when messages first need it
    #[arg(long)]
    prefault: bool,

    /// Permits that this side takes in one semaphore call; 1 is one call for each message
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    credits: u32,
}

impl ChannelArguments {
    /// Returns the channel that is meant, carrying `framing`.
    ///
    /// # Errors
    ///
    /// An [`AddressError`](semring::AddressError), or a user who does not exist.
    pub fn channel(&self, framing: Framing) -> Result<Channel> {
        let (address, ours) = self.address()?;
        let mut channel = Channel::new(address)
            .framing(framing)
            .mode(self.mode)
            .credits(self.credits)
            .huge_pages(self.huge_pages)
            .prefault(self.prefault)
            .create(ours);
        if let Some(slots) = self.slots {
            channel = channel.slots(slots);
        }
        if let Some(bytes) = self.slot_size {
            channel = channel.slot_bytes(bytes);
        }
        if let Some(sync) = self.sync {
            channel = channel.sync(sync.into());
        }
        Ok(channel)
    }

    /// Writes a command that starts a program on the same channel, for a shell.
    #[must_use]
    pub fn command(&self, program: &str) -> String {
        let option = match (self.key, &self.path) {
            (Some(key), _) => format!("--key {key}"),
            (None, Some(path)) => {
                format!("{} --project {}", option("--path", path), self.project)
            }
            (None, None) if self.channel == DEFAULT => return program.to_owned(),
            (None, None) => channel_option(&self.channel),
        };
        format!("{program} {option}")
    }

    /// Tells whether it was asked what a new channel is to be like: who does so creates it if need be.
    #[must_use]
    pub const fn asks_for_geometry(&self) -> bool {
        self.slots.is_some()
            || self.slot_size.is_some()
            || self.sync.is_some()
            || self.huge_pages
            || self.prefault
    }

    /// Returns the address, and whether it is one at which we may create.
    fn address(&self) -> Result<(Address, bool)> {
        if let Some(key) = self.key {
            return Ok((Address::key_number(key)?, true));
        }
        if let Some(path) = &self.path {
            return Ok((Address::file(path, self.project)?, true));
        }
        named(&self.channel)
    }
}

/// Reads NAME or USER/NAME; returns the address, and whether it is one at which we may create.
///
/// # Errors
///
/// An [`AddressError`](semring::AddressError), or a user who does not exist.
pub fn named(channel: &str) -> Result<(Address, bool)> {
    match channel.split_once('/') {
        None => Ok((Address::named(channel)?, true)),
        Some((user, name)) => {
            let owner = user_id(user)?;
            let ours = owner == nix::unistd::geteuid().as_raw();
            Ok((Address::named_by(owner, name)?, ours))
        }
    }
}

/// Says how the two sides wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SyncArgument {
    /// A semaphore call before and one after each exchange, on each side
    Strict,
    /// Semaphore calls only to sleep and to wake
    Adaptive,
}

impl From<SyncArgument> for Sync {
    fn from(argument: SyncArgument) -> Self {
        match argument {
            SyncArgument::Strict => Self::Strict,
            SyncArgument::Adaptive => Self::Adaptive,
        }
    }
}

/// Finds a user by name or number.
fn user_id(user: &str) -> Result<u32> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let found = nix::unistd::User::from_name(user)
        .with_context(|| format!("cannot look up the user {user:?}"))?;
    let found = found.with_context(|| {
        format!("there is no user {user:?}; a channel is NAME, or USER/NAME for another user's")
    })?;
    Ok(found.uid.as_raw())
}
