//! Waiting for a permit, as of `gate/strict.rs`, and the verdict on the peer, as of `gate.rs`.

use super::state::{At, CONSUMER, PRODUCER, Presence, Process, State, Task, Word, Wrong};
use super::{Config, Flaw, named, peer};
use crate::explorer::Steps;

impl Config {
    pub(super) fn step_waiting(&self, s: &State, who: usize, steps: &mut Steps<State>) {
        let mut n = *s;
        let me = &mut n.processes[who];
        let ready = self.ready(s, who).saturating_sub(me.credits);
        let (name, next) = match me.at {
            At::CheckCancel if s.canceller.requested => {
                n.canceller.requested = false;
                (named!(who, "is cancelled"), Self::failed(me.task))
            }
            At::CheckCancel => (named!(who, "sees no cancel"), At::Look),
            At::Look if ready == 0 => {
                let next = if self.flaw == Flaw::NoRoleTest {
                    At::Sleep
                } else {
                    At::JudgeWord
                };
                (named!(who, "sees no room", "sees no message"), next)
            }
            At::Look => {
                me.count = self.units_to_take(s, who, ready);
                (named!(who, "sees room", "sees a message"), At::Take)
            }
            At::Take | At::TopUpTake if s.units[who] >= me.count => {
                n.units[who] -= me.count;
                me.credits += me.count;
                let topped_up = me.at == At::TopUpTake;
                me.count = 0;
                let next = if topped_up {
                    Self::exchange(who)
                } else {
                    self.after_permit(&n, who)
                };
                (
                    named!(who, "takes EMPTY permits", "takes FULL permits"),
                    next,
                )
            }
            At::Take => (
                named!(who, "gets no EMPTY permit", "gets no FULL permit"),
                At::TestPeer,
            ),
            At::TopUpTake => (
                named!(who, "gets no more permits at once"),
                At::TopUpTestPeer,
            ),
            At::TestPeer | At::TopUpTestPeer => return self.test_peer(n, who, steps),
            At::TopUpLook if ready == 0 => (named!(who, "sees nothing more"), Self::exchange(who)),
            At::TopUpLook => {
                let more = self.wanted(s, who) - me.credits;
                me.count = self.units(ready, more);
                (named!(who, "sees more"), At::TopUpTake)
            }
            At::Sleep | At::Woken | At::LookAfterRemoval => return self.sleep(n, who, steps),
            _ => return self.judge(n, who, steps),
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Truth first: a permit may have died with its owner, what it stood for has not.
    fn test_peer(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let gone = !n.held[peer(who)] && self.flaw != Flaw::NoTruthFirst;
        let me = &mut n.processes[who];
        let units = me.count;
        me.count = 0;
        let topping_up = me.at == At::TopUpTestPeer;
        if gone {
            me.credits += units;
        }
        n.processes[who].at = match (gone, topping_up) {
            (_, true) => Self::exchange(who),
            (true, false) => self.after_permit(&n, who),
            (false, false) => At::Sleep,
        };
        let name = if gone {
            named!(who, "finds the peer gone, goes by the positions")
        } else {
            named!(who, "finds the peer there, whose permit is on its way")
        };
        steps.to(name, n);
    }

    /// Sleeps until a unit comes, and loads the position afresh; or finds the set removed.
    fn sleep(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let ready = self.ready(&n, who).saturating_sub(n.processes[who].credits);
        let me = &mut n.processes[who];
        let (name, next) = match me.at {
            At::Sleep => {
                if n.units[who] == 0 {
                    return;
                }
                n.units[who] -= 1;
                let name = named!(who, "is granted an EMPTY unit", "is granted a FULL unit");
                (name, At::Woken)
            }
            At::Woken if ready > 0 && self.flaw != Flaw::CachedPosition => {
                me.credits += 1;
                let name = named!(who, "loads the position: the unit is a permit");
                (name, self.after_permit(&n, who))
            }
            At::Woken => {
                let name = named!(who, "loads the position: the unit is worthless");
                (name, self.wait_begins(who))
            }
            _ if ready > 0 => {
                me.credits += 1;
                let name = "consumer: sees a message, needs no permit any more";
                (name, self.after_permit(&n, who))
            }
            _ => {
                *me = Process::default();
                if n.head < n.confirmed {
                    n.wrong = Wrong::Lost;
                }
                ("consumer: sees no message, reports Removed", At::Done)
            }
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Judges the peer: its word, its role, the same word again, its position.
    fn judge(&self, mut n: State, who: usize, steps: &mut Steps<State>) {
        let peer_word = n.words[peer(who)];
        let ready = self.ready(&n, who);
        let me = &mut n.processes[who];
        let (name, next) = match me.at {
            At::JudgeWord => {
                me.word = peer_word;
                (named!(who, "verdict: reads the peer's word"), At::JudgeRole)
            }
            At::JudgeRole if n.held[peer(who)] => {
                me.word = Word::default();
                (
                    named!(who, "verdict: the peer is there, wait for it"),
                    At::Sleep,
                )
            }
            At::JudgeRole => {
                let next = if self.flaw == Flaw::WordThenRole {
                    At::JudgePosition
                } else {
                    At::JudgeWordAgain
                };
                (named!(who, "verdict: the peer's role is free"), next)
            }
            At::JudgeWordAgain => {
                let same = peer_word == me.word || self.flaw == Flaw::RoleThenWord;
                me.word = if same { peer_word } else { Word::default() };
                if same {
                    (
                        named!(who, "verdict: reads the peer's word again"),
                        At::JudgePosition,
                    )
                } else {
                    (
                        named!(who, "verdict: the word has changed, starts over"),
                        At::JudgeWord,
                    )
                }
            }
            _ if ready > me.credits && self.flaw != Flaw::OldPosition => {
                me.word = Word::default();
                (
                    named!(who, "verdict: the position has moved"),
                    self.wait_begins(who),
                )
            }
            _ => return Self::tell(n, who, steps),
        };
        n.processes[who].at = next;
        steps.to(name, n);
    }

    /// Says what has become of the peer, whose position has been found as it was.
    fn tell(mut n: State, who: usize, steps: &mut Steps<State>) {
        let Word { epoch, presence } = n.processes[who].word;
        let me = &mut n.processes[who];
        let told = me.reported == epoch;
        let failed = Self::failed(me.task);
        let (name, next) = match presence {
            _ if told => (named!(who, "verdict: that end is known, wait"), At::Sleep),
            Presence::Never => (
                named!(who, "verdict: there was no peer yet, wait"),
                At::Sleep,
            ),
            Presence::Closed => {
                if n.closed[peer(who)] >> epoch & 1 == 0
                    || who == CONSUMER && n.head < n.closed_at[usize::from(epoch)]
                {
                    n.wrong = Wrong::FalseEnd;
                }
                if who == PRODUCER {
                    me.reported = epoch;
                    (named!(who, "is told that the consumer closed"), failed)
                } else {
                    // The word is kept until the end has been noted.
                    me.at = At::NoteEnd;
                    return steps.to("consumer: verdict: the stream has ended", n);
                }
            }
            Presence::Attached => {
                if n.died[peer(who)] >> epoch & 1 == 0 {
                    n.wrong = Wrong::FalseDeath;
                }
                if epoch < me.reported {
                    n.wrong = Wrong::ToldTwice;
                }
                me.reported = epoch;
                (
                    named!(
                        who,
                        "is told that the consumer died",
                        "is told that the producer died"
                    ),
                    failed,
                )
            }
        };
        let me = &mut n.processes[who];
        me.word = Word::default();
        me.at = next;
        steps.to(name, n);
    }

    /// How many permits to take at once, when as many are `ready`.
    fn units_to_take(&self, s: &State, who: usize, ready: u8) -> u8 {
        if s.processes[who].task == Task::Drain {
            ready
        } else {
            self.units(ready, self.wanted(s, who))
        }
    }

    fn units(&self, ready: u8, wanted: u8) -> u8 {
        if wanted == 1 && self.credits > 1 {
            // The newest permit may still be on its way.
            (ready - 1).clamp(1, self.credits)
        } else {
            ready.min(wanted)
        }
    }

    /// Where a side goes that has got a permit.
    fn after_permit(&self, s: &State, who: usize) -> At {
        if s.processes[who].task == Task::Drain {
            At::DrainLook
        } else {
            self.next_wait(s, who)
        }
    }

    /// Where a side goes whose operation returns an error.
    pub(super) fn failed(task: Task) -> At {
        match task {
            Task::Drain => At::ReturnUndrained,
            _ => At::Between,
        }
    }
}
