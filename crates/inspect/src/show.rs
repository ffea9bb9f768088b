//! `semring show`: one channel, whole.

use anyhow::{Error, Result, anyhow};
use semring::Role;
use semring::observe::{SEMAPHORE_NAMES, Snapshot, parts};
use semring_cli::printable;
use serde_json::{Value, json};
use sysv_ipc::SemaphoreSet;

use crate::arguments::Show;
use crate::diagnosis::Diagnosis;
use crate::names::{Wanted, name_of, title_of};
use crate::output::{self, ALARM, Align, Column, FAINT, HEAD, print, styled, wrapped};
use crate::process::Process;
use crate::sides::{doing, owner};
use crate::survey::{Channel, Foreign, Survey, status};
use crate::words::{Users, counted, hexadecimal, size, when};
use crate::{json, namespace, ring};

/// Before what belongs to a heading.
const INDENT: &str = "  ";

/// Shows the channel that was asked for.
///
/// # Errors
///
/// When there is none, which names those that there are; when `/proc/sysvipc` cannot be read, or the
/// output not be written.
pub fn run(what: &Show) -> Result<()> {
    let wanted = Wanted::read(&what.which)?;
    let survey = Survey::take()?;
    let mut users = Users::default();
    let Some(channel) = wanted.find(&survey) else {
        return Err(missing(&wanted, &survey, &mut users));
    };
    if what.json {
        return print(&format!("{}\n", as_json(channel, &mut users)));
    }
    print(&(lines(channel, &wanted, &mut users).join("\n") + "\n"))
}

/// Says that there is no such channel, and what there is.
fn missing(wanted: &Wanted, survey: &Survey, users: &mut Users) -> Error {
    let part = |object: &&Foreign| object.permissions.key == wanted.key;
    if let Some(object) = survey.foreign.iter().find(part) {
        return anyhow!(
            "{} (key {}) is not there, but a {} with its key, {}: {}",
            wanted.text,
            wanted.key,
            object.kind,
            object.id,
            object.evidence
        );
    }
    let titles: Vec<String> = survey
        .channels
        .iter()
        .map(|channel| printable(&title_of(channel, users)))
        .collect();
    let others = if titles.is_empty() {
        "there is no channel at all".to_owned()
    } else {
        format!("there are: {}", titles.join(", "))
    };
    let note = namespace::note().map_or_else(String::new, |note| format!("; {note}"));
    anyhow!(
        "{} (key {}) is not there; a reader that was started first waits for it without a trace: \
         start the writer, which makes it; {others}{note}",
        wanted.text,
        wanted.key
    )
}

fn as_json(channel: &Channel, users: &mut Users) -> Value {
    let mut shown = json::channel(channel, users);
    let Some(entry) = channel.set_entry() else {
        return shown;
    };
    let semaphores = semaphores(entry.set).into_iter();
    shown["semaphores"] = semaphores
        .map(|semaphore| {
            json!({
                "name": semaphore.name,
                "value": semaphore.value,
                "waiting": semaphore.waiting,
                "waiting_for_zero": semaphore.waiting_for_zero,
                "last_pid": semaphore.last_pid,
            })
        })
        .collect();
    shown
}

/// What the kernel says of one semaphore.
struct Semaphore {
    name: &'static str,
    value: u16,
    waiting: u32,
    waiting_for_zero: u32,
    last_pid: i32,
}

/// Asks for the semaphores, one by one; none when the set may not be read or is gone.
fn semaphores(set: SemaphoreSet) -> Vec<Semaphore> {
    let ask = |index, name| -> Result<Semaphore, sysv_ipc::Error> {
        Ok(Semaphore {
            name,
            value: set.value(index)?,
            waiting: set.waiting_for_units(index)?,
            waiting_for_zero: set.waiting_for_zero(index)?,
            last_pid: set.last_pid(index)?,
        })
    };
    let asked = (0..)
        .zip(SEMAPHORE_NAMES)
        .map(|(index, name)| ask(index, name));
    asked.collect::<Result<_, _>>().unwrap_or_default()
}

fn lines(channel: &Channel, wanted: &Wanted, users: &mut Users) -> Vec<String> {
    let width = output::width();
    let name = name_of(channel, users);
    let title = printable(&title_of(channel, users));
    let diagnosis = Diagnosis::of(channel, name.as_deref());
    let style = if diagnosis.condition.is_well() {
        FAINT
    } else {
        ALARM
    };
    let mut lines = vec![styled(
        HEAD,
        &format!("{title}: {}", diagnosis.condition.word()),
    )];
    let sentence = wrapped(&diagnosis.sentence, INDENT, width).into_iter();
    lines.extend(sentence.map(|line| styled(style, &line)));
    if let Some(found) = channel.snapshot()
        && !wanted.name.is_empty()
        && found.name != wanted.name
    {
        let note = format!(
            "note: {} leads to this one, which has another name, {:?}",
            wanted.text, found.name
        );
        lines.extend(wrapped(&printable(&note), INDENT, width));
    }
    heading(&mut lines, "Objects");
    lines.extend(objects(channel, users));
    if let Some(snapshot) = channel.snapshot() {
        heading(&mut lines, "Segment");
        lines.extend(map(snapshot));
        heading(&mut lines, "Sides");
        lines.extend(sides(channel, snapshot, users));
    }
    if let Some(entry) = channel.set_entry() {
        heading(&mut lines, "Semaphores");
        lines.extend(semaphore_table(entry.set));
    }
    if let Some(snapshot) = channel.snapshot() {
        heading(&mut lines, "Ring");
        let legend = format!("{}, {}", ring::bar(snapshot), ring::legend(snapshot));
        lines.push(format!("{INDENT}{legend}"));
        lines.extend(indented(ring::drawing(snapshot)));
    }
    lines
}

fn heading(lines: &mut Vec<String>, text: &str) {
    lines.extend([String::new(), styled(HEAD, text)]);
}

fn indented(lines: Vec<String>) -> impl Iterator<Item = String> {
    lines.into_iter().map(|line| format!("{INDENT}{line}"))
}

/// Says what the kernel has of the channel, a line for each.
pub fn objects(channel: &Channel, users: &mut Users) -> Vec<String> {
    let segment = &channel.segment;
    let permissions = segment.permissions;
    let marked = if segment.marked_for_removal {
        ", marked for removal"
    } else {
        ""
    };
    let mut lines = vec![
        format!("{INDENT}key            {}", channel.key),
        format!(
            "{INDENT}segment        {}, {}, mode {} of {}, {}{marked}",
            segment.segment.id(),
            counted(segment.bytes as u64, "byte"),
            permissions.mode,
            users.name(permissions.owner_user_id),
            counted(segment.attached, "attachment"),
        ),
    ];
    lines.push(match channel.set_entry() {
        Some(entry) => format!(
            "{INDENT}semaphore set  {}, mode {} of {}",
            entry.set.id(),
            entry.permissions.mode,
            users.name(entry.permissions.owner_user_id)
        ),
        None => format!("{INDENT}semaphore set  none"),
    });
    let Some(snapshot) = channel.snapshot() else {
        return lines;
    };
    let messages = snapshot.message_type.as_ref().map_or_else(
        || snapshot.framing.to_string(),
        |kind| format!("{} {}", snapshot.framing, printable(kind)),
    );
    lines.push(format!("{INDENT}waiting        {}", snapshot.sync));
    lines.push(format!("{INDENT}framing        {messages}"));
    let nonce = hexadecimal(snapshot.nonce);
    lines.push(format!("{INDENT}nonce          {nonce}"));
    lines.push(format!(
        "{INDENT}made           {}, by process {} of {}",
        when(snapshot.created_at_ns),
        snapshot.creator_pid,
        users.name(snapshot.creator_uid)
    ));
    lines
}

/// Says what stands where in the segment.
pub fn map(snapshot: &Snapshot) -> Vec<String> {
    const COLUMNS: [Column; 4] = [
        ("OFFSET", Align::Right),
        ("BYTES", Align::Right),
        ("PART", Align::Left),
        ("HOLDS", Align::Left),
    ];
    let geometry = snapshot.geometry;
    let slots = geometry.slot_count();
    let holds = [
        "name, sizes, framing, set: written once".to_owned(),
        format!("tail {}: messages committed", snapshot.tail),
        format!("head {}: messages released", snapshot.head),
        format!("{slots} × 64 B: length, slot, up to 56 bytes inline"),
        format!("{slots} × {}: longer messages", size(geometry.slot_bytes())),
    ];
    let rows: Vec<Vec<String>> = parts(geometry)
        .into_iter()
        .zip(holds)
        .map(|((name, range), holds)| {
            let bytes = range.end - range.start;
            vec![
                range.start.to_string(),
                bytes.to_string(),
                name.to_owned(),
                holds,
            ]
        })
        .collect();
    table(&COLUMNS, &rows)
}

/// Says what each side is and does, and what it has counted.
pub fn sides(channel: &Channel, snapshot: &Snapshot, users: &mut Users) -> Vec<String> {
    const COLUMNS: [Column; 3] = [
        ("", Align::Left),
        ("PRODUCER", Align::Left),
        ("CONSUMER", Align::Left),
    ];
    let of = |role| status(snapshot, role);
    let (producer, consumer) = (of(Role::Producer), of(Role::Consumer));
    let time = |time_ns| match time_ns {
        0 => "never".to_owned(),
        time_ns => when(time_ns),
    };
    let user = |status: &semring::observe::SideStatus, users: &mut Users| match status.epoch {
        0 => "-".to_owned(),
        _ => users.name(status.uid).to_owned(),
    };
    let both = |name: &str, of: &dyn Fn(Role) -> String| {
        vec![name.to_owned(), of(Role::Producer), of(Role::Consumer)]
    };
    let users_row = vec![
        "user".to_owned(),
        user(producer, users),
        user(consumer, users),
    ];
    let rows = [
        both("role", &|role| owner(channel, role)),
        both("now", &|role| doing(channel, role)),
        users_row,
        both("since", &|role| time(of(role).since_ns)),
        both("last active", &|role| time(of(role).active_at_ns)),
        both("messages", &|role| of(role).messages.to_string()),
        both("bytes", &|role| of(role).bytes.to_string()),
        both("sleeps", &|role| of(role).sleeps.to_string()),
        both("spurious permits", &|role| of(role).spurious.to_string()),
        both("takeovers", &|role| of(role).takeovers().to_string()),
        vec![
            "redeliveries".to_owned(),
            "-".to_owned(),
            consumer.redelivered.to_string(),
        ],
    ];
    table(&COLUMNS, &rows)
}

fn semaphore_table(set: SemaphoreSet) -> Vec<String> {
    const COLUMNS: [Column; 5] = [
        ("INDEX", Align::Right),
        ("NAME", Align::Left),
        ("VALUE", Align::Right),
        ("WAITING", Align::Right),
        ("LAST PROCESS", Align::Left),
    ];
    let semaphores = semaphores(set);
    if semaphores.is_empty() {
        return vec![format!("{INDENT}they may not be read, or are gone")];
    }
    let rows: Vec<Vec<String>> = (0..)
        .zip(semaphores)
        .map(|(index, semaphore): (u16, _)| {
            let waiting = semaphore.waiting + semaphore.waiting_for_zero;
            vec![
                index.to_string(),
                semaphore.name.to_owned(),
                semaphore.value.to_string(),
                waiting.to_string(),
                last_process(semaphore.last_pid),
            ]
        })
        .collect();
    table(&COLUMNS, &rows)
}

/// Names the process that touched a semaphore last; its number may belong to another one by now.
fn last_process(pid: i32) -> String {
    match (pid, Process::look_up(pid)) {
        (0, _) => "none".to_owned(),
        (pid, Some(process)) => format!("{pid} ({})", printable(&process.program)),
        (pid, None) => format!("{pid} (gone)"),
    }
}

fn table(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let mut lines = output::columns(columns, rows).into_iter();
    let head = lines.next().map(|head| styled(FAINT, &head));
    indented(head.into_iter().chain(lines).collect()).collect()
}
