//! The IPC namespace: who can meet whom.

use std::{fs, io};

use super::finding::Finding;

/// The initial one has the same number on every Linux machine (`PROC_IPC_INIT_INO` in the kernel).
const INITIAL: &str = "ipc:[4026531839]";
const MEET: &str = "if the other side is elsewhere: `nsenter --ipc=/proc/PID/ns/ipc COMMAND`, or \
                    `docker run --ipc=container:NAME`";

/// Tells which namespace this is: the machine's, a container's, or one that PID 1 does not share.
pub fn which() -> Finding {
    judge(&namespace_of("self"), &namespace_of("1"))
}

fn namespace_of(process: &str) -> io::Result<String> {
    let link = fs::read_link(format!("/proc/{process}/ns/ipc"))?;
    Ok(link.to_string_lossy().into_owned())
}

/// `first` is that of PID 1, which in a container is the container's first process.
fn judge(own: &io::Result<String>, first: &io::Result<String>) -> Finding {
    match (own, first) {
        (Err(error), _) => Finding::warn(
            format!("cannot be told: /proc/self/ns/ipc: {error}"),
            "mount /proc: `mount -t proc proc /proc`",
        ),
        (Ok(own), _) if own == INITIAL => {
            Finding::pass(format!("{own}, the machine's initial one"))
        }
        (Ok(own), Ok(first)) if own == first => Finding::pass(format!(
            "{own}, a container's, as that of PID 1: nobody outside is met"
        )),
        (Ok(own), Ok(first)) => Finding::warn(
            format!("{own}, while PID 1 has {first}: nobody there sees these channels"),
            MEET,
        ),
        (Ok(own), Err(error)) => Finding::warn(
            format!(
                "{own}, not the machine's; that of PID 1 cannot be told: {}",
                error.kind()
            ),
            MEET,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;

    #[test]
    fn a_namespace_is_judged_by_its_number_and_that_of_pid_1() {
        let id = |number: u32| Ok(format!("ipc:[{number}]"));
        let denied = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        for (own, first, outcome, words) in [
            (id(4_026_531_839), denied(), Outcome::Pass, "initial"),
            (id(5), id(5), Outcome::Pass, "a container's"),
            (id(5), id(6), Outcome::Warn, "PID 1 has ipc:[6]"),
            (id(5), denied(), Outcome::Warn, "permission denied"),
            (denied(), id(5), Outcome::Warn, "/proc/self/ns/ipc"),
        ] {
            let finding = judge(&own, &first);
            assert_eq!(finding.outcome, outcome, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
            assert_eq!(finding.remedy.is_some(), outcome == Outcome::Warn);
        }
    }
}
