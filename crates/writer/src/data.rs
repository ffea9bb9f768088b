//! Real data: the bytes of a file or pipe, a chunk, a line or a frame a message.

use std::path::Path;

use anyhow::{Context as _, Result};
use semring::{Corrupt, Framing, Producer};
use semring_cli::arguments::WriterArguments;
use semring_cli::{Farewell, Figures, Program, Report};

use crate::input::Input;
use crate::messages::Messages;
use crate::wait::{self, Waiting};

/// Sends all of `input`.
pub fn run(program: &mut Program, arguments: &WriterArguments, input: &Path) -> Result<()> {
    let mut input = Input::open(input)?;
    let framing = arguments.framing();
    let mut producer = wait::for_channel(program, arguments, framing)?;
    program.show_progress(input.remaining());
    let mut stream = Stream {
        program,
        waiting: Waiting::new(program, arguments),
        producer: &mut producer,
        report: Report::default(),
    };
    let batch = arguments.batch(stream.producer.geometry().slot_count());
    let sent = match framing {
        Framing::Raw => stream.send_chunks(&mut input),
        _ => stream.send_messages(&mut input, framing, batch),
    };
    let sent = sent.with_context(|| format!("sending {}", input.name()));
    let complete = sent.is_ok();
    let result = match sent {
        Ok(()) if arguments.lingers() => stream.waiting.until_drained(stream.producer),
        sent => sent,
    };
    let mut report = stream.report;
    report.stop();
    let farewell = Farewell::of_producer(producer, complete);
    program.conclude(result, &farewell, &report, Figures::Stdout)
}

/// Holds what sending takes.
struct Stream<'a> {
    program: &'a Program,
    waiting: Waiting<'a>,
    producer: &'a mut Producer,
    report: Report,
}

impl Stream<'_> {
    /// Reads straight into slots, as much at a time as one holds.
    fn send_chunks(&mut self, input: &mut Input) -> Result<()> {
        while !self.is_at_end(input)? {
            self.waiting.for_room(self.producer)?;
            let slot_bytes = self.producer.geometry().slot_bytes();
            let slot_bytes = usize::try_from(slot_bytes).unwrap_or(usize::MAX);
            let mut loan = self.producer.loan(slot_bytes)?;
            let bytes = input.read(&mut loan, self.program.signals())?;
            if bytes == 0 {
                break;
            }
            loan.truncate(bytes);
            loan.publish()?;
            self.count(1, bytes as u64);
        }
        Ok(())
    }

    /// Tells whether a full ring need not be waited for, since the input is at its end.
    fn is_at_end(&mut self, input: &mut Input) -> Result<bool> {
        Ok(self.is_full()? && input.at_end(self.program.signals())?)
    }

    fn is_full(&mut self) -> Result<bool, Corrupt> {
        Ok(self.producer.unread()? >= self.producer.geometry().slot_count())
    }

    /// Sends lines or frames, up to `batch` of those that have been read in one exchange.
    fn send_messages(&mut self, input: &mut Input, framing: Framing, batch: u32) -> Result<()> {
        let mut messages = Messages::new(framing, self.producer.geometry().slot_bytes());
        loop {
            let cut = messages.next(input, self.program.signals(), batch as usize)?;
            let cut: Vec<&[u8]> = cut.iter().map(|message| messages.bytes(message)).collect();
            if cut.is_empty() {
                return Ok(());
            }
            self.send_all(&cut)?;
        }
    }

    fn send_all(&mut self, messages: &[&[u8]]) -> Result<()> {
        let mut rest = messages;
        while !rest.is_empty() {
            self.waiting.for_room(self.producer)?;
            let sent = self.producer.send_batch(rest)?;
            let (done, left) = rest.split_at(sent.min(rest.len()));
            rest = left;
            self.count(
                sent as u64,
                done.iter().map(|message| message.len() as u64).sum(),
            );
        }
        Ok(())
    }

    fn count(&mut self, messages: u64, bytes: u64) {
        self.report.count(messages, bytes);
        self.program.advance(bytes);
        tracing::trace!(messages, bytes, position = self.producer.position(), "sent");
    }
}
