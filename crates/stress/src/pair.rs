//! The two processes of one stream: started, disturbed, killed, succeeded, waited for, judged.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use semring::{Address, Channel, Mode, Role};
use sysv_ipc::{Key, Segment, SemaphoreSet};

use crate::interrupt;
use crate::ledger::{Ledger, Number, Phase};
use crate::outcome::Outcome;
use crate::process::{End, Process};
use crate::shape::{ROLES, Shape, Victim};
use crate::side::{self, Extra, Manner, Side, Task};

/// How long a pair may stand still before it counts as hung.
pub const HANG: Duration = Duration::from_secs(60);
/// How often the supervisor looks while it waits.
const LOOK_EVERY: Duration = Duration::from_micros(50);
/// Messages of a stream that is ended by setting another goal, or never.
pub const ENDLESS: u64 = 50_000_000;
/// Messages after the last disturbance of an endless stream.
const LAST_MESSAGES: u64 = 200;
/// What `shmget` and `semget` are to check: nothing.
const NO_RIGHTS: Mode = Mode::from_bits(0);

/// Holds the two processes of a stream; dropping it ends them and removes their channel.
pub struct Pair {
    pub ledger: Ledger,
    task: Task,
    key: Key,
    producer: Option<Process>,
    consumer: Option<Process>,
    pub outcome: Outcome,
    /// Messages that killed consumers had received and not released.
    may_repeat: u64,
}

impl Pair {
    /// Prepares a stream on a channel of its own, of at most `messages` messages.
    pub fn new(shape: Shape, messages: u64, rng: &mut Rng) -> Result<Self> {
        let channel = format!("stress-{}-{:016x}", std::process::id(), rng.u64(..));
        let key = Address::named(&channel)?.key();
        let task = Task {
            channel,
            shape,
            seed: rng.u64(..),
            manner: Manner::default(),
        };
        Ok(Self {
            ledger: Ledger::create(messages)?,
            task,
            key,
            producer: None,
            consumer: None,
            outcome: Outcome::default(),
            may_repeat: 0,
        })
    }

    /// Says how the two sides are to behave.
    pub const fn with(mut self, manner: Manner) -> Self {
        self.task.manner = manner;
        self
    }

    /// Changes how sides behave that are started from now on.
    pub const fn set_manner(&mut self, manner: Manner) {
        self.task.manner = manner;
    }

    pub const fn key(&self) -> Key {
        self.key
    }

    /// Starts another stream, with a ledger of its own, on the same channel.
    pub fn afresh(&mut self, messages: u64) -> Result<()> {
        self.ledger = Ledger::create(messages)?;
        self.may_repeat = 0;
        Ok(())
    }

    /// Starts those of the two that do not run, in any order.
    pub fn start(&mut self, rng: &mut Rng) -> Result<()> {
        let mut roles = ROLES;
        rng.shuffle(&mut roles);
        for role in roles {
            if self.child(role).is_none() {
                self.spawn(role, Extra::default())?;
            }
        }
        Ok(())
    }

    /// Starts one side.
    pub fn spawn(&mut self, role: Role, extra: Extra) -> Result<()> {
        self.ledger.enter(role, Phase::Starting)?;
        if role == Role::Consumer {
            self.ledger.set(Number::InHand, 0)?;
        }
        let (task, ledger) = (&self.task, &self.ledger);
        let process = Process::start(
            || Side::new(task, ledger, role, extra).run(),
            |error| ledger.fail(&format!("{role}: {error:#}")),
        )
        .with_context(|| format!("cannot start the {role}"))?;
        *self.child(role) = Some(process);
        Ok(())
    }

    /// Does something with the channel in a process of its own, and waits for its success.
    pub fn visit(&self, action: impl FnOnce(&Channel) -> Result<()>) -> Result<()> {
        let (task, ledger) = (&self.task, &self.ledger);
        let mut visitor = Process::start(
            || action(&side::channel(task)?),
            |error| ledger.fail(&format!("{error:#}")),
        )?;
        let since = Instant::now();
        let end = loop {
            if let Some(end) = visitor.try_wait()? {
                break end;
            }
            ensure!(since.elapsed() < HANG, "HANG: a visitor does not end");
            thread::sleep(LOOK_EVERY);
        };
        ensure!(end == End::Success, "{}", self.failure("a visitor failed"));
        Ok(())
    }

    fn failure(&self, default: &str) -> String {
        self.ledger.failure().unwrap_or_else(|| default.to_owned())
    }

    const fn child(&mut self, role: Role) -> &mut Option<Process> {
        match role {
            Role::Producer => &mut self.producer,
            Role::Consumer => &mut self.consumer,
        }
    }

    /// Returns the process of a side that was started and not waited for.
    pub fn process(&self, role: Role) -> Result<&Process> {
        let process = match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        };
        process
            .as_ref()
            .with_context(|| format!("the {role} does not run"))
    }

    pub fn pid(&self, role: Role) -> Result<Pid> {
        self.process(role).map(Process::pid)
    }

    /// Sends a signal to a side, if it still runs.
    pub fn signal(&self, role: Role, signal: Signal) -> Result<()> {
        self.process(role)
            .map_or(Ok(()), |process| process.signal(signal))
    }

    /// Kills one or both, if they still run.
    pub fn kill(&mut self, victim: Victim) -> Result<()> {
        let roles = ROLES.into_iter().filter(|&role| victim.includes(role));
        for role in roles.clone() {
            self.signal(role, Signal::SIGKILL)?;
        }
        for role in roles {
            if let Some(mut process) = self.child(role).take() {
                let end = process.wait()?;
                self.note_end(role, end)?;
            }
        }
        Ok(())
    }

    /// Counts a kill, accepts a success, and refuses any other end.
    fn note_end(&mut self, role: Role, end: End) -> Result<()> {
        match end {
            End::Success => {}
            End::Killed => {
                self.outcome.kills += 1;
                if role == Role::Consumer {
                    self.may_repeat += self.ledger.get(Number::InHand)?;
                }
            }
            End::Failed => bail!("{}", self.failure(&format!("the {role} crashed"))),
        }
        Ok(())
    }

    /// Waits until one side has ended; true when it was killed.
    pub fn wait_for(&mut self, role: Role) -> Result<bool> {
        let kills = self.outcome.kills;
        self.wait_while(|pair| pair.is_running(role))?;
        Ok(self.outcome.kills > kills)
    }

    /// Waits until both have ended by themselves.
    pub fn finish(&mut self) -> Result<()> {
        let kills = self.outcome.kills;
        self.wait_while(|pair| {
            let producing = pair.is_running(Role::Producer)?;
            Ok(pair.is_running(Role::Consumer)? || producing)
        })?;
        ensure!(
            self.outcome.kills == kills,
            "somebody else killed one of the two processes"
        );
        Ok(())
    }

    /// Lets an endless stream come to its end, at most `messages` after its beginning.
    pub fn finish_soon(&mut self, messages: u64) -> Result<()> {
        let confirmed = self.ledger.get(Number::Confirmed)?;
        let last = confirmed + u64::from(self.task.shape.slots) + LAST_MESSAGES;
        self.ledger.set(Number::Goal, last.min(messages))?;
        self.finish()
    }

    /// Tells whether a side was started and not yet waited for.
    pub const fn runs(&self, role: Role) -> bool {
        match role {
            Role::Producer => self.producer.is_some(),
            Role::Consumer => self.consumer.is_some(),
        }
    }

    /// Tells whether a side runs, and takes note of its end.
    pub fn is_running(&mut self, role: Role) -> Result<bool> {
        let Some(process) = self.child(role) else {
            return Ok(false);
        };
        let Some(end) = process.try_wait()? else {
            return Ok(true);
        };
        *self.child(role) = None;
        self.note_end(role, end)?;
        Ok(false)
    }

    /// Tells whether a side sleeps for want of a permit.
    pub fn is_blocked(&self, role: Role) -> Result<bool> {
        let semaphore = u16::from(role == Role::Consumer);
        let set = SemaphoreSet::open(self.key, NO_RIGHTS)?;
        Ok(set.waiting_for_units(semaphore)? > 0)
    }

    /// Waits until a condition holds, as long as no side fails.
    pub fn wait_until(&mut self, mut condition: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        self.wait_while(|pair| {
            if condition(pair)? {
                return Ok(false);
            }
            for role in ROLES {
                // One that fails is noticed, one that succeeds may be what is waited for.
                if pair.child(role).is_some() && !pair.is_running(role)? {
                    return Ok(!condition(pair)?);
                }
            }
            Ok(true)
        })
    }

    /// Waits while a condition holds, as long as the pair gets on.
    fn wait_while(&mut self, mut condition: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let mut progress = self.ledger.progress()?;
        let mut since = Instant::now();
        while condition(self)? {
            interrupt::check()?;
            let now = self.ledger.progress()?;
            if now != progress {
                (progress, since) = (now, Instant::now());
            }
            ensure!(since.elapsed() < HANG, "HANG: {}", self.state(progress));
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Says how things stand, for the report of a hang.
    fn state(&self, [confirmed, delivered, losses, producer, consumer]: [u64; 5]) -> String {
        let semaphores = SemaphoreSet::open(self.key, NO_RIGHTS)
            .and_then(SemaphoreSet::values)
            .map_or_else(|error| error.to_string(), |values| format!("{values:?}"));
        format!(
            "{confirmed} confirmed, {delivered} delivered, {losses} losses reported, producer in \
             phase {producer}, consumer in phase {consumer}, semaphores {semaphores}"
        )
    }

    /// Checks that a consumer that nobody follows got all that was confirmed.
    pub fn judge_survivor(&mut self) -> Result<()> {
        let confirmed = self.ledger.get(Number::Confirmed)?;
        let delivered = self.ledger.get(Number::Delivered)?;
        self.outcome.messages += delivered;
        ensure!(
            delivered >= confirmed,
            "LOST: {confirmed} confirmed, {delivered} delivered to the survivor"
        );
        Ok(())
    }

    /// Attaches to what the stream has left, if anything, and closes it in order.
    pub fn tidy(&self) -> Result<()> {
        if !self.is_left() {
            return Ok(());
        }
        self.visit(|channel| {
            let mut consumer = channel.consumer().context("tidying up")?;
            channel.producer().context("tidying up")?.close()?;
            let left = consumer.recv()?.map(|message| message.position());
            ensure!(
                left.is_none(),
                "LEFT: message {left:?} was never sent, or not received"
            );
            consumer.close()?;
            Ok(())
        })
    }

    fn is_left(&self) -> bool {
        Segment::open(self.key, NO_RIGHTS).is_ok()
            || SemaphoreSet::open(self.key, NO_RIGHTS).is_ok()
    }

    /// Checks that all that was sent came, no oftener than it may, and that nothing is left.
    pub fn judge(&mut self) -> Result<()> {
        let goal = self.ledger.get(Number::Goal)?;
        let delivered = self.ledger.get(Number::Delivered)?;
        ensure!(
            delivered == goal,
            "LOST: {goal} sent, {delivered} delivered"
        );
        self.outcome.messages += delivered;
        let repeated = self.ledger.get(Number::Repeated)?;
        self.outcome.repeated += repeated;
        ensure!(
            repeated <= self.may_repeat,
            "REPEATED: {repeated} messages came again, only {} were in hand",
            self.may_repeat
        );
        ensure!(
            Segment::open(self.key, NO_RIGHTS).is_err(),
            "LEFT: a segment with key {}",
            self.key
        );
        ensure!(
            SemaphoreSet::open(self.key, NO_RIGHTS).is_err(),
            "LEFT: a semaphore set with key {}",
            self.key
        );
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.producer = None;
        self.consumer = None;
        if let Ok(segment) = Segment::open(self.key, Mode::OWNER) {
            let _ = segment.remove();
        }
        if let Ok(set) = SemaphoreSet::open(self.key, Mode::OWNER) {
            let _ = set.remove();
        }
    }
}
