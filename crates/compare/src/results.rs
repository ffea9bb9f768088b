//! What a run has found: each pass with its samples, and a row for each line of the table.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::arguments::Settings;
use crate::bare::Bare;
use crate::board::Distance;
use crate::machine::Machine;
use crate::pass::Pass;
use crate::plan::{Measure, Task};
use crate::ratios::{self, Noise};
use crate::statistics::{Spread, as_f64, histogram, median, percentile};
use crate::subject::Subject;
use crate::transports::Kind;

/// Version of the structure of the JSON file.
const FORMAT: u32 = 3;

/// Everything about a run.
#[derive(Debug, Serialize)]
pub struct Results {
    format: u32,
    pub machine: Machine,
    pub settings: Settings,
    /// Part of its CPU that a spinning consumer had, which others did not take; none: nobody span.
    pub own_cpu: Option<f64>,
    pub noise: Vec<Noise>,
    pub rows: Vec<Row>,
    pub passes: Vec<Pass>,
}

/// What was found about one task.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub task: Task,
    /// Of messages in a second, of each pass's median round trip or wake-up in ns, or of CPU time in ns.
    pub spread: Spread,
    /// Of all samples of the passes that count.
    pub p99_ns: Option<u64>,
    pub p999_ns: Option<u64>,
    pub max_ns: Option<u64>,
    /// Medians over the passes, of both processes together, for each message.
    pub cpu_ns: f64,
    pub switches: f64,
    /// The least time that the machine allows, as a part of the time it took: 1 is the limit.
    pub of_limit: Option<f64>,
    /// How many times better than the flag, sleeping and spinning.
    pub times_flag_sleep: Option<f64>,
    pub times_flag_spin: Option<f64>,
    /// Far only if no pass was between near CPUs.
    pub distance: Distance,
    /// Passes that count, of those that were made.
    pub passes_used: usize,
    pub passes_made: usize,
    /// Messages, round trips or wake-ups of a pass.
    pub count: u64,
}

/// What is taken from such a file: all else follows from it.
#[derive(Debug, Deserialize)]
struct Measured {
    format: u32,
    machine: Machine,
    settings: Settings,
    passes: Vec<Pass>,
}

impl Results {
    /// Reads what an earlier run has written, and works it out anew.
    ///
    /// # Errors
    ///
    /// There is no such file, or it is not one of this program and version.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let found: Measured = serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} is no file of `compare --json`", path.display()))?;
        if found.format != FORMAT {
            let (path, found) = (path.display(), found.format);
            bail!(
                "{path} has format {found}, and this program reads format {FORMAT}: measure again"
            );
        }
        Ok(Self::new(found.settings, found.machine, found.passes))
    }

    pub fn new(settings: Settings, mut machine: Machine, passes: Vec<Pass>) -> Self {
        machine.bounce_median_ns = bounce_median_ns(&passes);
        let mut tasks: Vec<Task> = passes.iter().map(|pass| pass.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let rows = tasks.into_iter().map(|task| summary(task, &passes));
        let mut rows: Vec<Row> = rows.collect();
        ratios::fill_in(&mut rows, machine.bounce_median_ns);
        Self {
            format: FORMAT,
            machine,
            settings,
            own_cpu: own_cpu(&passes),
            noise: ratios::noise(&rows),
            rows,
            passes,
        }
    }
}

impl Results {
    /// Finds what was measured about a transport with messages of this length.
    pub fn row(&self, measure: Measure, kind: Kind, size_bytes: usize) -> Option<&Row> {
        let usual = Task::new(measure, size_bytes, Subject::Transport(kind));
        let rows = self.rows.iter();
        let mut rows = rows.filter(|row| {
            Task {
                pause_ns: 0,
                ..row.task
            } == usual
        });
        rows.next()
    }

    /// Finds what the machine does without a transport; `size_bytes`: 0 where there is none.
    pub fn bare(&self, measure: Measure, bare: Bare, size_bytes: usize) -> Option<&Row> {
        let task = Task::new(measure, size_bytes, Subject::Bare(bare));
        self.rows.iter().find(|row| row.task == task)
    }
}

/// The median over the near passes, if there are any: those are the ones that count.
fn bounce_median_ns(passes: &[Pass]) -> Option<f64> {
    let of = |wanted: fn(Distance) -> bool| -> Vec<f64> {
        let passes = passes.iter().filter(|pass| wanted(pass.distance));
        let bounces = passes.flat_map(|pass| [pass.bounce_before_ns, pass.bounce_after_ns]);
        bounces.flatten().collect()
    };
    let near = of(|distance| distance == Distance::Near);
    let bounces = if near.is_empty() { of(|_| true) } else { near };
    (!bounces.is_empty()).then(|| median(&bounces))
}

/// The median over the passes in which one side spins and the other sleeps. The bounce does not notice others
/// on the same CPUs: it is over before they have their turn.
fn own_cpu(passes: &[Pass]) -> Option<f64> {
    let spinning = passes
        .iter()
        .filter(|pass| pass.task.subject == Subject::Transport(Kind::FlagSpin))
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
    let of_each = |total: fn(&Pass) -> u64| {
        let each = used
            .iter()
            .map(|pass| as_f64(total(pass)) / as_f64(pass.count.max(1)));
        median(&each.collect::<Vec<f64>>())
    };
    let histogram = histogram(sorted.iter().map(Vec::as_slice));
    let max_ns = sorted
        .iter()
        .filter_map(|samples| samples.last().copied())
        .max();
    let quantile = |part| {
        // The histogram answers with the end of a range, which may lie beyond.
        let found = histogram
            .as_ref()
            .map(|found| found.value_at_quantile(part));
        found.min(max_ns)
    };
    Row {
        task,
        spread: Spread::of(&values.collect::<Vec<f64>>()),
        p99_ns: quantile(0.99),
        p999_ns: quantile(0.999),
        max_ns,
        cpu_ns: of_each(|pass| pass.producer_cpu_ns + pass.consumer_cpu_ns),
        switches: of_each(|pass| pass.switches),
        of_limit: None,
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
        Measure::Throughput | Measure::BySlots | Measure::ByMessages => {
            as_f64(pass.count) * 1e9 / as_f64(pass.elapsed_ns.max(1))
        }
        Measure::RoundTrip | Measure::WakeUp | Measure::SetUp => {
            percentile(sorted_samples, 50).map_or(f64::NAN, as_f64)
        }
        Measure::IdleCpu => as_f64(pass.consumer_cpu_ns),
    }
}

#[cfg(test)]
impl Results {
    /// Makes those of a run with these arguments that has found these rows, for the tests of who reads
    /// them.
    pub fn of(line: &[&str], rows: Vec<Row>) -> Self {
        use clap::Parser as _;
        let arguments = crate::arguments::Arguments::parse_from([&["compare"], line].concat());
        let settings = arguments.settings(&[]);
        let machine = Machine::look(settings.placement, None).unwrap();
        Self {
            rows,
            ..Self::new(settings, machine, Vec::new())
        }
    }
}

#[cfg(test)]
impl Row {
    /// Makes one of one pass, for the tests of who reads rows.
    pub fn of_one(task: Task, median: f64) -> Self {
        let (min, max) = (median, median);
        Self {
            task,
            spread: Spread { median, min, max },
            p99_ns: None,
            p999_ns: None,
            max_ns: None,
            cpu_ns: 0.0,
            switches: 0.0,
            of_limit: None,
            times_flag_sleep: None,
            times_flag_spin: None,
            distance: Distance::Near,
            passes_used: 1,
            passes_made: 1,
            count: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(measure: Measure, kind: Kind, distance: Distance, figure_ns: u64) -> Pass {
        Pass {
            task: Task::new(measure, 64, Subject::Transport(kind)),
            repetition: 0,
            attempt: 0,
            distance,
            bounce_before_ns: Some(100.0),
            bounce_after_ns: None,
            count: 1000,
            elapsed_ns: figure_ns,
            producer_cpu_ns: 0,
            consumer_cpu_ns: figure_ns,
            switches: 500,
            samples_ns: vec![figure_ns, 1, 1_000_000],
        }
    }

    #[test]
    fn near_passes_count_where_there_are_any() {
        let far = pass(Measure::RoundTrip, Kind::FlagSpin, Distance::Far, 900);
        let near = pass(Measure::RoundTrip, Kind::FlagSpin, Distance::Near, 300);
        let row = summary(far.task, &[far.clone(), near]);
        assert_eq!((row.passes_used, row.passes_made), (1, 2));
        assert_eq!(row.distance, Distance::Near);
        assert_eq!(
            format!("{:.0} {:?}", row.spread.median, row.max_ns),
            "300 Some(1000000)"
        );
        let row = summary(far.task, &[far.clone(), far]);
        assert_eq!((row.passes_used, row.distance), (2, Distance::Far));
    }

    #[test]
    fn percentiles_are_of_all_samples_that_count() {
        let mut passes = [300, 400]
            .map(|figure_ns| pass(Measure::WakeUp, Kind::Pipe, Distance::Near, figure_ns));
        passes[0].samples_ns = vec![10; 990];
        passes[1].samples_ns = vec![500; 10];
        let row = summary(passes[0].task, &passes);
        // Of 1000 samples the 990th is the last of the short ones.
        assert_eq!(
            (row.p99_ns, row.p999_ns, row.max_ns),
            (Some(10), Some(500), Some(500))
        );
        assert_eq!(format!("{:?}", row.spread.median), "255.0");
    }

    #[test]
    fn what_a_message_costs_is_what_both_sides_spend() {
        let mut one = pass(Measure::Throughput, Kind::Pipe, Distance::Near, 4000);
        one.producer_cpu_ns = 2000;
        let row = summary(one.task, &[one]);
        assert_eq!(format!("{} {}", row.cpu_ns, row.switches), "6 0.5");
        assert_eq!(format!("{}", row.spread.median), "250000000");
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
