//! The message queue of Boost.Interprocess, through a few functions in C++ (`boost_queue.cpp`).

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::ptr::NonNull;

use anyhow::{Context as _, Result, bail};
use compare::{Consume, Produce, Transport, when_there};

unsafe extern "C" {
    fn boost_queue_create(name: *const c_char, depth: usize, bytes: usize) -> *mut c_void;
    fn boost_queue_open(name: *const c_char) -> *mut c_void;
    fn boost_queue_send(queue: *mut c_void, message: *const u8, bytes: usize) -> c_int;
    fn boost_queue_receive(queue: *mut c_void, message: *mut u8, room: usize) -> isize;
    fn boost_queue_count(queue: *mut c_void) -> usize;
    fn boost_queue_close(queue: *mut c_void);
    fn boost_queue_remove(name: *const c_char);
}

/// Messages that the queue holds.
const DEPTH: usize = 64;

/// The queue.
#[derive(Debug, Clone, Copy)]
pub struct BoostQueue;

impl Transport for BoostQueue {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        let name = CString::new(channel)?;
        // SAFETY: a C string; the function answers with null instead of throwing.
        let queue = unsafe { boost_queue_create(name.as_ptr(), DEPTH, message_bytes) };
        Ok(Sending {
            queue: Queue(NonNull::new(queue).context("cannot make the queue")?),
            message: vec![0; message_bytes],
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Receiving> {
        let name = CString::new(channel)?;
        let queue = when_there(|| {
            // SAFETY: as above.
            let queue = unsafe { boost_queue_open(name.as_ptr()) };
            NonNull::new(queue).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        })?;
        Ok(Receiving {
            queue: Queue(queue),
            name,
            message: vec![0; message_bytes],
        })
    }
}

/// A queue that is mapped here.
struct Queue(NonNull<c_void>);

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the pointer came from create or open, and is not used any more.
        unsafe { boost_queue_close(self.0.as_ptr()) }
    }
}

/// The end that sends.
pub struct Sending {
    queue: Queue,
    message: Vec<u8>,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        fill(&mut self.message);
        let queue = self.queue.0.as_ptr();
        // SAFETY: the queue is open, and the message is read only, in its length.
        let sent = unsafe { boost_queue_send(queue, self.message.as_ptr(), self.message.len()) };
        if sent == 0 {
            Ok(())
        } else {
            bail!("cannot send")
        }
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// The end that receives, and removes the queue when it has all.
pub struct Receiving {
    queue: Queue,
    name: CString,
    message: Vec<u8>,
}

impl Consume for Receiving {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let (queue, room) = (self.queue.0.as_ptr(), self.message.len());
        // SAFETY: the queue is open, and there is room for so many bytes.
        let bytes = unsafe { boost_queue_receive(queue, self.message.as_mut_ptr(), room) };
        let message = usize::try_from(bytes)
            .ok()
            .and_then(|bytes| self.message.get(..bytes));
        Ok(look(message.context("cannot receive")?))
    }

    fn close(self) -> Result<()> {
        // SAFETY: the queue is open.
        let left = unsafe { boost_queue_count(self.queue.0.as_ptr()) };
        // SAFETY: a C string.
        unsafe { boost_queue_remove(self.name.as_ptr()) };
        if left == 0 {
            Ok(())
        } else {
            bail!("there is a message more than was sent")
        }
    }
}
