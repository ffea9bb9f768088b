//! Removing what nobody uses any more. What looks stale is looked at again under the SETUP lock, which
//! everybody takes before attaching: so nobody slips in between the last look and the removal, and who
//! waits for the lock learns of the removal and starts again.

use std::thread;
use std::time::Duration;

use sysv_ipc::{ErrorKind, Key, Mode, Permissions, Segment, SemaphoreSet};

use super::setup::{BACK_OFF, Obstacle, repeat, with_setup};
use super::{Channel, objects};
use crate::Deadline;
use crate::address::Address;
use crate::error::{AttachReason, Kept, Role};
use crate::layout::SEMAPHORES;
use crate::observe::{Holders, Observation};

/// How long to wait for others that attach or leave, unless told otherwise.
const REMOVAL_LIMIT: Duration = Duration::from_secs(1);
/// How often to look for attachments of nobody who has a role, with [`BACK_OFF`] between two looks: who
/// has just left, or only looks, is gone by then.
const LOOKS: u32 = 5;

/// Describes the removal of whatever channel has a key: what is proof enough, and what it may cost.
///
/// Without more it takes away only what is provably stale: the segment's header is a channel's, finished
/// or begun, both roles are free, nobody is attached, and no message or end of a stream waits in it.
///
/// ```
/// use semring::{Address, Channel, Kept, Removal};
///
/// let channel = Channel::new(Address::named("doc-removal")?);
/// let mut producer = channel.producer()?;
/// let removal = Removal::new(channel.address().key());
/// assert!(matches!(removal.remove(), Err(Kept::InUse { consumer: None, .. })));
///
/// producer.send(b"hello")?;
/// drop(producer); // it is as if it had died
/// assert!(matches!(removal.remove(), Err(Kept::Unread { messages: 1 })));
/// assert_eq!(removal.force(true).remove()?.unread, 1);
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Removal {
    key: Key,
    unmarked: bool,
    force: bool,
    setup_limit: Duration,
}

/// Says what is left of a channel and can be removed, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The segment, if it is there.
    pub segment: Option<Segment>,
    /// The semaphore set, if it is there.
    pub set: Option<SemaphoreSet>,
    /// Messages in it that nobody has released; 0 too where they cannot be counted.
    pub unread: u64,
}

/// Holds what is known of a channel, by which its removal is judged.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Owner, creator and mode of segment and semaphore set, of each that is there.
    pub permissions: &'a [Permissions],
    /// Who has the roles and the lock; `None` without a set.
    pub holders: Option<&'a Holders>,
    /// What stands in the segment; `None` without one. What is seen before the holders may be older than the
    /// last move of a role's last owner.
    pub observed: Option<&'a Observation>,
    /// Attachments of the segment.
    pub attached: u64,
}

impl Removal {
    /// Starts with the removal of what bears a channel's mark and is provably stale.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self {
            key,
            unmarked: false,
            force: false,
            setup_limit: REMOVAL_LIMIT,
        }
    }

    /// Says that the key is known to be a channel's, so that a semaphore set of a channel's size is taken
    /// for one although no segment, or one that is all zero, is beside it.
    #[must_use]
    pub const fn unmarked(mut self, known: bool) -> Self {
        self.unmarked = known;
        self
    }

    /// Removes what is in use, damaged, or holds messages, as well; but never another program's objects.
    #[must_use]
    pub const fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Bounds the wait for others that are attaching or leaving: 1 second without this.
    #[must_use]
    pub const fn setup_limit(mut self, limit: Duration) -> Self {
        self.setup_limit = limit;
        self
    }

    /// Tells what [`remove`](Self::remove) would remove now. Changes nothing, and takes milliseconds at most,
    /// unless others remove and make the channel all the time.
    ///
    /// # Errors
    ///
    /// [`Kept`]: why it would be kept.
    pub fn preview(&self) -> Result<Leftover, Kept> {
        flatten(repeat(self.setup_limit, |_| {
            let look = Look::take(self.key)?;
            Ok(self.judge(&look.evidence()).map(|()| look.leftover()))
        }))
    }

    /// Tells by what is known whether [`remove`](Self::remove) would remove it. Asks the kernel for nothing.
    ///
    /// # Errors
    ///
    /// [`Kept`]: why it would be kept.
    pub fn judge(&self, evidence: &Evidence<'_>) -> Result<(), Kept> {
        self.check(evidence)?;
        match evidence.holders.and_then(|holders| holders.setup) {
            Some(pid) if !self.force => Err(Kept::Busy { pid }),
            _ => Ok(()),
        }
    }

    /// Judges whatever may be done once the SETUP lock is free.
    fn check(&self, evidence: &Evidence<'_>) -> Result<(), Kept> {
        if !evidence.permissions.iter().all(may_remove) {
            return Err(Kept::NotOwner);
        }
        evidence.check_mark(self.unmarked)?;
        if self.force {
            return Ok(());
        }
        evidence.check_unused()?;
        evidence.observed.map_or(Ok(()), Observation::check_read)
    }

    /// Removes segment and semaphore set. Waits only for others that are attaching or leaving, no longer
    /// than the [setup limit](Self::setup_limit); with [`force`](Self::force) it then goes on.
    ///
    /// # Errors
    ///
    /// [`Kept`]: why nothing was removed.
    pub fn remove(&self) -> Result<Leftover, Kept> {
        flatten(repeat(self.setup_limit, |deadline| {
            let look = Look::take(self.key)?;
            match self.check(&look.evidence()) {
                Err(kept) => Ok(Err(kept)),
                Ok(()) => self.remove_looked_at(&look, deadline),
            }
        }))
    }

    fn remove_looked_at(
        &self,
        look: &Look,
        deadline: Deadline,
    ) -> Result<Result<Leftover, Kept>, Obstacle> {
        let leftover = look.leftover();
        if self.force && look.set.is_none() {
            // No set of its own carries its lock, and none is made beside its users.
            leftover.remove()?;
            return Ok(Ok(leftover));
        }
        let locked = with_setup(&look.channel(), Role::Consumer, deadline, |setup| {
            self.remove_locked(setup.kernel.set())
        });
        match locked {
            Err(Obstacle::Reason(AttachReason::SetupBusy { pid })) if !self.force => {
                Ok(Err(Kept::Busy { pid }))
            }
            Err(Obstacle::Reason(AttachReason::SetupBusy { .. })) => {
                leftover.remove()?;
                Ok(Ok(leftover))
            }
            result => result.map(Ok),
        }
    }

    /// Decides, now that nobody can attach, and removes. What has changed since the first look is looked
    /// at anew from the start.
    fn remove_locked(&self, locked: SemaphoreSet) -> Result<Leftover, Obstacle> {
        let look = Look::take(self.key)?;
        if look.set != Some(locked) {
            return Err(Obstacle::Again);
        }
        self.check(&look.evidence()).map_err(|_| Obstacle::Again)?;
        let leftover = look.leftover();
        leftover.remove()?;
        Ok(leftover)
    }
}

fn flatten(result: Result<Result<Leftover, Kept>, AttachReason>) -> Result<Leftover, Kept> {
    result.map_err(Kept::from)?
}

impl Leftover {
    fn remove(&self) -> Result<(), sysv_ipc::Error> {
        match (self.segment, self.set) {
            (Some(segment), Some(set)) => objects::remove(segment, set),
            (Some(segment), None) => segment.remove(),
            (None, Some(set)) => set.remove(),
            (None, None) => Ok(()),
        }
    }
}

/// What there is under a key. Looking attaches for reading only, and operates on no semaphore.
struct Look {
    key: Key,
    segment: Option<Segment>,
    /// A set of a channel's size.
    set: Option<SemaphoreSet>,
    /// Of both objects.
    permissions: Vec<Permissions>,
    holders: Option<Holders>,
    observed: Option<Observation>,
    attached: u64,
}

impl Look {
    fn take(key: Key) -> Result<Self, Obstacle> {
        let address = Address::of_owner(nix::unistd::geteuid().as_raw(), key);
        let segment = objects::find_segment(&address)?;
        let mut set = objects::find_set(&address)?;
        let mut permissions = Vec::new();
        if let Some(segment) = segment {
            permissions.push(segment.stat()?.permissions);
        }
        if let Some(found) = set {
            let stat = found.stat()?;
            if stat.count == usize::from(SEMAPHORES) {
                permissions.push(stat.permissions);
            } else {
                set = None;
            }
        }
        if permissions.is_empty() {
            return Err(AttachReason::NotFound.into());
        }
        let mut look = Self {
            key,
            segment,
            set,
            permissions,
            holders: None,
            observed: None,
            attached: 0,
        };
        // The roles before the positions: the last owner of a role that is free has moved for the last
        // time.
        look.holders = set.map(Holders::look_at).transpose()?;
        look.look_at_segment()?;
        Ok(look)
    }

    fn look_at_segment(&mut self) -> Result<(), sysv_ipc::Error> {
        let Some(segment) = self.segment else {
            return Ok(());
        };
        self.observed = Some(Observation::take(segment)?);
        // Our own attachment has ended.
        self.attached = segment.stat()?.attached;
        for _ in 0..LOOKS {
            if self.attached == 0 || self.evidence().is_in_use() {
                break;
            }
            thread::sleep(BACK_OFF);
            self.attached = segment.stat()?.attached;
        }
        Ok(())
    }

    /// Describes the channel as `with_setup` takes it: its maker's, whatever its mode.
    fn channel(&self) -> Channel {
        let owner = self.permissions.first();
        let owner = owner.map_or(0, |permissions| permissions.creator_user_id);
        let modes = self.permissions.iter();
        let mode = modes.fold(0, |bits, permissions| bits | permissions.mode.bits());
        Channel::new(Address::of_owner(owner, self.key))
            .mode(Mode::from_bits(mode))
            .create(false)
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            permissions: &self.permissions,
            holders: self.holders.as_ref(),
            observed: self.observed.as_ref(),
            attached: self.attached,
        }
    }

    fn leftover(&self) -> Leftover {
        let unread = match &self.observed {
            Some(Observation::Channel(snapshot)) => snapshot.filled.unwrap_or(0),
            _ => 0,
        };
        Leftover {
            segment: self.segment,
            set: self.set,
            unread: unread.into(),
        }
    }
}

impl Evidence<'_> {
    fn is_in_use(&self) -> bool {
        let holders = self.holders;
        holders.is_some_and(|holders| holders.producer.is_some() || holders.consumer.is_some())
    }

    /// Checks that it is a channel.
    fn check_mark(&self, known: bool) -> Result<(), Kept> {
        let refuse = |reason| Err(Kept::Refused(reason));
        match self.observed {
            Some(Observation::Channel(_) | Observation::Unfinished | Observation::Damaged(_)) => {
                Ok(())
            }
            Some(Observation::OtherVersion { found, expected }) => refuse(AttachReason::Version {
                found: *found,
                expected: *expected,
            }),
            Some(Observation::Foreign { evidence }) => refuse(foreign(evidence.clone())),
            Some(Observation::Blank) if self.holders.is_none() => refuse(foreign(
                "it is all zero, and without a channel's semaphore set".to_owned(),
            )),
            Some(Observation::Blank) | None if known => Ok(()),
            Some(Observation::Blank) | None => Err(Kept::Unmarked),
        }
    }

    /// Checks that nobody has to do with it any more.
    fn check_unused(&self) -> Result<(), Kept> {
        if let Some(holders) = self.holders.filter(|_| self.is_in_use()) {
            return Err(Kept::InUse {
                producer: holders.producer,
                consumer: holders.consumer,
            });
        }
        if self.attached > 0 {
            return Err(Kept::Attached {
                attached: self.attached,
            });
        }
        // The lock of a set that belonged to us would keep the channel's owner out, not let them wait.
        let own = nix::unistd::geteuid().as_raw();
        let ours = |permissions: &Permissions| permissions.creator_user_id == own;
        if self.holders.is_none() && !self.permissions.iter().all(ours) {
            return Err(Kept::SetMissing);
        }
        Ok(())
    }
}

fn foreign(evidence: String) -> AttachReason {
    AttachReason::Foreign {
        object: "segment",
        evidence,
    }
}

/// Tells whether the kernel lets us remove an object.
fn may_remove(permissions: &Permissions) -> bool {
    let own = nix::unistd::geteuid();
    let theirs = [permissions.owner_user_id, permissions.creator_user_id];
    own.is_root() || theirs.contains(&own.as_raw())
}

impl From<AttachReason> for Kept {
    fn from(reason: AttachReason) -> Self {
        match reason {
            AttachReason::NotFound => Self::NotFound,
            AttachReason::System(error)
                if matches!(error.kind(), ErrorKind::AccessDenied | ErrorKind::NotOwner) =>
            {
                Self::NotOwner
            }
            reason => Self::Refused(reason),
        }
    }
}
