//! One pass: two processes, one measurement, and nothing left behind.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::arguments::Settings;
use crate::board::{Board, Distance};
use crate::interrupt::Signals;
use crate::machine::Machine;
use crate::names::Names;
use crate::pair;
use crate::peers::Peers;
use crate::plan::{Measure, Measured, Plan, Report, Role, Task};
use crate::transports::Kind;

/// A pass may last this much longer than planned, and then so many times as long as planned, before it
/// counts as stuck.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_FACTOR: u64 = 20;
/// What a message may take where their number was asked for.
const PATIENCE_PER_MESSAGE: Duration = Duration::from_micros(2);
/// The warm-up is a tenth of what is measured, at most so many messages, and at least once round the
/// memory: its pages come into being at the first touch.
const WARM_UP_MAX: u64 = 10_000;

/// What came of a pass.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pass {
    #[serde(flatten)]
    pub task: Task,
    pub repetition: u32,
    /// 0, and more where passes before were between far CPUs.
    pub attempt: u32,
    pub distance: Distance,
    pub bounce_before_ns: Option<f64>,
    pub bounce_after_ns: Option<f64>,
    /// Messages or round trips measured.
    pub count: u64,
    pub elapsed_ns: u64,
    pub producer_cpu_ns: u64,
    pub consumer_cpu_ns: u64,
    /// Of both together.
    pub switches: u64,
    /// Each round trip or wake-up, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples_ns: Vec<u64>,
}

/// Runs passes, each under names of its own.
#[derive(Debug)]
pub struct Runner {
    run: String,
    passes: u32,
    /// Whose copies are the two sides.
    program: PathBuf,
    /// Whose copies they are where a transport is not ours.
    peers: Option<Peers>,
    board: Board,
    signals: Signals,
    cpus: Option<[usize; 2]>,
    /// Spinning for each other needs two CPUs.
    bounces: bool,
    corrupt: bool,
    limit: Duration,
    /// What passes that ended well have left behind; must stay empty.
    pub left: Vec<String>,
}

impl Runner {
    pub fn new(
        run: String,
        settings: &Settings,
        machine: &Machine,
        peers: Option<Peers>,
    ) -> Result<Self> {
        let longest = settings.pass_ns.saturating_mul(PATIENCE_FACTOR) + settings.idle_ns;
        Ok(Self {
            run,
            passes: 0,
            program: std::env::current_exe().context("cannot find this program's own file")?,
            peers,
            board: Board::create()?,
            signals: Signals::hold_back()?,
            cpus: machine.pinned_to,
            bounces: machine.has_two_cpus(),
            corrupt: settings.corrupt,
            limit: PATIENCE + Duration::from_nanos(longest),
            left: Vec::new(),
        })
    }

    /// Runs a pass of so many messages; `bounce`: with the cache-line bounce before and after.
    pub fn pass(&mut self, task: Task, count: u64, bounce: bool) -> Result<Pass> {
        self.passes += 1;
        let names = Names::new(&self.run, self.passes);
        self.board.reset()?;
        let plans = self.plans(task, count, bounce, &names);
        let is_peer = task.subject.transport().is_some_and(Kind::is_peer);
        let program = match &self.peers {
            Some(peers) if is_peer => &peers.program,
            _ => &self.program,
        };
        let limit =
            self.limit + PATIENCE_PER_MESSAGE * u32::try_from(task.messages).unwrap_or(u32::MAX);
        let result = pair::run(program, &plans, limit, &self.signals);
        // After a failure objects are left, by those who were ended: that is no finding. Objects that
        // cannot be removed are, and then the failure is only why.
        let left = names
            .sweep()
            .context("cannot clear away what was left behind")?;
        let [producer, consumer] = result.with_context(|| task.to_string())?;
        self.left.extend(left);
        Ok(evaluate(task, count, producer, consumer))
    }

    fn plans(&self, task: Task, count: u64, bounce: bool, names: &Names) -> [Plan; 2] {
        let slots = u64::from(task.slots());
        let warm_up = match task.measure {
            Measure::IdleCpu | Measure::SetUp => 0,
            Measure::WakeUp => 1,
            _ => (count / 10).min(WARM_UP_MAX).max(slots),
        };
        let is_corrupt = self.corrupt && task.subject.transport().is_some();
        [Role::Producer, Role::Consumer].map(|role| Plan {
            role,
            task,
            warm_up,
            count,
            names: names.clone(),
            board: (bounce && self.bounces).then(|| self.board.id()),
            cpu: self.cpus.map(|cpus| cpus[role as usize]),
            corrupt: (is_corrupt && role == Role::Producer).then_some(warm_up),
            parent_pid: std::process::id(),
        })
    }
}

/// Makes one result of the two reports.
fn evaluate(task: Task, count: u64, producer: Report, consumer: Report) -> Pass {
    let (bounce_before_ns, bounce_after_ns) = (producer.bounce_before_ns, producer.bounce_after_ns);
    let (sent, received): (Measured, Measured) = (producer.measured, consumer.measured);
    let samples_ns = match task.measure {
        Measure::WakeUp => {
            let pairs = sent.samples_ns.iter().zip(&received.samples_ns);
            // The first is the warm-up.
            let delays = pairs.map(|(sent_at, at)| at.saturating_sub(*sent_at));
            delays.skip(1).collect()
        }
        Measure::RoundTrip => sent.samples_ns,
        Measure::SetUp => received.samples_ns,
        Measure::Throughput | Measure::BySlots | Measure::ByMessages | Measure::IdleCpu => {
            Vec::new()
        }
    };
    Pass {
        task,
        repetition: 0,
        attempt: 0,
        distance: Distance::between(bounce_before_ns, bounce_after_ns),
        bounce_before_ns,
        bounce_after_ns,
        count,
        // The clock of who sees the end of what is measured.
        elapsed_ns: match task.measure {
            Measure::RoundTrip => sent.elapsed_ns,
            _ => received.elapsed_ns,
        },
        producer_cpu_ns: sent.cpu_ns,
        consumer_cpu_ns: received.cpu_ns,
        switches: sent.switches + received.switches,
        samples_ns,
    }
}
