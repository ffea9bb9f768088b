//! Runs that must pass, and controls that must fail.

use super::{BASE, Config, Flaw, Ipcrm, Kind};
use crate::explorer::Failure::{BadRest, Violation};
use crate::explorer::{fails, passes};

const fn with_third(third: Kind) -> Config {
    Config {
        kinds: [Kind::Producer, Kind::Consumer, third],
        ..BASE
    }
}

#[test]
fn two() {
    passes("two", &BASE);
}

#[test]
fn two_with_three_faults() {
    passes("two, three faults", &Config { faults: 3, ..BASE });
}

#[test]
fn two_producers() {
    let config = Config {
        faults: 1,
        ..with_third(Kind::Producer)
    };
    passes("two producers", &config);
}

#[test]
fn two_consumers() {
    let config = Config {
        faults: 1,
        ..with_third(Kind::Consumer)
    };
    passes("two consumers", &config);
}

#[test]
fn a_finder() {
    let config = Config {
        faults: 1,
        ..with_third(Kind::Finder)
    };
    passes("one that only finds", &config);
}

#[test]
fn a_remover() {
    let config = Config {
        faults: 1,
        ..with_third(Kind::Remover)
    };
    passes("one that removes", &config);
}

#[test]
#[ignore = "large"]
fn a_third_with_two_faults() {
    passes("two producers, two faults", &with_third(Kind::Producer));
    passes("two consumers, two faults", &with_third(Kind::Consumer));
    passes("one that only finds, two faults", &with_third(Kind::Finder));
    passes("one that removes, two faults", &with_third(Kind::Remover));
}

#[test]
fn set_removed() {
    let config = Config {
        ipcrm: Ipcrm::Set,
        faults: 1,
        ..BASE
    };
    passes("ipcrm -s", &config);
}

#[test]
fn segment_removed() {
    let config = Config {
        ipcrm: Ipcrm::Segment,
        faults: 1,
        ..BASE
    };
    passes("ipcrm -m", &config);
}

#[test]
#[ignore = "large"]
fn set_removed_beside_a_third() {
    for third in [Kind::Producer, Kind::Consumer, Kind::Finder, Kind::Remover] {
        let config = Config {
            ipcrm: Ipcrm::Set,
            faults: 1,
            ..with_third(third)
        };
        passes("ipcrm -s beside a third", &config);
    }
}

#[test]
#[ignore = "large"]
fn segment_removed_beside_a_third() {
    for third in [Kind::Producer, Kind::Consumer, Kind::Finder, Kind::Remover] {
        let config = Config {
            ipcrm: Ipcrm::Segment,
            faults: 1,
            ..with_third(third)
        };
        passes("ipcrm -m beside a third", &config);
    }
}

#[test]
fn another_size() {
    let config = Config {
        sizes: [0, 1, 0],
        ..BASE
    };
    passes("another size", &config);
}

#[test]
fn set_before_segment() {
    let config = Config {
        flaw: Flaw::SetFirst,
        ..with_third(Kind::Producer)
    };
    fails("set removed first", &config, BadRest);
}

#[test]
fn set_before_segment_detached() {
    let config = Config {
        flaw: Flaw::SetFirstDetached,
        ..with_third(Kind::Producer)
    };
    let failure = Violation("a segment removed that is in use or unread");
    fails("set removed first, detached", &config, failure);
}

#[test]
fn roles_untested() {
    let config = Config {
        ipcrm: Ipcrm::Segment,
        flaw: Flaw::RolesUntested,
        ..BASE
    };
    let failure = Violation("the channel is split");
    fails("roles untested", &config, failure);
}

#[test]
fn segment_in_use_adopted() {
    let config = Config {
        ipcrm: Ipcrm::Set,
        flaw: Flaw::AdoptsInUse,
        ..BASE
    };
    let failure = Violation("a set put under a segment in use");
    fails("segment in use adopted", &config, failure);
}

#[test]
fn header_written_in_use() {
    let config = Config {
        ipcrm: Ipcrm::Set,
        flaw: Flaw::WritesHeaderInUse,
        ..BASE
    };
    let failure = Violation("a header written under its user");
    fails("header written in use", &config, failure);
}

#[test]
fn end_not_noted() {
    let config = Config {
        flaw: Flaw::EndNotNoted,
        ..BASE
    };
    let failure = Violation("a stream removed whose end nobody has seen");
    fails("end not noted", &config, failure);
}

#[test]
fn failed_attempt_removes_a_set_in_use() {
    let config = Config {
        flaw: Flaw::RemovesSetInUse,
        faults: 0,
        ..with_third(Kind::Producer)
    };
    let failure = Violation("a set removed by an attempt that failed, under its user");
    fails("failed attempt removes a set in use", &config, failure);
}

#[test]
fn segment_in_use_removed_by_hand() {
    let config = Config {
        ipcrm: Ipcrm::Set,
        faults: 0,
        flaw: Flaw::RemovesUntested,
        ..with_third(Kind::Remover)
    };
    let failure = Violation("a segment removed that is in use or unread");
    fails("segment in use removed by hand", &config, failure);
}

#[test]
fn end_of_a_newcomer_noted() {
    let config = Config {
        flaw: Flaw::NotesEndOfNewcomer,
        ..with_third(Kind::Producer)
    };
    let failure = Violation("a stream removed whose end nobody has seen");
    fails("newcomer's end noted", &config, failure);
}
