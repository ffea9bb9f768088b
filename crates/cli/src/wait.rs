//! Waiting with a word about it, so that nobody looks at a silent program.

use std::time::Duration;

use anyhow::{Error, Result};
use semring::{AttachError, AttachReason, Channel, Deadline, Framing, Role};

use crate::Program;
use crate::exit::{Explained, exit_of};

/// How long a program waits before it says for what.
const SILENT: Duration = Duration::from_secs(1);
/// How often a program looks for a channel that is not there yet.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long one attempt waits for others that attach or leave, so that a signal is soon heard.
const ATTEMPT: Duration = Duration::from_millis(100);
/// How long to wait for them all together.
const OTHERS: Duration = Duration::from_secs(10);

/// Lets a program wait, and say so once when it takes long.
#[derive(Debug, Default)]
pub struct Patience {
    told: bool,
}

impl Patience {
    /// Waits in `operation` on `subject` until `deadline`. After a second prints what `notice` says
    /// of the subject. `timed_out` tells whether an error means that the time was over.
    ///
    /// # Errors
    ///
    /// What the operation returns.
    pub fn wait<S, T, E>(
        &mut self,
        program: &Program,
        subject: &mut S,
        deadline: Deadline,
        notice: impl FnOnce(&S) -> String,
        timed_out: impl Fn(&E) -> bool,
        mut operation: impl FnMut(&mut S, Deadline) -> Result<T, E>,
    ) -> Result<T, E> {
        if !self.told {
            match operation(subject, deadline.earlier(Deadline::after(SILENT))) {
                Err(error) if timed_out(&error) => {}
                result => return result,
            }
            self.told = true;
            program.say(notice(subject));
        }
        operation(subject, deadline)
    }
}

/// Attaches to `channel` with `attach`, waiting until `deadline` for it to appear, and a bounded time
/// for others that attach or leave; after a second prints what `notice` says.
///
/// # Errors
///
/// The last [`AttachError`], or [`Interrupted`](crate::Interrupted).
pub fn attach<T>(
    program: &Program,
    channel: Channel,
    deadline: Deadline,
    notice: impl FnOnce(&Channel) -> String,
    attach: impl Fn(&Channel) -> Result<T, AttachError>,
) -> Result<T> {
    let others = Deadline::after(OTHERS);
    let told_at = Deadline::after(SILENT);
    let mut notice = Some(notice);
    let channel = channel.setup_limit(ATTEMPT);
    loop {
        program.signals().check()?;
        let error = match attach(&channel) {
            Ok(attached) => return Ok(attached),
            Err(error) => error,
        };
        let missing = match error.reason {
            AttachReason::NotFound => true,
            AttachReason::SetupBusy { .. } | AttachReason::Contended => false,
            _ => return Err(explain(error)),
        };
        if missing
            && told_at.remaining().is_some_and(|left| left.is_zero())
            && let Some(notice) = notice.take()
        {
            program.say(notice(&channel));
        }
        let limit = if missing { deadline } else { others };
        let left = limit.remaining().unwrap_or(Duration::MAX);
        if left.is_zero() {
            return Err(error.into());
        }
        program.signals().sleep(LOOK_EVERY.min(left))?;
    }
}

/// Adds to a framing that differs what to run instead.
fn explain(error: AttachError) -> Error {
    let AttachReason::Framing { found, asked } = &error.reason else {
        return error.into();
    };
    let remedy = match (error.role, found) {
        (Role::Consumer, Framing::Demo) => "run `reader` without `-o`".to_owned(),
        (Role::Producer, Framing::Demo) => "run `writer --demo`".to_owned(),
        (_, Framing::Messages) => "it is another program's".to_owned(),
        (Role::Consumer, _) if asked.contains(&Framing::Demo) => "run `reader -o FILE`".to_owned(),
        (Role::Producer, _) if asked.contains(&Framing::Demo) => "run `writer FILE`".to_owned(),
        (_, found) => format!("pass `--framing {found}`"),
    };
    let text = format!("{error}: {remedy}, or `--channel` with another name");
    let exit = exit_of(&error.into());
    Explained { text, exit }.into()
}
