//! What is measured when.

use crate::arguments::Settings;
use crate::bare::Bare;
use crate::plan::{Measure, Task};
use crate::set_up::SetUp;
use crate::subject::Subject;
use crate::transports::Kind;

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
    let small_bytes = settings.small_bytes();
    let mut groups = Vec::new();
    for (index, &size_bytes) in settings.sizes_bytes.iter().enumerate() {
        groups.push(group(settings, Measure::Throughput, size_bytes, index == 0));
    }
    for (index, &size_bytes) in settings.round_trip_sizes_bytes.iter().enumerate() {
        groups.push(group(settings, Measure::RoundTrip, size_bytes, index == 0));
    }
    for &pause_ns in &settings.pauses_ns {
        let tasks = group(settings, Measure::WakeUp, small_bytes, true).into_iter();
        groups.push(tasks.map(|task| Task { pause_ns, ..task }).collect());
    }
    if repetition < settings.idle_repetitions {
        let pause_ns = settings.idle_ns;
        let tasks = group(settings, Measure::IdleCpu, small_bytes, true).into_iter();
        groups.push(tasks.map(|task| Task { pause_ns, ..task }).collect());
        let rings = settings.slots.iter();
        groups.extend(rings.map(|&slots| by_slots(settings, slots)));
    }
    let streams = settings.messages.iter();
    let streams = streams.filter(|&&messages| repetition == 0 || messages <= MANY_MESSAGES);
    groups.extend(streams.map(|&messages| by_messages(settings, messages)));
    groups.push(set_ups());
    for tasks in &mut groups {
        tasks.retain(|task| {
            let sleeps = task.subject == Subject::Transport(Kind::FlagSleep);
            !sleeps || repetition < settings.sleeping_repetitions
        });
    }
    groups
}

/// Streams of more messages are sent once only.
const MANY_MESSAGES: u64 = 10_000_000;
/// Messages of the channels that are made: 64 MiB of slots.
const SET_UP_BYTES: usize = 1 << 20;

/// Lists the transports and the machine; `first`: with what does not depend on the length of messages.
fn group(settings: &Settings, measure: Measure, size_bytes: usize, first: bool) -> Vec<Task> {
    let bare = Bare::ALL.into_iter().filter(|bare| bare.has(measure));
    let bare = bare.filter(|bare| first || bare.has_size());
    let bare = bare.map(|bare| {
        let size_bytes = if bare.has_size() { size_bytes } else { 0 };
        Task::new(measure, size_bytes, Subject::Bare(bare))
    });
    let transports = settings.transports.iter().filter(|kind| {
        let streams = measure == Measure::Throughput;
        kind.carries(size_bytes) && (streams || !kind.is_for_streams())
    });
    let transports =
        transports.map(|&kind| Task::new(measure, size_bytes, Subject::Transport(kind)));
    transports.chain(bare).collect()
}

/// Lists what may have rings of any size, each kind once: other names for the same are left out.
fn by_slots(settings: &Settings, slots: u32) -> Vec<Task> {
    let kinds = [
        Kind::Semaphores,
        Kind::SemaphoresCredits,
        Kind::SemaphoresBatches,
        Kind::Adaptive,
        Kind::AdaptiveBatches,
        Kind::FutexRing,
    ];
    let kinds = kinds
        .into_iter()
        .filter(|kind| settings.transports.contains(kind));
    let tasks = kinds.map(|kind| {
        let (measure, subject) = (Measure::BySlots, Subject::Transport(kind));
        Task {
            slots,
            ..Task::new(measure, settings.small_bytes(), subject)
        }
    });
    tasks.collect()
}

/// Lists what is quick enough for streams that long.
fn by_messages(settings: &Settings, messages: u64) -> Vec<Task> {
    let kinds = [
        Kind::SemaphoresBatches,
        Kind::Adaptive,
        Kind::AdaptiveBatches,
    ];
    let kinds = kinds
        .into_iter()
        .filter(|kind| settings.transports.contains(kind));
    let tasks = kinds.map(|kind| {
        let (measure, subject) = (Measure::ByMessages, Subject::Transport(kind));
        Task {
            messages,
            ..Task::new(measure, settings.small_bytes(), subject)
        }
    });
    tasks.collect()
}

fn set_ups() -> Vec<Task> {
    let tasks =
        SetUp::ALL.map(|step| Task::new(Measure::SetUp, SET_UP_BYTES, Subject::SetUp(step)));
    tasks.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;
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
        let ours = || Kind::all().iter().filter(|kind| !kind.is_peer());
        let alone = ours().filter(|kind| !kind.is_for_streams()).count();
        let carried = |bytes| ours().filter(|kind| kind.carries(bytes)).count();
        let streams = carried(64) + carried(64 << 10);
        assert_eq!(count(Measure::Throughput), streams + 3 + 2 * 4);
        assert_eq!(count(Measure::RoundTrip), alone * 2 + 3);
        assert_eq!(count(Measure::WakeUp), alone + 2);
        assert_eq!(count(Measure::IdleCpu), alone + 2);
        assert_eq!(count(Measure::SetUp), SetUp::ALL.len());
    }

    #[test]
    fn what_takes_long_is_not_repeated_as_often() {
        let settings = settings(&["--full"]);
        let schedule = schedule(&settings);
        let count = |wanted: &dyn Fn(Task) -> bool| {
            schedule.iter().filter(|(_, task)| wanted(*task)).count()
        };
        let sleeping = Subject::Transport(Kind::FlagSleep);
        let of_64 = |task: Task| task.size_bytes == 64 && task.measure == Measure::Throughput;
        assert_eq!(count(&|task| of_64(task) && task.subject == sleeping), 2);
        assert_eq!(count(&|task| task.messages == 1_000_000_000), 3);
        assert_eq!(count(&|task| task.messages == 1_000_000), 3 * 5);
        assert_eq!(count(&|task| task.measure == Measure::BySlots), 6 * 8 * 3);
    }
}
