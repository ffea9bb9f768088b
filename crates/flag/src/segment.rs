//! The segment: making it, finding it, waiting in it, removing it.

use std::ptr::NonNull;
use std::time::Instant;

use sysv_ipc::{ErrorKind, Key, Mode, Segment, SegmentStat};

use crate::layout::Shared;
use crate::{FlagLayout, OpenError, POLL_INTERVAL, Strategy, WaitError};

/// Holds an attached segment of a flag layout; dropping it detaches and does not remove.
#[derive(Debug)]
pub struct FlagSegment {
    shared: Shared,
    /// None where this process made the segment; else what it was like when it was found.
    found: Option<SegmentStat>,
}

impl FlagSegment {
    /// Makes a segment under this key and attaches it, or takes one that exists (as the original's
    /// `IPC_CREAT` does), if it has the layout's size, belongs to us, and has no wider mode. Does not
    /// block.
    ///
    /// # Errors
    ///
    /// * [`OpenError::OtherSize`], [`OpenError::ForeignOwner`], [`OpenError::WiderMode`]: one exists and
    ///   is not as asked; it is left as it is.
    /// * [`OpenError::System`]: the kernel refused, for instance for want of memory; nothing is left.
    pub fn create(key: Key, layout: FlagLayout, mode: Mode) -> Result<Self, OpenError> {
        let (segment, is_new) = make_or_find(key, layout, mode)?;
        if is_new {
            let shared = attach(segment, layout).inspect_err(|_| {
                // The first error is the one to report.
                let _ = segment.remove();
            })?;
            return Ok(Self {
                shared,
                found: None,
            });
        }
        let found = stat_checked(segment, layout)?;
        check_rights(segment, &found, mode)?;
        Ok(Self {
            shared: attach(segment, layout)?,
            found: Some(found),
        })
    }

    /// Finds the segment under this key, made by a writer of whatever program, and attaches it. Does not
    /// block.
    ///
    /// # Errors
    ///
    /// * [`OpenError::NotFound`]: no segment has this key.
    /// * [`OpenError::OtherSize`]: it has another size than the layout.
    /// * [`OpenError::System`]: the kernel refused, for instance because of the mode.
    pub fn open(key: Key, layout: FlagLayout) -> Result<Self, OpenError> {
        let attached = Segment::open(key, Mode::OWNER)
            .map_err(OpenError::from)
            .and_then(|segment| Self::attach(segment, layout));
        attached.map_err(|error| match error {
            // Removed: between finding and attaching.
            OpenError::System(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Removed) =>
            {
                OpenError::NotFound { key }
            }
            error => error,
        })
    }

    /// Attaches a segment whose identifier is known. Does not block.
    ///
    /// # Errors
    ///
    /// * [`OpenError::OtherSize`]: it has another size than the layout.
    /// * [`OpenError::System`]: the kernel refused, for instance because it is gone.
    pub fn attach(segment: Segment, layout: FlagLayout) -> Result<Self, OpenError> {
        let found = stat_checked(segment, layout)?;
        Ok(Self {
            shared: attach(segment, layout)?,
            found: Some(found),
        })
    }

    /// Returns the segment, to name or to remove it.
    #[must_use]
    pub const fn segment(&self) -> Segment {
        self.shared.attachment().segment()
    }

    /// Returns where everything is.
    #[must_use]
    pub const fn layout(&self) -> FlagLayout {
        self.shared.layout()
    }

    /// Returns the address of the first byte in this process, to be told, not to be used.
    #[must_use]
    pub const fn address(&self) -> NonNull<u8> {
        self.shared.attachment().as_ptr()
    }

    /// Returns what the segment was like when it was found; nothing when this process made it.
    #[must_use]
    pub const fn found(&self) -> Option<&SegmentStat> {
        self.found.as_ref()
    }

    /// Tells whether the segment was removed: it then has no key, and lives only while attached.
    ///
    /// # Errors
    ///
    /// The kernel's, when it refuses to tell, for instance because the mode was changed.
    pub fn is_removed(&self) -> Result<bool, sysv_ipc::Error> {
        match self.segment().stat() {
            Ok(stat) => Ok(stat.marked_for_removal),
            Err(error) if error.kind() == ErrorKind::Removed => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Detaches, as dropping does, and says when that fails.
    ///
    /// # Errors
    ///
    /// The kernel's, when nothing is mapped there any more.
    pub fn detach(self) -> Result<(), sysv_ipc::Error> {
        self.shared.into_attachment().detach()
    }

    pub(crate) const fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) const fn shared_mut(&mut self) -> &mut Shared {
        &mut self.shared
    }

    /// Waits until the flag is as wanted (set: true), looking every 100 ms whether the segment exists.
    pub(crate) fn wait_for_flag(
        &self,
        wanted: bool,
        strategy: Strategy,
        deadline: Option<Instant>,
    ) -> Result<(), WaitError> {
        let arrived = || self.shared.is_ready() == wanted;
        // First without the clock: what is there already must cost nothing.
        while !arrived() {
            let look = Instant::now() + POLL_INTERVAL;
            let until = deadline.map_or(look, |deadline| deadline.min(look));
            if strategy.wait_until(arrived, Some(until)) {
                break;
            }
            // Asked before the flag, so that a message left by a writer on its way out is not lost.
            let removed = self.is_removed()?;
            if arrived() {
                break;
            }
            if removed {
                let id = self.segment().id();
                return Err(WaitError::Removed { id });
            }
            if deadline == Some(until) {
                return Err(WaitError::TimedOut);
            }
        }
        Ok(())
    }
}

/// Makes the segment (true), or finds the one that is there (false).
fn make_or_find(
    key: Key,
    layout: FlagLayout,
    mode: Mode,
) -> Result<(Segment, bool), sysv_ipc::Error> {
    let make = || Segment::create(key, layout.bytes(), mode).map(|segment| (segment, true));
    let exists = match make() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => error,
        result => return result,
    };
    match Segment::open(key, Mode::OWNER) {
        // Removed between the two calls. A second time would be somebody's play: not followed for ever.
        Err(error) if error.kind() == ErrorKind::NotFound => make().map_err(|_| exists),
        result => result.map(|segment| (segment, false)),
    }
}

/// Asks for the segment's state and refuses another size than the layout's, before it is attached.
fn stat_checked(segment: Segment, layout: FlagLayout) -> Result<SegmentStat, OpenError> {
    let stat = segment.stat()?;
    if stat.bytes == layout.bytes() {
        Ok(stat)
    } else {
        Err(other_size(segment, stat.bytes, layout))
    }
}

fn attach(segment: Segment, layout: FlagLayout) -> Result<Shared, OpenError> {
    let attachment = segment.attach()?;
    Shared::new(attachment, layout)
        .map_err(|attachment| other_size(segment, attachment.bytes(), layout))
}

const fn other_size(segment: Segment, found: usize, layout: FlagLayout) -> OpenError {
    OpenError::OtherSize {
        id: segment.id(),
        found,
        wanted: layout.bytes(),
    }
}

/// Refuses an existing segment that others own or may use.
fn check_rights(segment: Segment, stat: &SegmentStat, wanted: Mode) -> Result<(), OpenError> {
    let id = segment.id();
    let permissions = &stat.permissions;
    let us = nix::unistd::geteuid().as_raw();
    let users = [permissions.owner_user_id, permissions.creator_user_id];
    if let Some(&found) = users.iter().find(|&&user| user != us) {
        let wanted = us;
        return Err(OpenError::ForeignOwner { id, found, wanted });
    }
    let found = permissions.mode;
    if found.is_wider_than(wanted) {
        return Err(OpenError::WiderMode { id, found, wanted });
    }
    Ok(())
}
