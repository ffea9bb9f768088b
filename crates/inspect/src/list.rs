//! `semring list`: all channels in one table.

use anyhow::Result;
use semring::Role;
use semring_cli::printable;
use serde_json::{Value, json};

use crate::arguments::List;
use crate::diagnosis::Diagnosis;
use crate::names::{name_of, title_of};
use crate::output::{self, ALARM, Align, Column, FAINT, HEAD, print, styled, unbroken, wrapped};
use crate::sides::{active_at_ns, owner};
use crate::survey::{Channel, Foreign, Survey};
use crate::words::{Users, counted, lasting, short_count, shorten, since, size};
use crate::{json, namespace, ring};

/// Longest name in the table.
const NAME_CHARS: usize = 24;
/// Before what belongs to the line above.
const INDENT: &str = "    ";

/// In the order of their weight: those that do not fit stand in a line of their own, below.
const COLUMNS: [Column; 13] = [
    ("CHANNEL", Align::Left),
    ("STATE", Align::Left),
    ("FILL", Align::Left),
    ("MESSAGES", Align::Right),
    ("ACTIVE", Align::Right),
    ("PRODUCER", Align::Left),
    ("CONSUMER", Align::Left),
    ("OWNER", Align::Left),
    ("MODE", Align::Left),
    ("SYNC", Align::Left),
    ("SLOTS", Align::Left),
    ("SEGMENT", Align::Right),
    ("SET", Align::Right),
];

/// Lists what there is.
///
/// # Errors
///
/// When `/proc/sysvipc` cannot be read, or the output not be written.
pub fn run(what: &List) -> Result<()> {
    let survey = Survey::take()?;
    let mut users = Users::default();
    if what.json {
        return print(&format!("{}\n", as_json(&survey, what.all, &mut users)));
    }
    let mut lines = channels(&survey.channels, output::width(), &mut users);
    if what.all {
        lines.extend(foreign(&survey.foreign, &mut users));
    } else {
        lines.extend(hint(&survey.foreign));
    }
    print(&(lines.join("\n") + "\n"))
}

fn as_json(survey: &Survey, all: bool, users: &mut Users) -> Value {
    let channels = survey.channels.iter();
    let channels: Vec<Value> = channels
        .map(|channel| json::channel(channel, users))
        .collect();
    let mut listing = json!({ "channels": channels });
    if all {
        let foreign = survey.foreign.iter();
        listing["foreign"] = foreign.map(|object| json::foreign(object, users)).collect();
    }
    listing
}

fn channels(channels: &[Channel], width: Option<usize>, users: &mut Users) -> Vec<String> {
    if channels.is_empty() {
        let none = "There is no channel; `writer` makes one, and a `reader` that was started first waits \
                    for it without a trace.";
        let mut lines = wrapped(none, "", width);
        if let Some(note) = namespace::note() {
            lines.extend(wrapped(&format!("Note: {note}."), "", width));
        }
        return lines;
    }
    let found: Vec<(Diagnosis, Vec<String>)> = channels
        .iter()
        .map(|channel| {
            let name = name_of(channel, users);
            let diagnosis = Diagnosis::of(channel, name.as_deref());
            let row = row(channel, &diagnosis, users);
            (diagnosis, row)
        })
        .collect();
    let rows: Vec<Vec<String>> = found.iter().map(|(_, row)| row.clone()).collect();
    let fitting = output::fitting(&COLUMNS, &rows, width).max(1);
    let mut grid = output::columns(&COLUMNS[..fitting], &rows).into_iter();
    let mut lines: Vec<String> = grid
        .next()
        .map(|head| styled(HEAD, &head))
        .into_iter()
        .collect();
    for (line, (diagnosis, row)) in grid.zip(&found) {
        lines.push(line);
        if fitting < COLUMNS.len() {
            let rest = COLUMNS[fitting..].iter().zip(&row[fitting..]);
            let rest = rest.map(|((head, _), cell)| unbroken(&labelled(head, cell)));
            let rest: Vec<String> = rest.collect();
            let rest = wrapped(&rest.join(" · "), INDENT, width).into_iter();
            lines.extend(rest.map(|line| styled(FAINT, &line)));
        }
        if !diagnosis.condition.is_well() {
            let sentence = wrapped(&diagnosis.sentence, INDENT, width).into_iter();
            lines.extend(sentence.map(|line| styled(ALARM, &line)));
        }
    }
    lines
}

/// Writes a cell outside its column.
fn labelled(head: &str, cell: &str) -> String {
    match head {
        // These say what they are.
        "MODE" | "SYNC" => cell.to_owned(),
        "SLOTS" => format!("slots {cell}"),
        head => format!("{} {cell}", head.to_lowercase()),
    }
}

fn row(channel: &Channel, diagnosis: &Diagnosis, users: &mut Users) -> Vec<String> {
    let none = || "-".to_owned();
    let snapshot = channel.snapshot();
    let title = printable(&title_of(channel, users));
    let permissions = channel.segment.permissions;
    let set = channel.set_entry();
    vec![
        shorten(&title, NAME_CHARS),
        diagnosis.condition.word().to_owned(),
        snapshot.map_or_else(none, ring::bar),
        snapshot.map_or_else(none, |found| short_count(found.tail)),
        active_at_ns(channel).map_or_else(none, |time| lasting(since(time))),
        owner(channel, Role::Producer),
        owner(channel, Role::Consumer),
        users.name(permissions.owner_user_id).to_owned(),
        permissions.mode.to_string(),
        snapshot.map_or_else(none, |found| found.sync.to_string()),
        snapshot.map_or_else(none, |found| {
            let geometry = found.geometry;
            format!(
                "{} × {}",
                geometry.slot_count(),
                size(geometry.slot_bytes())
            )
        }),
        channel.segment.segment.id().to_string(),
        set.map_or_else(none, |entry| entry.set.id().to_string()),
    ]
}

fn foreign(objects: &[Foreign], users: &mut Users) -> Vec<String> {
    const COLUMNS: [Column; 6] = [
        ("KIND", Align::Left),
        ("ID", Align::Right),
        ("KEY", Align::Left),
        ("OWNER", Align::Left),
        ("MODE", Align::Left),
        ("WHAT IT IS", Align::Left),
    ];
    if objects.is_empty() {
        return vec![
            String::new(),
            "There is no other System V object.".to_owned(),
        ];
    }
    let rows: Vec<Vec<String>> = objects
        .iter()
        .map(|object| {
            vec![
                object.kind.to_owned(),
                object.id.to_string(),
                object.permissions.key.to_string(),
                users.name(object.permissions.owner_user_id).to_owned(),
                object.permissions.mode.to_string(),
                object.evidence.clone(),
            ]
        })
        .collect();
    let mut grid = output::columns(&COLUMNS, &rows).into_iter();
    let head = grid.next().unwrap_or_default();
    [String::new(), styled(HEAD, &head)]
        .into_iter()
        .chain(grid)
        .collect()
}

/// Points to what may be a part of a channel.
fn hint(objects: &[Foreign]) -> Option<String> {
    let parts = objects
        .iter()
        .filter(|object| object.may_be_a_channels)
        .count();
    let parts = counted(u64::try_from(parts).unwrap_or(0), "semaphore set");
    (!parts.starts_with("0 ")).then(|| {
        format!("{parts} may be what is left of a channel: `semring list --all` names what is no channel")
    })
}
