//! Where the bytes go: the output, from the right place on, and the record of how far it has come.

use std::io::{IoSlice, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result};
use semring::{Batch, Consumer, Framing};
use semring_cli::arguments::Start;
use semring_cli::{Output, Program, Refused, Unwritten};

use crate::record::{Progress, Record};

/// Holds the output of a stream.
pub struct Sink {
    output: Output,
    name: String,
    /// None for an output that cannot be gone back in, or beside which nothing can be written.
    record: Option<Record>,
    path: PathBuf,
    /// Whether this reader made the file.
    made: bool,
    /// Whether it has begun to write to it.
    begun: bool,
    progress: Progress,
    framing: Framing,
}

/// Says how much of a batch was written, and what kept the rest from it.
pub struct Stopped {
    /// Whole messages that were written.
    pub messages: usize,
    pub reason: Error,
}

impl Sink {
    /// Opens the output before any message is taken, and leaves it as it is.
    pub fn open(path: &Path, start: Start, program: &Program) -> Result<Self> {
        let stdout = path == Path::new("-");
        let made = !stdout && !path.exists();
        let output = if stdout {
            Output::stdout()?
        } else {
            Output::open(path, start == Start::Append, program.signals(), || {
                program.say(format!(
                    "waiting for somebody to read from {}",
                    path.display()
                ));
            })?
        };
        let name = if stdout {
            "standard output".to_owned()
        } else {
            path.display().to_string()
        };
        let file = output.file().metadata().is_ok_and(|file| file.is_file());
        if start == Start::Resume && (stdout || !file) {
            let text = format!(
                "cannot resume into {name}: only a file keeps what an earlier reader wrote"
            );
            return Err(Refused(text).into());
        }
        let record = if stdout || !file {
            None
        } else {
            record_of(path, start)?
        };
        Ok(Self {
            output,
            name,
            record,
            path: path.to_owned(),
            made,
            begun: false,
            progress: Progress {
                nonce: [0; 16],
                position: 0,
                bytes: 0,
                complete: false,
            },
            framing: Framing::Raw,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether an earlier reader had come to the end of its stream, so that nothing is to be done.
    pub fn is_complete(&self) -> bool {
        let found = self.record.as_ref().and_then(Record::found);
        found.is_some_and(|found| found.complete)
    }

    /// Goes to where writing begins, once the channel is ours.
    pub fn begin(&mut self, start: Start, consumer: &mut Consumer) -> Result<()> {
        self.framing = consumer.link().framing();
        self.progress.nonce = consumer.link().nonce();
        self.progress.position = consumer.position();
        let metadata = self.output.file().metadata();
        let metadata = metadata.context("cannot look at it")?;
        if self.path == Path::new("-") || !metadata.is_file() {
            return Ok(());
        }
        match start {
            Start::Empty => {}
            Start::Append => self.progress.bytes = metadata.len(),
            Start::Resume => self.resume(metadata.len(), consumer)?,
        }
        // Noted first: of a file that is yet to be cut off the record counts, not its length.
        self.note()?;
        self.begun = true;
        let mut file = self.output.file();
        if start != Start::Append {
            file.set_len(self.progress.bytes)
                .context("cannot cut it off")?;
        }
        file.seek(SeekFrom::Start(self.progress.bytes))
            .context("cannot go to its end")?;
        Ok(())
    }

    /// Finds where the earlier reader stopped, or why that cannot be told.
    fn resume(&mut self, length: u64, consumer: &mut Consumer) -> Result<()> {
        let Some(found) = self.record.as_ref().and_then(Record::found) else {
            return match length {
                0 => Ok(()),
                _ => Err(self.refusal("nothing is recorded of it")),
            };
        };
        if found.nonce != self.progress.nonce {
            return Err(self.refusal("it is of another stream than the one in the channel now"));
        }
        let (head, unread) = (consumer.position(), u64::from(consumer.unread()?));
        match found.position.checked_sub(head) {
            None => {
                return Err(self.refusal(&format!(
                    "it has the messages before {}, but another reader has received those before \
                     {head}",
                    found.position
                )));
            }
            Some(ahead) if ahead > unread => {
                return Err(self.refusal(&format!(
                    "it has the messages before {}, more than were ever sent",
                    found.position
                )));
            }
            Some(_) => {}
        }
        if length < found.bytes {
            return Err(self.refusal(&format!(
                "{} bytes were recorded of it, {length} are there: somebody has shortened it",
                found.bytes
            )));
        }
        // What is beyond the record is of messages that were not released.
        let most = unread.saturating_mul(consumer.geometry().slot_bytes() + 4);
        if length - found.bytes > most {
            return Err(self.refusal(&format!(
                "{} bytes were recorded of it, {length} are there: somebody else has written to it",
                found.bytes
            )));
        }
        tracing::info!(
            position = found.position,
            bytes = found.bytes,
            head,
            "resuming"
        );
        self.progress = found;
        Ok(())
    }

    fn refusal(&self, why: &str) -> Error {
        let name = &self.name;
        Refused(format!(
            "cannot resume {name}: {why}; leave --resume out to write it anew, or --append to it"
        ))
        .into()
    }

    /// Writes the messages of a batch that are not in the output yet, and notes that they are.
    pub fn write(&mut self, batch: &Batch<'_>, program: &Program) -> Result<(), Stopped> {
        // After a resumption the first ones may be there already, released or not.
        let there = self.progress.position.saturating_sub(batch.position());
        let there = usize::try_from(there)
            .unwrap_or(usize::MAX)
            .min(batch.len());
        let messages: Vec<&[u8]> = batch.iter().skip(there).collect();
        let lengths: Vec<[u8; 4]> = messages.iter().map(|message| length_of(message)).collect();
        let mut parts = Vec::with_capacity(2 * messages.len());
        for (message, length) in messages.iter().zip(&lengths) {
            if self.framing == Framing::Length {
                parts.push(IoSlice::new(length));
            }
            parts.push(IoSlice::new(message));
        }
        let result = self.output.write(&mut parts, program.signals());
        let (written, stopped) = match result {
            Ok(()) => (messages.len(), None),
            Err(Unwritten { written, reason }) => {
                let (whole, rest) = self.whole(&messages, written);
                (
                    whole,
                    Some(self.explain(reason, batch, there + whole, rest)),
                )
            }
        };
        let bytes = messages
            .iter()
            .take(written)
            .map(|message| self.bytes_of(message));
        self.progress.bytes += bytes.sum::<u64>();
        self.progress.position += written as u64;
        let noted = if written > 0 { self.note() } else { Ok(()) };
        match (stopped, noted) {
            (None, Ok(())) => Ok(()),
            (Some(reason), Ok(())) => Err(Stopped {
                messages: there + written,
                reason,
            }),
            // What is not recorded is not acknowledged either.
            (_, Err(reason)) => Err(Stopped {
                messages: there,
                reason,
            }),
        }
    }

    /// Bytes that a message takes in the output.
    fn bytes_of(&self, message: &[u8]) -> u64 {
        let length = if self.framing == Framing::Length {
            4
        } else {
            0
        };
        length + message.len() as u64
    }

    /// Counts the messages that are whole in the first `written` bytes, and the bytes beyond them.
    fn whole(&self, messages: &[&[u8]], written: usize) -> (usize, u64) {
        let mut rest = written as u64;
        let mut whole = 0;
        for message in messages {
            let bytes = self.bytes_of(message);
            if bytes > rest {
                break;
            }
            rest -= bytes;
            whole += 1;
        }
        (whole, rest)
    }

    /// Says of a message that could not be written to its end how much of it was, where that cannot be
    /// taken back.
    fn explain(&self, reason: Error, batch: &Batch<'_>, message: usize, bytes: u64) -> Error {
        if bytes == 0 || self.record.is_some() || reason.is::<semring_cli::OutputClosed>() {
            return reason;
        }
        let position = batch.position() + message as u64;
        reason.context(format!(
            "{bytes} bytes of message {position} are written, which will come again whole"
        ))
    }

    fn note(&self) -> Result<()> {
        match &self.record {
            Some(record) => record.note(&self.progress),
            None => Ok(()),
        }
    }

    /// Notes that the stream has come to its end. To be called before the channel is left, which may
    /// remove it.
    pub fn complete(&mut self) -> Result<()> {
        self.progress.complete = true;
        self.note()
    }

    /// Removes the record of an output to which nothing can be added any more; returns of another one
    /// how to go on.
    pub fn end(self, channel_removed: bool) -> Result<Option<String>> {
        let Some(record) = self.record else {
            return Ok(None);
        };
        if !self.begun {
            record.discard();
            return Ok(None);
        }
        if self.progress.complete || channel_removed {
            record.remove()?;
            return Ok(None);
        }
        Ok(Some(format!(
            "how far it came is recorded in {}: go on with `--resume`",
            record.path().display()
        )))
    }

    /// Removes the record of an output that an earlier reader had completed.
    pub fn remove_record(self) -> Result<()> {
        self.record.map_or(Ok(()), Record::remove)
    }

    /// Leaves everything as it was, since no channel was found.
    pub fn give_up(self) {
        if let Some(record) = self.record {
            record.discard();
        }
        if self.made
            && self
                .output
                .file()
                .metadata()
                .is_ok_and(|file| file.len() == 0)
        {
            // It is empty, and so no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the record of an output. Without one it works, but for going on after an interruption.
fn record_of(path: &Path, start: Start) -> Result<Option<Record>> {
    match Record::open(path) {
        Ok(record) => Ok(Some(record)),
        Err(error) if start != Start::Resume && !error.is::<Refused>() => {
            tracing::info!("{error:#}; an interruption could not be resumed");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What precedes a frame in the output.
fn length_of(message: &[u8]) -> [u8; 4] {
    // A slot has at most 4 GiB - 4096 bytes.
    u32::try_from(message.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes()
}
