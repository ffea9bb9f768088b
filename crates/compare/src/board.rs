//! How far the two CPUs are from each other: the round trip of one cache line between two processes.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sysv_ipc::{Attachment, Key, Mode, Segment};

use crate::plan::Role;
use crate::statistics;

/// Round trips before those that are measured: the other process may still be starting.
const WARM_UP: u64 = 1_000;
/// Round trips that one reading of the clock is spread over.
const BATCH: u64 = 500;
/// Batches; 20,000 round trips in all. Their median forgives an interruption.
const BATCHES: u64 = 40;
/// Below this the CPUs are near.
const NEAR_NS: f64 = 300.0;

/// Says how far the CPUs were from each other during a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    Near,
    Far,
    /// Not measured: there is one CPU only, or it does not matter.
    Unknown,
}

impl Distance {
    /// Judges by the round trips before and after.
    pub fn between(before_ns: Option<f64>, after_ns: Option<f64>) -> Self {
        match (before_ns, after_ns) {
            (Some(before), Some(after)) if before < NEAR_NS && after < NEAR_NS => Self::Near,
            (Some(_), Some(_)) => Self::Far,
            _ => Self::Unknown,
        }
    }
}

/// A segment with one number in it, which two processes count up in turns.
#[derive(Debug)]
pub struct Board {
    memory: Attachment,
    /// The number at the beginning of the next rally.
    count: u64,
}

impl Board {
    /// Makes one and takes it out of the list at once: it lives while somebody is attached, so nothing
    /// can be left of it. Linux lets others attach by the identifier all the same.
    pub fn create() -> Result<Self> {
        let segment = Segment::create(Key::PRIVATE, 4096, Mode::OWNER)?;
        let memory = segment.attach();
        segment.remove()?;
        Ok(Self {
            memory: memory?,
            count: 0,
        })
    }

    /// Attaches to the one that was made by another process.
    pub fn attach(id: i32) -> Result<Self> {
        let memory = Segment::from_id(id).attach();
        Ok(Self {
            memory: memory.context("cannot attach to the run's own segment")?,
            count: 0,
        })
    }

    /// Returns the identifier by which the others attach.
    pub const fn id(&self) -> i32 {
        self.memory.segment().id()
    }

    /// Prepares it for the next two processes.
    pub fn reset(&self) -> Result<()> {
        self.memory.atomic_u64(0)?.store(0, Ordering::Release);
        Ok(())
    }

    /// Plays with the other process, for which it waits without limit; returns the median time of a
    /// round trip on the side that begins.
    pub fn bounce(&mut self, role: Role) -> Result<Option<f64>> {
        let ball = self.memory.atomic_u64(0)?;
        let mut count = self.count;
        let median = match role {
            Role::Producer => {
                serve(ball, &mut count, WARM_UP);
                let batches: Vec<f64> = (0..BATCHES).map(|_| batch_ns(ball, &mut count)).collect();
                Some(statistics::median(&batches))
            }
            Role::Consumer => {
                answer(ball, &mut count, WARM_UP + BATCH * BATCHES);
                None
            }
        };
        self.count = count;
        Ok(median)
    }
}

fn batch_ns(ball: &AtomicU64, count: &mut u64) -> f64 {
    let started = Instant::now();
    serve(ball, count, BATCH);
    started.elapsed().as_secs_f64() * 1e9 / statistics::as_f64(BATCH)
}

fn serve(ball: &AtomicU64, count: &mut u64, rounds: u64) {
    for _ in 0..rounds {
        ball.store(*count + 1, Ordering::Release);
        *count += 2;
        wait_for(ball, *count);
    }
}

fn answer(ball: &AtomicU64, count: &mut u64, rounds: u64) {
    for _ in 0..rounds {
        wait_for(ball, *count + 1);
        *count += 2;
        ball.store(*count, Ordering::Release);
    }
}

fn wait_for(ball: &AtomicU64, value: u64) {
    while ball.load(Ordering::Acquire) != value {
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_near_before_and_after() {
        let distance = |before, after| Distance::between(Some(before), Some(after));
        assert_eq!(distance(140.0, 299.0), Distance::Near);
        assert_eq!(distance(140.0, 300.0), Distance::Far);
        assert_eq!(distance(500.0, 140.0), Distance::Far);
        assert_eq!(Distance::between(None, None), Distance::Unknown);
    }

    #[test]
    fn nothing_of_it_is_in_the_list() {
        let board = Board::create().unwrap();
        let entries = sysv_ipc::segments().unwrap();
        let entry = entries
            .iter()
            .find(|entry| entry.segment.id() == board.id());
        assert!(entry.is_none_or(|entry| entry.permissions.key == Key::PRIVATE));
        Board::attach(board.id()).unwrap();
        let id = board.id();
        drop(board);
        assert!(Board::attach(id).is_err());
    }
}
