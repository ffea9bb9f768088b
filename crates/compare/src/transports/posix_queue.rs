//! A POSIX message queue, as deep and as wide as an unprivileged user may make it.

use std::ffi::CString;
use std::fs;

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_close, mq_getattr, mq_open, mq_receive, mq_send,
    mq_unlink,
};
use nix::sys::stat::Mode;

use super::{Consume, Produce, Transport, queue_name, when_there};

/// The queue.
#[derive(Debug, Clone, Copy)]
pub struct PosixQueue;

impl Transport for PosixQueue {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        let name = queue_name(channel)?;
        let part_bytes = limit("msgsize_max")?.min(i64::try_from(message_bytes)?);
        let attributes = MqAttr::new(0, limit("msg_max")?, part_bytes, 0);
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_WRONLY;
        let queue = mq_open(
            name.as_c_str(),
            flags,
            Mode::S_IRUSR | Mode::S_IWUSR,
            Some(&attributes),
        )
        .with_context(|| format!("cannot make the queue {}", name.to_string_lossy()))?;
        Ok(Sending {
            queue,
            name,
            message: vec![0; message_bytes],
            part_bytes: usize::try_from(part_bytes)?,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Receiving> {
        let name = queue_name(channel)?;
        let open = || mq_open(name.as_c_str(), MQ_OFlag::O_RDONLY, Mode::empty(), None);
        let queue = when_there(open)?;
        let part_bytes = usize::try_from(mq_getattr(&queue)?.msgsize())?;
        Ok(Receiving {
            queue,
            message: vec![0; message_bytes.next_multiple_of(part_bytes)],
            message_bytes,
            part_bytes,
        })
    }
}

/// Returns a limit for those without privilege.
fn limit(name: &str) -> Result<mq_attr_member_t> {
    let path = format!("/proc/sys/fs/mqueue/{name}");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(text.trim().parse()?)
}

/// The end that sends, which made the name and removes it.
#[derive(Debug)]
pub struct Sending {
    queue: MqdT,
    name: CString,
    message: Vec<u8>,
    part_bytes: usize,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        for part in self.message.chunks(self.part_bytes) {
            while let Err(errno) = mq_send(&self.queue, part, 0) {
                interrupted(errno)?;
            }
        }
        Ok(())
    }

    /// What is in the queue lives until the consumer has closed it, too.
    fn close(self) -> Result<()> {
        mq_close(self.queue)?;
        Ok(mq_unlink(self.name.as_c_str())?)
    }
}

/// The end that receives.
#[derive(Debug)]
pub struct Receiving {
    queue: MqdT,
    /// Room for whole parts: the kernel wants it for each.
    message: Vec<u8>,
    message_bytes: usize,
    part_bytes: usize,
}

impl Consume for Receiving {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut done = 0;
        for part in self.message.chunks_mut(self.part_bytes) {
            let part_length = loop {
                match mq_receive(&self.queue, part, &mut 0) {
                    Ok(bytes) => break bytes,
                    Err(errno) => interrupted(errno)?,
                }
            };
            done += part_length;
        }
        if done != self.message_bytes {
            bail!(
                "a message of {done} bytes instead of {} arrived",
                self.message_bytes
            );
        }
        Ok(look(&self.message[..done]))
    }

    fn close(self) -> Result<()> {
        if mq_getattr(&self.queue)?.curmsgs() != 0 {
            bail!("there is a message more than was sent");
        }
        Ok(mq_close(self.queue)?)
    }
}

/// Lets a signal pass.
fn interrupted(errno: Errno) -> Result<()> {
    match errno {
        Errno::EINTR => Ok(()),
        errno => Err(errno.into()),
    }
}
