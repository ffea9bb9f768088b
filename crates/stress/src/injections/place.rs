//! Where a play takes place: a channel and a folder of its own.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use semring::{Address, Key, Mode};
use sysv_ipc::{Segment, SemaphoreSet};

/// Semaphore of the producer's role, and offset of `tail` in the segment (docs/layout.md).
const PRODUCER: u16 = 2;
const TAIL: usize = 512;

/// What looks at an object without asking for any right.
const NO_RIGHTS: Mode = Mode::from_bits(0);

/// Holds a channel's name and a folder; dropping it removes what is left of either.
pub struct Place {
    pub channel: String,
    key: Key,
    folder: PathBuf,
    helpers: RefCell<Vec<Child>>,
}

impl Place {
    /// Makes one, with the writers' inputs as files.
    pub fn new(inputs: &[Vec<u8>]) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let channel = format!("injections-{}-{number}", std::process::id());
        let key = Address::named(&channel)?.key();
        let folder = std::env::temp_dir().join(&channel);
        std::fs::create_dir(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let helpers = RefCell::default();
        let place = Self {
            channel,
            key,
            folder,
            helpers,
        };
        for (number, input) in inputs.iter().enumerate() {
            std::fs::write(place.input(number), input).context("cannot write an input")?;
        }
        Ok(place)
    }

    pub const fn key(&self) -> Key {
        self.key
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn input(&self, number: usize) -> PathBuf {
        self.folder.join(format!("input-{number}"))
    }

    /// Looks after a process until the end.
    pub fn keep(&self, helper: Child) {
        self.helpers.borrow_mut().push(helper);
    }

    pub fn segment(&self) -> Option<Segment> {
        Segment::open(self.key, NO_RIGHTS).ok()
    }

    pub fn set(&self) -> Option<SemaphoreSet> {
        SemaphoreSet::open(self.key, NO_RIGHTS).ok()
    }

    /// Names the objects that are there, as `ipcs` would.
    pub fn objects(&self) -> Vec<String> {
        let segment = self
            .segment()
            .map(|segment| format!("segment {}", segment.id()));
        let set = self.set().map(|set| format!("set {}", set.id()));
        segment.into_iter().chain(set).collect()
    }

    /// Tells whether somebody has the producer's role.
    pub fn has_producer(&self) -> bool {
        self.set().is_some_and(|set| set.value(PRODUCER) == Ok(1))
    }

    /// Counts the messages that were committed, if there is a segment that could say.
    pub fn committed(&self) -> Option<u64> {
        self.segment()?.attach_read_only().ok()?.load_u64(TAIL).ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for helper in self.helpers.get_mut() {
            let _ = helper.kill();
            let _ = helper.wait();
        }
        // Whatever a failure has left; there is nothing to be done about an error.
        let _ = self.segment().map(Segment::remove);
        let _ = self.set().map(SemaphoreSet::remove);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
