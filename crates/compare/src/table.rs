//! The results as one aligned table, with what one has to know to read it.

use std::fmt::Write as _;

use crate::board::Distance;
use crate::plan::Measure;
use crate::results::{Results, Row};
use crate::statistics::as_f64;
use crate::transports::Kind;
use crate::units;

const COLUMNS: usize = 8;
const HEAD: [&str; COLUMNS] = [
    "",
    "median",
    "min - max",
    "p99",
    "max",
    "× flag sleeping",
    "× flag spinning",
    "passes",
];
/// A machine is quiet when a process that wants all of a CPU has at least this part of it.
const QUIET: f64 = 0.97;
/// Stands where there is nothing to say.
const NONE: &str = "-";

/// Draws it all.
pub fn render(results: &Results) -> String {
    let mut text = facts(results);
    text.push('\n');
    text.push_str(&grid(results));
    text.push('\n');
    text.push_str(&notes(results));
    text
}

/// What was measured, and on what.
fn facts(results: &Results) -> String {
    let (machine, settings) = (&results.machine, &results.settings);
    let cpus = match (machine.pinned_to, machine.cpu_count) {
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
    let plural = if settings.size_bytes == 1 { "" } else { "s" };
    format!(
        "{}\nmessages of {} byte{plural}, every byte written and checked; {} passes of about {} each, in \
         changing order\n",
        line.join(", "),
        settings.size_bytes,
        settings.repetitions,
        units::setting(settings.pass_ns),
    )
}

/// Head, a title for each measure, a line for each row.
fn grid(results: &Results) -> String {
    let lines: Vec<(Measure, [String; COLUMNS])> = results
        .rows
        .iter()
        .map(|row| (row.task.measure, cells(row)))
        .collect();
    let mut widths = HEAD.map(|head| head.chars().count());
    for (_, cells) in &lines {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&HEAD.map(str::to_owned), &widths);
    let mut measure = None;
    for (of, cells) in &lines {
        if measure != Some(*of) {
            measure = Some(*of);
            text.push_str(&title(*of, results));
        }
        text.push_str(&line(cells, &widths));
    }
    text
}

fn title(measure: Measure, results: &Results) -> String {
    match measure {
        Measure::Throughput => "throughput, messages per second (more is better)\n".into(),
        Measure::RoundTrip => "round trip, median of a pass (less is better)\n".into(),
        Measure::IdleCpu => format!(
            "CPU time of a reader that waits {} for its first message (less is better)\n",
            units::setting(results.settings.idle_ns)
        ),
    }
}

fn cells(row: &Row) -> [String; COLUMNS] {
    let figure = |value| match row.task.measure {
        Measure::Throughput => units::rate(value),
        Measure::RoundTrip | Measure::IdleCpu => units::time(value),
    };
    let time = |value: Option<f64>| value.map_or(NONE.into(), units::time);
    let ratio = |value: Option<f64>| value.map_or(NONE.into(), units::ratio);
    [
        format!("  {}", row.task.transport.title()),
        figure(row.spread.median),
        format!("{} - {}", figure(row.spread.min), figure(row.spread.max)),
        time(row.p99_ns),
        time(row.max_ns.map(as_f64)),
        ratio(row.times_flag_sleep),
        ratio(row.times_flag_spin),
        passes(row),
    ]
}

fn passes(row: &Row) -> String {
    let (used, made) = (row.passes_used, row.passes_made);
    match row.distance {
        Distance::Far => format!("{made} far"),
        Distance::Near if used < made => format!("{used} of {made}"),
        Distance::Near | Distance::Unknown => used.to_string(),
    }
}

/// The first column to the left, the others to the right.
fn line(cells: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let blanks = " ".repeat(width - cell.chars().count());
        if index == 0 {
            text.push_str(cell);
            text.push_str(&blanks);
        } else {
            text.push_str("  ");
            text.push_str(&blanks);
            text.push_str(cell);
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// What the figures mean, and what is wrong with them. Writing to a String cannot fail.
fn notes(results: &Results) -> String {
    let mut text = String::from(
        "×: how many times better than that version of the flag; below 1 is worse.\nmedian and min - max: over \
         the passes; p99 and max: of single round trips.\n",
    );
    let has = |test: &dyn Fn(&Row) -> bool| results.rows.iter().any(test);
    if has(&|row| row.distance == Distance::Far) {
        text.push_str(
            "far: the cache line took 300 ns or more in every pass, so these were slower than they need be.\n",
        );
    }
    if has(&|row| row.distance == Distance::Near && row.passes_used < row.passes_made) {
        text.push_str(
            "passes, n of m: m - n were made while the CPUs were far, and do not count.\n",
        );
    }
    if let Some(part) = results.own_cpu.filter(|part| *part < QUIET) {
        let _ = writeln!(
            text,
            "Something else ran on these CPUs: a spinning reader had {:.0} % of its own. Measure again when the \
             machine is quiet.",
            part * 100.0
        );
    }
    let slow = results.rows.iter().find(|row| {
        row.task.transport == Kind::FlagSleep && row.task.measure == Measure::Throughput
    });
    if let Some(row) = slow {
        let _ = writeln!(
            text,
            "The sleeping flag looks every 100 ms, so a pass of it is {} messages only.",
            row.count
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        let mut cells = HEAD.map(str::to_owned);
        let widths = [3, 10, 10, 10, 10, 16, 16, 7];
        let head = line(&cells, &widths);
        cells[5] = "55.7 µs".into();
        let row = line(&cells, &widths);
        assert_eq!(head.chars().count(), row.chars().count());
    }
}
