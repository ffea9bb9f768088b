//! Controls: what is done wrong in each of them must be noticed.

use super::runs::{BOUNDED, CHOSEN, FENCED, ORDERED, SMALL};
use super::state::CONSUMER;
use super::{Config, Flaw, Owed};
use crate::explorer::Failure::{BadRest, Violation};
use crate::explorer::fails;

const fn flawed(flaw: Flaw) -> Config {
    Config { flaw, ..SMALL }
}

#[test]
fn no_death_notice() {
    fails("no death notice", &flawed(Flaw::NoDeathNotice), BadRest);
}

#[test]
fn no_second_look() {
    fails("no second look", &flawed(Flaw::NoSecondLook), BadRest);
}

#[test]
fn sleeps_on_unarmed() {
    let config = flawed(Flaw::SleepsOnUnarmed);
    fails("sleeps on unarmed", &config, BadRest);
}

#[test]
fn blocks_for_an_owed_unit() {
    let config = Config {
        stops: true,
        faults: 0,
        ..flawed(Flaw::BlocksForOwed)
    };
    fails("blocks for an owed unit", &config, BadRest);
}

#[test]
fn no_cancel_check_after_settling() {
    let config = Config {
        owed: Owed::Drained,
        cancels: 1,
        cancelled: CONSUMER,
        ..flawed(Flaw::NoCancelCheck)
    };
    fails("no cancel check after settling", &config, BadRest);
}

#[test]
#[ignore = "large"]
fn no_cancel_check_after_settling_what_is_owed() {
    let config = Config {
        cancels: 1,
        cancelled: CONSUMER,
        ..flawed(Flaw::NoCancelCheck)
    };
    fails("no cancel check after what is owed", &config, BadRest);
}

#[test]
fn looks_then_commits() {
    fails(
        "looks, then commits",
        &flawed(Flaw::LooksThenCommits),
        BadRest,
    );
}

#[test]
fn no_role_test_before_sleeping() {
    fails("no role test", &flawed(Flaw::NoRoleTest), BadRest);
}

#[test]
fn producer_does_not_judge() {
    let config = flawed(Flaw::ProducerDoesNotJudge);
    fails("producer does not judge", &config, BadRest);
}

#[test]
fn verdict_by_an_old_position() {
    let failure = Violation("false end of stream");
    fails("old position", &flawed(Flaw::OldPosition), failure);
}

#[test]
fn verdict_by_role_then_word() {
    let failure = Violation("a death reported that was none");
    fails("role then word", &flawed(Flaw::RoleThenWord), failure);
}

#[test]
fn verdict_by_word_then_role() {
    let failure = Violation("a death reported that was none");
    fails("word then role", &flawed(Flaw::WordThenRole), failure);
}

#[test]
fn an_end_not_noted_as_reported() {
    let failure = Violation("an epoch's end reported twice");
    fails("end not noted", &flawed(Flaw::NotReported), failure);
    let config = flawed(Flaw::CloseNotReported);
    fails("consumer's close not noted", &config, failure);
}

#[test]
fn interrupted_stream_ignored() {
    let config = flawed(Flaw::InterruptedIgnored);
    fails("interrupted stream ignored", &config, BadRest);
}

#[test]
fn interrupted_stream_closed() {
    let failure = Violation("an interrupted stream passed off as whole");
    let config = flawed(Flaw::InterruptedAsClosed);
    fails("interrupted stream closed", &config, failure);
}

/// A cancel, two faults, and few steps beside them.
const fn trimming(flaw: Flaw) -> Config {
    Config {
        messages: 1,
        faults: 2,
        cancels: 1,
        deadlines: false,
        interrupts: false,
        owed: Owed::Left,
        ..flawed(flaw)
    }
}

#[test]
fn trim_takes_all() {
    fails("trim takes all", &trimming(Flaw::TrimTakesAll), BadRest);
}

#[test]
fn trim_in_two_steps() {
    fails(
        "trim in two steps",
        &trimming(Flaw::TrimInTwoSteps),
        BadRest,
    );
}

#[test]
fn owed_units_left() {
    let config = Config {
        owed: Owed::Left,
        ..BOUNDED
    };
    fails("owed units left", &config, Violation("units pile up"));
}

#[test]
fn never_disarmed() {
    let config = Config {
        disarms: false,
        ..BOUNDED
    };
    fails("never disarmed", &config, Violation("units pile up"));
}

#[test]
fn no_barrier_at_the_publisher() {
    let config = Config {
        flaw: Flaw::NoBarrier,
        ..FENCED
    };
    fails("no fence", &config, BadRest);
    let config = Config {
        flaw: Flaw::NoBarrier,
        ..ORDERED
    };
    fails("no membarrier", &config, BadRest);
}

#[test]
fn no_barrier_at_the_sleeper() {
    let config = Config {
        flaw: Flaw::SleeperUnfenced,
        ..FENCED
    };
    fails("sleeper unfenced", &config, BadRest);
}

#[test]
fn cached_advertisement() {
    let config = Config {
        flaw: Flaw::CachedAdvert,
        faults: 0,
        ..CHOSEN
    };
    fails("cached advertisement", &config, BadRest);
}

#[test]
fn unfenced_advertisement() {
    let config = Config {
        flaw: Flaw::AdvertUnfenced,
        faults: 0,
        ..CHOSEN
    };
    fails("unfenced advertisement", &config, BadRest);
}

#[test]
fn sleeps_unsure() {
    let config = Config {
        flaw: Flaw::SleepsUnsure,
        refusals: true,
        faults: 0,
        ..ORDERED
    };
    fails("sleeps though membarrier was refused", &config, BadRest);
}
