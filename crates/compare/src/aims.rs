//! What the channel is meant to reach on hardware of its kind, and what it has reached in this run.

use crate::bare::Bare;
use crate::plan::Measure::{ByMessages, IdleCpu, RoundTrip, SetUp, Throughput};
use crate::plan::{Measure, Task};
use crate::ratios::time_ns;
use crate::results::{Results, Row};
use crate::sections::{Section, words};
use crate::set_up;
use crate::statistics::as_f64;
use crate::subject::Subject;
use crate::transports::{Family, Kind};
use crate::units;

const HEAD: &[&str] = &["", "aim", "found", "reached"];
/// What an adaptive side may spend looking before it sleeps.
const SPIN_NS: f64 = 50_000.0;
/// Ways of sending in place, of which the best counts where only the memory is the limit.
const IN_PLACE: [Kind; 3] = [Kind::Adaptive, Kind::AdaptiveBatches, Kind::AdaptiveRoomy];

/// Makes the table of those aims of which everything was measured.
pub fn section(results: &Results) -> Section {
    let found = Found(results);
    let groups = [
        found.strict(),
        found.adaptive(),
        found.round_trips(),
        found.bandwidth(),
        found.around(),
    ];
    Section {
        title: "aims".into(),
        head: words(HEAD),
        rows: groups.into_iter().flatten().flatten().collect(),
    }
}

/// One line of the table; none where something was not measured.
type Line = Option<Vec<String>>;

fn at_least(what: &str, aim: f64, found: Option<f64>, figure: fn(f64) -> String) -> Line {
    let found = found.filter(|found| found.is_finite())?;
    let aim_text = format!("at least {}", figure(aim));
    Some(line(what, aim_text, figure(found), found >= aim))
}

fn at_most(what: &str, aim: f64, found: Option<f64>, figure: fn(f64) -> String) -> Line {
    let found = found.filter(|found| found.is_finite())?;
    let aim_text = format!("at most {}", figure(aim));
    Some(line(what, aim_text, figure(found), found <= aim))
}

fn line(what: &str, aim: String, found: String, reached: bool) -> Vec<String> {
    let reached = if reached { "yes" } else { "no" };
    vec![what.into(), aim, found, reached.into()]
}

fn times(ratio: f64) -> String {
    format!("{} ×", units::ratio(ratio))
}

/// What was found, as times: less is better.
struct Found<'a>(&'a Results);

impl Found<'_> {
    fn of(&self, measure: Measure, kind: Kind, bytes: usize) -> Option<f64> {
        let row = self.0.row(measure, kind, bytes)?;
        Some(time_ns(measure, row.spread.median))
    }

    fn bare(&self, measure: Measure, bare: Bare, bytes: usize) -> Option<f64> {
        let row = self.0.bare(measure, bare, bytes)?;
        Some(time_ns(measure, row.spread.median))
    }

    /// How many times quicker one is than the other in a stream.
    fn quicker(&self, one: Kind, other: Kind, bytes: usize) -> Option<f64> {
        Some(self.of(Throughput, other, bytes)? / self.of(Throughput, one, bytes)?)
    }

    fn strict(&self) -> Vec<Line> {
        let credits = self.of(Throughput, Kind::SemaphoresCredits, 64);
        let semop = self.bare(Throughput, Bare::Semop, 0);
        let in_semops = credits.zip(semop).map(|(credits, semop)| credits / semop);
        let batches = self.of(Throughput, Kind::SemaphoresBatches, 64);
        vec![
            at_most(
                "strict, 64 B, 16 credits: a message, in bare `semop`s",
                1.15,
                in_semops,
                times,
            ),
            at_least(
                "strict, 64 B, 16 credits: beside the literal form",
                1.8,
                self.quicker(Kind::SemaphoresCredits, Kind::Semaphores, 64),
                times,
            ),
            at_least(
                "strict, 64 B, 64 an exchange: messages/s",
                35e6,
                batches.map(|ns| 1e9 / ns),
                units::rate,
            ),
            at_least(
                "strict, 64 B, 64 an exchange: beside the spinning flag",
                4.0,
                self.quicker(Kind::SemaphoresBatches, Kind::FlagSpin, 64),
                times,
            ),
        ]
    }

    fn adaptive(&self) -> Vec<Line> {
        let beside = |what, aim, other, bytes| {
            at_least(what, aim, self.quicker(Kind::Adaptive, other, bytes), times)
        };
        let batches = self.of(Throughput, Kind::AdaptiveBatches, 64);
        vec![
            beside(
                "adaptive, 48 B, one by one: beside the futex ring",
                2.0,
                Kind::FutexRing,
                48,
            ),
            beside(
                "adaptive, 64 B, one by one: beside the futex ring",
                1.5,
                Kind::FutexRing,
                64,
            ),
            beside(
                "adaptive, 64 B: beside iceoryx2, polling",
                12.0,
                Kind::Iceoryx2Poll,
                64,
            ),
            beside(
                "adaptive, 64 B: beside the spinning flag",
                4.0,
                Kind::FlagSpin,
                64,
            ),
            at_least(
                "adaptive, 64 B, batches of 32: messages/s",
                80e6,
                batches.map(|ns| 1e9 / ns),
                units::rate,
            ),
        ]
    }

    fn round_trips(&self) -> Vec<Line> {
        let awake = self.of(RoundTrip, Kind::Adaptive, 64);
        let awake = awake.zip(self.bare(RoundTrip, Bare::Lines, 0));
        let asleep = self.of(RoundTrip, Kind::Semaphores, 64);
        let asleep = asleep.zip(self.bare(RoundTrip, Bare::Semop, 0));
        let ratio = |(found, limit): (f64, f64)| found / limit;
        vec![
            at_most(
                "round trip, 64 B, both running: in round trips of bare cache lines",
                1.3,
                awake.map(ratio),
                times,
            ),
            at_most(
                "round trip, 64 B, both sleeping: in round trips of a bare `semop`",
                1.1,
                asleep.map(ratio),
                times,
            ),
        ]
    }

    fn bandwidth(&self) -> Vec<Line> {
        let sizes = self.0.settings.sizes_bytes.iter();
        let sizes = sizes.copied().filter(|&bytes| bytes >= 1024);
        sizes.flat_map(|bytes| self.bandwidth_of(bytes)).collect()
    }

    fn bandwidth_of(&self, bytes: usize) -> [Line; 4] {
        let length = units::bytes(bytes);
        let least = |kinds: &[Kind]| {
            let found = kinds
                .iter()
                .filter_map(|&kind| self.of(Throughput, kind, bytes));
            found.min_by(f64::total_cmp)
        };
        let best = least(&IN_PLACE);
        let others: Vec<Kind> = Kind::all()
            .iter()
            .copied()
            .filter(|kind| [Family::Peer, Family::Kernel].contains(&kind.family()))
            .collect();
        let part = |limit: Option<f64>, found: Option<f64>| Some(limit? / found?);
        let fill = self.bare(Throughput, Bare::Fill, bytes);
        let fill_slots = self.bare(Throughput, Bare::FillSlots, bytes);
        let aim = if bytes < 16 << 10 { 0.75 } else { 0.85 };
        let copy = self.bare(Throughput, Bare::CopySlots, bytes);
        let write_and_copy = fill.zip(copy).map(|(fill, copy)| fill + copy);
        let copied = least(&[Kind::SemaphoresCopy, Kind::AdaptiveCopy]);
        [
            at_least(
                &format!("in place, {length}: of one core's writing"),
                aim,
                part(fill, best),
                units::part,
            ),
            at_least(
                &format!("in place, {length}: of one core's writing into the same slots"),
                aim,
                part(fill_slots, best),
                units::part,
            ),
            at_least(
                &format!("in place, {length}: beside the best of kernel and peers"),
                1.0,
                part(least(&others), best),
                times,
            ),
            at_least(
                &format!("by copy, {length}: of one core's writing and copying"),
                0.8,
                part(write_and_copy, copied),
                units::part,
            ),
        ]
    }

    /// What lies around the messages: waiting, long streams, making a channel.
    fn around(&self) -> Vec<Line> {
        let bytes = self.0.settings.small_bytes();
        // What a wait costs at its beginning and end is not divided by less than a second.
        let seconds = (as_f64(self.0.settings.idle_ns) / 1e9).max(1.0);
        let ours = [
            (Kind::Semaphores, 0.0),
            (Kind::SemaphoresCredits, 0.0),
            (Kind::Adaptive, SPIN_NS),
        ];
        let idle = ours.map(|(kind, spin_ns)| {
            let cpu_ns = self.of(IdleCpu, kind, bytes);
            let beyond = cpu_ns.map(|cpu_ns| (cpu_ns - spin_ns).max(0.0) / seconds);
            let what = format!(
                "{}: CPU in a second of waiting, beyond its looking",
                kind.title()
            );
            at_most(&what, 50_000.0, beyond, units::time)
        });
        let long = [
            Kind::SemaphoresBatches,
            Kind::Adaptive,
            Kind::AdaptiveBatches,
        ]
        .map(|kind| {
            let what = format!("{}: the longest stream beside the shortest", kind.title());
            at_most(&what, 1.1, self.long_beside_short(kind, bytes), times)
        });
        let attach = Subject::SetUp(set_up::SetUp::Attach);
        let attach = |row: &&Row| row.task.measure == SetUp && row.task.subject == attach;
        let attach = self.0.rows.iter().find(attach).map(|row| row.spread.median);
        let attach = at_most("attach to a channel and close", 1e6, attach, units::time);
        idle.into_iter().chain(long).chain([attach]).collect()
    }

    /// What a message of the longest stream takes, in those of the shortest.
    fn long_beside_short(&self, kind: Kind, bytes: usize) -> Option<f64> {
        let time = |messages: u64| {
            let subject = Subject::Transport(kind);
            let task = Task {
                messages,
                ..Task::new(ByMessages, bytes, subject)
            };
            let row = self.0.rows.iter().find(|row| row.task == task)?;
            Some(time_ns(ByMessages, row.spread.median))
        };
        let lengths = &self.0.settings.messages;
        let (short, long) = (*lengths.first()?, *lengths.last()?);
        (short < long).then_some(time(long)? / time(short)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_reached_or_not_or_was_not_measured() {
        let cells = |line: Line| line.map(|cells| cells[1..].join("; ")).unwrap();
        for (found, least, most) in [
            (1.5, "1.50 ×; no", "1.50 ×; yes"),
            (2.0, "2.00 ×; yes", "2.00 ×; yes"),
            (2.5, "2.50 ×; yes", "2.50 ×; no"),
        ] {
            let at_least = at_least("", 2.0, Some(found), times);
            assert_eq!(cells(at_least), format!("at least 2.00 ×; {least}"));
            let at_most = at_most("", 2.0, Some(found), times);
            assert_eq!(cells(at_most), format!("at most 2.00 ×; {most}"));
        }
        for nothing in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(at_least("", 2.0, nothing, times), None);
            assert_eq!(at_most("", 2.0, nothing, times), None);
        }
    }
}
