//! Runs that must pass. Those that take long without optimization are ignored by default; each has a
//! smaller one of the same kind beside it.

use super::state::{CONSUMER, PRODUCER};
use super::{BASE, Config};
use crate::explorer::passes;

/// Two slots and permits two at a time.
const CREDITS: Config = Config {
    slots: 2,
    credits: 2,
    ..BASE
};

/// Two slots and messages two at a time.
const BATCHES: Config = Config {
    slots: 2,
    producer_batch: 2,
    consumer_batch: 2,
    ..BASE
};

/// Batches on one side, credits on both, and parts of batches given back.
const MIXED: Config = Config {
    puts_back: true,
    credits: 2,
    ..BATCHES
};

#[test]
fn literal_form() {
    passes("literal form", &BASE);
}

#[test]
#[ignore = "large"]
fn literal_form_with_three_faults() {
    let config = Config { faults: 3, ..BASE };
    passes("literal form, three faults", &config);
}

#[test]
fn credits() {
    passes("credits", &CREDITS);
}

#[test]
#[ignore = "large"]
fn credits_with_three_faults() {
    let config = Config {
        faults: 3,
        ..CREDITS
    };
    passes("credits, three faults", &config);
}

#[test]
fn batches() {
    passes("batches", &BATCHES);
}

#[test]
#[ignore = "large"]
fn batches_with_three_faults() {
    let config = Config {
        faults: 3,
        ..BATCHES
    };
    passes("batches, three faults", &config);
}

#[test]
fn parts_of_batches_put_back() {
    let config = Config {
        messages: 2,
        ..MIXED
    };
    passes("parts of batches put back", &config);
}

#[test]
#[ignore = "large"]
fn credits_against_batches() {
    let config = Config {
        producer_batch: 1,
        messages: 4,
        ..MIXED
    };
    passes("credits against batches put back", &config);
    let config = Config {
        consumer_batch: 1,
        messages: 4,
        ..MIXED
    };
    passes("batches against credits put back", &config);
    passes("batches and credits put back", &MIXED);
}

#[test]
fn consumer_cancelled() {
    let config = Config {
        cancels: 1,
        faults: 1,
        messages: 2,
        ..CREDITS
    };
    passes("consumer cancelled", &config);
}

#[test]
fn producer_cancelled() {
    let config = Config {
        cancels: 1,
        cancelled: PRODUCER,
        faults: 1,
        messages: 2,
        ..BASE
    };
    passes("producer cancelled", &config);
}

#[test]
#[ignore = "large"]
fn both_cancelled_at_length() {
    for cancelled in [PRODUCER, CONSUMER] {
        let config = Config {
            cancels: 1,
            cancelled,
            ..CREDITS
        };
        passes("cancelled, with credits", &config);
        let config = Config {
            cancels: 2,
            cancelled,
            ..BASE
        };
        passes("cancelled twice", &config);
    }
}

#[test]
fn drained() {
    let config = Config {
        drain_at: Some(2),
        faults: 1,
        ..CREDITS
    };
    passes("drained", &config);
}

#[test]
#[ignore = "large"]
fn drained_at_length() {
    let config = Config {
        drain_at: Some(2),
        ..CREDITS
    };
    passes("drained, two faults", &config);
    let config = Config {
        drain_at: Some(2),
        cancels: 1,
        cancelled: PRODUCER,
        ..CREDITS
    };
    passes("drained and cancelled", &config);
    let config = Config {
        drain_at: Some(2),
        ..BATCHES
    };
    passes("drained, with batches", &config);
}

#[test]
fn followed() {
    let config = Config {
        follows: true,
        messages: 2,
        ..BASE
    };
    passes("followed", &config);
}

#[test]
#[ignore = "large"]
fn followed_with_three_faults() {
    let config = Config {
        follows: true,
        faults: 3,
        ..BASE
    };
    passes("followed, three faults", &config);
}

#[test]
fn set_removed() {
    let config = Config {
        removal: true,
        faults: 1,
        ..BASE
    };
    passes("set removed", &config);
}

#[test]
#[ignore = "large"]
fn set_removed_at_length() {
    let config = Config {
        removal: true,
        ..CREDITS
    };
    passes("set removed, with credits", &config);
    let config = Config {
        removal: true,
        drain_at: Some(2),
        ..BATCHES
    };
    passes("set removed, with batches and drain", &config);
}

#[test]
fn a_third_that_finds_the_role_taken() {
    for role in [PRODUCER, CONSUMER] {
        let config = Config {
            third: Some(role),
            faults: 1,
            messages: 2,
            ..BASE
        };
        passes("refused third", &config);
    }
}

#[test]
#[ignore = "large"]
fn a_third_at_length() {
    for role in [PRODUCER, CONSUMER] {
        let config = Config {
            third: Some(role),
            ..BASE
        };
        passes("refused third, two faults", &config);
        let config = Config {
            third: Some(role),
            faults: 1,
            cancels: 1,
            ..BASE
        };
        passes("refused third beside a cancel", &config);
    }
}

#[test]
fn ceiling() {
    let config = Config { ceiling: 1, ..BASE };
    passes("ceiling of 2N - 1, one slot", &config);
    let config = Config {
        ceiling: 3,
        ..CREDITS
    };
    passes("ceiling of 2N - 1, two slots", &config);
}

#[test]
#[ignore = "large"]
fn ceiling_at_length() {
    let config = Config {
        ceiling: 1,
        faults: 3,
        ..BASE
    };
    passes("ceiling of 2N - 1, one slot, three faults", &config);
    let config = Config {
        ceiling: 3,
        drain_at: Some(2),
        ..BATCHES
    };
    passes("ceiling of 2N - 1, batches and drain", &config);
}
