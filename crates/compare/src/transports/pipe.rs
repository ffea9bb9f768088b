//! A pipe with a name, and as large as an unprivileged user may make it.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::pipe::fcntl_setpipe_size;

use super::descriptor::Through;
use super::{Consume, Produce, Transport, path_of, when_there};

/// What `fs.pipe-max-size` is unless somebody has changed it.
const PIPE_BYTES: usize = 1 << 20;

/// The pipe.
#[derive(Debug, Clone, Copy)]
pub struct Pipe;

impl Transport for Pipe {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        let path = path_of(channel);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .with_context(|| format!("cannot make the pipe {}", path.display()))?;
        // For reading too: then it does not wait for the consumer.
        let pipe = OpenOptions::new().read(true).write(true).open(&path)?;
        // Where that is not allowed, the pipe stays as it is.
        let _ = fcntl_setpipe_size(&pipe, PIPE_BYTES);
        Ok(Sending {
            through: Through::new(pipe.into(), message_bytes, usize::MAX),
            path,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Receiving> {
        let path = path_of(channel);
        let pipe = when_there(|| File::open(&path))?;
        Ok(Receiving(Through::new(
            pipe.into(),
            message_bytes,
            usize::MAX,
        )))
    }
}

/// The end that writes, which made the name and removes it.
#[derive(Debug)]
pub struct Sending {
    through: Through,
    path: PathBuf,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        self.through.send(fill)
    }

    fn close(self) -> Result<()> {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

/// The end that reads.
#[derive(Debug)]
pub struct Receiving(Through);

impl Consume for Receiving {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        self.0.recv(look)
    }

    fn close(self) -> Result<()> {
        self.0.expect_end()
    }
}
