//! All channels of this machine: what the kernel lists, what each segment says, who has the roles.
//!
//! Looking changes nothing: segments are attached for reading only, semaphore values are read and no
//! semaphore operation is made. All of it may be stale when it is returned.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use semring::observe::{Holders, Observation, SEMAPHORE_NAMES, SideStatus, Snapshot, State};
use semring::{Evidence, Kept, Key, Removal, Role};
use sysv_ipc::{ErrorKind, Permissions, SegmentEntry, SemaphoreSetEntry};

use crate::process::Process;

/// How often, and how long after each other, to look at a channel that only an observer seems to use: a
/// look takes microseconds.
const LOOKS: u32 = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Semaphores of a channel's set.
const COUNT: usize = SEMAPHORE_NAMES.len();

/// Holds all System V objects of this IPC namespace that may concern channels, and the others.
#[derive(Debug)]
pub struct Survey {
    /// The channels, by name and key.
    pub channels: Vec<Channel>,
    /// What is no channel, by its header.
    pub foreign: Vec<Foreign>,
}

/// Describes one channel.
#[derive(Debug)]
pub struct Channel {
    /// Its key; [`Key::PRIVATE`] when neither object has one any more.
    pub key: Key,
    /// The segment, as the kernel lists it.
    pub segment: SegmentEntry,
    /// What stands in it; `None` when we may not read it, and that it is a channel's shows by its set only.
    pub found: Option<Observation>,
    /// The semaphore set.
    pub set: Set,
    /// Who has the producer's role.
    pub producer: Holder,
    /// Who has the consumer's role.
    pub consumer: Holder,
    /// Who is attaching or leaving.
    pub setup: Holder,
}

/// Says what is known of a channel's semaphore set.
#[derive(Debug)]
pub enum Set {
    /// It is there, with these values and holders.
    Values(SemaphoreSetEntry, Holders),
    /// It is there, and we may not read it.
    Unreadable(SemaphoreSetEntry),
    /// The one that the segment names, if it names one, is gone.
    Missing,
}

/// Says who has a role.
#[derive(Debug)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// This process, which may be of another PID namespace: then there is none of this number here, or
    /// a wrong one.
    Held(i32, Option<Process>),
    /// The set is not there to tell; the segment says it is this process, which lives.
    Said(Process),
    /// The set is not there to tell, and the segment names nobody.
    Unknown,
}

/// Describes a System V object that is no channel's.
#[derive(Debug)]
pub struct Foreign {
    /// `segment`, `semaphore set` or `message queue`.
    pub kind: &'static str,
    /// Its identifier.
    pub id: i32,
    /// Owner, mode and key.
    pub permissions: Permissions,
    /// What shows that it is no channel's, or what it may be.
    pub evidence: String,
    /// True of a semaphore set like a channel's.
    pub may_be_a_channels: bool,
}

impl Survey {
    /// Looks at everything.
    ///
    /// # Errors
    ///
    /// When `/proc/sysvipc` cannot be read, or there is no memory to attach a segment.
    pub fn take() -> Result<Self> {
        let mut survey = Self {
            channels: Vec::new(),
            foreign: Vec::new(),
        };
        // Segments first: a set that is made meanwhile is then not taken for a missing one.
        let segments = sysv_ipc::segments()?;
        let mut sets = Sets::list()?;
        for segment in segments {
            survey.add_segment(segment, &mut sets)?;
        }
        survey.foreign.extend(sets.others().map(foreign_set));
        for queue in sysv_ipc::message_queues()? {
            survey.foreign.push(Foreign {
                kind: "message queue",
                id: queue.queue.id(),
                permissions: queue.permissions,
                evidence: "channels have none".to_owned(),
                may_be_a_channels: false,
            });
        }
        survey.settle();
        survey.channels.sort_by_cached_key(|channel| {
            let name = channel.snapshot().map(|snapshot| snapshot.name.clone());
            (name, channel.key.to_bits(), channel.segment.segment.id())
        });
        Ok(survey)
    }

    /// Looks again at those that nobody uses and somebody is attached to: it may be another that looks, who
    /// is gone in a moment.
    fn settle(&mut self) {
        for _ in 0..LOOKS {
            let mut unsettled = self
                .channels
                .iter_mut()
                .filter(|channel| channel.is_unattended());
            let Some(first) = unsettled.next() else {
                return;
            };
            thread::sleep(LOOK_AGAIN);
            for channel in std::iter::once(first).chain(unsettled) {
                if let Ok(stat) = channel.segment.segment.stat() {
                    channel.segment.attached = stat.attached;
                }
            }
        }
    }

    fn add_segment(&mut self, segment: SegmentEntry, sets: &mut Sets) -> Result<()> {
        let observed = match Observation::take(segment.segment) {
            Err(error) if error.kind() == ErrorKind::Removed => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AccessDenied => None,
            result => Some(result?),
        };
        let beside = sets.with_key(segment.permissions.key);
        let is_a_channel = match &observed {
            Some(Observation::Blank) | None => beside.is_some(),
            Some(Observation::Foreign { .. }) => false,
            Some(_) => true,
        };
        if !is_a_channel {
            self.foreign.push(foreign_segment(&segment, observed));
            return Ok(());
        }
        let set = match &observed {
            Some(Observation::Channel(snapshot)) => sets.with_id(snapshot.set.id()),
            _ => beside,
        };
        for set in [set, beside].into_iter().flatten() {
            sets.used.insert(set.set.id());
        }
        self.channels.push(Channel::new(segment, observed, set));
        Ok(())
    }
}

impl Channel {
    /// Looks at the set of a channel, and again at the segment, until they agree: a side that closes says so
    /// first and gives its role back then, so only a word that is still the same after the role was seen
    /// free is that of a side that has died.
    fn new(
        segment: SegmentEntry,
        found: Option<Observation>,
        entry: Option<SemaphoreSetEntry>,
    ) -> Self {
        let mut channel = Self::at_once(segment, found, entry);
        for _ in 0..LOOKS {
            let Some(said) = channel.words_of_the_dead() else {
                break;
            };
            let Ok(again @ Observation::Channel(_)) = Observation::take(segment.segment) else {
                break;
            };
            channel = Self::at_once(segment, Some(again), entry);
            if channel.words_of_the_dead() == Some(said) {
                break;
            }
        }
        channel
    }

    fn at_once(
        segment: SegmentEntry,
        found: Option<Observation>,
        entry: Option<SemaphoreSetEntry>,
    ) -> Self {
        let set = entry.map_or(Set::Missing, Set::look_at);
        let snapshot = match &found {
            Some(Observation::Channel(snapshot)) => Some(&**snapshot),
            _ => None,
        };
        let side = |role| {
            set.holder(
                |holders| holders.of(role),
                snapshot.map(|it| status(it, role)),
            )
        };
        let (producer, consumer) = (side(Role::Producer), side(Role::Consumer));
        let setup = set.holder(|holders| holders.setup, None);
        let key = match (&set, segment.permissions.key) {
            (Set::Values(entry, _) | Set::Unreadable(entry), Key::PRIVATE) => entry.permissions.key,
            (_, key) => key,
        };
        Self {
            key,
            segment,
            found,
            set,
            producer,
            consumer,
            setup,
        }
    }

    /// Returns epoch and state of both sides, when one of them has a free role and has not closed.
    fn words_of_the_dead(&self) -> Option<[(u64, State); 2]> {
        let snapshot = self.snapshot()?;
        let is_dead = |role| {
            let attached = status(snapshot, role).state == State::Attached;
            attached && matches!(self.holder(role), Holder::Nobody)
        };
        let word = |status: &SideStatus| (status.epoch, status.state);
        (is_dead(Role::Producer) || is_dead(Role::Consumer))
            .then(|| [word(&snapshot.producer), word(&snapshot.consumer)])
    }

    /// Returns what a finished header says.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match &self.found {
            Some(Observation::Channel(snapshot)) => Some(snapshot),
            _ => None,
        }
    }

    /// Tells why `semring clean` keeps it; `None` when it removes it.
    pub fn kept(&self) -> Option<Kept> {
        let (holders, set) = match &self.set {
            Set::Values(entry, holders) => (Some(holders), Some(entry.permissions)),
            Set::Missing => (None, None),
            Set::Unreadable(_) => return Some(Kept::NotOwner),
        };
        let Some(observed) = &self.found else {
            return Some(Kept::NotOwner);
        };
        let permissions = [Some(self.segment.permissions), set];
        let permissions: Vec<Permissions> = permissions.into_iter().flatten().collect();
        let evidence = Evidence {
            permissions: &permissions,
            holders,
            observed: Some(observed),
            attached: self.segment.attached,
        };
        Removal::new(self.key).judge(&evidence).err()
    }

    /// Tells whether somebody is attached, and nobody has a role.
    fn is_unattended(&self) -> bool {
        let nobody = |holder: &Holder| matches!(holder, Holder::Nobody);
        self.segment.attached > 0 && nobody(&self.producer) && nobody(&self.consumer)
    }

    /// Returns who has a role.
    pub const fn holder(&self, role: Role) -> &Holder {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    /// Returns the semaphore set, if it is there.
    pub const fn set_entry(&self) -> Option<&SemaphoreSetEntry> {
        match &self.set {
            Set::Values(entry, _) | Set::Unreadable(entry) => Some(entry),
            Set::Missing => None,
        }
    }
}

/// Returns what a side says of itself.
pub const fn status(snapshot: &Snapshot, role: Role) -> &SideStatus {
    match role {
        Role::Producer => &snapshot.producer,
        Role::Consumer => &snapshot.consumer,
    }
}

impl Set {
    fn look_at(entry: SemaphoreSetEntry) -> Self {
        match Holders::look_at(entry.set) {
            Ok(holders) => Self::Values(entry, holders),
            Err(error) if error.kind() == ErrorKind::AccessDenied => Self::Unreadable(entry),
            Err(_) => Self::Missing,
        }
    }

    /// Finds who has a role, by the semaphores if they are there. `said` is what the segment says.
    fn holder(&self, of: impl Fn(&Holders) -> Option<i32>, said: Option<&SideStatus>) -> Holder {
        let Self::Values(_, holders) = self else {
            let attached = said.filter(|said| said.state == State::Attached);
            let process = attached.and_then(|said| Process::look_up(said.pid));
            return process.map_or(Holder::Unknown, Holder::Said);
        };
        match of(holders) {
            None => Holder::Nobody,
            Some(pid) if pid > 0 => Holder::Held(pid, Process::look_up(pid)),
            // Of another PID namespace: the number that it has there.
            Some(_) => Holder::Held(said.map_or(0, |said| said.pid), None),
        }
    }
}

impl Holder {
    /// Tells whether somebody surely has the role.
    pub const fn is_held(&self) -> bool {
        matches!(self, Self::Held(..))
    }

    /// Returns the process that has it, or most likely has.
    pub const fn process(&self) -> Option<&Process> {
        match self {
            Self::Held(_, Some(process)) | Self::Said(process) => Some(process),
            _ => None,
        }
    }
}

/// Finds semaphore sets by identifier and by key.
struct Sets {
    by_id: HashMap<i32, SemaphoreSetEntry>,
    by_key: HashMap<Key, SemaphoreSetEntry>,
    used: HashSet<i32>,
}

impl Sets {
    fn list() -> Result<Self> {
        let sets = sysv_ipc::semaphore_sets()?;
        let key = |entry: &SemaphoreSetEntry| entry.permissions.key;
        let found = sets.iter().filter(|entry| key(entry) != Key::PRIVATE);
        Ok(Self {
            by_key: found.map(|entry| (key(entry), *entry)).collect(),
            by_id: sets.iter().map(|entry| (entry.set.id(), *entry)).collect(),
            used: HashSet::new(),
        })
    }

    fn with_id(&self, id: i32) -> Option<SemaphoreSetEntry> {
        let set = self.by_id.get(&id).copied();
        set.filter(|set| set.count == COUNT)
    }

    /// Finds the set of a channel beside its segment.
    fn with_key(&self, key: Key) -> Option<SemaphoreSetEntry> {
        let set = self.by_key.get(&key).copied();
        set.filter(|set| set.count == COUNT)
    }

    /// Returns those that are no channel's, by their identifiers.
    fn others(self) -> impl Iterator<Item = SemaphoreSetEntry> {
        let unused = |set: &SemaphoreSetEntry| !self.used.contains(&set.set.id());
        let mut others: Vec<_> = self.by_id.values().copied().filter(unused).collect();
        others.sort_by_key(|set| set.set.id());
        others.into_iter()
    }
}

fn foreign_set(entry: SemaphoreSetEntry) -> Foreign {
    let has_key = entry.permissions.key != Key::PRIVATE;
    let evidence = match entry.count {
        COUNT if !has_key => format!(
            "{COUNT} semaphores without a key: no channel's, perhaps of a `semring doctor` that was killed"
        ),
        COUNT => format!(
            "{COUNT} semaphores and no segment: perhaps a channel's, whose creator was killed half-way"
        ),
        1 => "1 semaphore".to_owned(),
        count => format!("{count} semaphores"),
    };
    Foreign {
        kind: "semaphore set",
        id: entry.set.id(),
        permissions: entry.permissions,
        evidence,
        may_be_a_channels: entry.count == COUNT && has_key,
    }
}

fn foreign_segment(segment: &SegmentEntry, observed: Option<Observation>) -> Foreign {
    let evidence = match observed {
        Some(Observation::Foreign { evidence }) => evidence,
        Some(Observation::Blank) => "all zero, and without a channel's semaphore set".to_owned(),
        _ => "we may not read it".to_owned(),
    };
    Foreign {
        kind: "segment",
        id: segment.segment.id(),
        permissions: segment.permissions,
        evidence,
        may_be_a_channels: false,
    }
}
