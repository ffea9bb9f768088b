//! Controls: what is done wrong in each of them must be noticed.

use super::state::{CONSUMER, PRODUCER};
use super::{BASE, Config, Flaw};
use crate::explorer::Failure::{BadRest, Violation};
use crate::explorer::fails;

const fn flawed(flaw: Flaw) -> Config {
    Config { flaw, ..BASE }
}

const fn flawed_batches(flaw: Flaw) -> Config {
    Config {
        flaw,
        slots: 2,
        producer_batch: 2,
        consumer_batch: 2,
        ..BASE
    }
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
fn refused_producer_trims() {
    let config = Config {
        third: Some(PRODUCER),
        ..flawed(Flaw::TrimUntested)
    };
    fails("refused producer trims", &config, BadRest);
}

#[test]
fn refused_consumer_trims() {
    let config = Config {
        third: Some(CONSUMER),
        ..flawed(Flaw::TrimUntested)
    };
    fails("refused consumer trims", &config, BadRest);
}

#[test]
fn trim_takes_all() {
    let config = Config {
        cancels: 2,
        messages: 2,
        deadlines: false,
        ..flawed(Flaw::TrimTakesAll)
    };
    fails("trim takes all", &config, BadRest);
}

#[test]
fn trim_in_two_steps() {
    let config = Config {
        cancels: 1,
        slots: 2,
        ..flawed(Flaw::TrimInTwoSteps)
    };
    fails("trim in two steps", &config, BadRest);
}

#[test]
fn trim_leaves_one() {
    let config = Config {
        cancels: 2,
        messages: 2,
        deadlines: false,
        ..flawed(Flaw::TrimLeavesOne)
    };
    fails("trim leaves one", &config, BadRest);
}

#[test]
fn ceiling_below_twice_the_slots() {
    let config = Config {
        slots: 2,
        credits: 2,
        ceiling: 2,
        ..BASE
    };
    fails("ceiling of 2N - 2", &config, BadRest);
}

#[test]
fn close_fails_at_the_ceiling() {
    let config = Config {
        slots: 2,
        credits: 2,
        ceiling: 3,
        ..flawed(Flaw::CloseFailsAtCeiling)
    };
    fails("close at the ceiling", &config, BadRest);
}

#[test]
fn deadline_drops_a_unit() {
    fails(
        "deadline drops a unit",
        &flawed(Flaw::DeadlineDropsUnit),
        BadRest,
    );
}

#[test]
fn cached_position() {
    fails("cached position", &flawed(Flaw::CachedPosition), BadRest);
}

#[test]
fn no_death_notice() {
    fails("no death notice", &flawed(Flaw::NoDeathNotice), BadRest);
}

#[test]
fn repair_in_the_wrong_order() {
    let config = Config {
        slots: 2,
        credits: 2,
        ..flawed(Flaw::RepairOrder)
    };
    fails("repair order", &config, BadRest);
}

#[test]
fn no_truth_first() {
    fails(
        "no truth first",
        &flawed_batches(Flaw::NoTruthFirst),
        BadRest,
    );
}

#[test]
fn no_role_test_before_sleeping() {
    fails("no role test", &flawed(Flaw::NoRoleTest), BadRest);
}

#[test]
fn post_then_commit() {
    fails("post then commit", &flawed(Flaw::PostThenCommit), BadRest);
}

#[test]
fn batch_posts_before_it_is_committed() {
    fails(
        "batch posts early",
        &flawed_batches(Flaw::BatchPostsEarly),
        BadRest,
    );
}

#[test]
fn batch_waits_for_all_its_permits() {
    fails(
        "batch waits for all",
        &flawed_batches(Flaw::BatchWaitsForAll),
        Violation("false end of stream"),
    );
}

#[test]
fn drain_keeps_its_permits() {
    let config = Config {
        slots: 2,
        drain_at: Some(2),
        ..flawed(Flaw::DrainKeepsPermits)
    };
    fails("drain keeps permits", &config, BadRest);
}

#[test]
fn end_of_a_newcomer_noted() {
    fails(
        "newcomer's end noted",
        &flawed(Flaw::NotesEndOfNewcomer),
        BadRest,
    );
}

#[test]
fn newcomer_followed() {
    let config = Config {
        follows: true,
        ..flawed(Flaw::FollowsPastNewcomer)
    };
    fails("newcomer's end followed", &config, BadRest);
}

#[test]
fn hand_out_goes_back() {
    let failure = Violation("redelivered without a mark");
    let config = Config {
        puts_back: true,
        ..flawed_batches(Flaw::HandOutGoesBack)
    };
    fails("hand-out goes back", &config, failure);
}
