//! Starts the two processes, does to them what the scenario says, and judges the outcome.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use semring::{Address, Mode, Role};
use sysv_ipc::{Segment, SemaphoreSet};

use crate::arguments::{Arguments, Task};
use crate::ledger::Ledger;
use crate::scenario::{self, Scenario, Victim};

/// How long a pair may stand still before it counts as hung.
const HANG: Duration = Duration::from_secs(20);
/// How often the supervisor looks while it waits.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Messages after the last kill.
const LAST_MESSAGES: u64 = 200;

/// Runs all scenarios and prints what came out, a line each.
pub fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    println!("stress: seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut total = Outcome::default();
    for scenario in scenario::list(arguments.messages, arguments.kills) {
        let started = Instant::now();
        let outcome = stream(&scenario, &mut rng)
            .with_context(|| format!("VIOLATION in \"{scenario}\"; repeat with --seed {seed}"))?;
        let seconds = started.elapsed().as_secs_f64();
        println!("{:<28} {outcome} {seconds:>7.2} s", scenario.to_string());
        total.add(&outcome);
    }
    println!("{:<28} {total}", "all");
    println!("stress: 0 lost, 0 gaps, 0 reordered, 0 torn, 0 hangs, nothing left behind");
    Ok(())
}

fn seed_of_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos()
        .into()
}

/// Counts what was done.
#[derive(Debug, Default)]
struct Outcome {
    messages: u64,
    kills: u64,
    consumers_killed: u64,
    repeated: u64,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.kills += other.kills;
        self.consumers_killed += other.consumers_killed;
        self.repeated += other.repeated;
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>9} messages {:>6} kills {:>5} redelivered",
            self.messages, self.kills, self.repeated
        )
    }
}

/// Runs one scenario on a channel of its own.
fn stream(scenario: &Scenario, rng: &mut Rng) -> Result<Outcome> {
    let ledger = Ledger::create(scenario.messages)?;
    let channel = format!("stress-{}-{:016x}", std::process::id(), rng.u64(..));
    let task = Task {
        channel,
        slots: scenario.slots,
        slot_bytes: scenario.slot_bytes,
        seed: rng.u64(..),
        ledger: ledger.id(),
    };
    let mut pair = Pair::start(task, ledger, rng)?;
    let mut outcome = Outcome::default();
    while outcome.kills < scenario.kills {
        pair.wait_a_moment(rng)?;
        pair.kill(scenario.victim, rng, &mut outcome)?;
    }
    if scenario.kills > 0 {
        let last = pair.ledger.confirmed()? + u64::from(scenario.slots) + LAST_MESSAGES;
        pair.ledger.set_goal(last.min(scenario.messages))?;
    }
    pair.finish()?;
    pair.judge(&mut outcome)?;
    Ok(outcome)
}

/// Holds the two processes; dropping it ends them and removes their channel.
struct Pair {
    task: Task,
    ledger: Ledger,
    producer: Child,
    consumer: Child,
}

impl Pair {
    fn start(task: Task, ledger: Ledger, rng: &mut Rng) -> Result<Self> {
        let consumer_first = rng.bool();
        let early = consumer_first
            .then(|| spawn(Role::Consumer, &task))
            .transpose()?;
        let producer = spawn(Role::Producer, &task)?;
        let consumer = early.map_or_else(|| spawn(Role::Consumer, &task), Ok)?;
        Ok(Self {
            task,
            ledger,
            producer,
            consumer,
        })
    }

    /// Lets the pair work for a random time: short enough to meet a process that is just attaching,
    /// or long enough to meet one in the middle of its work.
    fn wait_a_moment(&mut self, rng: &mut Rng) -> Result<()> {
        let limit_us = if rng.u8(..4) == 0 { 2_000 } else { 8_000 };
        thread::sleep(Duration::from_micros(rng.u64(..limit_us)));
        for (role, child) in self.children() {
            if let Some(status) = child.try_wait()? {
                bail!("the {role} ended before it was killed: {status}");
            }
        }
        Ok(())
    }

    fn kill(&mut self, victim: Victim, rng: &mut Rng, outcome: &mut Outcome) -> Result<()> {
        let (producer, consumer) = match victim {
            Victim::Nobody => (false, false),
            Victim::Producer => (true, false),
            Victim::Consumer => (false, true),
            Victim::Both => (true, true),
        };
        if producer {
            self.producer.kill()?;
            outcome.kills += 1;
        }
        if consumer {
            self.consumer.kill()?;
            outcome.kills += 1;
            outcome.consumers_killed += 1;
        }
        // Without waiting for the end of the one, sometimes: its successor meets it half dead.
        if producer {
            self.producer.wait()?;
            self.producer = spawn(Role::Producer, &self.task)?;
        }
        if consumer {
            self.consumer.wait()?;
            if producer && rng.bool() {
                thread::sleep(LOOK_EVERY);
            }
            self.consumer = spawn(Role::Consumer, &self.task)?;
        }
        Ok(())
    }

    /// Waits until both have ended by themselves, as long as they get on.
    fn finish(&mut self) -> Result<()> {
        let mut progress = (self.ledger.confirmed()?, self.ledger.delivered()?);
        let mut since = Instant::now();
        loop {
            let mut running = 0;
            for (role, child) in self.children() {
                match child.try_wait()? {
                    None => running += 1,
                    Some(status) => ensure!(status.success(), "the {role} failed: {status}"),
                }
            }
            if running == 0 {
                return Ok(());
            }
            let now = (self.ledger.confirmed()?, self.ledger.delivered()?);
            if now != progress {
                (progress, since) = (now, Instant::now());
            }
            let (confirmed, delivered) = progress;
            ensure!(
                since.elapsed() < HANG,
                "HANG: {confirmed} sent, {delivered} delivered, {running} processes running, {}",
                self.semaphores()
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    fn children(&mut self) -> [(Role, &mut Child); 2] {
        [
            (Role::Producer, &mut self.producer),
            (Role::Consumer, &mut self.consumer),
        ]
    }

    /// Says what the semaphores hold, for the report of a hang.
    fn semaphores(&self) -> String {
        let key = match Address::named(&self.task.channel) {
            Ok(address) => address.key(),
            Err(error) => return error.to_string(),
        };
        SemaphoreSet::open(key, Mode::from_bits(0))
            .and_then(SemaphoreSet::values)
            .map_or_else(
                |error| error.to_string(),
                |values| format!("semaphores {values:?}"),
            )
    }

    /// Checks that all that was sent came, no oftener than it may, and that nothing is left.
    fn judge(&self, outcome: &mut Outcome) -> Result<()> {
        let (goal, delivered) = (self.ledger.goal()?, self.ledger.delivered()?);
        ensure!(
            delivered == goal,
            "LOST: {goal} sent, {delivered} delivered"
        );
        outcome.messages = delivered;
        outcome.repeated = self.ledger.repeated()?;
        ensure!(
            outcome.repeated <= outcome.consumers_killed,
            "REPEATED: {} messages came again, only {} consumers were killed",
            outcome.repeated,
            outcome.consumers_killed
        );
        let key = Address::named(&self.task.channel)?.key();
        let any = Mode::from_bits(0);
        ensure!(
            Segment::open(key, any).is_err(),
            "LEFT: a segment with key {key}"
        );
        ensure!(
            SemaphoreSet::open(key, any).is_err(),
            "LEFT: a semaphore set with key {key}"
        );
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for (_, child) in self.children() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let Ok(address) = Address::named(&self.task.channel) else {
            return;
        };
        if let Ok(segment) = Segment::open(address.key(), Mode::OWNER) {
            let _ = segment.remove();
        }
        if let Ok(set) = SemaphoreSet::open(address.key(), Mode::OWNER) {
            let _ = set.remove();
        }
    }
}

fn spawn(role: Role, task: &Task) -> Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(role.to_string())
        .args(task.to_arguments())
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start the {role}"))
}
