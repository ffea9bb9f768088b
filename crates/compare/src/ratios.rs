//! Every figure beside others: the flag's, the machine's limit, and the same figure once more.

use serde::Serialize;

use crate::bare::Bare;
use crate::plan::{Measure, Task};
use crate::results::Row;
use crate::subject::Subject;
use crate::transports::{Family, Kind, Need, TWINS};

/// How much one transport differed from itself, under two names.
#[derive(Debug, Clone, Serialize)]
pub struct Noise {
    pub measure: Measure,
    pub size_bytes: usize,
    pub pause_ns: u64,
    /// 0.1: one median was a tenth above the other.
    pub difference: f64,
}

/// Fills in the ratios of every row. `bounce_ns`: the round trip of a cache line.
pub fn fill_in(rows: &mut [Row], bounce_ns: Option<f64>) {
    let figures = Figures {
        medians: rows
            .iter()
            .map(|row| (row.task, row.spread.median))
            .collect(),
        bounce_ns,
    };
    for row in rows {
        let (task, value) = (row.task, row.spread.median);
        row.times_flag_sleep = figures.times_better(task, value, Kind::FlagSleep);
        row.times_flag_spin = figures.times_better(task, value, Kind::FlagSpin);
        row.of_limit = task.subject.transport().and_then(|kind| {
            let limit_ns = figures.limit_ns(task, kind)?;
            positive(limit_ns / time_ns(task.measure, value))
        });
    }
}

/// Returns what the transport that is there twice shows.
pub fn noise(rows: &[Row]) -> Vec<Noise> {
    let [first, second] = TWINS.map(Subject::Transport);
    let twins = rows.iter().filter(|row| row.task.subject == first);
    let pairs = twins.filter_map(|row| {
        let task = Task {
            subject: second,
            ..row.task
        };
        let other = rows.iter().find(|row| row.task == task)?;
        let (one, other) = (row.spread.median, other.spread.median);
        Some(Noise {
            measure: task.measure,
            size_bytes: task.size_bytes,
            pause_ns: task.pause_ns,
            difference: positive(one.max(other) / one.min(other))? - 1.0,
        })
    });
    pairs.collect()
}

/// What has been found.
struct Figures {
    medians: Vec<(Task, f64)>,
    bounce_ns: Option<f64>,
}

impl Figures {
    fn of(&self, task: Task) -> Option<f64> {
        let found = self.medians.iter().find(|(other, _)| *other == task);
        found.map(|(_, value)| *value)
    }

    /// Tells how many times better a figure is than that of another transport, if that can be said.
    fn times_better(&self, task: Task, value: f64, than: Kind) -> Option<f64> {
        task.subject.transport()?;
        let subject = Subject::Transport(than);
        let base = self.of(Task {
            subject,
            ..usual(task)
        })?;
        positive(time_ns(task.measure, base) / time_ns(task.measure, value))
    }

    /// Returns the least time that the machine allows for a message, or a round trip, or a wait.
    fn limit_ns(&self, task: Task, kind: Kind) -> Option<f64> {
        let sleeper = if kind.family() == Family::Semaphores {
            Bare::Semop
        } else {
            Bare::Futex
        };
        match task.measure {
            Measure::Throughput | Measure::BySlots | Measure::ByMessages => {
                let task = usual(task);
                let copy_ns = if kind.copies() {
                    self.bare_ns(Bare::CopySlots, task)?
                } else {
                    0.0
                };
                let write_ns = self.fill_ns(task)? + copy_ns;
                Some(self.need_ns(kind.need(), task)?.max(write_ns))
            }
            Measure::RoundTrip => {
                let hand_over_ns = if kind.spins() {
                    self.bounce_ns?
                } else {
                    self.bare_ns(sleeper, task)?
                };
                // Nobody can answer a message that is not yet written.
                Some(hand_over_ns + 2.0 * self.fill_ns(task)?)
            }
            Measure::WakeUp if kind.never_sleeps() => Some(self.bounce_ns? / 2.0),
            Measure::WakeUp | Measure::IdleCpu => self.bare_ns(sleeper, task),
            Measure::SetUp => None,
        }
    }

    /// Returns what one core needs to write a message.
    fn fill_ns(&self, task: Task) -> Option<f64> {
        let measure = Measure::Throughput;
        self.bare_ns(Bare::Fill, Task { measure, ..task })
    }

    fn need_ns(&self, need: Need, task: Task) -> Option<f64> {
        match need {
            Need::Nothing => Some(0.0),
            Need::Bounce => self.bounce_ns,
            Need::Call => self.bare_ns(Bare::Call, task),
            Need::Semop => self.bare_ns(Bare::Semop, task),
            Need::SemopRoundTrip => {
                let measure = Measure::RoundTrip;
                self.bare_ns(Bare::Semop, Task { measure, ..task })
            }
        }
    }

    /// Returns what the bare machine needs for the same task.
    fn bare_ns(&self, bare: Bare, task: Task) -> Option<f64> {
        let size_bytes = if bare.has_size() { task.size_bytes } else { 0 };
        let value = self.of(Task {
            subject: Subject::Bare(bare),
            size_bytes,
            ..task
        })?;
        positive(time_ns(task.measure, value))
    }
}

/// Returns the task of which all others of its measure are variations: with the usual slots and messages.
fn usual(task: Task) -> Task {
    let measure = if task.measure.is_rate() {
        Measure::Throughput
    } else {
        task.measure
    };
    Task {
        measure,
        slots: 0,
        messages: 0,
        ..task
    }
}

/// Converts a figure to a time: less is better.
pub fn time_ns(measure: Measure, value: f64) -> f64 {
    match measure {
        rate if rate.is_rate() => 1e9 / value,
        _ => value,
    }
}

fn positive(ratio: f64) -> Option<f64> {
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(measure: Measure, subject: Subject, median: f64) -> Row {
        let size_bytes = match subject {
            Subject::Bare(bare) if !bare.has_size() => 0,
            _ => 64,
        };
        Row::of_one(Task::new(measure, size_bytes, subject), median)
    }

    fn filled(rows: &[(Measure, Subject, f64)]) -> Vec<Row> {
        let rows = rows
            .iter()
            .map(|&(measure, subject, median)| row(measure, subject, median));
        let mut rows: Vec<Row> = rows.collect();
        fill_in(&mut rows, Some(100.0));
        rows
    }

    fn two(value: Option<f64>) -> String {
        value.map_or("none".into(), |value| format!("{value:.2}"))
    }

    const FLAG: Subject = Subject::Transport(Kind::FlagSpin);
    const STRICT: Subject = Subject::Transport(Kind::SemaphoresCredits);
    const RING: Subject = Subject::Transport(Kind::FutexRing);

    #[test]
    fn better_means_more_messages_and_less_time() {
        for (measure, figures, times) in [
            (Measure::Throughput, [1000.0, 2000.0], "2.00"),
            (Measure::RoundTrip, [1000.0, 500.0], "2.00"),
            (Measure::WakeUp, [1000.0, 500.0], "2.00"),
            (Measure::IdleCpu, [500.0, 1000.0], "0.50"),
        ] {
            let [flag, strict] = figures;
            let rows = filled(&[(measure, FLAG, flag), (measure, STRICT, strict)]);
            assert_eq!(two(rows[0].times_flag_spin), "1.00");
            assert_eq!(two(rows[1].times_flag_spin), times, "{measure}");
            assert_eq!(rows[1].times_flag_sleep, None);
        }
        let rows = filled(&[
            (Measure::IdleCpu, FLAG, 5.0),
            (Measure::IdleCpu, STRICT, 0.0),
        ]);
        assert_eq!(rows[1].times_flag_spin, None);
    }

    #[test]
    fn the_limit_is_what_a_message_must_cost() {
        let throughput = Measure::Throughput;
        let rows = filled(&[
            (throughput, Subject::Bare(Bare::Fill), 500e6), // 2 ns
            (throughput, Subject::Bare(Bare::Semop), 2e6),  // 500 ns
            (throughput, FLAG, 5e6),                        // 200 ns of 100
            (throughput, STRICT, 1e6),                      // 1000 ns of 500
            (throughput, RING, 100e6),                      // 10 ns of 2
        ]);
        let of_limit: Vec<String> = rows.iter().map(|row| two(row.of_limit)).collect();
        assert_eq!(of_limit, ["none", "none", "0.50", "0.50", "0.20"]);

        let round_trip = Measure::RoundTrip;
        let rows = filled(&[
            (throughput, Subject::Bare(Bare::Fill), 40e6), // 25 ns
            (round_trip, Subject::Bare(Bare::Semop), 50e3),
            (round_trip, STRICT, 60e3),
            (round_trip, RING, 200.0), // of 100 and twice 25
            (round_trip, Subject::Transport(Kind::Pipe), 60e3),
        ]);
        let of_limit: Vec<String> = rows.iter().map(|row| two(row.of_limit)).collect();
        assert_eq!(of_limit, ["none", "none", "0.83", "0.75", "none"]);
    }

    #[test]
    fn the_limit_of_a_copy_is_writing_and_copying_and_slots_have_the_usual_one() {
        let throughput = Measure::Throughput;
        let rows = [
            (throughput, Subject::Bare(Bare::Fill), 100e6), // 10 ns
            (throughput, Subject::Bare(Bare::CopySlots), 50e6), // 20 ns
            (throughput, Subject::Transport(Kind::Adaptive), 50e6), // 20 ns of 10
            (throughput, Subject::Transport(Kind::AdaptiveCopy), 25e6), // 40 ns of 30
            (Measure::BySlots, Subject::Transport(Kind::Adaptive), 25e6), // 40 ns of 10
        ];
        let mut rows: Vec<Row> = rows
            .map(|(measure, subject, median)| row(measure, subject, median))
            .into();
        rows[4].task.slots = 4096;
        fill_in(&mut rows, Some(100.0));
        let of_limit: Vec<String> = rows.iter().map(|row| two(row.of_limit)).collect();
        assert_eq!(of_limit, ["none", "none", "0.50", "0.75", "0.25"]);
    }

    #[test]
    fn noise_is_what_the_same_transport_differs_by() {
        let control = Subject::Transport(Kind::Control);
        for figures in [[100.0, 110.0], [110.0, 100.0]] {
            let rows = filled(&[
                (Measure::RoundTrip, STRICT, figures[0]),
                (Measure::RoundTrip, control, figures[1]),
                (Measure::WakeUp, STRICT, 5.0),
            ]);
            let noise = noise(&rows);
            assert_eq!(noise.len(), 1);
            assert_eq!(format!("{:.3}", noise[0].difference), "0.100");
        }
    }
}
