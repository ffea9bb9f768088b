//! The two sides of a stream, each in a process of its own.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::timer::Timer;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::ForkResult;
use semring::{
    Address, AttachError, AttachReason, Channel, Consumer, Deadline, Fault, Link, Producer,
    RecvError, Role, SendError,
};

use crate::ledger::{Ledger, Number, Phase};
use crate::message::{self, Lengths};
use crate::process;
use crate::shape::Shape;

/// How long a forked child lives at most, should nobody end it.
const ORPHAN_LIFE: Duration = Duration::from_secs(60);
/// How often a side that idles looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_micros(100);
/// Half of the time around the one that an adaptive side spins.
const EDGE: Duration = Duration::from_micros(34);

/// Says what both sides of a stream need to know.
#[derive(Debug, Clone)]
pub struct Task {
    pub channel: String,
    pub shape: Shape,
    /// What the contents are computed from.
    pub seed: u64,
    pub manner: Manner,
}

/// Says how the two sides behave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    pub lengths: Lengths,
    /// Ends when the other side has died, since no successor comes.
    pub alone: bool,
    /// Ends when the channel was removed, since that is what is tried.
    pub removal: bool,
    /// Handles SIGUSR1, which then interrupts its waits.
    pub signals: bool,
    /// The side that waits a little after each exchange, so that the other mostly sleeps.
    pub slow: Option<Role>,
    /// Lets the slow side wait just about as long as an adaptive one spins before it sleeps.
    pub edge: bool,
    /// Has a second thread before it attaches, so that it does not register for `membarrier`.
    pub threads: bool,
    /// How long one wait may take; passing it is counted, and the wait begun anew.
    pub deadline: Option<Duration>,
}

/// Says what a forked child does with its copy of the handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// Keeps it, with all that a child inherits.
    Keeps,
    /// Lets go of it, which must not touch the parent's role.
    LetsGo,
}

/// Says what one process is to do beside its part of the stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra {
    /// Dies at this point of the library, when it comes past it for the given time.
    pub crash: Option<(&'static str, u64)>,
    /// Has itself traced, and stops before and after an operation.
    pub marker: Option<Marker>,
    /// Does nothing, once attached, for as long as the ledger holds it.
    pub idles: bool,
    /// Has so much memory of its own resident.
    pub resident_bytes: usize,
    /// Forks a child that sleeps on.
    pub forks: Option<Child>,
    /// Dies so long after it has come to this phase, wherever it then is.
    pub fuse: Option<(Phase, Duration)>,
}

/// Names an operation of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Attach,
    Send,
    Recv,
    Release,
    Close,
}

impl Operation {
    pub const ALL: [Self; 5] = [
        Self::Send,
        Self::Recv,
        Self::Release,
        Self::Attach,
        Self::Close,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attach => "attach",
            Self::Send => "send",
            Self::Recv => "recv",
            Self::Release => "release",
            Self::Close => "close",
        })
    }
}

/// Names one time that an operation is done.
#[derive(Debug, Clone, Copy)]
pub struct Marker {
    pub operation: Operation,
    /// Counted from 1.
    pub time: u64,
}

/// Tells whether a stream goes on, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    On,
    End(Phase),
}

/// Describes the task's channel.
pub fn channel(task: &Task) -> Result<Channel> {
    let address = Address::named(&task.channel)?;
    let channel = Channel::new(address)
        .slots(task.shape.slots)
        .slot_bytes(task.shape.slot_bytes)
        .sync(task.shape.sync);
    Ok(channel.credits(task.shape.credits))
}

/// Reads the monotonic clock, which is the same in all processes.
pub fn now_ns() -> Result<u64> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(now.as_nanos())?)
}

/// Treats a channel that is gone as nothing left to do.
fn unless_gone<T>(result: Result<T, AttachError>) -> Result<Option<T>, AttachError> {
    match result {
        Err(AttachError {
            reason: AttachReason::NotFound,
            ..
        }) => Ok(None),
        result => result.map(Some),
    }
}

/// Plays one side of a stream, in a process of its own.
#[derive(Debug)]
pub struct Side<'a> {
    task: &'a Task,
    ledger: &'a Ledger,
    role: Role,
    extra: Extra,
    /// How often each operation has begun.
    begun: [u64; 5],
}

impl<'a> Side<'a> {
    pub const fn new(task: &'a Task, ledger: &'a Ledger, role: Role, extra: Extra) -> Self {
        Self {
            task,
            ledger,
            role,
            extra,
            begun: [0; 5],
        }
    }

    /// Plays the side to the end of the stream.
    pub fn run(mut self) -> Result<()> {
        if let Some((point, time)) = self.extra.crash {
            process::set_variable("SEMRING_CRASH", &format!("{point}@{time}"));
        }
        if self.task.manner.signals {
            process::handle_signals()?;
        }
        let resident = process::resident(self.extra.resident_bytes);
        if self.extra.marker.is_some() {
            ptrace::traceme().context("PTRACE_TRACEME")?;
        }
        if self.task.manner.threads {
            thread::Builder::new().spawn(thread::park)?;
        }
        let fuse = self.enter(Phase::Attaching)?;
        let end = match self.role {
            Role::Producer => self.produce(),
            Role::Consumer => self.consume(),
        };
        std::hint::black_box((resident.as_ptr(), fuse));
        self.ledger.enter(self.role, end?)
    }

    /// Sends what is missing of the stream, and closes it. A consumer's death is no reason to stop.
    fn produce(&mut self) -> Result<Phase> {
        let confirmed = self.ledger.get(Number::Confirmed)?;
        // All was sent: if the channel is gone, all was received too.
        let create = confirmed < self.ledger.get(Number::Goal)?;
        let channel = channel(self.task)?.create(create);
        self.begin(Operation::Attach)?;
        let attached = channel.producer();
        self.end(Operation::Attach)?;
        let Some(mut producer) = unless_gone(attached)? else {
            return Ok(Phase::Closed);
        };
        let position = producer.position();
        ensure!(
            position >= confirmed,
            "LOST: {confirmed} confirmed, the channel holds {position}"
        );
        ensure!(
            position <= confirmed + u64::from(self.task.shape.batch),
            "REPEATED: {confirmed} confirmed, the channel holds {position}"
        );
        // What an earlier producer had committed counts as confirmed once somebody knows.
        self.ledger.set(Number::Confirmed, position)?;
        if let Some(child) = self.extra.forks {
            producer = self.fork(child, producer, Producer::link)?;
        }
        self.settle()?;
        while producer.position() < self.ledger.get(Number::Goal)? {
            if let Step::End(end) = self.send(&mut producer)? {
                return Ok(end);
            }
            self.ledger.set(Number::Confirmed, producer.position())?;
            self.pause();
        }
        let _fuse = self.enter(Phase::Closing)?;
        self.begin(Operation::Close)?;
        producer.close()?;
        self.end(Operation::Close)?;
        Ok(Phase::Closed)
    }

    /// Sends one exchange.
    fn send(&mut self, producer: &mut Producer) -> Result<Step> {
        loop {
            let deadline = self.deadline();
            self.begin(Operation::Send)?;
            let sent = if self.task.shape.batch > 1 {
                self.send_batch(producer, deadline)
            } else {
                self.send_in_place(producer, deadline)
            };
            self.end(Operation::Send)?;
            match sent {
                Ok(()) => return Ok(Step::On),
                Err(SendError::PeerLost) => {
                    self.note_loss()?;
                    if self.task.manner.alone {
                        return Ok(Step::End(Phase::Lost));
                    }
                }
                Err(SendError::Closed) => {}
                Err(SendError::TimedOut) => self.note_timeout(deadline)?,
                Err(SendError::Fault(Fault::Removed)) if self.task.manner.removal => {
                    return Ok(Step::End(Phase::Removed));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send_in_place(&self, producer: &mut Producer, deadline: Deadline) -> Result<(), SendError> {
        let position = producer.position();
        let mut loan = producer.loan_deadline(self.length(position), deadline)?;
        message::fill(self.task.seed, position, &mut loan);
        Ok(loan.publish()?)
    }

    fn send_batch(&self, producer: &mut Producer, deadline: Deadline) -> Result<(), SendError> {
        let first = producer.position();
        let goal = self.ledger.get(Number::Goal).unwrap_or(first + 1);
        let last = goal.min(first + u64::from(self.task.shape.batch));
        let messages: Vec<Vec<u8>> = (first..last).map(|at| self.message(at)).collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        producer.send_batch_deadline(&messages, deadline).map(drop)
    }

    /// Receives and verifies messages until the stream's end. A producer's death is no reason to stop.
    fn consume(&mut self) -> Result<Phase> {
        let goal = self.ledger.get(Number::Goal)?;
        let complete = self.ledger.get(Number::Delivered)? == goal;
        let channel = channel(self.task)?.create(!complete);
        self.begin(Operation::Attach)?;
        let attached = channel.consumer();
        self.end(Operation::Attach)?;
        let Some(mut consumer) = unless_gone(attached)? else {
            return Ok(Phase::Closed);
        };
        if let Some(child) = self.extra.forks {
            consumer = self.fork(child, consumer, Consumer::link)?;
        }
        self.settle()?;
        let mut next = consumer.position();
        loop {
            // Whoever had received all may have seen the end as well; it does not come twice.
            let deadline = if complete {
                Deadline::after(Duration::ZERO)
            } else {
                self.deadline()
            };
            match self.receive(&mut consumer, &mut next, deadline) {
                Ok(Step::On) => {}
                Ok(Step::End(_)) => break,
                Err(error) => match error.downcast_ref() {
                    Some(RecvError::PeerLost) => {
                        self.note_loss()?;
                        if self.task.manner.alone {
                            return Ok(Phase::Lost);
                        }
                    }
                    Some(RecvError::TimedOut) if complete => break,
                    Some(RecvError::TimedOut) => self.note_timeout(deadline)?,
                    Some(RecvError::Fault(Fault::Removed)) if self.task.manner.removal => {
                        return Ok(Phase::Removed);
                    }
                    _ => return Err(error),
                },
            }
            self.pause();
        }
        let _fuse = self.enter(Phase::Closing)?;
        self.begin(Operation::Close)?;
        consumer.close()?;
        self.end(Operation::Close)?;
        Ok(Phase::Closed)
    }

    /// Receives one exchange.
    fn receive(
        &mut self,
        consumer: &mut Consumer,
        next: &mut u64,
        deadline: Deadline,
    ) -> Result<Step> {
        self.begin(Operation::Recv)?;
        if self.task.shape.batch > 1 {
            let received = consumer.recv_batch_deadline(self.task.shape.batch, deadline);
            self.end(Operation::Recv)?;
            let Some(batch) = received? else {
                return Ok(Step::End(Phase::Closed));
            };
            self.ledger.set(Number::InHand, batch.len() as u64)?;
            for (offset, message) in batch.iter().enumerate() {
                let position = batch.position() + offset as u64;
                self.verify(position, message, offset < batch.redelivered(), next)?;
            }
            self.begin(Operation::Release)?;
            batch.release()?;
        } else {
            let received = consumer.recv_deadline(deadline);
            self.end(Operation::Recv)?;
            let Some(message) = received? else {
                return Ok(Step::End(Phase::Closed));
            };
            self.ledger.set(Number::InHand, 1)?;
            let marked = message.is_redelivered();
            self.verify(message.position(), &message, marked, next)?;
            self.begin(Operation::Release)?;
            message.release()?;
        }
        self.end(Operation::Release)?;
        self.ledger.set(Number::InHand, 0)?;
        Ok(Step::On)
    }

    fn verify(&self, position: u64, message: &[u8], marked: bool, next: &mut u64) -> Result<()> {
        ensure!(
            position == *next,
            "REORDERED: message {position} came, {next} was next"
        );
        ensure!(
            message == self.message(position),
            "TORN: message {position}, of {} bytes, is not what was sent",
            message.len()
        );
        self.ledger.deliver(position, marked)?;
        *next += 1;
        Ok(())
    }

    fn length(&self, position: u64) -> usize {
        let Task { seed, shape, .. } = self.task;
        message::length(*seed, position, shape.slot_bytes, self.task.manner.lengths)
    }

    fn message(&self, position: u64) -> Vec<u8> {
        let Task { seed, shape, .. } = self.task;
        message::make(*seed, position, shape.slot_bytes, self.task.manner.lengths)
    }

    /// Forks a child that sleeps on; returns the handle.
    fn fork<T>(&self, child: Child, handle: T, link: impl Fn(&T) -> &Link) -> Result<T> {
        let address = link(&handle).mapped_at();
        self.ledger.set(Number::MappedAt, u64::try_from(address)?)?;
        match process::fork()? {
            ForkResult::Parent { .. } => Ok(handle),
            ForkResult::Child => {
                match child {
                    Child::Keeps => std::mem::forget(handle),
                    Child::LetsGo => drop(handle),
                }
                let pid = std::process::id();
                let _ = self.ledger.set(Number::Orphan, pid.into());
                thread::sleep(ORPHAN_LIFE);
                std::process::exit(0)
            }
        }
    }

    /// Comes to a phase; the timer returned, if any, kills this process unless it is dropped before.
    fn enter(&self, phase: Phase) -> Result<Option<Timer>> {
        self.ledger.enter(self.role, phase)?;
        match self.extra.fuse {
            Some((when, time)) if when == phase => Ok(Some(process::light_fuse(time)?)),
            _ => Ok(None),
        }
    }

    /// Says that this side is attached, and idles if it is to.
    fn settle(&self) -> Result<()> {
        self.ledger.enter(self.role, Phase::Attached)?;
        while self.extra.idles && self.ledger.get(Number::Held)? != 0 {
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn pause(&self) {
        let manner = self.task.manner;
        if manner.slow != Some(self.role) {
            return;
        }
        if manner.edge {
            // Busy, since a sleep is never as short.
            let until = Instant::now() + EDGE.mul_f64(1.0 + fastrand::f64());
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        } else {
            thread::sleep(LOOK_EVERY);
        }
    }

    fn deadline(&self) -> Deadline {
        self.task
            .manner
            .deadline
            .map_or(Deadline::NEVER, Deadline::after)
    }

    fn note_loss(&self) -> Result<()> {
        self.ledger.set(Number::LostAt, now_ns()?)?;
        self.ledger.count(Number::Losses)
    }

    /// Counts a wait that has ended at its deadline, which must not be before it.
    fn note_timeout(&self, deadline: Deadline) -> Result<()> {
        ensure!(
            deadline.remaining().is_some_and(|left| left.is_zero()),
            "EARLY: a wait ended before its deadline"
        );
        self.ledger.count(Number::Timeouts)
    }

    /// Notes that an operation begins, and stops for the tracer if it is the marked one.
    fn begin(&mut self, operation: Operation) -> Result<()> {
        self.begun[operation as usize] += 1;
        self.stop_if_marked(operation)
    }

    /// Stops for the tracer again, if the operation that has ended is the marked one.
    fn end(&self, operation: Operation) -> Result<()> {
        self.stop_if_marked(operation)
    }

    fn stop_if_marked(&self, operation: Operation) -> Result<()> {
        let time = self.begun[operation as usize];
        match self.extra.marker {
            Some(marker) if marker.operation == operation && marker.time == time => {
                Ok(raise(Signal::SIGSTOP)?)
            }
            _ => Ok(()),
        }
    }
}
