//! What one has to know to read the results, in sentences.

use std::fmt::Write as _;

use crate::board::Distance;
use crate::plan::Measure;
use crate::results::{Results, Row};
use crate::subject::Subject;
use crate::transports::Kind;
use crate::units;

/// A machine is quiet when a process that wants all of a CPU has at least this part of it.
const QUIET: f64 = 0.97;

/// What the figures mean, and what is wrong with them, in sentences.
pub fn notes(results: &Results) -> Vec<String> {
    let mut notes: Vec<String> = [
        "×: how many times better than that version of the flag; below 1 is worse.",
        "of limit: the least time that this machine allows for it, as a part of the time it took.",
        "median and min - max: over the passes; p99, p99.9, max: of all single messages.",
        "CPU/msg, switches/msg: CPU time and context switches of both processes for each message.",
        "Room: 64 messages, with batches 1024, with the flag and with one slot 1, with 8 MiB of slots as many \
         as fit, 64 to 16384; a pipe of 1 MiB; sockets and queues as the system makes them for everybody, and \
         through them long messages go in parts.",
        "In place: the producer writes into the slot and the consumer reads there. By copy: it writes into \
         memory of its own and copies that; the limit is then one core that does both.",
    ]
    .map(Into::into)
    .into();
    notes.extend(noise(results));
    let has = |test: &dyn Fn(&Row) -> bool| results.rows.iter().any(test);
    if has(&|row| row.distance == Distance::Far) {
        notes.push(
            "far: the cache line took 300 ns or more in every pass, so these were slower than they need be."
                .into(),
        );
    }
    if has(&|row| row.distance == Distance::Near && row.passes_used < row.passes_made) {
        notes.push(
            "passes, n of m: m - n were made while the CPUs were far, and do not count.".into(),
        );
    }
    if let Some(part) = results.own_cpu.filter(|part| *part < QUIET) {
        notes.push(format!(
            "Something else ran on these CPUs: a spinning reader had {} of its own. Measure again when the \
             machine is quiet.",
            units::part(part)
        ));
    }
    let slow = results.rows.iter().find(|row| {
        row.task.subject == Subject::Transport(Kind::FlagSleep)
            && row.task.measure == Measure::Throughput
    });
    if let Some(row) = slow {
        notes.push(format!(
            "The sleeping flag looks every 100 ms, so a pass of it is {} messages only.",
            row.count
        ));
    }
    notes
}

/// What the same transport under two names shows: differences below that say nothing.
fn noise(results: &Results) -> Option<String> {
    let mut worst: Vec<(Measure, f64)> = Vec::new();
    for noise in &results.noise {
        match worst
            .iter_mut()
            .find(|(measure, _)| *measure == noise.measure)
        {
            Some((_, difference)) => *difference = difference.max(noise.difference),
            None => worst.push((noise.measure, noise.difference)),
        }
    }
    let mut text = String::new();
    for (measure, difference) in worst {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{measure} {}", units::part(difference));
    }
    (!text.is_empty()).then(|| {
        format!(
            "Noise floor: what the same transport differed by under two names, at most: {text}."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Task;
    use crate::ratios::Noise;

    /// Makes a run of which there is nothing to say but what is said of each.
    fn usual() -> Results {
        let task = Task::new(Measure::Throughput, 64, Subject::Transport(Kind::Pipe));
        let mut results = Results::of(&[], vec![Row::of_one(task, 1e6)]);
        results.own_cpu = Some(QUIET);
        results
    }

    /// What may happen to a run.
    type Event = fn(&mut Results);

    fn differed(measure: Measure, difference: f64) -> Noise {
        Noise {
            measure,
            size_bytes: 64,
            pause_ns: 0,
            difference,
        }
    }

    #[test]
    fn what_was_out_of_the_ordinary_is_said_and_nothing_else() {
        let of_each = notes(&usual());
        assert_eq!(of_each.len(), 6, "{of_each:?}");
        let cases: [(Event, &str); 5] = [
            (
                |results| results.own_cpu = Some(0.5),
                "a spinning reader had 50 % of its own",
            ),
            (
                |results| results.rows[0].distance = Distance::Far,
                "far: the cache line",
            ),
            (|results| results.rows[0].passes_made = 2, "passes, n of m"),
            (
                |results| results.rows[0].task.subject = Subject::Transport(Kind::FlagSleep),
                "a pass of it is 1 messages only",
            ),
            (
                |results| {
                    results.noise = vec![
                        differed(Measure::RoundTrip, 0.3),
                        differed(Measure::Throughput, 0.02),
                        differed(Measure::RoundTrip, 0.1),
                    ];
                },
                "at most: round trip 30 %, throughput 2.0 %.",
            ),
        ];
        for (happens, words) in cases {
            let mut results = usual();
            happens(&mut results);
            let mut notes = notes(&results);
            notes.retain(|note| !of_each.contains(note));
            let [note] = &notes[..] else {
                panic!("{words}: {notes:?}");
            };
            assert!(note.contains(words), "{note}");
        }
    }
}
