//! Runs that must pass, and controls that must fail.

use super::{Config, Flaw};
use crate::explorer::Failure::Violation;
use crate::explorer::{fails, passes};

const BASE: Config = Config {
    slots: 3,
    messages: 6,
    loans: 1,
    credits: 1,
    deaths: 1,
    flaw: Flaw::None,
};

#[test]
fn one_loan_at_a_time() {
    let config = Config { deaths: 2, ..BASE };
    passes("one loan at a time", &config);
}

#[test]
fn batches() {
    let config = Config {
        loans: 0,
        credits: 3,
        ..BASE
    };
    passes("slots of batches", &config);
}

#[test]
fn several_loans() {
    let config = Config {
        loans: 2,
        credits: 2,
        slots: 2,
        ..BASE
    };
    passes("several loans", &config);
}

#[test]
#[ignore = "large"]
fn several_loans_at_length() {
    let config = Config {
        loans: 3,
        credits: 3,
        deaths: 2,
        ..BASE
    };
    passes("three loans, three permits, two deaths", &config);
    let config = Config {
        loans: 2,
        credits: 2,
        slots: 2,
        messages: 7,
        deaths: 3,
        ..BASE
    };
    passes("two loans, two slots, three deaths", &config);
}

#[test]
fn loans_not_counted() {
    let config = Config {
        loans: 3,
        deaths: 0,
        flaw: Flaw::LoansNotCounted,
        ..BASE
    };
    let failure = Violation("a permit and no free slot");
    fails("loans not counted", &config, failure);
    let failure = Violation("more messages than slots");
    fails("loans not counted", &config, failure);
}

#[test]
fn slots_reclaimed_late() {
    let config = Config {
        deaths: 0,
        flaw: Flaw::ReclaimsLate,
        ..BASE
    };
    let failure = Violation("a message torn when it is received");
    fails("slots reclaimed late", &config, failure);
}

#[test]
fn noted_before_reclaimed() {
    let config = Config {
        deaths: 0,
        flaw: Flaw::NotesBeforeReclaim,
        ..BASE
    };
    let failure = Violation("a slot forgotten, or in two places");
    fails("noted before reclaimed", &config, failure);
}

#[test]
fn all_slots_free_after_a_death() {
    let config = Config {
        flaw: Flaw::AllFreeAfterDeath,
        ..BASE
    };
    let failure = Violation("a slot forgotten, or in two places");
    fails("all slots free after a death", &config, failure);
}

#[test]
fn free_when_handed_out() {
    let config = Config {
        deaths: 0,
        flaw: Flaw::FreeWhenHandedOut,
        ..BASE
    };
    let failure = Violation("a message torn while it is in hand");
    fails("free when handed out", &config, failure);
}
