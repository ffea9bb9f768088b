//! What to do when the operating system refuses something.

use std::io;

use anyhow::Error;
use nix::errno::Errno;

/// Writes an error with its causes in one line, and what to do about the last of them where that is the
/// operating system's: what it says names the cause, and no way out.
#[must_use]
pub fn told(error: &Error) -> String {
    match remedy(error) {
        Some(remedy) => format!("{error:#}; {remedy}"),
        None => format!("{error:#}"),
    }
}

/// Finds what to do about an error whose last cause is the operating system's.
pub(crate) fn remedy(error: &Error) -> Option<&'static str> {
    let cause = error.root_cause();
    let number = match cause.downcast_ref::<io::Error>() {
        Some(error) => error.raw_os_error().map(Errno::from_raw),
        None => cause.downcast_ref::<Errno>().copied(),
    };
    number.and_then(remedy_of)
}

const fn remedy_of(number: Errno) -> Option<&'static str> {
    Some(match number {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ELOOP => "check the name",
        Errno::EISDIR => "name a file, not a folder",
        Errno::EACCES | Errno::EPERM => "see who may with `ls -ld` and `lsattr`",
        Errno::EROFS => "name a file on a file system that can be written",
        Errno::ENOSPC | Errno::EDQUOT => "make room, see `df`",
        Errno::EFBIG => "raise `ulimit -f`, or use a file system for larger files",
        Errno::ETXTBSY => "end the program that runs from it, or name another file",
        Errno::ENOLCK | Errno::EOPNOTSUPP => "name a file on another file system",
        Errno::EMFILE => "raise `ulimit -n`",
        Errno::ENFILE => "raise `sysctl fs.file-max`",
        Errno::EAGAIN => "raise `ulimit -u`, or end some processes",
        Errno::ENOMEM => "free some memory",
        Errno::EBADF => "redirect it with `<` to be read, with `>` to be written",
        Errno::ENXIO => "name a file or a pipe; a socket cannot be opened",
        Errno::EIO => "look for the device's failure with `dmesg`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_last_cause_has_the_remedy() {
        let full = io::Error::from_raw_os_error(Errno::ENOSPC as i32);
        let error = Err::<(), _>(full).context("cannot write").unwrap_err();
        let text = "cannot write: No space left on device (os error 28); make room, see `df`";
        assert_eq!(told(&error), text);
        assert_eq!(told(&Error::from(Errno::EMFILE).context("x")), {
            "x: EMFILE: Too many open files; raise `ulimit -n`"
        });
        assert_eq!(told(&Error::msg("no system error")), "no system error");
    }
}
