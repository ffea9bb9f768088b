//! ipc-channel, with its channel of bytes. The consumer makes it and hands the sending end to the
//! producer, whose name is in a file.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use compare::{Consume, Produce, Transport, path_of, when_there};
use ipc_channel::ipc::{
    IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender, bytes_channel,
};

/// The channel.
#[derive(Debug, Clone, Copy)]
pub struct IpcChannel;

impl Transport for IpcChannel {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        let (server, name) = IpcOneShotServer::new()?;
        let path = path_of(channel);
        // Under another name until it is whole.
        let unfinished = path_of(&format!("{channel}.new"));
        fs::write(&unfinished, name)?;
        fs::rename(&unfinished, &path)?;
        Ok(Sending {
            server: Some(server),
            sender: None,
            message: vec![0; message_bytes],
            path,
        })
    }

    fn consumer(self, channel: &str, _: usize) -> Result<Receiving> {
        let path = path_of(channel);
        let name = when_there(|| fs::read_to_string(&path))?;
        let (sender, receiver) = bytes_channel()?;
        IpcSender::connect(name)?.send(sender)?;
        Ok(Receiving(receiver))
    }
}

/// The end that sends; it made the file and removes it.
pub struct Sending {
    server: Option<IpcOneShotServer<IpcBytesSender>>,
    sender: Option<IpcBytesSender>,
    message: Vec<u8>,
    path: PathBuf,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        // When the first message is sent both sides are attached, so nobody waits.
        if let Some(server) = self.server.take() {
            self.sender = Some(server.accept()?.1);
        }
        fill(&mut self.message);
        match &self.sender {
            Some(sender) => Ok(sender.send(&self.message)?),
            None => bail!("the consumer has not called"),
        }
    }

    fn close(self) -> Result<()> {
        Ok(fs::remove_file(&self.path)?)
    }
}

/// The end that receives.
pub struct Receiving(IpcBytesReceiver);

impl Consume for Receiving {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(look(&self.0.recv()?))
    }

    fn close(self) -> Result<()> {
        match self.0.recv() {
            Err(_) => Ok(()),
            Ok(_) => bail!("there is a message more than was sent"),
        }
    }
}
