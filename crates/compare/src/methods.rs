//! The words that tables of IPC methods have for each, as the original demonstration's has, with what was
//! measured beside them.

use crate::plan::Measure;
use crate::results::Results;
use crate::sections::{NONE, Section, words};
use crate::statistics::as_f64;
use crate::transports::Kind;
use crate::units;

const HEAD: &[&str] = &[
    "method",
    "the word",
    "measured as",
    "messages/s",
    "long messages",
    "round trip",
    "CPU/msg",
];
/// Each method with its word, and what stands for it here.
const METHODS: [(&str, &str, &[Kind]); 4] = [
    (
        "shared memory",
        "fastest",
        &[
            Kind::FlagSleep,
            Kind::FlagSpin,
            Kind::SemaphoresCredits,
            Kind::Adaptive,
        ],
    ),
    ("pipe", "fast", &[Kind::Pipe]),
    (
        "message queue",
        "medium",
        &[Kind::SysvQueue, Kind::PosixQueue],
    ),
    ("socket", "slow", &[Kind::UnixStream, Kind::UnixSeqpacket]),
];

/// Makes the table.
pub fn section(results: &Results) -> Section {
    let small = results.settings.small_bytes();
    let large = results
        .settings
        .sizes_bytes
        .last()
        .copied()
        .unwrap_or(small);
    let mut rows = Vec::new();
    for (method, word, kinds) in METHODS {
        for &kind in kinds {
            rows.push(cells(results, [method, word], kind, [small, large]));
        }
    }
    Section {
        title: format!(
            "methods and words: messages of {}, long ones of {}",
            units::bytes(small),
            units::bytes(large)
        ),
        head: words(HEAD),
        rows,
    }
}

fn cells(
    results: &Results,
    names: [&str; 2],
    kind: Kind,
    [small, large]: [usize; 2],
) -> Vec<String> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.into());
    let stream = results.row(Measure::Throughput, kind, small);
    let long = results.row(Measure::Throughput, kind, large);
    let round_trip = results.row(Measure::RoundTrip, kind, small);
    let bandwidth = |rate: f64| units::bandwidth(rate * as_f64(large as u64));
    let [method, word] = names.map(str::to_owned);
    vec![
        method,
        word,
        kind.title().into(),
        or_none(stream.map(|row| units::rate(row.spread.median))),
        or_none(long.map(|row| bandwidth(row.spread.median))),
        or_none(round_trip.map(|row| units::time(row.spread.median))),
        or_none(stream.map(|row| units::time(row.cpu_ns))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Task;
    use crate::results::Row;
    use crate::subject::Subject;

    #[test]
    fn a_method_has_its_word_and_its_figures() {
        let row = |measure, bytes, median| {
            let subject = Subject::Transport(Kind::Pipe);
            Row {
                cpu_ns: 250.0,
                ..Row::of_one(Task::new(measure, bytes, subject), median)
            }
        };
        let rows = vec![
            row(Measure::Throughput, 64, 1e6),
            row(Measure::Throughput, 64 << 10, 1e5),
            row(Measure::RoundTrip, 64, 10_000.0),
        ];
        let section = section(&Results::of(&["--size", "64,64KiB"], rows));
        let lines: Vec<String> = section.rows.iter().map(|cells| cells.join("; ")).collect();
        assert_eq!(
            lines[3..6],
            [
                "shared memory; fastest; adaptive; -; -; -; -",
                "pipe; fast; pipe; 1.00 M; 6.55 GB/s; 10.0 µs; 250 ns",
                "message queue; medium; System V message queue; -; -; -; -",
            ]
        );
    }
}
