//! Goal: objects that are not a channel's, or are not ours to trust, are refused for the right reason and left
//! as they are. Method: such objects are made, or given away, under the channel's key before it is attached to.

mod watchdog;

use std::io::Write as _;
use std::num::NonZeroU8;

use anyhow::{Context as _, Result, ensure};
use semring::{Address, AttachReason, Channel, Kept, Mode, Removal, Sync};
use sysv_ipc::{Segment, SemaphoreSet};

const STRANGER: u32 = 54_321;

fn name(test: &str) -> String {
    format!("refusals-{test}-{}", std::process::id())
}

fn channel(test: &str) -> Result<Channel> {
    Ok(Channel::new(Address::named(&name(test))?)
        .slots(4)
        .slot_bytes(64))
}

/// Attaches as both sides, is refused, and returns why.
fn refused(channel: &Channel) -> Result<AttachReason> {
    let reason = channel.producer().err().context("refused")?.reason;
    let same = channel.consumer().err().context("refused")?.reason;
    ensure!(reason.to_string() == same.to_string());
    Ok(reason)
}

#[test]
fn a_set_of_another_program() -> Result<()> {
    let _watchdog = watchdog::watch("a_set_of_another_program");
    let channel = channel("set")?;
    for count in [1, 4, 6] {
        let set = SemaphoreSet::create(channel.address().key(), count, Mode::OWNER)?;
        let reason = refused(&channel)?;
        ensure!(
            matches!(
                reason,
                AttachReason::Foreign {
                    object: "semaphore set",
                    ..
                }
            ),
            "{reason}"
        );
        ensure!(channel.remove().is_err() && set.values()? == vec![0; count]);
        set.remove()?;
    }
    Ok(())
}

#[test]
fn a_segment_too_short_for_a_header() -> Result<()> {
    let _watchdog = watchdog::watch("a_segment_too_short_for_a_header");
    let channel = channel("short")?;
    let key = channel.address().key();
    for bytes in [1, 4095] {
        let set = SemaphoreSet::create(key, 5, Mode::OWNER)?;
        let segment = Segment::create(key, bytes, Mode::OWNER)?;
        let reason = refused(&channel)?;
        ensure!(
            matches!(
                reason,
                AttachReason::Foreign {
                    object: "segment",
                    ..
                }
            ),
            "{reason}"
        );
        segment.remove()?;
        set.remove()?;
    }
    // Just long enough, of zeros, beside a set: left by a creator that died.
    SemaphoreSet::create(key, 5, Mode::OWNER)?;
    Segment::create(key, 4096, Mode::OWNER)?;
    drop(channel.producer()?);
    channel.remove()?;
    Ok(())
}

#[test]
fn more_rights_for_others_than_was_asked_for() -> Result<()> {
    let _watchdog = watchdog::watch("more_rights_for_others_than_was_asked_for");
    let wide = Mode::from_bits(0o666);
    let channel = channel("mode")?;
    let producer = channel.clone().mode(wide).producer()?;
    let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
    drop(producer);
    let mode = |wanted: &str| -> Result<bool> {
        Ok(matches!(refused(&channel)?, AttachReason::Mode { object, .. } if object == wanted))
    };
    ensure!(mode("semaphore set")?);
    let own = set.stat()?.permissions;
    set.set_permissions(own.owner_user_id, own.owner_group_id, Mode::OWNER)?;
    ensure!(mode("segment")?);
    segment.set_permissions(own.owner_user_id, own.owner_group_id, Mode::OWNER)?;
    drop(channel.producer()?);
    channel.remove()?;
    Ok(())
}

#[test]
fn what_belongs_to_a_stranger() -> Result<()> {
    let _watchdog = watchdog::watch("what_belongs_to_a_stranger");
    if !nix::unistd::geteuid().is_root() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: what_belongs_to_a_stranger: giving objects away needs root"
        );
        return Ok(());
    }
    let channel = channel("stranger")?;
    let producer = channel.producer()?;
    let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
    drop(producer);
    let owner = |wanted: &str| -> Result<bool> {
        Ok(matches!(refused(&channel)?,
            AttachReason::Owner { object, creator: 0, owner: STRANGER, expected: 0 } if object == wanted))
    };
    segment.set_permissions(STRANGER, 0, Mode::OWNER)?;
    ensure!(owner("segment")?);
    set.set_permissions(STRANGER, 0, Mode::OWNER)?;
    ensure!(owner("semaphore set")?);
    segment.remove()?;
    set.remove()?;
    // Who names the stranger trusts what is theirs.
    let theirs = Channel::new(Address::named_by(STRANGER, &name("stranger"))?);
    let producer = theirs.producer()?;
    let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
    segment.set_permissions(STRANGER, 0, Mode::OWNER)?;
    set.set_permissions(STRANGER, 0, Mode::OWNER)?;
    drop(producer);
    drop(theirs.consumer()?);
    theirs.remove()?;
    Ok(())
}

#[test]
fn a_set_that_was_removed_under_somebody() -> Result<()> {
    let _watchdog = watchdog::watch("a_set_that_was_removed_under_somebody");
    let channel = channel("adopt")?;
    let producer = channel.producer()?;
    let (segment, set) = (producer.link().segment(), producer.link().semaphore_set());
    drop(producer);
    set.remove()?;
    let user = segment.attach()?;
    let reason = refused(&channel)?;
    ensure!(
        matches!(reason, AttachReason::SetRemoved { attached: 1 }),
        "{reason}"
    );
    let set = SemaphoreSet::open(channel.address().key(), Mode::from_bits(0));
    ensure!(set.is_err(), "a set was left behind");
    drop(user);
    drop(channel.producer()?);
    channel.remove()?;
    Ok(())
}

#[test]
fn a_key_that_leads_to_another_channel() -> Result<()> {
    let _watchdog = watchdog::watch("a_key_that_leads_to_another_channel");
    let path = std::env::temp_dir().join(name("key-file"));
    std::fs::write(&path, "")?;
    let by_file = Channel::new(Address::file(&path, NonZeroU8::MIN)?);
    let by_number = Channel::new(Address::key_number(by_file.address().key())?);
    // By its number alone, any channel will do.
    drop(by_file.producer()?);
    drop(by_number.clone().sync(Sync::Strict).consumer()?);
    drop(by_file.consumer()?);
    by_file.remove()?;
    drop(by_number.producer()?);
    let reason = refused(&by_file)?;
    ensure!(matches!(reason, AttachReason::KeyFile), "{reason}");
    by_number.remove()?;
    std::fs::remove_file(&path)?;

    let named = channel("named")?;
    drop(named.producer()?);
    drop(Channel::new(Address::key_number(named.address().key())?).consumer()?);
    named.remove()?;
    drop(Channel::new(Address::key_number(named.address().key())?).producer()?);
    let reason = refused(&named)?;
    ensure!(
        matches!(reason, AttachReason::NameCollision { ref found } if found.is_empty()),
        "{reason}"
    );
    Channel::new(Address::key_number(named.address().key())?).remove()?;
    Ok(())
}

#[test]
fn a_blank_segment_alone_is_not_removed_by_whatever_name() -> Result<()> {
    let _watchdog = watchdog::watch("a_blank_segment_alone_is_not_removed_by_whatever_name");
    let key = Address::named(&name("blank"))?.key();
    let segment = Segment::create(key, 8192, Mode::OWNER)?;
    for removal in [Removal::new(key), Removal::new(key).unmarked(true)] {
        for removal in [removal.force(true), removal] {
            let refused = |result| matches!(result, Err(Kept::Refused(_)));
            ensure!(refused(removal.preview()), "{removal:?}");
            ensure!(refused(removal.remove()), "{removal:?}");
        }
    }
    segment.remove()?;
    Ok(())
}
