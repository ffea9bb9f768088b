//! Waiting for the reader, with a word about it when it takes long.

use semring::{Deadline, DrainError, Producer, SendError};
use semring_cli::Patience;

/// Waits until there is room for a message.
pub fn for_room(
    patience: &mut Patience,
    producer: &mut Producer,
    deadline: Deadline,
) -> Result<(), SendError> {
    let timed_out = |error: &SendError| *error == SendError::TimedOut;
    patience.wait(producer, deadline, notice, timed_out, Producer::reserve)
}

/// Waits until the reader has read everything.
pub fn until_drained(
    patience: &mut Patience,
    producer: &mut Producer,
    deadline: Deadline,
) -> Result<(), DrainError> {
    let timed_out = |error: &DrainError| *error == DrainError::TimedOut;
    patience.wait(producer, deadline, notice, timed_out, Producer::drain)
}

/// Says what the writer waits for, and what to do.
fn notice(producer: &Producer) -> String {
    let link = producer.link();
    let (channel, key) = (link.address(), link.key());
    match producer.has_consumer() {
        Ok(true) => {
            format!("writer: waiting for the reader of {channel} (key {key}), which is slow")
        }
        _ => format!(
            "writer: waiting for a reader of {channel} (key {key}): start `reader` in another terminal"
        ),
    }
}
