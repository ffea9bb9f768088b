//! The IPC namespace: who can meet whom.

use std::io;

use super::finding::Finding;
use crate::namespace;

const MEET: &str = "if the other side is elsewhere: `nsenter --ipc=/proc/PID/ns/ipc COMMAND`, or \
                    `docker run --ipc=container:NAME`";

/// Tells which namespace this is: the machine's, a container's, or one that PID 1 does not share.
pub fn which() -> Finding {
    judge(&namespace::of("self"), &namespace::of("1"))
}

/// `first` is that of PID 1, which in a container is the container's first process.
fn judge(own: &io::Result<u64>, first: &io::Result<u64>) -> Finding {
    match (own, first) {
        (Err(error), _) => Finding::warn(
            format!("cannot be told: /proc/self/ns/ipc: {error}"),
            "mount /proc: `mount -t proc proc /proc`",
        ),
        (Ok(namespace::INITIAL), _) => Finding::pass(format!(
            "ipc:[{}], the machine's initial one",
            namespace::INITIAL
        )),
        (Ok(own), Ok(first)) if own == first => Finding::pass(format!(
            "ipc:[{own}], a container's, as that of PID 1: nobody outside is met"
        )),
        (Ok(own), Ok(first)) => Finding::warn(
            format!("ipc:[{own}], while PID 1 has ipc:[{first}]: nobody there sees these channels"),
            MEET,
        ),
        (Ok(own), Err(error)) => Finding::warn(
            format!(
                "ipc:[{own}], not the machine's; that of PID 1 cannot be told: {}",
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
        let id = io::Result::Ok;
        let denied = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        for (own, first, outcome, words) in [
            (id(namespace::INITIAL), denied(), Outcome::Pass, "initial"),
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
