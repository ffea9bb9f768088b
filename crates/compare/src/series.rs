//! The tables of what changes along a series: slots, messages; and of what comes before the first message.

use crate::plan::Measure;
use crate::results::{Results, Row};
use crate::sections::{NONE, Section, passes, range, words};
use crate::set_up::SLOTS;
use crate::statistics::as_f64;
use crate::subject::Subject;
use crate::transports::Kind;
use crate::units;

const MESSAGES: &[&str] = &[
    "",
    "messages",
    "each",
    "min - max",
    "× the shortest",
    "passes",
];
const SET_UP: &[&str] = &["", "p50", "min - max", "p99", "max", "a MiB", "passes"];
const BYTES_IN_MIB: f64 = 1_048_576.0;

/// Makes those of which there are rows.
pub fn sections(results: &Results) -> Vec<Section> {
    let sections = [by_slots, by_messages, set_up].map(|section| section(results));
    sections.into_iter().flatten().collect()
}

/// Returns the rows of a measure.
fn rows(results: &Results, measure: Measure) -> Vec<&Row> {
    let rows = results.rows.iter();
    rows.filter(|row| row.task.measure == measure).collect()
}

/// Returns the transports of some rows, in the order of the table.
fn kinds(rows: &[&Row]) -> Vec<Kind> {
    let kinds = rows.iter().filter_map(|row| row.task.subject.transport());
    let mut kinds: Vec<Kind> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn by_slots(results: &Results) -> Option<Section> {
    let rows = rows(results, Measure::BySlots);
    let size_bytes = rows.first()?.task.size_bytes;
    let counts = &results.settings.slots;
    let cell = |kind, slots| {
        let is_this =
            |row: &&&Row| row.task.slots == slots && row.task.subject == Subject::Transport(kind);
        let found = rows.iter().find(is_this);
        found.map_or(NONE.into(), |row| units::rate(row.spread.median))
    };
    let line = |kind: Kind| {
        let cells = counts.iter().map(|&slots| cell(kind, slots));
        std::iter::once(kind.title_of_any_slots().to_owned())
            .chain(cells)
            .collect()
    };
    let head = counts.iter().map(ToString::to_string);
    Some(Section {
        title: format!(
            "messages/s by number of slots, messages of {} (more is better)",
            units::bytes(size_bytes)
        ),
        head: std::iter::once(String::new()).chain(head).collect(),
        rows: kinds(&rows).into_iter().map(line).collect(),
    })
}

fn by_messages(results: &Results) -> Option<Section> {
    let rows = rows(results, Measure::ByMessages);
    let size_bytes = rows.first()?.task.size_bytes;
    let mut lines = Vec::new();
    for kind in kinds(&rows) {
        let of_kind = rows
            .iter()
            .filter(|row| row.task.subject == Subject::Transport(kind));
        let mut of_kind: Vec<&&Row> = of_kind.collect();
        of_kind.sort_by_key(|row| row.task.messages);
        for row in &of_kind {
            // As a time, so that the highest rate is the shortest.
            let [median, least, most] = [row.spread.median, row.spread.max, row.spread.min]
                .map(|rate| units::time(1e9 / rate));
            let shortest = of_kind[0].spread.median / row.spread.median;
            lines.push(vec![
                kind.title().into(),
                units::count(row.task.messages),
                median,
                format!("{least} - {most}"),
                units::ratio(shortest),
                passes(row),
            ]);
        }
    }
    Some(Section {
        title: format!(
            "time for each message by length of the stream, messages of {} (less is better)",
            units::bytes(size_bytes)
        ),
        head: words(MESSAGES),
        rows: lines,
    })
}

fn set_up(results: &Results) -> Option<Section> {
    let rows = rows(results, Measure::SetUp);
    let size_bytes = rows.first()?.task.size_bytes;
    let line = |row: &&Row| {
        let Subject::SetUp(step) = row.task.subject else {
            return None;
        };
        let slots_mib = as_f64(size_bytes as u64) * f64::from(SLOTS) / BYTES_IN_MIB;
        let a_mib = units::time(row.spread.median / slots_mib);
        let time = |ns: Option<u64>| ns.map_or(NONE.into(), |ns| units::time(as_f64(ns)));
        Some(vec![
            step.title().into(),
            units::time(row.spread.median),
            range(row, units::time),
            time(row.p99_ns),
            time(row.max_ns),
            if step.grows() { a_mib } else { NONE.into() },
            passes(row),
        ])
    };
    Some(Section {
        title: format!(
            "before the first message: a channel of {SLOTS} slots of {} (less is better)",
            units::bytes(size_bytes)
        ),
        head: words(SET_UP),
        rows: rows.iter().filter_map(line).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Task;
    use crate::set_up::SetUp;

    fn adaptive(measure: Measure, slots: u32, messages: u64, rate: f64) -> Row {
        let subject = Subject::Transport(Kind::Adaptive);
        let task = Task {
            slots,
            messages,
            ..Task::new(measure, 64, subject)
        };
        Row::of_one(task, rate)
    }

    fn lines(section: Option<Section>) -> Vec<String> {
        let Section { head, rows, .. } = section.unwrap();
        let lines = std::iter::once(head).chain(rows);
        lines.map(|cells| cells.join("; ")).collect()
    }

    #[test]
    fn a_ring_that_was_not_measured_leaves_a_gap() {
        let rows = vec![
            adaptive(Measure::BySlots, 1, 0, 1e6),
            adaptive(Measure::BySlots, 4096, 0, 2e6),
            adaptive(Measure::Throughput, 0, 0, 3e6),
        ];
        let results = Results::of(&["--slots", "1,64,4096"], rows);
        assert_eq!(
            lines(by_slots(&results)),
            ["; 1; 64; 4096", "adaptive, one by one; 1.00 M; -; 2.00 M"]
        );
        assert!(by_messages(&results).is_none() && set_up(&results).is_none());
    }

    #[test]
    fn a_stream_stands_beside_the_shortest() {
        let rows = vec![
            adaptive(Measure::ByMessages, 0, 1000, 0.5e6),
            adaptive(Measure::ByMessages, 0, 10, 1e6),
        ];
        let results = Results::of(&[], rows);
        assert_eq!(
            lines(by_messages(&results))[1..],
            [
                "adaptive; 10; 1.00 µs; 1.00 µs - 1.00 µs; 1.00; 1",
                "adaptive; 1,000; 2.00 µs; 2.00 µs - 2.00 µs; 2.00; 1",
            ]
        );
    }

    #[test]
    fn what_grows_with_the_memory_is_divided_by_it() {
        let row = |step| {
            let task = Task::new(Measure::SetUp, 1 << 20, Subject::SetUp(step));
            Row::of_one(task, 64_000.0)
        };
        let results = Results::of(&[], vec![row(SetUp::Attach), row(SetUp::Create)]);
        assert_eq!(
            lines(set_up(&results))[1..],
            [
                "attach and close; 64.0 µs; 64.0 µs - 64.0 µs; -; -; -; 1",
                "create; 64.0 µs; 64.0 µs - 64.0 µs; -; -; 1.00 µs; 1",
            ]
        );
    }
}
