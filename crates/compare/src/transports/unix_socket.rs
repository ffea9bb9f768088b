//! Unix sockets: a stream of bytes, or packets in order.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen,
    socket_with, sockopt,
};

use super::descriptor::Through;
use super::{Consume, Produce, Transport, path_of, when_there};

/// Asked for as room for what has been sent; the kernel gives what `net.core.wmem_max` allows.
const ROOM_BYTES: usize = 4 << 20;
/// Longest packet: fits wherever `net.core.wmem_max` has not been lowered.
const PACKET_BYTES: usize = 64 << 10;

/// A socket of one of the two types.
#[derive(Debug, Clone, Copy)]
pub struct UnixSocket {
    socket_type: SocketType,
    part_bytes: usize,
}

impl UnixSocket {
    pub const STREAM: Self = Self {
        socket_type: SocketType::STREAM,
        part_bytes: usize::MAX,
    };
    pub const SEQPACKET: Self = Self {
        socket_type: SocketType::SEQPACKET,
        part_bytes: PACKET_BYTES,
    };

    fn open(self) -> Result<OwnedFd> {
        let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC);
        Ok(socket_with(family, self.socket_type, flags, None)?)
    }
}

impl Transport for UnixSocket {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        let path = path_of(channel);
        let listener = self.open()?;
        bind(&listener, &SocketAddrUnix::new(&path)?)
            .and_then(|()| listen(&listener, 1))
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        let call = Call {
            listener,
            message_bytes,
            part_bytes: self.part_bytes,
        };
        Ok(Sending {
            call,
            path,
            through: None,
        })
    }

    fn consumer(self, channel: &str, message_bytes: usize) -> Result<Receiving> {
        let address = SocketAddrUnix::new(path_of(channel))?;
        let socket = self.open()?;
        when_there(|| connect(&socket, &address))?;
        Ok(Receiving(Through::new(
            socket,
            message_bytes,
            self.part_bytes,
        )))
    }
}

/// The end that listens, and sends to who has come; it made the name and removes it.
#[derive(Debug)]
pub struct Sending {
    call: Call,
    path: PathBuf,
    through: Option<Through>,
}

/// The consumer's call, to be taken.
#[derive(Debug)]
struct Call {
    listener: OwnedFd,
    message_bytes: usize,
    part_bytes: usize,
}

impl Call {
    /// When the first message is sent both sides are attached, so nobody waits.
    #[cold]
    fn accept(&self) -> Result<Through> {
        let socket = accept(&self.listener)?;
        sockopt::set_socket_send_buffer_size(&socket, ROOM_BYTES)?;
        Ok(Through::new(socket, self.message_bytes, self.part_bytes))
    }
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let through = match &mut self.through {
            Some(through) => through,
            empty => empty.insert(self.call.accept()?),
        };
        through.send(fill)
    }

    fn close(self) -> Result<()> {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

/// The end that has called.
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
