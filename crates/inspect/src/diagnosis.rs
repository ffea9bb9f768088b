//! What is the matter with a channel, in one sentence, with the remedy.

use std::time::Duration;

use semring::observe::{Observation, Snapshot, State};
use semring::{Framing, Kept, Key, Role};
use semring_cli::{channel_option, operand, printable};

use crate::process::Process;
use crate::sides::awaited;
use crate::survey::{Channel, Holder, Set, status};
use crate::words::{counted, lasting, since};

/// How long a side may wait for the other before it is worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(1);

/// Says what is the matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// In one word, or two.
    pub condition: Condition,
    /// In a sentence, with what to do about it.
    pub sentence: String,
}

/// Names what can be the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Both sides are there, and neither has waited long.
    Flowing,
    /// The ring is empty, and the consumer waits for a message.
    Idle,
    /// The producer waits for a consumer that is busy.
    Slow,
    /// The producer is there and the consumer is not, or has left in order.
    NoConsumer,
    /// The consumer is there and the producer is not, or has left in order.
    NoProducer,
    /// One side is there, and the other has died.
    PeerLost,
    /// A process of it is stopped.
    Stopped,
    /// Nobody has a role, and somebody is attached.
    Unattended,
    /// Nobody has a role, and nobody is attached.
    Stale,
    /// Somebody is making it, or has died over it.
    Unfinished,
    /// The semaphore set was removed.
    SetRemoved,
    /// The segment was removed, and lives until its last user leaves.
    SegmentRemoved,
    /// Its numbers make no sense.
    Damaged,
    /// It is of another version.
    OtherVersion,
    /// We may not look.
    Unreadable,
}

impl Condition {
    /// Returns it as a word of a table, and of JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Flowing => "flowing",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::NoConsumer => "no consumer",
            Self::NoProducer => "no producer",
            Self::PeerLost => "peer lost",
            Self::Stopped => "stopped",
            Self::Unattended => "unattended",
            Self::Stale => "stale",
            Self::Unfinished => "unfinished",
            Self::SetRemoved => "set removed",
            Self::SegmentRemoved => "segment removed",
            Self::Damaged => "damaged",
            Self::OtherVersion => "other version",
            Self::Unreadable => "unreadable",
        }
    }

    /// Tells whether all is as it should be.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Flowing | Self::Idle)
    }
}

impl Diagnosis {
    /// Finds what is the matter with a channel. `name` is what `--channel` takes for it, `None` when it
    /// is known by its key.
    pub fn of(channel: &Channel, name: Option<&str>) -> Self {
        let case = Case { channel, name };
        let (condition, sentence) = match &channel.found {
            Some(Observation::Channel(snapshot)) => case.finished(snapshot),
            Some(Observation::OtherVersion { found, expected }) => (
                Condition::OtherVersion,
                format!(
                    "its layout has version {found}, this program knows {expected}: use the \
                     `semring` that belongs to its programs"
                ),
            ),
            Some(Observation::Damaged(corrupt)) => (
                Condition::Damaged,
                format!("{corrupt}; end its processes, then {}", case.give_up()),
            ),
            Some(_) => case.unfinished(),
            None => (
                Condition::Unreadable,
                format!(
                    "its mode {} gives this user no look at it: run `semring` as its owner, or as \
                     root",
                    channel.segment.permissions.mode
                ),
            ),
        };
        Self {
            condition,
            sentence,
        }
    }
}

/// A channel that is looked into, and the words for it.
struct Case<'a> {
    channel: &'a Channel,
    name: Option<&'a str>,
}

type Verdict = (Condition, String);

impl Case<'_> {
    /// The header is whole: first what keeps the channel from working, then what its sides do.
    fn finished(&self, snapshot: &Snapshot) -> Verdict {
        self.removed(snapshot)
            .or_else(|| self.damaged(snapshot))
            .or_else(|| self.stuck_setup())
            .or_else(|| self.stopped(snapshot))
            .unwrap_or_else(|| self.attended(snapshot))
    }

    fn removed(&self, snapshot: &Snapshot) -> Option<Verdict> {
        let segment = &self.channel.segment;
        let attached = counted(segment.attached, "attachment");
        if segment.marked_for_removal {
            let users = self.processes();
            return Some((
                Condition::SegmentRemoved,
                format!(
                    "its segment was removed (`ipcrm -m`) under its users and ends with its last \
                     {attached}: nobody else can join; let {users} end, then start both sides again"
                ),
            ));
        }
        match self.channel.set {
            Set::Missing if segment.attached > 0 => Some((
                Condition::SetRemoved,
                format!(
                    "its semaphore set was removed (`ipcrm -s`, or systemd's RemoveIPC at a log-out) \
                     under its users: whatever {} does next fails, with exit code 6; start both sides \
                     again then; {} left in it",
                    self.processes(),
                    waiting(snapshot),
                ),
            )),
            Set::Missing => Some((
                Condition::Stale,
                format!(
                    "its semaphore set was removed (`ipcrm -s`, or systemd's RemoveIPC at a log-out), \
                     and {} left in it: the next to come makes a new set; to give it up: {}",
                    waiting(snapshot),
                    self.give_up()
                ),
            )),
            Set::Unreadable(entry) => Some((
                Condition::Unreadable,
                format!(
                    "the mode {} of its semaphore set gives this user no look at who is there: run \
                     `semring` as its owner, or as root",
                    entry.permissions.mode
                ),
            )),
            Set::Values(..) => None,
        }
    }

    fn damaged(&self, snapshot: &Snapshot) -> Option<Verdict> {
        if snapshot.filled.is_some() {
            return None;
        }
        let sentence = format!(
            "the segment is damaged: tail {} and head {} are further apart than its {}; another \
             program writes into it; end its processes, then {}",
            snapshot.tail,
            snapshot.head,
            counted(snapshot.geometry.slot_count().into(), "slot"),
            self.give_up()
        );
        Some((Condition::Damaged, sentence))
    }

    /// A process that is stopped while it attaches or leaves keeps all others out.
    fn stuck_setup(&self) -> Option<Verdict> {
        let process = self.channel.setup.process()?;
        let pid = process.pid;
        process.is_stopped().then(|| {
            let sentence = format!(
                "{} is stopped while it attaches or leaves, and keeps others from it; `kill -CONT \
                 {pid}` lets it go on",
                named(process)
            );
            (Condition::Stopped, sentence)
        })
    }

    fn stopped(&self, snapshot: &Snapshot) -> Option<Verdict> {
        let stopped = |role| {
            let process = self.channel.holder(role).process();
            process.filter(|process| process.is_stopped())
        };
        let sentence = match (stopped(Role::Producer), stopped(Role::Consumer)) {
            (None, None) => return None,
            (Some(producer), Some(consumer)) => format!(
                "both sides are stopped, {} and {}, with {} between them; `kill -CONT {} {}` lets \
                 them go on",
                named(producer),
                named(consumer),
                messages(snapshot),
                producer.pid,
                consumer.pid
            ),
            (Some(process), None) => self.stopped_side(snapshot, Role::Producer, process),
            (None, Some(process)) => self.stopped_side(snapshot, Role::Consumer, process),
        };
        Some((Condition::Stopped, sentence))
    }

    fn stopped_side(&self, snapshot: &Snapshot, role: Role, process: &Process) -> String {
        let peer = peer_of(role);
        let waits = self.channel.holder(peer).is_held() && status(snapshot, peer).asleep;
        let consequence = if waits {
            format!("the {peer} has waited for {}", wait(snapshot, peer))
        } else {
            format!("{} between it and the {peer}", lie(snapshot))
        };
        format!(
            "the {role}, {}, is stopped: {consequence}; `kill -CONT {}` lets it go on",
            named(process),
            process.pid
        )
    }

    /// Nobody is stopped, and nothing is missing: who is there?
    fn attended(&self, snapshot: &Snapshot) -> Verdict {
        let is_held = |role| self.channel.holder(role).is_held();
        match (is_held(Role::Producer), is_held(Role::Consumer)) {
            (true, true) => self.pair(snapshot),
            (true, false) => self.alone(snapshot, Role::Producer),
            (false, true) => self.alone(snapshot, Role::Consumer),
            (false, false) => self.nobody(snapshot),
        }
    }

    fn pair(&self, snapshot: &Snapshot) -> Verdict {
        let filled = snapshot.filled.unwrap_or(0);
        let (producer, consumer) = (&snapshot.producer, &snapshot.consumer);
        if consumer.asleep && filled == 0 {
            let wait = wait(snapshot, Role::Consumer);
            let sentence =
                format!("all messages have been read, and the consumer has waited for {wait}");
            return (Condition::Idle, sentence);
        }
        if producer.asleep && !consumer.asleep && since(producer.active_at_ns) >= WORTH_A_WORD {
            let who = self
                .channel
                .consumer
                .process()
                .map_or_else(String::new, |process| format!(", {},", named(process)));
            let sentence = format!(
                "the producer has waited for {}, while the consumer{who} is busy with message {}: it \
                 is slow, or stuck in what it does with it",
                wait(snapshot, Role::Producer),
                snapshot.head.wrapping_add(1)
            );
            return (Condition::Slow, sentence);
        }
        let sentence = format!("messages flow, {} on their way", are(snapshot));
        (Condition::Flowing, sentence)
    }

    /// `role` is there and its peer is not.
    fn alone(&self, snapshot: &Snapshot, role: Role) -> Verdict {
        let peer = peer_of(role);
        let status = status(snapshot, peer);
        let start = self.start(snapshot, peer);
        let waiting = waiting(snapshot);
        let alone = match role {
            Role::Producer => Condition::NoConsumer,
            Role::Consumer => Condition::NoProducer,
        };
        match status.state {
            State::Never => (
                alone,
                format!("no {peer} has come yet, and {waiting} left in it: {start}"),
            ),
            State::Closed | State::Interrupted => (
                alone,
                format!("the {peer} has left in order, and {waiting} left in it: {start}"),
            ),
            State::Attached => (
                Condition::PeerLost,
                format!(
                    "the {peer}, process {}, has died without closing, and {waiting} left in it: \
                     {start}, which takes over",
                    status.pid
                ),
            ),
        }
    }

    fn nobody(&self, snapshot: &Snapshot) -> Verdict {
        let attached = self.channel.segment.attached;
        if attached > 0 {
            let sentence = format!(
                "nobody has a role, but there is {}: of somebody who comes, leaves or looks, or of a \
                 forked child; look again",
                counted(attached, "attachment")
            );
            return (Condition::Unattended, sentence);
        }
        let (past, give_up) = (past(snapshot), self.give_up());
        let sentence = match self.waits() {
            None => format!(
                "nobody uses it, and nothing waits in it: {past}; {}, or give it up: {give_up}",
                self.start(snapshot, Role::Producer)
            ),
            Some(waits) => format!(
                "nobody uses it, but {waits}: {past}; {}, or give it up: {give_up}",
                self.start(snapshot, Role::Consumer)
            ),
        };
        (Condition::Stale, sentence)
    }

    fn unfinished(&self) -> Verdict {
        let sentence = match &self.channel.setup {
            Holder::Held(_, Some(process)) if process.is_stopped() => format!(
                "{} is stopped while it makes the channel; `kill -CONT {}` lets it go on",
                named(process),
                process.pid
            ),
            Holder::Held(pid, _) => {
                format!("process {pid} is making it at this moment: look again")
            }
            _ => format!(
                "whoever was making it has died over it: the next to come makes it anew, or give it \
                 up: {}",
                self.give_up()
            ),
        };
        (Condition::Unfinished, sentence)
    }

    /// Names the processes that have a role, or most likely have.
    fn processes(&self) -> String {
        let holders = [&self.channel.producer, &self.channel.consumer];
        let named: Vec<String> = holders
            .into_iter()
            .filter_map(Holder::process)
            .map(named)
            .collect();
        match named.as_slice() {
            [] => "those that are attached".to_owned(),
            processes => processes.join(" and "),
        }
    }

    /// Says what to start, for a side that is missing.
    fn start(&self, snapshot: &Snapshot, role: Role) -> String {
        let program = match (role, snapshot.framing) {
            (_, Framing::Messages | Framing::Typed) => return format!("start its {role}"),
            (Role::Producer, Framing::Demo) => "writer".to_owned(),
            (Role::Producer, Framing::Raw) => "writer FILE".to_owned(),
            (Role::Producer, framing) => format!("writer FILE --framing {framing}"),
            (Role::Consumer, Framing::Demo) => "reader".to_owned(),
            (Role::Consumer, _) => "reader -o FILE".to_owned(),
        };
        let option = match self.name {
            Some("default") => String::new(),
            Some(name) => format!(" {}", channel_option(name)),
            None => format!(" --key {}", self.channel.key),
        };
        format!("start `{program}{option}`")
    }

    /// Says how to remove what there is of it.
    fn give_up(&self) -> String {
        let key = self.channel.key;
        if key == Key::PRIVATE {
            // Nothing leads to it any more but its identifier.
            return format!("`ipcrm -m {}`", self.channel.segment.segment.id());
        }
        let force = if self.needs_force() { "--force " } else { "" };
        let name = self.name.map_or_else(|| format!("--key {key}"), operand);
        format!("`semring clean {force}{name}`")
    }

    /// Tells whether `semring clean` removes it by force only, once nobody uses it.
    fn needs_force(&self) -> bool {
        self.waits().is_some() || matches!(self.channel.kept(), Some(Kept::SetMissing))
    }

    /// Says what waits in it, as `semring clean` does.
    fn waits(&self) -> Option<Kept> {
        self.channel.found.as_ref()?.check_read().err()
    }
}

/// Says how long a side has waited: "room for 12 s".
fn wait(snapshot: &Snapshot, role: Role) -> String {
    let time = lasting(since(status(snapshot, role).active_at_ns));
    format!("{} for {time}", awaited(snapshot, role))
}

/// Says what became of those who were there.
fn past(snapshot: &Snapshot) -> String {
    let end = |role: Role| {
        let status = status(snapshot, role);
        match status.state {
            State::Never => format!("no {role} ever came"),
            State::Attached => format!(
                "the {role}, process {}, has died without closing",
                status.pid
            ),
            State::Closed if role == Role::Producer => "the producer has closed".to_owned(),
            State::Closed => "the consumer has left in order".to_owned(),
            State::Interrupted => "the producer was interrupted".to_owned(),
        }
    };
    let both_died = [snapshot.producer.state, snapshot.consumer.state] == [State::Attached; 2];
    if both_died {
        return format!(
            "both sides have died without closing, processes {} and {}",
            snapshot.producer.pid, snapshot.consumer.pid
        );
    }
    format!("{}, {}", end(Role::Producer), end(Role::Consumer))
}

const fn peer_of(role: Role) -> Role {
    match role {
        Role::Producer => Role::Consumer,
        Role::Consumer => Role::Producer,
    }
}

/// Names a process: "process 4711 (reader)".
fn named(process: &Process) -> String {
    format!("process {} ({})", process.pid, printable(&process.program))
}

fn messages(snapshot: &Snapshot) -> String {
    counted(snapshot.filled.unwrap_or(0).into(), "message")
}

/// "3 messages are", "1 message is".
fn are(snapshot: &Snapshot) -> String {
    let verb = if snapshot.filled == Some(1) {
        "is"
    } else {
        "are"
    };
    format!("{} {verb}", messages(snapshot))
}

/// "3 messages are", to be followed by "left in it"; "nothing is".
fn waiting(snapshot: &Snapshot) -> String {
    match snapshot.filled {
        Some(0) => "nothing is".to_owned(),
        _ => are(snapshot),
    }
}

/// "3 messages lie".
fn lie(snapshot: &Snapshot) -> String {
    match snapshot.filled {
        Some(0) => "nothing lies".to_owned(),
        Some(1) => "1 message lies".to_owned(),
        _ => format!("{} lie", messages(snapshot)),
    }
}
