//! What a state of the strict model consists of.

/// The producer's index, and that of `EMPTY`, on which it waits.
pub const PRODUCER: usize = 0;
/// The consumer's index, and that of `FULL`, on which it waits.
pub const CONSUMER: usize = 1;
/// The index of a third process, which finds a role taken.
pub const THIRD: usize = 2;

/// More epochs of a role than any run has.
pub const EPOCHS: usize = 5;

/// What a process does next. Each of these is one access to memory or one semaphore call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum At {
    // Attaching, all under SETUP.
    #[default]
    LockSetup,
    TestOwnRole,
    NotePeer,
    ReadFullToTrim,
    TrimFull,
    PostTrimmedFull,
    ReadEmptyToTrim,
    TrimEmpty,
    PostTrimmedEmpty,
    Claim,
    SetWord,
    RepairFullFirst,
    RepairFullValue,
    RepairFullSecond,
    RepairFullPost,
    RepairEmptyFirst,
    RepairEmptyValue,
    RepairEmptySecond,
    RepairEmptyPost,
    UnlockSetup,

    /// Between two operations.
    Between,

    // Waiting for a permit.
    CheckCancel,
    Look,
    Take,
    TestPeer,
    JudgeWord,
    JudgeRole,
    JudgeWordAgain,
    JudgePosition,
    Sleep,
    Woken,
    LookAfterRemoval,
    // More permits, if they come at once.
    TopUpLook,
    TopUpTake,
    TopUpTestPeer,

    // The exchange.
    Commit,
    CommitRest,
    HandOut,
    Release,
    Post,

    // Draining.
    DrainLook,
    ReturnDrained,
    ReturnUndrained,

    // The end of a stream.
    NoteEnd,
    Follow,

    // Leaving.
    SetClosed,
    LockToLeave,
    LeaveLocked,
    LeaveUnlocked,
    UnlockLeft,

    // Resting.
    /// Its role is held and its handle gone: only a control gets here.
    Failed,
    /// Alive, but makes no calls any more.
    Idle,
    /// Killed, without a successor.
    Gone,
    /// Left.
    Done,
}

impl At {
    /// Whether the process has not come in yet, or is out.
    pub const fn is_outside(self) -> bool {
        matches!(self, Self::LockSetup) || self.is_rest()
    }

    pub const fn is_rest(self) -> bool {
        matches!(self, Self::Failed | Self::Idle | Self::Gone | Self::Done)
    }

    /// Whether the process makes calls of a handle.
    pub const fn is_operation(self) -> bool {
        (self as u8) >= (Self::Between as u8) && (self as u8) < (Self::SetClosed as u8)
    }
}

/// What a process is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Task {
    #[default]
    Exchange,
    Drain,
    /// Exchanges again, after a drain.
    Drained,
}

/// The state of a role in its word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Presence {
    #[default]
    Never,
    Attached,
    Closed,
}

/// Epoch and state of a role, one number in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Word {
    pub epoch: u8,
    pub presence: Presence,
}

/// The private memory of a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Process {
    pub at: At,
    pub task: Task,
    /// Permits in hand.
    pub credits: u8,
    /// What the next call is to take or post.
    pub count: u8,
    /// A position or value read earlier.
    pub noted: u8,
    /// The peer's word, while it is judged.
    pub word: Word,
    /// The last epoch of the peer whose end was reported; 0 for none.
    pub reported: u8,
}

/// Who holds SETUP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Lock {
    #[default]
    Free,
    HeldBy(u8),
}

/// A thread that cancels the operations of one handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Canceller {
    /// The flag in the handle.
    pub requested: bool,
    /// The thread has set the flag and is about to post.
    pub posting: bool,
}

/// What is wrong with a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Wrong {
    #[default]
    Nothing,
    TwoOwners,
    FalseEnd,
    FalseDeath,
    ToldTwice,
    Gap,
    BeyondTail,
    Overfull,
    Unmarked,
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    // The segment.
    pub tail: u8,
    pub head: u8,
    pub handed_out: u8,
    pub words: [Word; 2],
    pub end_seen: u8,

    // The semaphore set.
    pub units: [u8; 2],
    pub held: [bool; 2],
    pub setup: Lock,
    pub removed: bool,

    pub processes: [Process; 3],
    pub canceller: Canceller,

    // How much has befallen them.
    pub faults: u8,
    pub cancels: u8,

    // What is known to nobody but the model.
    /// Position after the last message that any consumer was handed.
    pub seen: u8,
    /// Position after the last message whose send returned Ok.
    pub confirmed: u8,
    /// Where each epoch of the producer ended, when it closed.
    pub closed_at: [u8; EPOCHS],
    /// Bits: the epochs of each role that died, that closed; the producer's whose end was told.
    pub died: [u8; 2],
    pub closed: [u8; 2],
    pub ends_told: u8,
    pub wrong: Wrong,
}

impl State {
    /// Messages on their way.
    pub const fn filled(&self) -> u8 {
        self.tail - self.head
    }

    /// Frees SETUP if this process holds it.
    pub fn unlock(&mut self, who: usize) {
        if self.is_locked_by(who) {
            self.setup = Lock::Free;
        }
    }

    pub fn lock(&mut self, who: usize) {
        self.setup = Lock::HeldBy(u8::try_from(who).expect("three processes"));
    }

    pub fn is_locked_by(&self, who: usize) -> bool {
        matches!(self.setup, Lock::HeldBy(holder) if usize::from(holder) == who)
    }
}
