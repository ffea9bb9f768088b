//! What is measured when.

use crate::arguments::Settings;
use crate::bare::Bare;
use crate::plan::{Measure, Task};
use crate::subject::Subject;

/// Lists every pass: in each repetition each measure, in it each subject once, each time beginning
/// with another one, so that none always follows the same one or always has the quiet minute.
pub fn schedule(settings: &Settings) -> Vec<(u32, Task)> {
    let mut passes = Vec::new();
    for repetition in 0..settings.repetitions {
        for mut tasks in groups(settings, repetition) {
            let count = tasks.len().max(1);
            tasks.rotate_left(repetition as usize % count);
            passes.extend(tasks.into_iter().map(|task| (repetition, task)));
        }
    }
    passes
}

/// Lists what is to be compared with each other.
fn groups(settings: &Settings, repetition: u32) -> Vec<Vec<Task>> {
    let mut groups = Vec::new();
    let small_bytes = settings.small_bytes();
    for measure in [Measure::Throughput, Measure::RoundTrip] {
        for &size_bytes in &settings.sizes_bytes {
            let first = settings.sizes_bytes.first() == Some(&size_bytes);
            groups.push(group(settings, measure, size_bytes, 0, first));
        }
    }
    for &pause_ns in &settings.pauses_ns {
        groups.push(group(
            settings,
            Measure::WakeUp,
            small_bytes,
            pause_ns,
            true,
        ));
    }
    if repetition < settings.idle_repetitions {
        let pause_ns = settings.idle_ns;
        groups.push(group(
            settings,
            Measure::IdleCpu,
            small_bytes,
            pause_ns,
            true,
        ));
    }
    groups
}

/// Lists the transports and the machine; `first`: with what does not depend on the length of messages.
fn group(
    settings: &Settings,
    measure: Measure,
    size_bytes: usize,
    pause_ns: u64,
    first: bool,
) -> Vec<Task> {
    let task = |subject, size_bytes| Task {
        measure,
        size_bytes,
        pause_ns,
        subject,
    };
    let bare = Bare::ALL.into_iter().filter(|bare| bare.has(measure));
    let bare = bare.filter(|bare| first || bare.has_size());
    let bare = bare.map(|bare| {
        let size_bytes = if bare.has_size() { size_bytes } else { 0 };
        task(Subject::Bare(bare), size_bytes)
    });
    let transports = settings.transports.iter().filter(|kind| {
        // Alone a message of a batch is a message like any other.
        let alone = measure != Measure::Throughput;
        kind.carries(size_bytes) && !(alone && kind.is_batched())
    });
    let transports = transports.map(|&kind| task(Subject::Transport(kind), size_bytes));
    transports.chain(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;
    use crate::transports::Kind;
    use clap::Parser as _;

    fn settings(line: &[&str]) -> Settings {
        Arguments::parse_from([&["compare"], line].concat()).settings(&[])
    }

    #[test]
    fn every_subject_comes_first_in_turn() {
        let settings = settings(&["--repetitions", "4", "--transports", "flag-spin,semaphores"]);
        let schedule = schedule(&settings);
        let firsts = (0..4).map(|repetition| {
            let mut passes = schedule.iter().filter(|(r, _)| *r == repetition);
            passes.next().unwrap().1.subject
        });
        let firsts: Vec<String> = firsts.map(|subject| subject.to_string()).collect();
        assert_eq!(
            firsts.join(" "),
            "flag-spin semaphores bare-call bare-semop"
        );
    }

    #[test]
    fn each_thing_is_measured_once_in_a_repetition() {
        let settings = settings(&["--quick"]);
        let schedule = schedule(&settings);
        let of = |repetition| {
            let passes = schedule.iter().filter(move |(r, _)| *r == repetition);
            let mut tasks: Vec<Task> = passes.map(|(_, task)| *task).collect();
            tasks.sort_unstable();
            tasks
        };
        let (mut tasks, second) = (of(0), of(1));
        // The idle reader is measured in the first only.
        assert!(second.len() < tasks.len());
        let all = tasks.len();
        tasks.dedup();
        assert_eq!(tasks.len(), all);
        let count = |measure| tasks.iter().filter(|task| task.measure == measure).count();
        let kinds = Kind::all().iter().filter(|kind| !kind.is_peer()).count();
        let batched = Kind::all().iter().filter(|kind| kind.is_batched()).count();
        let single = kinds - batched;
        // Two sizes; batches of the small one only, and of no use alone.
        assert_eq!(count(Measure::Throughput), single * 2 + batched + 3 + 2 * 2);
        assert_eq!(count(Measure::RoundTrip), single * 2 + 2);
        assert_eq!(count(Measure::WakeUp), single + 2);
        assert_eq!(count(Measure::IdleCpu), single + 2);
    }
}
