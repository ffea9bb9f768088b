//! `semring clean`: removes what is provably stale, and says of the rest why it stays.

mod outcome;
mod question;
mod target;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::arguments::Clean;
use crate::output::{print, width, wrapped};
use crate::survey::{Channel, Survey};
use crate::words::{Users, counted};

use outcome::{Outcome, Tally};
use target::{SEGMENT_REMOVED, Target};

/// Before what belongs to the line above.
const INDENT: &str = "    ";

/// Removes what is stale, or what was asked for.
///
/// # Errors
///
/// [`Refused`](semring_cli::Refused) when something that was asked for is kept; else when something could
/// not be removed, the answer was no, `/proc/sysvipc` cannot be read, or the output not be written.
pub fn run(what: &Clean) -> Result<()> {
    let asks = what.force && !what.yes && !what.dry_run;
    if asks {
        question::require_terminal();
    }
    let survey = Survey::take()?;
    let mut users = Users::default();
    let targets = Target::choose(&what.wanted(), &survey, &mut users)?;
    if asks {
        let doomed: Vec<_> = targets.iter().filter_map(Target::doomed).collect();
        if !doomed.is_empty() && !question::ask(&doomed)? {
            bail!("the answer was no: nothing was removed");
        }
    }
    let outcomes: Vec<(&Target, Outcome)> = targets
        .iter()
        .map(|target| (target, target.clean(what.force, what.dry_run)))
        .collect();
    let tally = Tally::of(&outcomes);
    if what.json {
        print(&format!("{}\n", as_json(&outcomes, &tally, what.dry_run)))?;
    } else {
        print(&(lines(&outcomes, &tally, what.dry_run).join("\n") + "\n"))?;
    }
    tally.result()
}

/// Names the reason for which a channel is kept that nobody asks for by name, for other programs; `None`
/// when it is removed.
pub fn reason(channel: &Channel) -> Option<&'static str> {
    if channel.segment.marked_for_removal {
        return Some(SEGMENT_REMOVED);
    }
    channel.kept().as_ref().map(outcome::word)
}

fn lines(outcomes: &[(&Target, Outcome)], tally: &Tally, dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (target, outcome) in outcomes {
        let colon = if matches!(outcome, Outcome::Missing) {
            ""
        } else {
            ":"
        };
        let line = format!(
            "{}{colon} {}",
            target.title,
            outcome.sentence(target, dry_run)
        );
        lines.extend(hanging(&line));
    }
    lines.push(match outcomes {
        [] => "There is no channel, and nothing to remove.".to_owned(),
        _ => tally.sentence(dry_run),
    });
    lines
}

/// Breaks a line where it does not fit, and indents what follows.
fn hanging(line: &str) -> impl Iterator<Item = String> {
    let width = width().map(|width| width.saturating_sub(INDENT.len()));
    let parts = wrapped(line, "", width).into_iter().enumerate();
    parts.map(|(index, part)| match index {
        0 => part,
        _ => format!("{INDENT}{part}"),
    })
}

fn as_json(outcomes: &[(&Target, Outcome)], tally: &Tally, dry_run: bool) -> Value {
    let channels = outcomes.iter();
    let channels: Vec<Value> = channels
        .map(|(target, outcome)| outcome.as_json(target, dry_run))
        .collect();
    json!({
        "dry_run": dry_run,
        "channels": channels,
        "removed": tally.removed,
        "kept": tally.kept,
        "failed": tally.failed,
    })
}

/// Writes what a removal takes: "segment 5 and semaphore set 7".
fn objects(leftover: &semring::Leftover) -> String {
    let segment = leftover.segment.map(|it| format!("segment {}", it.id()));
    let set = leftover.set.map(|it| format!("semaphore set {}", it.id()));
    let objects: Vec<String> = [segment, set].into_iter().flatten().collect();
    objects.join(" and ")
}

/// Writes a count of messages that nobody has read.
fn unread(messages: u64) -> String {
    counted(messages, "unread message")
}
