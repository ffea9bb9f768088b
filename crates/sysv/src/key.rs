//! Keys: the numbers under which unrelated processes find the same object.

use std::ffi::CString;
use std::fmt;
use std::num::NonZeroU8;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;

use nix::errno::Errno;

use crate::{Call, Error, Object};

/// Names a System V object before it has an identifier.
///
/// A key is a plain 32-bit number without an owner: everybody on the machine (in the IPC namespace)
/// draws from the same space, so check what you open.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(i32);

impl Key {
    /// Asks for a new object that no key leads to (`IPC_PRIVATE`): reachable by identifier only.
    pub const PRIVATE: Self = Self(libc::IPC_PRIVATE);

    /// Makes a key of a number, as `ipcs` shows it.
    #[doc(alias = "key_t")]
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits.cast_signed())
    }

    /// Returns the number, as `ipcs` shows it.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0.cast_unsigned()
    }

    pub(crate) const fn raw(self) -> libc::key_t {
        self.0
    }

    /// Tells whether a `…get` call with these flags looks for the private key, which nobody can
    /// find: the kernel would make a new object, asked to or not.
    pub(crate) const fn cannot_be_found(self, flags: i32) -> bool {
        self.0 == libc::IPC_PRIVATE && flags & libc::IPC_CREAT == 0
    }

    pub(crate) const fn from_raw(raw: libc::key_t) -> Self {
        Self(raw)
    }

    /// Computes the key of an existing file and a project number, as
    /// [ftok(3)](https://man7.org/linux/man-pages/man3/ftok.3.html) does:
    /// `project << 24 | (st_dev & 0xff) << 16 | (st_ino & 0xffff)`.
    ///
    /// Only 8 bits of the device and 16 of the inode enter, so two files can have the same key, and
    /// a file that is deleted and made anew has another one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such file,
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) when a folder on the way may
    /// not be searched, [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when the
    /// path holds a NUL byte.
    #[doc(alias = "ftok")]
    pub fn from_path(path: &Path, project: NonZeroU8) -> Result<Self, Error> {
        let path = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| Error::new(Call::Ftok, Object::Path, Errno::EINVAL))?;
        // -1 is a key, too: of project 255, where device and inode end in ones.
        Errno::clear();
        // SAFETY: `path` is a NUL-terminated string that lives through the call.
        let key = unsafe { libc::ftok(path.as_ptr(), i32::from(project.get())) };
        if key == -1 && Errno::last_raw() != 0 {
            Err(Error::last(Call::Ftok, Object::Path))
        } else {
            Ok(Self(key))
        }
    }

    /// Computes the key of a user's name for something, the same in every process and on every
    /// machine: FNV-1a (64 bits) over the user id as four little-endian bytes and the name's bytes,
    /// folded to 32 bits by exclusive or of the halves, with 1 in place of 0.
    ///
    /// Nothing is looked up, neither a file nor the environment. Two names can have the same key
    /// (1 in 4 billion for two given ones): keep the name in the object, and compare.
    #[must_use]
    pub fn from_name(user_id: u32, name: &str) -> Self {
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let bytes = user_id.to_le_bytes();
        let hash = bytes
            .iter()
            .chain(name.as_bytes())
            .fold(OFFSET_BASIS, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(PRIME)
            });
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the fold of both halves is wanted"
        )]
        let folded = (hash ^ (hash >> 32)) as u32;
        Self::from_bits(folded.max(1))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.to_bits())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Says why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key: give 1 to 8 hexadecimal digits after 0x, or a decimal number")]
pub struct ParseKeyError(String);

impl FromStr for Key {
    type Err = ParseKeyError;

    /// Reads `0x…` (hexadecimal, as `ipcs` prints it) or a decimal number, signed or not.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bits = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
            Some(_) => None,
            None => text
                .parse::<u32>()
                .ok()
                .or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned)),
        };
        bits.map(Self::from_bits)
            .ok_or_else(|| ParseKeyError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_documented_hash() {
        // FNV-1a over 00 00 00 00, computed with an independent program.
        assert_eq!(Key::from_name(0, "").to_bits(), 0xd0eb_658a);
        assert_ne!(Key::from_name(0, "a"), Key::from_name(1, "a"));
        assert_ne!(Key::from_name(0, "a"), Key::from_name(0, "b"));
    }

    #[test]
    fn a_key_reads_back_what_it_prints() {
        for bits in [0, 1, 0x4101_0002, u32::MAX] {
            let key = Key::from_bits(bits);
            assert_eq!(key.to_string().parse(), Ok(key));
            assert_eq!(bits.to_string().parse(), Ok(key));
        }
        assert_eq!("-1".parse(), Ok(Key::from_bits(u32::MAX)));
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        for text in [
            "",
            "0x",
            "0x+1",
            "0x123456789",
            "abc",
            "4294967296",
            "-2147483649",
        ] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
    }
}
