//! What a channel is known by: a name, a key file, or a key.

use std::fmt;
use std::fs;
use std::num::NonZeroU8;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sysv_ipc::Key;

use crate::error::AddressError;
use crate::layout::MAX_NAME_BYTES;

/// Says where a channel is: both sides give the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    kind: Kind,
    key: Key,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Name {
        owner: u32,
        name: String,
    },
    File {
        path: PathBuf,
        project: NonZeroU8,
        device: u64,
        inode: u64,
    },
    Key {
        owner: u32,
    },
}

impl Address {
    /// Names a channel of the user who runs this process. The key is computed from user id and name
    /// alone ([`Key::from_name`]), and the name stands in the segment, so that a collision is seen.
    ///
    /// # Errors
    ///
    /// [`AddressError::Name`] when the name is empty, longer than 188 bytes, or holds a `/` or a
    /// control character.
    pub fn named(name: &str) -> Result<Self, AddressError> {
        Self::named_by(nix::unistd::geteuid().as_raw(), name)
    }

    /// Names a channel of another user. What this process attaches to must then belong to that user.
    ///
    /// # Errors
    ///
    /// As of [`named`](Self::named).
    pub fn named_by(owner: u32, name: &str) -> Result<Self, AddressError> {
        let bad = |c: char| c == '/' || c.is_control();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(bad) {
            return Err(AddressError::Name {
                name: name.to_owned(),
            });
        }
        let key = Key::from_name(owner, name);
        Ok(Self {
            kind: Kind::Name {
                owner,
                name: name.to_owned(),
            },
            key,
        })
    }

    /// Uses the `ftok` key of an existing file, as classic System V programs do. Device and inode
    /// stand in the segment, since the key keeps only 24 bits of them.
    ///
    /// # Errors
    ///
    /// [`AddressError::Path`] when there is no such file or it cannot be looked at,
    /// [`AddressError::PrivateKey`] when its key happens to be 0.
    pub fn file(path: &Path, project: NonZeroU8) -> Result<Self, AddressError> {
        let fail = |error| AddressError::Path {
            path: path.display().to_string(),
            error,
        };
        let key = Key::from_path(path, project).map_err(fail)?;
        // The file was there a moment ago; if it is gone now, its numbers match no segment.
        let (device, inode) = fs::metadata(path).map_or((0, 0), |file| (file.dev(), file.ino()));
        let kind = Kind::File {
            path: path.to_owned(),
            project,
            device,
            inode,
        };
        Self { kind, key }.unless_private()
    }

    /// Uses a key that is known by other means.
    ///
    /// # Errors
    ///
    /// [`AddressError::PrivateKey`] for key 0, which no other process can find.
    pub fn key_number(key: Key) -> Result<Self, AddressError> {
        let kind = Kind::Key {
            owner: nix::unistd::geteuid().as_raw(),
        };
        Self { kind, key }.unless_private()
    }

    /// Uses the key of another user's channel, who must be its maker.
    #[cfg(not(loom))]
    pub(crate) const fn of_owner(owner: u32, key: Key) -> Self {
        let kind = Kind::Key { owner };
        Self { kind, key }
    }

    fn unless_private(self) -> Result<Self, AddressError> {
        if self.key == Key::PRIVATE {
            Err(AddressError::PrivateKey)
        } else {
            Ok(self)
        }
    }

    /// Returns the key of both objects.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Returns the channel's name, empty when it is known by a file or a key.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Name { name, .. } => name,
            Kind::File { .. } | Kind::Key { .. } => "",
        }
    }

    /// Device and inode of the key file, zeros without one.
    pub(crate) const fn key_file(&self) -> (u64, u64) {
        match self.kind {
            Kind::File { device, inode, .. } => (device, inode),
            Kind::Name { .. } | Kind::Key { .. } => (0, 0),
        }
    }

    /// The user whom the objects must belong to.
    pub(crate) fn owner(&self) -> u32 {
        match self.kind {
            Kind::Name { owner, .. } | Kind::Key { owner } => owner,
            Kind::File { .. } => nix::unistd::geteuid().as_raw(),
        }
    }
}

impl fmt::Display for Address {
    /// Shows what the channel is known by, and of another user's whose it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Name { owner, name } if *owner == nix::unistd::geteuid().as_raw() => {
                write!(f, "channel {name:?}")
            }
            Kind::Name { owner, name } => write!(f, "channel {:?}", format!("{owner}/{name}")),
            Kind::File { path, project, .. } => {
                write!(
                    f,
                    "the channel of file {} and project {project}",
                    path.display()
                )
            }
            Kind::Key { .. } => write!(f, "the channel of key {}", self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_is_refused() {
        for name in ["", "a/b", "a\nb", &"x".repeat(189)] {
            assert!(Address::named(name).is_err(), "{name:?}");
        }
        assert_eq!(Address::named("orders").unwrap().name(), "orders");
    }

    #[test]
    fn key_zero_is_refused() {
        assert_eq!(
            Address::key_number(Key::PRIVATE),
            Err(AddressError::PrivateKey)
        );
    }
}
