//! The results as tables of text; how they are drawn is for others to say.

use crate::bare::Bare;
use crate::board::Distance;
use crate::plan::{Measure, Task};
use crate::results::{Results, Row};
use crate::series;
use crate::statistics::{Spread, as_f64};
use crate::subject::Subject;
use crate::units;

/// One table; the first column holds names, the others figures.
#[derive(Debug)]
pub struct Section {
    pub title: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

const LIMITS: &[&str] = &["", "median", "min - max", "p99", "p99.9", "max", "passes"];
const THROUGHPUT: &[&str] = &[
    "",
    "messages/s",
    "min - max",
    "bytes/s",
    "CPU/msg",
    "switches/msg",
    "of limit",
    "× flag sleeping",
    "× flag spinning",
    "passes",
];
const TIMES: &[&str] = &[
    "",
    "p50",
    "min - max",
    "p99",
    "p99.9",
    "max",
    "of limit",
    "× flag sleeping",
    "× flag spinning",
    "passes",
];
const IDLE: &[&str] = &[
    "",
    "CPU",
    "min - max",
    "of limit",
    "× flag sleeping",
    "× flag spinning",
    "passes",
];
/// Stands where there is nothing to say.
pub const NONE: &str = "-";

/// Makes every table: the limits, then one for each measure, length of messages and pause.
pub fn sections(results: &Results) -> Vec<Section> {
    let mut sections = vec![limits(results)];
    let group = |row: &Row| (row.task.measure, row.task.size_bytes, row.task.pause_ns);
    let transports = results.rows.iter();
    let transports = transports.filter(|row| {
        row.task.subject.transport().is_some() && row.task.slots == 0 && row.task.messages == 0
    });
    let transports: Vec<&Row> = transports.collect();
    for rows in transports.chunk_by(|one, next| group(one) == group(next)) {
        let Some(first) = rows.first() else { continue };
        sections.push(Section {
            title: title(first.task),
            head: words(match first.task.measure {
                Measure::RoundTrip | Measure::WakeUp => TIMES,
                Measure::IdleCpu => IDLE,
                _ => THROUGHPUT,
            }),
            rows: rows.iter().map(|row| cells(row)).collect(),
        });
    }
    sections.extend(series::sections(results));
    sections
}

/// Makes the head of a table.
pub fn words(head: &[&str]) -> Vec<String> {
    head.iter().map(|&word| word.to_owned()).collect()
}

fn title(task: Task) -> String {
    let (bytes, pause) = (units::bytes(task.size_bytes), units::setting(task.pause_ns));
    match task.measure {
        Measure::RoundTrip => format!("round trip, messages of {bytes} (less is better)"),
        Measure::WakeUp => format!(
            "one way to a reader that has waited {pause}, messages of {bytes} (less is better)"
        ),
        Measure::IdleCpu => {
            format!("CPU time of a reader that waits {pause} for a message (less is better)")
        }
        _ => format!("throughput, messages of {bytes} (more is better)"),
    }
}

fn cells(row: &Row) -> Vec<String> {
    let ratio = |value: Option<f64>| value.map_or(NONE.into(), units::ratio);
    let mut cells = vec![row.task.subject.title().into()];
    match row.task.measure {
        Measure::RoundTrip | Measure::WakeUp => cells.extend(times(row)),
        Measure::IdleCpu => {
            cells.extend([units::time(row.spread.median), range(row, units::time)]);
        }
        _ => {
            let rate = row.spread.median;
            let bytes = as_f64(row.task.size_bytes as u64);
            cells.extend([
                units::rate(rate),
                range(row, units::rate),
                units::bandwidth(rate * bytes),
                units::time(row.cpu_ns),
                units::each(row.switches),
            ]);
        }
    }
    cells.extend([
        row.of_limit.map_or(NONE.into(), units::part),
        ratio(row.times_flag_sleep),
        ratio(row.times_flag_spin),
        passes(row),
    ]);
    cells
}

pub fn times(row: &Row) -> [String; 5] {
    let time = |value: Option<u64>| value.map_or(NONE.into(), |ns| units::time(as_f64(ns)));
    [
        units::time(row.spread.median),
        range(row, units::time),
        time(row.p99_ns),
        time(row.p999_ns),
        time(row.max_ns),
    ]
}

pub fn range(row: &Row, figure: fn(f64) -> String) -> String {
    format!("{} - {}", figure(row.spread.min), figure(row.spread.max))
}

pub fn passes(row: &Row) -> String {
    let (used, made) = (row.passes_used, row.passes_made);
    match row.distance {
        Distance::Far => format!("{made} far"),
        Distance::Near if used < made => format!("{used} of {made}"),
        Distance::Near | Distance::Unknown => used.to_string(),
    }
}

/// What the machine does without a transport.
fn limits(results: &Results) -> Section {
    let mut rows: Vec<Vec<String>> = Vec::new();
    if let Some(bounce_ns) = results.machine.bounce_median_ns {
        let mut cells = vec![NONE.to_owned(); LIMITS.len()];
        cells[0] = "round trip of a cache line".into();
        cells[1] = units::time(bounce_ns);
        rows.push(cells);
    }
    for row in &results.rows {
        if let Subject::Bare(bare) = row.task.subject {
            let mut cells = vec![limit_title(bare, row.task)];
            cells.extend(limit_cells(bare, row));
            cells.push(passes(row));
            rows.push(cells);
        }
    }
    Section {
        title: "limits of the machine".into(),
        head: words(LIMITS),
        rows,
    }
}

fn limit_title(bare: Bare, task: Task) -> String {
    let title = bare.title();
    let pause = units::setting(task.pause_ns);
    match task.measure {
        Measure::RoundTrip => format!("{title}, round trip"),
        Measure::WakeUp => format!("{title}, wake-up after {pause}"),
        Measure::IdleCpu => format!("{title}, CPU while waiting {pause}"),
        _ if bare.has_size() => format!("{title}, one core, {}", units::bytes(task.size_bytes)),
        _ if bare == Bare::Semop => format!("{title}, both sides at once"),
        _ if bare == Bare::Futex => format!("{title}, waking nobody"),
        _ => title.into(),
    }
}

fn limit_cells(bare: Bare, row: &Row) -> [String; 5] {
    let bytes = as_f64(row.task.size_bytes as u64);
    let Spread { median, min, max } = row.spread;
    match row.task.measure {
        Measure::RoundTrip | Measure::WakeUp => times(row),
        Measure::IdleCpu => plain([median, min, max].map(units::time)),
        _ if bare.has_size() => {
            plain([median, min, max].map(|rate| units::bandwidth(rate * bytes)))
        }
        // As a time, so that the highest rate is the shortest.
        _ => plain([median, max, min].map(|rate| units::time(1e9 / rate))),
    }
}

fn plain([median, min, max]: [String; 3]) -> [String; 5] {
    let none = || NONE.to_owned();
    [median, format!("{min} - {max}"), none(), none(), none()]
}

/// What was measured, and on what, in two lines.
pub fn facts(results: &Results) -> [String; 2] {
    let (machine, settings) = (&results.machine, &results.settings);
    let cpus = match (machine.pinned_to, machine.cpu_count) {
        (Some([producer, consumer]), count) if producer == consumer => {
            format!("{count} CPUs (both processes on {producer})")
        }
        (Some([producer, consumer]), count) => {
            format!("{count} CPUs (producer on {producer}, consumer on {consumer})")
        }
        (None, 1) => "1 CPU".into(),
        (None, count) => format!("{count} CPUs (not pinned)"),
    };
    let mut line = vec![
        machine.cpu_model.clone(),
        cpus,
        format!("Linux {}", machine.kernel),
    ];
    if let Some(commit) = &machine.commit {
        line.push(format!("commit {commit}"));
    }
    if let Some(bounce_ns) = machine.bounce_median_ns {
        line.push(format!("cache-line bounce {}", units::time(bounce_ns)));
    }
    let how = format!(
        "every byte written and checked; {} of about {} each, in changing order",
        units::plural(settings.repetitions.into(), "pass", "passes"),
        units::setting(settings.pass_ns),
    );
    [line.join(", "), how]
}
