//! What has become of a channel's counters since the last look, and of its fill before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use semring::Role;
use semring::observe::{SideStatus, Snapshot};

/// Over how long rates are taken at least, so that they can be read when looks come faster.
const RATES_OVER: Duration = Duration::from_secs(1);
/// Samples of the fill that are kept: more than a screen is wide.
const KEPT: usize = 512;
/// Signs of a sparkline, from empty to full.
const SIGNS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Holds what was seen of a channel at one look after the other.
#[derive(Debug, Default)]
pub struct Series {
    counted: VecDeque<(Instant, [Counters; 2])>,
    rates: [Rates; 2],
    fill: VecDeque<u32>,
    slots: u32,
}

/// Holds what a side has counted.
#[derive(Debug, Clone, Copy)]
struct Counters {
    messages: u64,
    bytes: u64,
    sleeps: u64,
}

/// Holds what a side did each second, over the last second, or since the last look when that was earlier.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Messages committed, or released.
    pub messages: f64,
    /// Bytes in them.
    pub bytes: f64,
    /// Waits in `semop`.
    pub sleeps: f64,
}

impl Series {
    /// Adds what was seen at a time.
    pub fn add(&mut self, at: Instant, seen: &Snapshot) {
        self.count(at, [&seen.producer, &seen.consumer].map(Counters::of));
        self.slots = seen.geometry.slot_count();
        if self.fill.len() == KEPT {
            self.fill.pop_front();
        }
        // A damaged one is told apart, in words.
        self.fill.push_back(seen.filled.unwrap_or(0));
    }

    fn count(&mut self, at: Instant, counters: [Counters; 2]) {
        self.counted.push_back((at, counters));
        let is_past = |(time, _): &(Instant, _)| at.duration_since(*time) >= RATES_OVER;
        while self.counted.get(1).is_some_and(is_past) {
            self.counted.pop_front();
        }
        if let Some((before, old)) = self.counted.front() {
            let seconds = at.duration_since(*before).as_secs_f64();
            self.rates = [0, 1].map(|side| counters[side].rates(old[side], seconds));
        }
    }

    /// Returns what a side does each second.
    pub const fn rates(&self, role: Role) -> Rates {
        match role {
            Role::Producer => self.rates[0],
            Role::Consumer => self.rates[1],
        }
    }

    /// Returns what goes through the channel each second, messages and bytes: in or out, whichever is more.
    pub fn through(&self) -> (f64, f64) {
        let [producer, consumer] = self.rates;
        (
            producer.messages.max(consumer.messages),
            producer.bytes.max(consumer.bytes),
        )
    }

    /// Returns the waits of both sides each second.
    pub fn sleeps(&self) -> f64 {
        self.rates.iter().map(|rates| rates.sleeps).sum()
    }

    /// Returns how full it was last, 0 to 1.
    pub fn fullness(&self) -> f64 {
        let filled = self.fill.back().copied().unwrap_or(0);
        f64::from(filled) / f64::from(self.slots.max(1))
    }

    /// Returns the last `count` samples of the fill in 0 to `levels`, the latest at the end; `None`
    /// before the first. Something is never taken for nothing, nor what is not full for full.
    pub fn fill(&self, count: usize, levels: u32) -> impl Iterator<Item = Option<u32>> {
        let kept = self.fill.len().min(count);
        let before = std::iter::repeat_n(None, count - kept);
        let fill = self.fill.iter().skip(self.fill.len() - kept);
        before.chain(fill.map(move |&filled| Some(level(filled, self.slots, levels))))
    }

    /// Draws the last `count` samples of the fill in one line.
    pub fn sparkline(&self, count: usize) -> String {
        let levels = self.fill(count, 8).map(Option::unwrap_or_default);
        levels.map(|level| SIGNS[level.min(8) as usize]).collect()
    }
}

fn level(filled: u32, slots: u32, levels: u32) -> u32 {
    if filled >= slots {
        return levels;
    }
    (filled * levels).div_ceil(slots).min(levels - 1)
}

impl Counters {
    const fn of(side: &SideStatus) -> Self {
        Self {
            messages: side.messages,
            bytes: side.bytes,
            sleeps: side.sleeps,
        }
    }

    fn rates(self, before: Self, seconds: f64) -> Rates {
        Rates {
            messages: per_second(self.messages, before.messages, seconds),
            bytes: per_second(self.bytes, before.bytes, seconds),
            sleeps: per_second(self.sleeps, before.sleeps, seconds),
        }
    }
}

/// The counters wrap, and another program may have written into them: nothing, then.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn per_second(now: u64, before: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        now.saturating_sub(before) as f64 / seconds
    } else {
        0.0
    }
}

/// Writes a rate in at most five characters: "0", "0.4", "950", "12.3k", "4.5M".
pub fn short_rate(rate: f64) -> String {
    const UNITS: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let (mut number, mut unit) = (rate, 0);
    // What would be rounded up to 1000 is written in the next unit.
    while number >= 999.5 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    let digits = match number {
        0.0 => 0,
        _ if number < 9.95 || unit > 0 && number < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_never_nothing_nor_nearly_full_full() {
        for (filled, slots, expected) in [
            (0, 64, 0),
            (1, 64, 1),
            (63, 64, 7),
            (64, 64, 8),
            (1, 1, 8),
            (1, 16384, 1),
            (16383, 16384, 7),
        ] {
            assert_eq!(level(filled, slots, 8), expected, "{filled}/{slots}");
        }
    }

    #[test]
    fn the_latest_stands_at_the_end() {
        let series = Series {
            fill: VecDeque::from([0, 2, 4]),
            slots: 4,
            ..Series::default()
        };
        assert_eq!(series.sparkline(5), "   ▄█");
        assert_eq!(series.sparkline(2), "▄█");
        assert_eq!(series.sparkline(0), "");
        assert_eq!(series.fill(4, 8).collect::<Vec<_>>()[..2], [None, Some(0)]);
    }

    #[test]
    fn rates_are_taken_over_a_second_or_since_the_last_look() {
        let mut series = Series::default();
        let begin = Instant::now();
        for (after_ms, messages, expected) in [
            (0, 7, 0.0),
            (500, 8, 2.0),
            (1000, 8, 1.0),
            (1500, 9, 1.0),
            (4500, 15, 2.0),
        ] {
            let counters = Counters {
                messages,
                bytes: 0,
                sleeps: 0,
            };
            series.count(begin + Duration::from_millis(after_ms), [counters; 2]);
            let rate = series.rates(Role::Consumer).messages;
            assert!((rate - expected).abs() < 1e-9, "{rate} after {after_ms} ms");
        }
    }

    #[test]
    fn rates_are_short() {
        for (rate, text) in [
            (0.0, "0"),
            (0.96, "1.0"),
            (9.94, "9.9"),
            (9.96, "10"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (12_345.0, "12.3k"),
            (99_960.0, "100k"),
            (999_600.0, "1.0M"),
            (123_456_789.0, "123M"),
            (1e18, "1000P"),
        ] {
            assert_eq!(short_rate(rate), text, "{rate}");
        }
    }

    #[test]
    fn counters_that_run_backwards_are_no_rate() {
        assert!(per_second(5, 7, 1.0).abs() < f64::EPSILON);
        assert!(per_second(7, 5, 0.0).abs() < f64::EPSILON);
        assert!((per_second(7, 5, 0.5) - 4.0).abs() < f64::EPSILON);
    }
}
