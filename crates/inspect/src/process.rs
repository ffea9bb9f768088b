//! What `/proc` says of a process.

use std::fs;

/// Describes a process; it may have ended by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Name of its program, 15 bytes of it; it may hold anything.
    pub program: String,
    /// Whether it can go on.
    pub state: ProcessState,
}

/// Says whether a process can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs, or sleeps until something happens.
    Live,
    /// It is stopped, by a signal or a debugger, and does nothing until it is continued.
    Stopped,
    /// It has ended, and its parent has not yet asked how.
    Ended,
}

impl Process {
    /// Looks a process up; `None` when there is none of this number here.
    pub fn look_up(pid: i32) -> Option<Self> {
        if pid <= 0 {
            return None;
        }
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(&stat))
    }

    /// Reads "PID (NAME) STATE ...", in which the name may hold anything (proc(5)).
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (name, rest) = stat.rsplit_once(") ")?;
        let (_, program) = name.split_once('(')?;
        let state = match rest.chars().next()? {
            'T' | 't' => ProcessState::Stopped,
            'Z' | 'X' => ProcessState::Ended,
            _ => ProcessState::Live,
        };
        let program = program.to_owned();
        Some(Self {
            pid,
            program,
            state,
        })
    }

    /// Tells whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.state == ProcessState::Stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let process = Process::parse(7, "7 (a) S (b) T 1 7 7 0").unwrap();
        assert_eq!(process.program, "a) S (b");
        assert_eq!(process.state, ProcessState::Stopped);
        assert_eq!(Process::parse(7, "7 (a"), None);
    }

    #[test]
    fn this_process_lives_and_number_0_is_none() {
        let pid = std::process::id().cast_signed();
        assert_eq!(Process::look_up(pid).unwrap().state, ProcessState::Live);
        assert_eq!(Process::look_up(0), None);
    }
}
