//! The limits of the machine, measured as the transports are: bare calls and bare memory, by the same
//! two processes in the same run.

use std::cell::Cell;
use std::fmt;
use std::hint::{self, black_box};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::unistd::getppid;
use rustix::io::Errno;
use rustix::thread::futex;
use serde::{Deserialize, Serialize};
use sysv_ipc::{Attachment, Key, Mode, Operation, Segment, SemaphoreSet};

use crate::machine::{Stopwatch, now_ns};
use crate::names::key_of;
use crate::pattern;
use crate::plan::{Measure, Measured, Plan, Role};
use crate::transports::{RingMemory, hot_slots, when_there};
use crate::work::start_together;

/// What the machine does without a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bare {
    /// A system call that does nothing: `getppid`.
    #[serde(rename = "bare-call")]
    Call,
    /// `semop` on one set, by both sides at once.
    #[serde(rename = "bare-semop")]
    Semop,
    /// `futex`: a wake-up of nobody, or of the other side.
    #[serde(rename = "bare-futex")]
    Futex,
    /// Two cache lines, each written by one side and looked at by the other, as the two positions of a ring.
    #[serde(rename = "bare-lines")]
    Lines,
    /// One core writes messages into memory.
    #[serde(rename = "bare-fill")]
    Fill,
    /// One core copies messages from memory to memory.
    #[serde(rename = "bare-copy")]
    Copy,
    /// One core writes messages into the slots of a System V segment, one after the other.
    #[serde(rename = "bare-fill-slots")]
    FillSlots,
    /// One core copies messages from memory of its own into such slots.
    #[serde(rename = "bare-copy-slots")]
    CopySlots,
}

impl Bare {
    pub const ALL: [Self; 8] = [
        Self::Call,
        Self::Semop,
        Self::Futex,
        Self::Lines,
        Self::Fill,
        Self::Copy,
        Self::FillSlots,
        Self::CopySlots,
    ];

    /// Returns its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Call => "null call",
            Self::Semop => "bare semop",
            Self::Futex => "bare futex",
            Self::Lines => "bare cache lines, one each way",
            Self::Fill => "fill",
            Self::Copy => "memcpy",
            Self::FillSlots => "fill into slots",
            Self::CopySlots => "memcpy into slots",
        }
    }

    /// Tells whether it depends on the length of the messages.
    pub const fn has_size(self) -> bool {
        matches!(
            self,
            Self::Fill | Self::Copy | Self::FillSlots | Self::CopySlots
        )
    }

    /// Tells whether there is such a thing.
    pub const fn has(self, measure: Measure) -> bool {
        match measure {
            Measure::Throughput => !matches!(self, Self::Lines),
            Measure::RoundTrip => matches!(self, Self::Semop | Self::Futex | Self::Lines),
            Measure::WakeUp | Measure::IdleCpu => matches!(self, Self::Semop | Self::Futex),
            Measure::BySlots | Measure::ByMessages | Measure::SetUp => false,
        }
    }
}

impl fmt::Display for Bare {
    /// Writes the name as in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Call => "bare-call",
            Self::Semop => "bare-semop",
            Self::Futex => "bare-futex",
            Self::Lines => "bare-lines",
            Self::Fill => "bare-fill",
            Self::Copy => "bare-copy",
            Self::FillSlots => "bare-fill-slots",
            Self::CopySlots => "bare-copy-slots",
        })
    }
}

/// Does one side's part.
pub fn run(bare: Bare, plan: &Plan) -> Result<Measured> {
    match bare {
        Bare::Call => alone(plan, |_| {
            black_box(getppid());
        }),
        Bare::Fill => {
            let mut memory = vec![1_u8; plan.task.size_bytes];
            alone(plan, |number| pattern::fill(black_box(&mut memory), number))
        }
        Bare::Copy => {
            let source = vec![1_u8; plan.task.size_bytes];
            let mut target = source.clone();
            alone(plan, |_| {
                black_box(&mut target[..]).copy_from_slice(black_box(&source[..]));
            })
        }
        Bare::FillSlots => {
            let mut slots = private_slots(plan)?;
            alone(plan, |number| {
                pattern::fill(slots.message_mut(number), number);
            })
        }
        Bare::CopySlots => {
            let source = vec![1_u8; plan.task.size_bytes];
            let mut slots = private_slots(plan)?;
            alone(plan, |number| {
                slots
                    .message_mut(number)
                    .copy_from_slice(black_box(&source[..]));
            })
        }
        Bare::Semop => {
            let key = key_of(&plan.names.forth())?;
            let semaphores = match plan.role {
                Role::Producer => SemaphoreSet::create(key, SIGNALS, Mode::OWNER)?,
                Role::Consumer => when_there(|| SemaphoreSet::open(key, Mode::OWNER))?,
            };
            together(plan, &semaphores)
        }
        Bare::Futex => together(plan, &Futexes(numbers(plan)?)),
        Bare::Lines => together(plan, &Lines::new(numbers(plan)?)),
    }
}

/// Makes the memory of the signals that are numbers, or attaches to it.
fn numbers(plan: &Plan) -> Result<Attachment> {
    let key = key_of(&plan.names.forth())?;
    let segment = match plan.role {
        Role::Producer => Segment::create(key, NUMBERS_BYTES, Mode::OWNER)?,
        Role::Consumer => when_there(|| Segment::open(key, Mode::OWNER))?,
    };
    Ok(segment.attach()?)
}

/// Makes slots that stay in the shared cache, as those of a channel do at best, for this process alone.
fn private_slots(plan: &Plan) -> Result<RingMemory> {
    let bytes = plan.task.size_bytes;
    let memory = RingMemory::create(Key::PRIVATE, bytes, hot_slots(bytes))?;
    memory.segment().remove()?;
    Ok(memory)
}

/// One side works, by itself: the consumer, whose time counts.
fn alone(plan: &Plan, mut work: impl FnMut(u64)) -> Result<Measured> {
    start_together()?;
    match plan.role {
        Role::Producer => Ok(Measured::default()),
        Role::Consumer => {
            (0..plan.warm_up).for_each(&mut work);
            let stopwatch = Stopwatch::start()?;
            (plan.warm_up..plan.total()).for_each(&mut work);
            stopwatch.stop()
        }
    }
}

/// Signals: one for each side, and one by which the consumer says that it has done.
const SIGNALS: usize = 3;
const DONE: u16 = 2;

/// Something to wait for, and to end a wait with.
trait Signals {
    /// Makes one call that wakes nobody, on the signal of one side, and which leaves it as it was after
    /// every second.
    fn call(&self, signal: u16, number: u64) -> Result<()>;
    fn post(&self, signal: u16) -> Result<()>;
    fn wait(&self, signal: u16) -> Result<()>;
    fn remove(&self) -> Result<()>;
}

fn together(plan: &Plan, signals: &impl Signals) -> Result<Measured> {
    start_together()?;
    let measured = match (plan.task.measure, plan.role) {
        (Measure::RoundTrip, Role::Producer) => ask(plan, signals)?,
        (Measure::RoundTrip, Role::Consumer) => answer(plan, signals)?,
        (Measure::WakeUp | Measure::IdleCpu, Role::Producer) => wake(plan, signals)?,
        (Measure::WakeUp | Measure::IdleCpu, Role::Consumer) => be_woken(plan, signals)?,
        (_, role) => {
            let call = |number| signals.call(role as u16, number);
            (0..plan.warm_up).try_for_each(call)?;
            let stopwatch = Stopwatch::start()?;
            (plan.warm_up..plan.total()).try_for_each(call)?;
            stopwatch.stop()?
        }
    };
    match plan.role {
        Role::Producer => signals.wait(DONE).and_then(|()| signals.remove())?,
        Role::Consumer => signals.post(DONE)?,
    }
    Ok(measured)
}

const THERE: u16 = Role::Consumer as u16;
const BACK: u16 = Role::Producer as u16;

fn ask(plan: &Plan, signals: &impl Signals) -> Result<Measured> {
    let mut samples_ns = vec![1; usize::try_from(plan.total())?];
    let stopwatch = Stopwatch::start()?;
    let mut before = Instant::now();
    for sample_ns in &mut samples_ns {
        signals.post(THERE)?;
        signals.wait(BACK)?;
        let after = Instant::now();
        *sample_ns = u64::try_from((after - before).as_nanos())?;
        before = after;
    }
    let measured = stopwatch.stop()?;
    Ok(Measured {
        samples_ns: samples_ns.split_off(usize::try_from(plan.warm_up)?),
        ..measured
    })
}

fn answer(plan: &Plan, signals: &impl Signals) -> Result<Measured> {
    let stopwatch = Stopwatch::start()?;
    for _ in 0..plan.total() {
        signals.wait(THERE)?;
        signals.post(BACK)?;
    }
    stopwatch.stop()
}

fn wake(plan: &Plan, signals: &impl Signals) -> Result<Measured> {
    let stopwatch = Stopwatch::start()?;
    let mut samples_ns = Vec::new();
    for _ in 0..plan.total() {
        thread::sleep(Duration::from_nanos(plan.task.pause_ns));
        samples_ns.push(now_ns());
        signals.post(THERE)?;
    }
    let measured = stopwatch.stop()?;
    Ok(Measured {
        samples_ns,
        ..measured
    })
}

fn be_woken(plan: &Plan, signals: &impl Signals) -> Result<Measured> {
    let stopwatch = Stopwatch::start()?;
    let mut samples_ns = Vec::new();
    for _ in 0..plan.total() {
        signals.wait(THERE)?;
        samples_ns.push(now_ns());
    }
    let measured = stopwatch.stop()?;
    Ok(Measured {
        samples_ns,
        ..measured
    })
}

impl Signals for SemaphoreSet {
    fn call(&self, signal: u16, number: u64) -> Result<()> {
        if number.is_multiple_of(2) {
            self.post(signal)
        } else {
            self.wait(signal)
        }
    }

    fn post(&self, signal: u16) -> Result<()> {
        Ok(self.operate(&[Operation::add(signal, 1)])?)
    }

    fn wait(&self, signal: u16) -> Result<()> {
        Ok(self.operate(&[Operation::take(signal, 1)])?)
    }

    fn remove(&self) -> Result<()> {
        Ok((*self).remove()?)
    }
}

/// Numbers that count posts, each on a line of its own.
struct Futexes(Attachment);

const NUMBERS_BYTES: usize = 4096;
const APART_BYTES: usize = 128;

impl Futexes {
    fn number(&self, signal: u16) -> Result<&AtomicU32> {
        Ok(self.0.atomic_u32(usize::from(signal) * APART_BYTES)?)
    }
}

impl Signals for Futexes {
    fn call(&self, signal: u16, _: u64) -> Result<()> {
        futex::wake(self.number(signal)?, futex::Flags::empty(), 1)?;
        Ok(())
    }

    fn post(&self, signal: u16) -> Result<()> {
        let number = self.number(signal)?;
        number.fetch_add(1, Ordering::Release);
        futex::wake(number, futex::Flags::empty(), 1)?;
        Ok(())
    }

    fn wait(&self, signal: u16) -> Result<()> {
        let number = self.number(signal)?;
        while number.load(Ordering::Acquire) == 0 {
            match futex::wait(number, futex::Flags::empty(), 0, None) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        number.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&self) -> Result<()> {
        Ok(self.0.segment().remove()?)
    }
}

/// Numbers of posts, each on a line of its own that only one side writes. Who waits, looks.
struct Lines {
    memory: Attachment,
    /// How often this side has posted each signal, and waited for it.
    posted: [Cell<u64>; SIGNALS],
    waited: [Cell<u64>; SIGNALS],
}

impl Lines {
    fn new(memory: Attachment) -> Self {
        Self {
            memory,
            posted: Default::default(),
            waited: Default::default(),
        }
    }

    fn number(&self, signal: u16) -> Result<&AtomicU64> {
        Ok(self.memory.atomic_u64(usize::from(signal) * APART_BYTES)?)
    }
}

/// Counts one more, and returns how many that makes.
fn count(counter: &Cell<u64>) -> u64 {
    counter.set(counter.get() + 1);
    counter.get()
}

impl Signals for Lines {
    fn call(&self, signal: u16, _: u64) -> Result<()> {
        self.post(signal)
    }

    fn post(&self, signal: u16) -> Result<()> {
        let posts = count(&self.posted[usize::from(signal)]);
        self.number(signal)?.store(posts, Ordering::Release);
        Ok(())
    }

    fn wait(&self, signal: u16) -> Result<()> {
        let posts = count(&self.waited[usize::from(signal)]);
        let number = self.number(signal)?;
        while number.load(Ordering::Acquire) < posts {
            hint::spin_loop();
        }
        Ok(())
    }

    fn remove(&self) -> Result<()> {
        Ok(self.memory.segment().remove()?)
    }
}
