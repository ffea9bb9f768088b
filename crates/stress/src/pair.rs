//! The two processes of one stream: started, killed, succeeded, waited for, judged.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use semring::{Address, Mode, Role};
use sysv_ipc::{Segment, SemaphoreSet};

use crate::arguments::Task;
use crate::ledger::Ledger;
use crate::scenario::{Shape, Victim};
use crate::side;

/// How long a pair may stand still before it counts as hung.
const HANG: Duration = Duration::from_secs(20);
/// How often the supervisor looks while it waits.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// Number of SIGKILL.
const SIGKILL: i32 = 9;

/// Counts what was done.
#[derive(Debug, Default)]
pub struct Outcome {
    pub messages: u64,
    pub kills: u64,
    pub consumers_killed: u64,
    pub repeated: u64,
}

impl Outcome {
    pub fn add(&mut self, other: &Self) {
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

/// Has a process die at a named point of the library, when it comes past for the given time.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "crash-points"),
    expect(dead_code, reason = "made with the feature only")
)]
pub struct Crash {
    pub role: Role,
    pub point: &'static str,
    pub time: u64,
}

/// Holds the two processes of a stream; dropping it ends them and removes their channel.
pub struct Pair {
    pub ledger: Ledger,
    task: Task,
    producer: Option<Child>,
    consumer: Option<Child>,
    pub outcome: Outcome,
}

impl Pair {
    /// Prepares a stream on a channel of its own, of at most `messages` messages.
    pub fn new(shape: Shape, messages: u64, rng: &mut Rng) -> Result<Self> {
        let ledger = Ledger::create(messages)?;
        let task = Task {
            channel: format!("stress-{}-{:016x}", std::process::id(), rng.u64(..)),
            slots: shape.slots,
            slot_bytes: shape.slot_bytes,
            credits: shape.credits,
            batch: shape.batch,
            alone: false,
            seed: rng.u64(..),
            ledger: ledger.id(),
        };
        let outcome = Outcome::default();
        Ok(Self {
            ledger,
            task,
            producer: None,
            consumer: None,
            outcome,
        })
    }

    /// Has both sides end when the other dies.
    pub const fn without_successors(mut self) -> Self {
        self.task.alone = true;
        self
    }

    /// Waits until messages flow.
    pub fn wait_for_traffic(&mut self) -> Result<()> {
        self.wait_while(|pair| Ok(pair.ledger.delivered()? == 0))
    }

    /// Starts those of the two that do not run, in any order.
    pub fn start(&mut self, rng: &mut Rng) -> Result<()> {
        let mut roles = [Role::Producer, Role::Consumer];
        rng.shuffle(&mut roles);
        for role in roles {
            if self.child(role).is_none() {
                self.spawn(role, None)?;
            }
        }
        Ok(())
    }

    /// Starts one side, which is to die at a named point if one is given.
    pub fn spawn(&mut self, role: Role, crash: Option<Crash>) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(role.to_string())
            .args(self.task.to_arguments())
            .stdin(Stdio::null());
        if let Some(Crash { point, time, .. }) = crash {
            command.env("SEMRING_CRASH", format!("{point}@{time}"));
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start the {role}"))?;
        *self.child(role) = Some(child);
        Ok(())
    }

    const fn child(&mut self, role: Role) -> &mut Option<Child> {
        match role {
            Role::Producer => &mut self.producer,
            Role::Consumer => &mut self.consumer,
        }
    }

    /// Kills whom the scenario says, if they still run.
    pub fn kill(&mut self, victim: Victim) -> Result<()> {
        for (role, wanted) in [
            (Role::Producer, victim.includes_producer()),
            (Role::Consumer, victim.includes_consumer()),
        ] {
            if wanted && let Some(child) = self.child(role) {
                child.kill()?;
            }
        }
        for role in [Role::Producer, Role::Consumer] {
            if let Some(mut child) = self.child(role).take() {
                let meant = match role {
                    Role::Producer => victim.includes_producer(),
                    Role::Consumer => victim.includes_consumer(),
                };
                if meant {
                    let status = child.wait()?;
                    self.note_end(role, status)?;
                } else {
                    *self.child(role) = Some(child);
                }
            }
        }
        Ok(())
    }

    /// Counts a kill, accepts a success, and refuses any other end.
    fn note_end(&mut self, role: Role, status: ExitStatus) -> Result<()> {
        if status.signal() == Some(SIGKILL) {
            self.outcome.kills += 1;
            self.outcome.consumers_killed += u64::from(role == Role::Consumer);
        } else if !status.success() {
            bail!("the {role} failed: {status}");
        }
        Ok(())
    }

    /// Waits until one side has ended; true when it was killed.
    #[cfg_attr(
        not(feature = "crash-points"),
        expect(dead_code, reason = "for crash points only")
    )]
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

    /// Tells whether a side runs, and takes note of its end.
    pub fn is_running(&mut self, role: Role) -> Result<bool> {
        let Some(child) = self.child(role) else {
            return Ok(false);
        };
        let Some(status) = child.try_wait()? else {
            return Ok(true);
        };
        *self.child(role) = None;
        self.note_end(role, status)?;
        Ok(false)
    }

    /// Waits while a condition holds, as long as the pair gets on.
    fn wait_while(&mut self, mut condition: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let mut progress = (self.ledger.confirmed()?, self.ledger.delivered()?);
        let mut since = Instant::now();
        while condition(self)? {
            let now = (self.ledger.confirmed()?, self.ledger.delivered()?);
            if now != progress {
                (progress, since) = (now, Instant::now());
            }
            ensure!(
                since.elapsed() < HANG,
                "HANG: {} confirmed, {} delivered, producer {}, consumer {}, {}",
                progress.0,
                progress.1,
                if self.producer.is_some() {
                    "runs"
                } else {
                    "ended"
                },
                if self.consumer.is_some() {
                    "runs"
                } else {
                    "ended"
                },
                self.semaphores()
            );
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Checks that a consumer whose producer has died got all that was confirmed.
    pub fn judge_survivor(&mut self, victim: Victim) -> Result<()> {
        let (confirmed, delivered) = (self.ledger.confirmed()?, self.ledger.delivered()?);
        self.outcome.messages = delivered;
        ensure!(
            victim.includes_consumer() || delivered >= confirmed,
            "LOST: {confirmed} confirmed, {delivered} delivered to the survivor"
        );
        Ok(())
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

    /// Attaches to what the stream has left, if anything, and closes it in order.
    pub fn tidy(&self) -> Result<()> {
        let key = Address::named(&self.task.channel)?.key();
        let any = Mode::from_bits(0);
        if Segment::open(key, any).is_err() && SemaphoreSet::open(key, any).is_err() {
            return Ok(());
        }
        let channel = side::channel(&self.task)?;
        let mut consumer = channel.consumer().context("tidying up")?;
        channel.producer().context("tidying up")?.close()?;
        let left = consumer.recv()?.map(|message| message.position());
        ensure!(
            left.is_none(),
            "LEFT: message {left:?} was never sent, or not received"
        );
        consumer.close()?;
        Ok(())
    }

    /// Checks that all that was sent came, no oftener than it may, and that nothing is left.
    pub fn judge(&mut self) -> Result<()> {
        let (goal, delivered) = (self.ledger.goal()?, self.ledger.delivered()?);
        ensure!(
            delivered == goal,
            "LOST: {goal} sent, {delivered} delivered"
        );
        self.outcome.messages = delivered;
        self.outcome.repeated = self.ledger.repeated()?;
        let may_repeat = self.outcome.consumers_killed * u64::from(self.task.batch);
        ensure!(
            self.outcome.repeated <= may_repeat,
            "REPEATED: {} messages came again, only {may_repeat} were in hand",
            self.outcome.repeated
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
        for child in [&mut self.producer, &mut self.consumer]
            .into_iter()
            .flatten()
        {
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
