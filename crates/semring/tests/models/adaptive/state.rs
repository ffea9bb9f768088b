//! What a state of the adaptive model consists of.

/// The producer's index, and that of `EMPTY`, on which it sleeps.
pub const PRODUCER: usize = 0;
/// The consumer's index, and that of `FULL`, on which it sleeps.
pub const CONSUMER: usize = 1;

/// More epochs of a role than any run has.
pub const EPOCHS: usize = 5;

/// Most stores of a process that are not visible to the others yet.
pub const BUFFERED: usize = 3;

/// What a process does next. Each of these is one access to memory, one fence, or one system call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum At {
    // Attaching, all under SETUP.
    #[default]
    LockSetup,
    NotePeer,
    ReadFullToTrim,
    TrimFull,
    PostTrimmedFull,
    ReadEmptyToTrim,
    TrimEmpty,
    PostTrimmedEmpty,
    Claim,
    SetWord,
    ClearWaiting,
    Advertise,
    FenceAdvertised,
    RepairFullRead,
    RepairFullPost,
    RepairEmptyRead,
    RepairEmptyPost,
    UnlockSetup,

    /// Between two operations.
    Between,

    // Waiting.
    CheckCancel,
    Look,
    Settle,
    Arm,
    FenceArmed,
    ReadAdvertised,
    Membarrier,
    LookAgain,
    CheckCancelAgain,
    JudgeWord,
    JudgeRole,
    JudgeWordAgain,
    JudgePosition,
    Sleep,

    // Out of a wait, each by taking the flag back.
    DisarmWoken,
    DisarmToGo,
    DisarmToRetry,
    DisarmToReturn,
    DisarmAtEnd,
    /// Waits for a unit that is on its way: only a control does.
    AwaitOwed,

    // The exchange.
    /// Looks whether the consumer waits, before it commits: only a control does.
    LoadWaitingEarly,
    CommitUnseen,
    Commit,
    HandOut,
    Release,
    FencePublished,
    LoadWaiting,
    TakeWaiting,
    Post,

    DrainLook,

    // Leaving.
    NoteEnd,
    SetClosed,
    SetInterrupted,
    Leave,

    // Resting.
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
        matches!(self, Self::Idle | Self::Gone | Self::Done)
    }

    /// Whether the process makes calls of a handle.
    pub const fn is_operation(self) -> bool {
        (self as u8) >= (Self::Between as u8) && (self as u8) < (Self::NoteEnd as u8)
    }

    /// Whether the process has published, or may have, and has yet to wake the peer.
    pub const fn is_about_to_wake(self) -> bool {
        matches!(
            self,
            Self::FencePublished | Self::LoadWaiting | Self::TakeWaiting | Self::Post
        )
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
    /// Closed before the end of the stream; the producer's alone.
    Interrupted,
}

/// Epoch and state of a role, one number in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Word {
    pub epoch: u8,
    pub presence: Presence,
}

/// A store of a process that is not visible to the others yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Store {
    #[default]
    Nothing,
    Position(u8),
    Waiting(bool),
    Registered(bool),
    Word(Word),
}

/// The private memory of a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Process {
    pub at: At,
    pub task: Task,
    /// Units on their way that it did not stay to take.
    pub owed: u8,
    /// How many messages the exchange has, or what the next call is to take or post.
    pub count: u8,
    /// It waits until it could go on with more than so many.
    pub known: u8,
    /// The peer's word, while it is judged.
    pub word: Word,
    /// The last epoch of the peer whose end was reported; 0 for none.
    pub reported: u8,
    /// Whether the kernel knows it as registered for `membarrier`.
    pub registered: bool,
    /// What it read of the peer's advertisement.
    pub peer_registered: bool,
    /// `membarrier` was refused, so a wake-up may have been missed.
    pub unsure: bool,
    /// Stopped for good, wherever it is.
    pub stopped: bool,
    /// What is known to nobody but the model. Bits: the peer's epochs whose end it was told.
    pub told: u8,
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
    Truncated,
    FalseDeath,
    ToldTwice,
    Gap,
    BeyondTail,
    Overfull,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    // The segment.
    pub tail: u8,
    pub head: u8,
    pub words: [Word; 2],
    pub end_seen: u8,
    pub waiting: [bool; 2],
    /// Advertised: the owner is registered for `membarrier` and publishes without a fence.
    pub registered: [bool; 2],

    /// What each process has stored and the others do not see yet, oldest first.
    pub buffers: [[Store; BUFFERED]; 2],

    // The semaphore set.
    pub units: [u8; 2],
    pub held: [bool; 2],
    pub setup: Lock,

    pub processes: [Process; 2],
    pub canceller: Canceller,

    // How much has befallen them.
    pub faults: u8,
    pub cancels: u8,

    // What is known to nobody but the model.
    /// Position after the last message that any consumer was handed.
    pub seen: u8,
    /// Where each epoch of the producer ended, when it closed or was interrupted.
    pub ended_at: [u8; EPOCHS],
    /// Bits: the epochs of each role that died, that closed; the producer's that were interrupted.
    pub died: [u8; 2],
    pub closed: [u8; 2],
    pub interrupted: u8,
    pub wrong: Wrong,
}

impl State {
    /// Frees SETUP if this process holds it.
    pub fn unlock(&mut self, who: usize) {
        if self.is_locked_by(who) {
            self.setup = Lock::Free;
        }
    }

    pub fn lock(&mut self, who: usize) {
        self.setup = Lock::HeldBy(u8::try_from(who).expect("two processes"));
    }

    pub fn is_locked_by(&self, who: usize) -> bool {
        matches!(self.setup, Lock::HeldBy(holder) if usize::from(holder) == who)
    }
}
