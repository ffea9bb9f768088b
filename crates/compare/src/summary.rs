//! The short answer: the flag beside the semaphores.

use crate::plan::Measure;
use crate::results::Results;
use crate::sections::{NONE, Section};
use crate::transports::Kind;
use crate::units;

/// The two versions, and the ways of using the second.
pub const KINDS: [Kind; 8] = [
    Kind::FlagSleep,
    Kind::FlagSpin,
    Kind::SemaphoresSingle,
    Kind::Semaphores,
    Kind::SemaphoresCredits,
    Kind::SemaphoresBatches,
    Kind::Adaptive,
    Kind::AdaptiveBatches,
];

/// Makes the table; empty where nothing of it was measured.
pub fn section(results: &Results) -> Section {
    let bytes = results.settings.small_bytes();
    let idle = units::setting(results.settings.idle_ns);
    let cell = |measure, kind, figure: fn(f64) -> String| {
        let row = results.row(measure, kind, bytes);
        row.map_or(NONE.into(), |row| figure(row.spread.median))
    };
    let lines = KINDS.map(|kind| {
        vec![
            kind.title().to_owned(),
            cell(Measure::Throughput, kind, units::rate),
            cell(Measure::RoundTrip, kind, units::time),
            cell(Measure::IdleCpu, kind, units::time),
        ]
    });
    let lines = lines.into_iter();
    Section {
        title: format!("messages of {}", units::bytes(bytes)),
        head: vec![
            format!("messages of {}", units::bytes(bytes)),
            "messages/s".into(),
            "round trip".into(),
            format!("CPU of a reader that waits {idle}"),
        ],
        rows: lines
            .filter(|line| line[1..].iter().any(|cell| cell != NONE))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Task;
    use crate::results::Row;
    use crate::subject::Subject;

    #[test]
    fn each_figure_has_its_column_and_who_was_not_measured_no_line() {
        let rows = [
            (Measure::Throughput, Kind::FlagSpin, 7e6),
            (Measure::RoundTrip, Kind::FlagSpin, 140.0),
            (Measure::IdleCpu, Kind::FlagSpin, 1e9),
            (Measure::Throughput, Kind::Adaptive, 20e6),
            (Measure::Throughput, Kind::Pipe, 1e6),
        ];
        let rows = rows.map(|(measure, kind, median)| {
            Row::of_one(Task::new(measure, 64, Subject::Transport(kind)), median)
        });
        let lines = section(&Results::of(&[], rows.into())).rows;
        let lines: Vec<String> = lines.iter().map(|cells| cells.join("; ")).collect();
        assert_eq!(
            lines,
            [
                "flag, spinning; 7.00 M; 140 ns; 1.00 s",
                "adaptive; 20.0 M; -; -"
            ]
        );
    }
}
