//! The other process of a test: this executable again, which plays one of its ignored tests. And a
//! channel of the test's own, of which nothing is left in the end.

// Not every test file uses all of it.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use semring::{Address, Channel, Key, Mode};
use sysv_ipc::{Segment, SemaphoreSet};

/// Finds an object whoever may use it.
const ANY: Mode = Mode::from_bits(0);
const CHANNEL: &str = "PART_CHANNEL";

/// A channel that no other test uses; what is left of it is removed.
pub struct Place {
    pub channel: Channel,
    key: Key,
}

impl Place {
    pub fn new(test: &str) -> Result<Self> {
        let name = format!("{test}-{}", std::process::id());
        Ok(Self::of(Channel::new(Address::named(&name)?)))
    }

    pub fn of(channel: Channel) -> Self {
        let key = channel.address().key();
        Self { channel, key }
    }

    pub fn segment(&self) -> Result<Segment> {
        Ok(Segment::open(self.key, ANY)?)
    }

    /// Overwrites bytes of the segment.
    pub fn scribble(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        Ok(self.segment()?.attach()?.write(offset, bytes)?)
    }

    /// Everything that an attach could change: both identifiers, all bytes, all semaphores.
    pub fn state(&self) -> Result<(i32, Vec<u8>, i32, Vec<u16>)> {
        let (segment, set) = (self.segment()?, SemaphoreSet::open(self.key, ANY)?);
        let memory = segment.attach_read_only()?;
        let mut bytes = vec![0; memory.bytes()];
        memory.read(0, &mut bytes)?;
        Ok((segment.id(), bytes, set.id(), set.values()?))
    }

    pub fn ensure_nothing_left(&self) -> Result<()> {
        ensure!(Segment::open(self.key, ANY).is_err(), "a segment is left");
        ensure!(SemaphoreSet::open(self.key, ANY).is_err(), "a set is left");
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Ok(segment) = Segment::open(self.key, ANY) {
            let _ = segment.remove();
        }
        if let Ok(set) = SemaphoreSet::open(self.key, ANY) {
            let _ = set.remove();
        }
    }
}

/// The channel of the test whose part this process plays.
pub fn channel() -> Result<Channel> {
    Ok(Channel::new(Address::named(&std::env::var(CHANNEL)?)?))
}

/// Says a word to the test, on a line of its own.
pub fn say(word: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "\n{word}")?;
    Ok(out.flush()?)
}

/// Says a word, and waits to be killed.
pub fn say_and_wait(word: &str) -> Result<()> {
    say(word)?;
    loop {
        std::thread::park();
    }
}

/// A process that plays a part; killed when it is dropped.
pub struct Part {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Part {
    /// Starts the ignored test of this name.
    pub fn start(test: &str, place: &Place) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(CHANNEL, place.channel.address().name())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("its output is piped")?);
        Ok(Self { child, output })
    }

    /// Waits until it says a word.
    pub fn wait_for(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        while line.trim_end() != word {
            line.clear();
            ensure!(
                self.output.read_line(&mut line)? > 0,
                "the process ended without saying {word}"
            );
        }
        Ok(())
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        ensure!(status.signal() == Some(9), "it ended before: {status}");
        Ok(())
    }

    /// Waits until it has ended, and passed.
    pub fn end(mut self) -> Result<()> {
        std::io::copy(&mut self.output, &mut std::io::sink())?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the other process ended with {status}");
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Has ended already, except after a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
