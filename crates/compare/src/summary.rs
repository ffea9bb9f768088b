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
