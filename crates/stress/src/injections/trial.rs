//! One play with one failure: the victim, its peer, and who comes after them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use semring::Role;

use super::judge;
use super::place::Place;
use super::play::{Kind, Play};
use super::player::{Ended, Player, Start, WATCHDOG, wait_until};
use super::trace::{Injection, Trace};

/// How long a peer is given to notice a failure before it counts as one that waits for a successor.
const GRACE: Duration = Duration::from_millis(150);
/// Longest wait of a program. Where the answer may be a lie that loses a unit, somebody waits that long.
const PATIENCE_S: u32 = 10;
const SHORT_PATIENCE_S: u32 = 1;

/// Plays that may be repeated, before what came out counts.
const MOST_REPETITIONS: u32 = 3;

/// What happened.
pub struct Trial<'a> {
    pub play: &'a Play,
    pub injection: Option<&'a Injection>,
    pub inputs: [Vec<u8>; 2],
    pub place: Place,
    pub trace: Trace,
    /// In the order of their starts.
    pub ended: Vec<Ended>,
    /// What was there when victim and peer had ended.
    pub left: Vec<String>,
    /// Messages that the first writer had certainly sent by then.
    pub sent: usize,
    /// The peer waited for a successor of the victim.
    pub awaited: bool,
    started: usize,
}

impl<'a> Trial<'a> {
    /// Plays once, and judges. Once more, should a peer have learned of the victim's end just when a
    /// successor came for it: then that one has met nobody.
    pub fn run(play: &'a Play, injection: Option<&'a Injection>) -> Result<Self> {
        let mut trial = Self::play(play, injection)?;
        for _ in 0..MOST_REPETITIONS {
            let missed = |ended: &Ended| ended.number > 0 && !ended.status.success();
            if !trial.awaited || !trial.ended.iter().any(missed) {
                break;
            }
            trial = Self::play(play, injection)?;
        }
        judge::judge(&trial)?;
        Ok(trial)
    }

    fn play(play: &'a Play, injection: Option<&'a Injection>) -> Result<Self> {
        let inputs = play.inputs();
        let mut trial = Self {
            play,
            injection,
            place: Place::new(&inputs)?,
            inputs,
            trace: Trace::default(),
            ended: Vec::new(),
            left: Vec::new(),
            sent: 0,
            awaited: false,
            started: 0,
        };
        trial.perform()?;
        Ok(trial)
    }

    /// The victim's end.
    pub fn victim(&self) -> Option<&Ended> {
        self.ended.iter().find(|ended| ended.victim)
    }

    /// Tells whether a process did all that it was to do. Whose output nobody reads ends early, and
    /// quietly.
    pub fn is_done(&self, ended: &Ended) -> bool {
        let unread = self
            .injection
            .is_some_and(|injection| injection.what == "EPIPE");
        ended.status.success() && !(ended.victim && unread)
    }

    fn start(&mut self, role: Role, number: usize, victim: bool) -> Result<Player> {
        self.started += 1;
        let lies = |injection: &Injection| matches!(injection.what, "EAGAIN" | "ERANGE");
        let seconds = match self.injection {
            Some(injection) if lies(injection) => SHORT_PATIENCE_S,
            _ => PATIENCE_S,
        };
        let start = Start {
            role,
            number,
            seconds,
            victim,
            injection: self.injection,
        };
        Player::start(self.play, &self.place, self.started, start)
    }

    fn perform(&mut self) -> Result<()> {
        let mut victim = None;
        let mut peer = None;
        let first = self.play.first;
        let order = if first == self.play.victim {
            [first, self.play.peer()]
        } else {
            [first, self.play.victim]
        };
        for role in order {
            let is_victim = role == self.play.victim;
            let player = if is_victim { &mut victim } else { &mut peer };
            let player = player.insert(self.start(role, 0, is_victim)?);
            if role == self.play.first {
                let place = &self.place;
                wait_until(GRACE, || {
                    Ok(player.has_ended()? || !place.objects().is_empty())
                })?;
                if player.has_ended()? {
                    break;
                }
            }
        }
        let mut victim = victim.context("there is always a victim")?;
        if !wait_until(WATCHDOG, || victim.has_ended())? {
            bail!("HANG: {}", victim.describe());
        }
        self.trace = match &victim.traced {
            Some(file) => Trace::read(file, false)?,
            None => Trace::default(),
        };
        let victim = victim.end()?;
        let done = self.is_done(&victim);
        self.ended.push(victim);
        let waiting = match peer {
            Some(peer) => self.end_of_peer(peer, done)?,
            None => None,
        };
        self.note_what_was_sent();
        match waiting {
            Some(peer) => {
                self.awaited = true;
                self.succeed(peer)
            }
            None => self.succeed_both(done),
        }
    }

    /// Waits for the peer's end; returns it when it waits for a successor of the victim.
    fn end_of_peer(&mut self, mut peer: Player, done: bool) -> Result<Option<Player>> {
        let limit = if done { WATCHDOG } else { GRACE };
        if wait_until(limit, || peer.has_ended())? {
            self.ended.push(peer.end()?);
            return Ok(None);
        }
        ensure!(
            !done,
            "HANG: the victim is done, not so the {}",
            peer.describe()
        );
        Ok(Some(peer))
    }

    fn note_what_was_sent(&mut self) {
        self.left = self.place.objects();
        let told = |ended: &Ended| super::player::counters(&ended.stdout, "[P1] Wrote: ").len();
        self.sent = match self.play.kind {
            Kind::Flag => 0,
            Kind::Demo => self.ended.iter().map(told).max().unwrap_or(0),
            Kind::Data | Kind::Pipe => {
                usize::try_from(self.place.committed().unwrap_or(0)).unwrap_or(0)
            }
        };
    }

    /// Has somebody come after the victim, for the peer that waits, and after the peer, should it have
    /// learned of the victim's end only now.
    fn succeed(&mut self, peer: Player) -> Result<()> {
        let mut successor = Some(self.start(self.play.victim, 1, false)?);
        let mut peer = Some(peer);
        let mut partner = None;
        let done = wait_until(WATCHDOG, || {
            for player in [&mut peer, &mut successor, &mut partner] {
                if let Some(mut running) = player.take() {
                    if running.has_ended()? {
                        self.ended.push(running.end()?);
                    } else {
                        *player = Some(running);
                    }
                }
            }
            let lost = peer.is_none() && partner.is_none() && successor.is_some();
            if lost
                && self
                    .ended
                    .last()
                    .is_some_and(|ended| !ended.status.success())
            {
                partner = Some(self.start(self.play.peer(), 1, false)?);
            }
            Ok(peer.is_none() && successor.is_none() && partner.is_none())
        })?;
        if !done {
            let still: Vec<String> = [peer, successor, partner]
                .iter()
                .flatten()
                .map(Player::describe)
                .collect();
            bail!("HANG with a successor: {}", still.join("; "));
        }
        Ok(())
    }

    /// Has a fresh pair come after both, unless all went well.
    fn succeed_both(&mut self, done: bool) -> Result<()> {
        if done && self.left.is_empty() && self.ended.iter().all(|ended| self.is_done(ended)) {
            return Ok(());
        }
        let mut writer = self.start(Role::Producer, 1, false)?;
        let place = &self.place;
        // A reader that came before it might be told of the first writer's death, and end.
        let flag = self.play.kind == Kind::Flag;
        wait_until(WATCHDOG, || {
            let in_place = if flag {
                place.segment().is_some()
            } else {
                place.has_producer()
            };
            Ok(in_place || writer.has_ended()?)
        })?;
        let mut reader = self.start(Role::Consumer, 1, false)?;
        let done = wait_until(WATCHDOG, || Ok(writer.has_ended()? && reader.has_ended()?))?;
        ensure!(
            done,
            "HANG of the next pair: {}; {}",
            writer.describe(),
            reader.describe()
        );
        self.ended.push(writer.end()?);
        self.ended.push(reader.end()?);
        Ok(())
    }
}
