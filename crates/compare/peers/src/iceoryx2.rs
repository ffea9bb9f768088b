//! iceoryx2: publish and subscribe, in place on both sides, with a consumer that looks all the time or
//! one that waits for an event which the producer sends with each message.

use std::time::Duration;
use std::{hint, thread};

use anyhow::{Result, bail};
use compare::{Consume, Produce, Transport};
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    BackpressureStrategy, LogLevel, ServiceName, SignalHandlingMode, ipc, set_log_level,
};
use iceoryx2::service::port_factory::{PortFactory as _, event, publish_subscribe};

type Messages = publish_subscribe::PortFactory<ipc::Service, [u8], ()>;
type Events = event::PortFactory<ipc::Service>;

/// Messages that wait for the consumer at most.
const DEPTH: usize = 64;

/// The engine, with one way of waiting.
#[derive(Debug, Clone, Copy)]
pub struct Iceoryx2 {
    has_events: bool,
}

impl Iceoryx2 {
    pub const POLLING: Self = Self { has_events: false };
    pub const EVENTS: Self = Self { has_events: true };

    /// Opens what belongs to a channel, or makes it; whichever side comes first.
    fn open(self, channel: &str) -> Result<(Node<ipc::Service>, Messages, Option<Events>)> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new()
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()?;
        let name = ServiceName::new(channel)?;
        let messages = node
            .service_builder(&name)
            .publish_subscribe::<[u8]>()
            .max_publishers(1)
            .max_subscribers(1)
            .subscriber_max_buffer_size(DEPTH)
            .enable_safe_overflow(false)
            .open_or_create()?;
        let events = self.has_events.then(|| {
            let events = node.service_builder(&name).event();
            events.open_or_create()
        });
        Ok((node, messages, events.transpose()?))
    }
}

impl Transport for Iceoryx2 {
    type Producer = Sending;
    type Consumer = Receiving;

    fn producer(self, channel: &str, message_bytes: usize) -> Result<Sending> {
        let (node, messages, events) = self.open(channel)?;
        let publisher = messages
            .publisher_builder()
            .initial_max_slice_len(message_bytes)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let notifier = events.map(|events| events.notifier_builder().create());
        Ok(Sending {
            publisher,
            notifier: notifier.transpose()?,
            message_bytes,
            _node: node,
        })
    }

    fn consumer(self, channel: &str, _: usize) -> Result<Receiving> {
        let (node, messages, events) = self.open(channel)?;
        let subscriber = messages.subscriber_builder().buffer_size(DEPTH).create()?;
        // A producer whose consumer has not looked yet throws away what its buffer has no room for.
        while messages.dynamic_config().number_of_publishers() == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        subscriber.has_samples()?;
        let listener = events.map(|events| events.listener_builder().create());
        Ok(Receiving {
            subscriber,
            listener: listener.transpose()?,
            _node: node,
        })
    }
}

/// The end that publishes.
#[derive(Debug)]
pub struct Sending {
    publisher: Publisher<ipc::Service, [u8], ()>,
    notifier: Option<Notifier<ipc::Service>>,
    message_bytes: usize,
    _node: Node<ipc::Service>,
}

impl Produce for Sending {
    fn send(&mut self, fill: impl FnOnce(&mut [u8])) -> Result<()> {
        let sample = self.publisher.loan_slice_uninit(self.message_bytes)?;
        // SAFETY: the memory is a shared mapping, which the kernel has filled, and bytes may be anything.
        let mut sample = unsafe { sample.assume_init() };
        fill(sample.payload_mut());
        if sample.send()? != 1 {
            bail!("the message has not reached one consumer");
        }
        if let Some(notifier) = &self.notifier {
            notifier.notify()?;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

/// The end that subscribes.
#[derive(Debug)]
pub struct Receiving {
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    listener: Option<Listener<ipc::Service>>,
    _node: Node<ipc::Service>,
}

impl Consume for Receiving {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        loop {
            if let Some(sample) = self.subscriber.receive()? {
                return Ok(look(sample.payload()));
            }
            match &self.listener {
                Some(listener) => {
                    listener.blocking_wait(|_| {})?;
                }
                None => hint::spin_loop(),
            }
        }
    }

    fn close(self) -> Result<()> {
        if self.subscriber.has_samples()? {
            bail!("there is a message more than was sent");
        }
        Ok(())
    }
}
