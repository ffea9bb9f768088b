//! A line of standard input is an order: one process sends, another receives. docs/guide.md tells it
//! line by line.
//!
//!     printf 'tea\ncoffee\n' | cargo run --example orders send &
//!     cargo run --example orders receive

use std::io;

use anyhow::{Result, bail};
use semring::{Address, Channel};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("send") => send(),
        Some("receive") => receive(),
        _ => bail!("say `orders send` or `orders receive`"),
    }
}

fn channel() -> Result<Channel> {
    let address = Address::named("orders")?;
    Ok(Channel::new(address).slots(16).slot_bytes(1024))
}

fn send() -> Result<()> {
    let mut producer = channel()?.producer()?;
    for line in io::stdin().lines() {
        producer.send(line?.as_bytes())?;
    }
    producer.close()?;
    Ok(())
}

fn receive() -> Result<()> {
    let mut consumer = channel()?.consumer()?;
    while let Some(message) = consumer.recv()? {
        let order = String::from_utf8_lossy(&message);
        println!("order {}: {order}", message.position());
    }
    consumer.close()?;
    Ok(())
}
