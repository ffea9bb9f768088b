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
use crate::error::{AttachReason, Corrupt, Kept, Role};
use crate::layout::SEMAPHORES;
use crate::observe::{Observation, Snapshot};
use crate::semaphores::Semaphore;

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
            Ok(look
                .judge(self)
                .and_then(|leftover| match look.setup_holder {
                    Some(pid) if !self.force => Err(Kept::Busy { pid }),
                    _ => Ok(leftover),
                }))
        }))
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
            match look.judge(self) {
                Err(kept) => Ok(Err(kept)),
                Ok(leftover) => self.remove_looked_at(&look, leftover, deadline),
            }
        }))
    }

    fn remove_looked_at(
        &self,
        look: &Look,
        leftover: Leftover,
        deadline: Deadline,
    ) -> Result<Result<Leftover, Kept>, Obstacle> {
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
        let leftover = look.judge(self).map_err(|_| Obstacle::Again)?;
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
    producer: Option<i32>,
    consumer: Option<i32>,
    setup_holder: Option<i32>,
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
            producer: None,
            consumer: None,
            setup_holder: None,
            observed: None,
            attached: 0,
        };
        // The roles before the positions: the last owner of a role that is free has moved for the last
        // time.
        look.look_at_roles()?;
        look.look_at_segment()?;
        Ok(look)
    }

    fn look_at_roles(&mut self) -> Result<(), sysv_ipc::Error> {
        let Some(set) = self.set else { return Ok(()) };
        let values = set.values()?;
        let holder = |semaphore: Semaphore| {
            let index = semaphore as u16;
            let held = values
                .get(usize::from(index))
                .is_some_and(|&value| value > 0);
            // Who operated last on the semaphore of a role that is held is its holder.
            held.then(|| set.last_pid(index)).transpose()
        };
        self.producer = holder(Semaphore::Producer)?;
        self.consumer = holder(Semaphore::Consumer)?;
        self.setup_holder = holder(Semaphore::Setup)?;
        Ok(())
    }

    fn look_at_segment(&mut self) -> Result<(), sysv_ipc::Error> {
        let Some(segment) = self.segment else {
            return Ok(());
        };
        self.observed = Some(Observation::take(segment)?);
        // Our own attachment has ended.
        self.attached = segment.stat()?.attached;
        for _ in 0..LOOKS {
            if self.attached == 0 || self.is_in_use() {
                break;
            }
            thread::sleep(BACK_OFF);
            self.attached = segment.stat()?.attached;
        }
        Ok(())
    }

    const fn is_in_use(&self) -> bool {
        self.producer.is_some() || self.consumer.is_some()
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

    /// Decides whether the removal may take it.
    fn judge(&self, removal: &Removal) -> Result<Leftover, Kept> {
        if !self.permissions.iter().all(may_remove) {
            return Err(Kept::NotOwner);
        }
        self.check_mark(removal.unmarked)?;
        if !removal.force {
            self.check_unused()?;
            self.check_read()?;
        }
        Ok(Leftover {
            segment: self.segment,
            set: self.set,
            unread: self.snapshot().map_or(0, unread),
        })
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        match &self.observed {
            Some(Observation::Channel(snapshot)) => Some(snapshot),
            _ => None,
        }
    }

    /// Checks that it is a channel.
    fn check_mark(&self, known: bool) -> Result<(), Kept> {
        let refuse = |reason| Err(Kept::Refused(reason));
        match &self.observed {
            Some(Observation::Channel(_) | Observation::Unfinished | Observation::Damaged(_)) => {
                Ok(())
            }
            Some(Observation::OtherVersion { found, expected }) => refuse(AttachReason::Version {
                found: *found,
                expected: *expected,
            }),
            Some(Observation::Foreign { evidence }) => refuse(foreign(evidence.clone())),
            Some(Observation::Blank) if self.set.is_none() => refuse(foreign(
                "it is all zero, and without a channel's semaphore set".to_owned(),
            )),
            Some(Observation::Blank) | None if known => Ok(()),
            Some(Observation::Blank) | None => Err(Kept::Unmarked),
        }
    }

    /// Checks that nobody has to do with it any more.
    fn check_unused(&self) -> Result<(), Kept> {
        if self.is_in_use() {
            return Err(Kept::InUse {
                producer: self.producer,
                consumer: self.consumer,
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
        if self.set.is_none() && !self.permissions.iter().all(ours) {
            return Err(Kept::SetMissing);
        }
        Ok(())
    }

    /// Checks that nothing in it waits for anybody.
    fn check_read(&self) -> Result<(), Kept> {
        if let Some(Observation::Damaged(corrupt)) = &self.observed {
            return Err(Kept::Damaged(corrupt.clone()));
        }
        let Some(snapshot) = self.snapshot() else {
            return Ok(());
        };
        if snapshot.filled.is_none() {
            let (tail, head) = (snapshot.tail, snapshot.head);
            let slots = snapshot.geometry.slot_count();
            let expected = format!("at most {slots} ahead of head {head}");
            return Err(Kept::Damaged(Corrupt::new("tail", tail, expected)));
        }
        let messages = unread(snapshot);
        if messages > 0 {
            return Err(Kept::Unread { messages });
        }
        if snapshot.end_is_unseen() {
            return Err(Kept::EndUnseen);
        }
        Ok(())
    }
}

fn unread(snapshot: &Snapshot) -> u64 {
    snapshot.filled.unwrap_or(0).into()
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
