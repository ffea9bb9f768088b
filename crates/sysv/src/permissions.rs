//! Owner, creator and mode of an object.

use std::fmt;
use std::str::FromStr;

use crate::Key;

/// Holds the nine permission bits of an object; System V knows read and write, not execute.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(u16);

impl Mode {
    /// Read and write for the owner, nothing for anybody else (0600).
    pub const OWNER: Self = Self(0o600);

    /// Makes a mode of permission bits; bits above 0777 are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0o777)
    }

    /// Returns the permission bits, 0 to 0777.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Tells whether this mode gives somebody a right that `other` does not give.
    #[must_use]
    pub const fn is_wider_than(self, other: Self) -> bool {
        self.0 & !other.0 != 0
    }

    pub(crate) fn raw(self) -> i32 {
        i32::from(self.0)
    }

    /// Converts to the `mode` of C's `ipc_perm`, which is 16 bits wide on some targets and 32 on
    /// others.
    pub(crate) fn to_raw<T: From<u16>>(self) -> T {
        self.0.into()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mode({self})")
    }
}

/// Says why a text is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a mode: give octal digits from 0 to 0777, for instance 0600 or 0660")]
pub struct ParseModeError(String);

impl FromStr for Mode {
    type Err = ParseModeError;

    /// Reads octal digits, as `chmod` takes them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match u16::from_str_radix(text, 8) {
            Ok(bits) if bits <= 0o777 && !text.starts_with('+') => Ok(Self(bits)),
            _ => Err(ParseModeError(text.to_owned())),
        }
    }
}

/// Says who owns an object, who made it, and who may use it.
///
/// The *owner* can be given away by the creator, and the creator keeps all rights: to trust an
/// object, look at both.
#[doc(alias = "ipc_perm")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permissions {
    /// The key; [`Key::PRIVATE`] for a private object and for a segment that is marked for removal.
    pub key: Key,
    /// Effective user id of the owner.
    pub owner_user_id: u32,
    /// Effective group id of the owner.
    pub owner_group_id: u32,
    /// Effective user id of the creator.
    pub creator_user_id: u32,
    /// Effective group id of the creator.
    pub creator_group_id: u32,
    /// The permission bits.
    pub mode: Mode,
}

impl Permissions {
    pub(crate) fn from_raw(raw: &libc::ipc_perm) -> Self {
        Self {
            key: Key::from_raw(raw.__key),
            owner_user_id: raw.uid,
            owner_group_id: raw.gid,
            creator_user_id: raw.cuid,
            creator_group_id: raw.cgid,
            mode: mode_of(raw.mode),
        }
    }
}

/// Takes the permission bits of a C mode, which is 16 bits wide on some targets and 32 on others.
pub(crate) fn mode_of(mode: impl Into<u32>) -> Mode {
    Mode::from_bits((mode.into() & 0o777) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_reads_back_what_it_prints() {
        for bits in [0, 0o600, 0o640, 0o777] {
            let mode = Mode::from_bits(bits);
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        for text in ["", "8", "1000", "+600", "rw"] {
            assert!(text.parse::<Mode>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn wider_means_any_further_right() {
        let owner = Mode::OWNER;
        assert!(!owner.is_wider_than(owner));
        assert!(Mode::from_bits(0o640).is_wider_than(owner));
        assert!(Mode::from_bits(0o060).is_wider_than(owner));
        assert!(!Mode::from_bits(0o400).is_wider_than(owner));
    }
}
