//! What a run has found: each pass with its samples, and a row for each line of the table.

use serde::Serialize;

use crate::arguments::Settings;
use crate::board::Distance;
use crate::machine::Machine;
use crate::pass::{Pass, Task};
use crate::plan::Measure;
use crate::statistics::{Spread, as_f64, median, percentile};
use crate::transports::Kind;

/// Version of the structure of the JSON file.
const FORMAT: u32 = 1;

/// Everything about a run.
#[derive(Debug, Serialize)]
pub struct Results {
    format: u32,
    pub machine: Machine,
    pub settings: Settings,
    /// Part of its CPU that a spinning consumer had, which others did not take; none: nobody span.
    pub own_cpu: Option<f64>,
    pub rows: Vec<Row>,
    pub passes: Vec<Pass>,
}

/// What was found about one task.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub task: Task,
    /// Of messages in a second, of each pass's median round trip in ns, or of CPU time in ns.
    pub spread: Spread,
    /// Median over the passes of their 99th percentiles.
    pub p99_ns: Option<f64>,
    /// The longest round trip of all passes.
    pub max_ns: Option<u64>,
    /// How many times better than the flag, sleeping and spinning.
    pub times_flag_sleep: Option<f64>,
    pub times_flag_spin: Option<f64>,
    /// Far only if no pass was between near CPUs.
    pub distance: Distance,
    /// Passes that count, of those that were made.
    pub passes_used: usize,
    pub passes_made: usize,
    /// Messages or round trips of a pass.
    pub count: u64,
}

impl Results {
    pub fn new(settings: Settings, mut machine: Machine, passes: Vec<Pass>) -> Self {
        machine.bounce_median_ns = bounce_median_ns(&passes);
        let mut tasks: Vec<Task> = passes.iter().map(|pass| pass.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let rows = tasks.into_iter().map(|task| summary(task, &passes));
        let rows = with_ratios(rows.collect());
        Self {
            format: FORMAT,
            machine,
            settings,
            own_cpu: own_cpu(&passes),
            rows,
            passes,
        }
    }
}

fn bounce_median_ns(passes: &[Pass]) -> Option<f64> {
    let bounces = |pass: &Pass| [pass.bounce_before_ns, pass.bounce_after_ns];
    let bounces: Vec<f64> = passes.iter().flat_map(bounces).flatten().collect();
    (!bounces.is_empty()).then(|| median(&bounces))
}

/// The median over the passes in which one side spins and the other sleeps. The bounce does not notice others
/// on the same CPUs: it is over before they have their turn.
fn own_cpu(passes: &[Pass]) -> Option<f64> {
    let spinning = passes
        .iter()
        .filter(|pass| pass.task.transport == Kind::FlagSpin)
        .filter(|pass| pass.task.measure == Measure::IdleCpu);
    let parts: Vec<f64> = spinning
        .map(|pass| as_f64(pass.consumer_cpu_ns) / as_f64(pass.elapsed_ns.max(1)))
        .collect();
    (!parts.is_empty()).then(|| median(&parts))
}

fn summary(task: Task, passes: &[Pass]) -> Row {
    let made: Vec<&Pass> = passes.iter().filter(|pass| pass.task == task).collect();
    let near = |pass: &&Pass| pass.distance == Distance::Near;
    let near: Vec<&Pass> = made.iter().copied().filter(near).collect();
    let used = if near.is_empty() { &made } else { &near };
    let sorted = used.iter().map(|pass| {
        let mut samples = pass.samples_ns.clone();
        samples.sort_unstable();
        samples
    });
    let sorted: Vec<Vec<u64>> = sorted.collect();
    let values = used
        .iter()
        .zip(&sorted)
        .map(|(pass, sorted)| value(pass, sorted));
    let p99: Vec<f64> = sorted
        .iter()
        .filter_map(|samples| percentile(samples, 99))
        .map(as_f64)
        .collect();
    Row {
        task,
        spread: Spread::of(&values.collect::<Vec<f64>>()),
        p99_ns: (!p99.is_empty()).then(|| median(&p99)),
        max_ns: sorted
            .iter()
            .filter_map(|samples| samples.last().copied())
            .max(),
        times_flag_sleep: None,
        times_flag_spin: None,
        distance: used.first().map_or(Distance::Unknown, |pass| pass.distance),
        passes_used: used.len(),
        passes_made: made.len(),
        count: used.first().map_or(0, |pass| pass.count),
    }
}

/// The one figure of a pass.
fn value(pass: &Pass, sorted_samples: &[u64]) -> f64 {
    match pass.task.measure {
        Measure::Throughput => as_f64(pass.count) * 1e9 / as_f64(pass.elapsed_ns.max(1)),
        Measure::RoundTrip => percentile(sorted_samples, 50).map_or(f64::NAN, as_f64),
        Measure::IdleCpu => as_f64(pass.consumer_cpu_ns),
    }
}

fn with_ratios(mut rows: Vec<Row>) -> Vec<Row> {
    let medians: Vec<(Task, f64)> = rows
        .iter()
        .map(|row| (row.task, row.spread.median))
        .collect();
    for row in &mut rows {
        let than = |transport| {
            let base = Task {
                transport,
                ..row.task
            };
            let (_, base) = medians.iter().find(|(task, _)| *task == base)?;
            times_better(row.task.measure, row.spread.median, *base)
        };
        let (sleep, spin) = (than(Kind::FlagSleep), than(Kind::FlagSpin));
        row.times_flag_sleep = sleep;
        row.times_flag_spin = spin;
    }
    rows
}

/// Tells how many times better one figure is than another, if that can be said.
fn times_better(measure: Measure, value: f64, base: f64) -> Option<f64> {
    let ratio = match measure {
        Measure::Throughput => value / base,
        Measure::RoundTrip | Measure::IdleCpu => base / value,
    };
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(measure: Measure, transport: Kind, distance: Distance, figure_ns: u64) -> Pass {
        Pass {
            task: Task {
                measure,
                transport,
                size_bytes: 64,
            },
            repetition: 0,
            attempt: 0,
            distance,
            bounce_before_ns: Some(100.0),
            bounce_after_ns: None,
            count: 1000,
            elapsed_ns: figure_ns,
            producer_cpu_ns: 0,
            consumer_cpu_ns: figure_ns,
            samples_ns: vec![figure_ns, 1, 1_000_000],
        }
    }

    fn rows(passes: &[Pass]) -> Vec<Row> {
        let mut tasks: Vec<Task> = passes.iter().map(|pass| pass.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        with_ratios(
            tasks
                .into_iter()
                .map(|task| summary(task, passes))
                .collect(),
        )
    }

    #[test]
    fn near_passes_count_where_there_are_any() {
        let far = pass(Measure::RoundTrip, Kind::FlagSpin, Distance::Far, 900);
        let near = pass(Measure::RoundTrip, Kind::FlagSpin, Distance::Near, 300);
        let row = &rows(&[far.clone(), near])[0];
        assert_eq!((row.passes_used, row.passes_made), (1, 2));
        assert_eq!(row.distance, Distance::Near);
        assert_eq!(
            format!("{:.0} {:?}", row.spread.median, row.max_ns),
            "300 Some(1000000)"
        );
        let row = &rows(&[far.clone(), far])[0];
        assert_eq!((row.passes_used, row.distance), (2, Distance::Far));
    }

    #[test]
    fn better_means_more_messages_less_time_and_less_cpu() {
        for (measure, figures) in [
            (Measure::Throughput, [1000, 500]),
            (Measure::RoundTrip, [1000, 500]),
            (Measure::IdleCpu, [1000, 500]),
        ] {
            let [flag, semaphores] = figures;
            let rows = rows(&[
                pass(measure, Kind::FlagSpin, Distance::Near, flag),
                pass(measure, Kind::Semaphores, Distance::Near, semaphores),
            ]);
            assert_eq!(format!("{:.2?}", rows[0].times_flag_spin), "Some(1.00)");
            assert_eq!(
                format!("{:.2?}", rows[1].times_flag_spin),
                "Some(2.00)",
                "{measure}"
            );
            assert_eq!(rows[1].times_flag_sleep, None);
        }
        assert_eq!(times_better(Measure::IdleCpu, 0.0, 5.0), None);
    }

    #[test]
    fn a_spinning_consumer_shows_whether_its_cpu_was_its_own() {
        let mut busy = pass(Measure::IdleCpu, Kind::FlagSpin, Distance::Near, 1000);
        busy.consumer_cpu_ns = 800;
        let asleep = pass(Measure::IdleCpu, Kind::FlagSleep, Distance::Near, 1000);
        assert_eq!(own_cpu(std::slice::from_ref(&asleep)), None);
        assert_eq!(own_cpu(&[busy, asleep]), Some(0.8));
    }
}
