//! Runs that must pass. Those that take long without optimization are ignored by default; each has
//! a smaller one of the same kind beside it.

use super::state::{CONSUMER, PRODUCER};
use super::{BASE, Barriers, Config, Flaw, Owed};
use crate::explorer::passes;

/// One slot, two messages, one fault.
pub(super) const SMALL: Config = Config {
    slots: 1,
    messages: 2,
    faults: 1,
    cancels: 0,
    ..BASE
};

/// No fault but many messages, and no more units than one that is owed, one on its way, and a
/// notice.
pub(super) const BOUNDED: Config = Config {
    slots: 2,
    messages: 7,
    faults: 0,
    bound: 3,
    ..SMALL
};

/// The publisher fences after each message.
pub(super) const FENCED: Config = Config {
    barriers: Barriers::Publisher,
    ..SMALL
};

/// The sleeper orders the publisher's stores.
pub(super) const ORDERED: Config = Config {
    barriers: Barriers::Sleeper,
    ..SMALL
};

/// Each process chooses when it attaches.
pub(super) const CHOSEN: Config = Config {
    barriers: Barriers::Either,
    ..SMALL
};

#[test]
fn one_slot() {
    let config = Config {
        messages: 3,
        ..SMALL
    };
    passes("one slot", &config);
}

#[test]
fn two_faults() {
    let config = Config {
        faults: 2,
        messages: 1,
        ..SMALL
    };
    passes("two faults", &config);
}

#[test]
#[ignore = "large"]
fn two_slots_with_two_faults_and_a_cancel() {
    passes("two slots, two faults, a cancel", &BASE);
}

#[test]
#[ignore = "large"]
fn one_slot_with_two_faults_and_two_cancels() {
    let config = Config {
        slots: 1,
        cancels: 2,
        ..BASE
    };
    passes("one slot, two faults, two cancels", &config);
}

#[test]
#[ignore = "large"]
fn one_slot_with_three_faults_and_a_cancel() {
    let config = Config {
        faults: 3,
        cancels: 1,
        ..SMALL
    };
    passes("three faults and a cancel", &config);
}

#[test]
fn consumer_cancelled() {
    let config = Config {
        cancels: 1,
        messages: 1,
        ..SMALL
    };
    passes("consumer cancelled", &config);
}

#[test]
fn producer_cancelled() {
    let config = Config {
        cancels: 1,
        cancelled: PRODUCER,
        deadlines: false,
        interrupts: false,
        ..SMALL
    };
    passes("producer cancelled", &config);
}

#[test]
#[ignore = "large"]
fn both_cancelled_at_length() {
    for cancelled in [PRODUCER, CONSUMER] {
        let config = Config {
            faults: 2,
            cancels: 1,
            cancelled,
            ..SMALL
        };
        passes("cancelled, two faults", &config);
        let config = Config {
            cancels: 2,
            cancelled,
            ..SMALL
        };
        passes("cancelled twice", &config);
    }
}

#[test]
fn batches() {
    let config = Config {
        slots: 2,
        messages: 3,
        producer_batch: 2,
        consumer_batch: 2,
        ..SMALL
    };
    passes("batches", &config);
}

#[test]
fn drained() {
    let config = Config {
        slots: 2,
        messages: 3,
        drain_at: Some(2),
        ..SMALL
    };
    passes("drained", &config);
}

#[test]
#[ignore = "large"]
fn drained_at_length() {
    let config = Config {
        drain_at: Some(2),
        cancelled: PRODUCER,
        ..BASE
    };
    passes("drained and cancelled, two faults", &config);
    let config = Config {
        producer_batch: 2,
        consumer_batch: 2,
        ..config
    };
    passes("drained, with batches", &config);
}

#[test]
fn stopped() {
    let config = Config {
        stops: true,
        faults: 0,
        cancels: 1,
        ..SMALL
    };
    passes("stopped", &config);
}

#[test]
#[ignore = "large"]
fn stopped_with_a_fault() {
    let config = Config {
        stops: true,
        cancels: 1,
        ..SMALL
    };
    passes("stopped, a fault", &config);
    let config = Config {
        stops: true,
        ..CHOSEN
    };
    passes("stopped, each its own barrier", &config);
}

#[test]
fn ceiling() {
    let config = Config {
        ceiling: 1,
        cancels: 1,
        messages: 1,
        ..SMALL
    };
    passes("ceiling of one unit", &config);
}

#[test]
fn units_are_few() {
    passes("units are few", &BOUNDED);
}

/// Safe, too; but see the controls for how many units there are then.
#[test]
fn owed_units_not_counted() {
    let config = Config {
        owed: Owed::Left,
        ..SMALL
    };
    passes("owed units left", &config);
    let config = Config {
        disarms: false,
        ..config
    };
    passes("owed units left, flag left set", &config);
    let config = Config {
        owed: Owed::Drained,
        ..SMALL
    };
    passes("all units taken before each sleep", &config);
}

#[test]
#[ignore = "large"]
fn owed_units_not_counted_at_length() {
    for owed in [Owed::Left, Owed::Drained] {
        passes("owed units not counted", &Config { owed, ..BASE });
    }
    let config = Config {
        owed: Owed::Left,
        disarms: false,
        ..BASE
    };
    passes("owed units left, flag left set", &config);
}

/// Costs one wake-up.
#[test]
fn a_predecessors_flag_kept() {
    let config = Config {
        clears_flag: false,
        ..SMALL
    };
    passes("predecessor's flag kept", &config);
}

#[test]
#[ignore = "large"]
fn a_predecessors_flag_kept_at_length() {
    let config = Config {
        clears_flag: false,
        ..BASE
    };
    passes("predecessor's flag kept, two faults", &config);
}

/// The notices do all the work, as long as trim leaves a unit.
#[test]
#[ignore = "large"]
fn no_repair() {
    let config = Config {
        flaw: Flaw::NoRepair,
        ..BASE
    };
    passes("no repair", &config);
}

#[test]
fn publisher_fences() {
    passes("publisher fences", &FENCED);
}

#[test]
fn sleeper_orders() {
    passes("sleeper orders", &ORDERED);
}

#[test]
fn each_chooses_its_barrier() {
    let config = Config {
        messages: 1,
        ..CHOSEN
    };
    passes("each its own barrier", &config);
    let config = Config {
        messages: 3,
        faults: 0,
        ..CHOSEN
    };
    passes("each its own barrier, no fault", &config);
}

#[test]
#[ignore = "large"]
fn barriers_at_length() {
    for barriers in [Barriers::Publisher, Barriers::Sleeper] {
        let config = Config {
            barriers,
            faults: 2,
            ..SMALL
        };
        passes("one kind of barrier, two faults", &config);
    }
    let config = Config {
        messages: 3,
        ..CHOSEN
    };
    passes("each its own barrier, three messages", &config);
    let config = Config {
        cancels: 1,
        ..CHOSEN
    };
    passes("each its own barrier, a cancel", &config);
}

#[test]
#[ignore = "large"]
fn barriers_with_two_faults() {
    let config = Config {
        faults: 2,
        ..CHOSEN
    };
    passes("each its own barrier, two faults", &config);
}

#[test]
fn membarrier_refused() {
    let config = Config {
        refusals: true,
        messages: 3,
        faults: 0,
        ..ORDERED
    };
    passes("membarrier refused", &config);
}

#[test]
#[ignore = "large"]
fn membarrier_refused_with_a_fault() {
    let config = Config {
        refusals: true,
        ..CHOSEN
    };
    passes("membarrier refused, a fault", &config);
}
