//! The behaviours of segments that the protocol rests on, each shown once.

use anyhow::{Result, anyhow, bail, ensure};
use sysv_ipc::{ErrorKind, Segment};

/// Bytes of the segment that is tried.
pub const BYTES: usize = 8192;
const TEXT: &[u8] = b"left by one who has gone";

pub fn zero_at_birth(segment: Segment) -> Result<()> {
    let mut bytes = [1; BYTES];
    segment.attach()?.read(0, &mut bytes)?;
    ensure!(
        bytes.iter().all(|&byte| byte == 0),
        "new memory is not zero"
    );
    Ok(())
}

pub fn removed_segment(segment: Segment) -> Result<String> {
    let (first, second) = (segment.attach()?, segment.attach()?);
    segment.remove()?;
    let stat = segment.stat()?;
    ensure!(
        stat.marked_for_removal && stat.attached == 2,
        "removed while attached twice, the segment counts {} attachments",
        stat.attached
    );
    let mut text = [0; TEXT.len()];
    first.write(0, TEXT)?;
    second.read(0, &mut text)?;
    ensure!(text == TEXT, "two attachments show different memory");
    first.detach()?;
    second.detach()?;
    match segment.stat() {
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("a removed segment outlived its last attachment"),
    }
    Ok("a removed segment serves those attached, and is gone with the last".into())
}

pub fn unattached_segment(segment: Segment) -> Result<String> {
    let memory = segment.attach()?;
    memory.write(0, TEXT)?;
    memory.detach()?;
    let memory = segment.attach().map_err(|error| match error.kind() {
        ErrorKind::Removed => anyhow!(
            "a segment was removed with its last attachment: messages die with both processes"
        ),
        _ => error.into(),
    })?;
    let mut text = [0; TEXT.len()];
    memory.read(0, &mut text)?;
    ensure!(
        text == TEXT,
        "a segment lost its content while nobody was attached"
    );
    Ok("a segment keeps its content while nobody is attached".into())
}
