//! The verdict on a peer that gives nothing, as of `gate.rs`: word, role, the same word, position.

use super::state::{At, CONSUMER, PRODUCER, Presence, State, Word, Wrong};
use super::{Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    /// Where the verdict begins.
    pub(super) fn judge_begins(&self, who: usize) -> At {
        match self.flaw {
            Flaw::NoRoleTest => At::Sleep,
            Flaw::ProducerDoesNotJudge if who == PRODUCER => At::Sleep,
            Flaw::RoleThenWord => At::JudgeRole,
            _ => At::JudgeWord,
        }
    }

    pub(super) fn judge(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        // The test of the role takes a lock in the kernel: what was stored before it is seen.
        if n.processes[who].at == At::JudgeRole && !n.is_visible(who) {
            return;
        }
        let peer_word = n.words[peer(who)];
        let ready = self.ready(&n, who);
        let held = n.held[peer(who)];
        let me = &mut n.processes[who];
        let (name, next) = match me.at {
            At::JudgeWord => {
                me.word = peer_word;
                (named!(who, "verdict: reads the peer's word"), At::JudgeRole)
            }
            At::JudgeRole if held => {
                me.word = Word::default();
                let name = named!(who, "verdict: the peer is there, wait for it");
                (name, At::Sleep)
            }
            At::JudgeRole => {
                let next = if self.flaw == Flaw::WordThenRole {
                    At::JudgePosition
                } else {
                    At::JudgeWordAgain
                };
                (named!(who, "verdict: the peer's role is free"), next)
            }
            At::JudgeWordAgain if peer_word == me.word || self.flaw == Flaw::RoleThenWord => {
                me.word = peer_word;
                let name = named!(who, "verdict: reads the peer's word again");
                (name, At::JudgePosition)
            }
            At::JudgeWordAgain => {
                me.word = Word::default();
                let name = named!(who, "verdict: the word has changed, starts over");
                (name, At::JudgeWord)
            }
            _ if ready > me.known && self.flaw != Flaw::OldPosition => {
                me.word = Word::default();
                let name = named!(who, "verdict: the position has moved");
                (name, At::DisarmToGo)
            }
            _ => return self.tell(n, who, steps),
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Says what has become of the peer, whose position has been found as it was.
    fn tell(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let Word { epoch, presence } = n.processes[who].word;
        let ignored = presence == Presence::Interrupted && self.flaw == Flaw::InterruptedIgnored;
        let wait = if presence == Presence::Never {
            Some(named!(who, "verdict: there was no peer yet, wait"))
        } else if n.processes[who].reported == epoch || ignored {
            Some(named!(who, "verdict: that end is known, wait"))
        } else {
            None
        };
        if let Some(name) = wait {
            n.processes[who].word = Word::default();
            n.processes[who].at = At::Sleep;
            return steps.to(name, n);
        }
        Self::check(&mut n, who);
        let me = &mut n.processes[who];
        let noted = match self.flaw {
            Flaw::NotReported => false,
            Flaw::CloseNotReported => who == CONSUMER || presence != Presence::Closed,
            _ => true,
        };
        if noted {
            me.reported = epoch;
        }
        me.told |= 1 << epoch;
        let (name, next) = match presence {
            Presence::Attached => (
                named!(
                    who,
                    "is told that the consumer died",
                    "is told that the producer died"
                ),
                At::DisarmToReturn,
            ),
            _ if who == PRODUCER => (
                "producer: is told that the consumer closed",
                At::DisarmToReturn,
            ),
            Presence::Interrupted => ("consumer: the stream was interrupted", At::DisarmAtEnd),
            _ => ("consumer: the stream has ended", At::DisarmAtEnd),
        };
        if next == At::DisarmToReturn {
            // The word of an end is kept until it has been noted.
            me.word = Word::default();
        }
        me.at = next;
        steps.to(name, n);
    }

    /// Checks what is told against what has happened.
    fn check(n: &mut State, who: usize) {
        let Word { epoch, presence } = n.processes[who].word;
        let happened = |epochs: u8| epochs >> epoch & 1 == 1;
        let interrupted = who == CONSUMER && happened(n.interrupted);
        let ended = happened(n.closed[peer(who)]) || interrupted;
        let cut = who == CONSUMER && n.own_position(CONSUMER) < n.ended_at[usize::from(epoch)];
        n.wrong = match presence {
            Presence::Attached if !happened(n.died[peer(who)]) => Wrong::FalseDeath,
            _ if happened(n.processes[who].told) => Wrong::ToldTwice,
            Presence::Closed | Presence::Interrupted if !ended || cut => Wrong::FalseEnd,
            Presence::Closed if interrupted => Wrong::Truncated,
            _ => n.wrong,
        };
    }
}
