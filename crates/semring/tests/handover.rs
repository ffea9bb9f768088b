//! Goal: what a successor is told is right: which messages come again, and which end of a stream is whose.
//! And a fresh channel has room for two who start at once. In either way of waiting. Method: handles that
//! are dropped without being closed, which is what a death leaves; two processes for the race.

mod watchdog;

mod strict {
    const SYNC: semring::Sync = semring::Sync::Strict;
    include!("cases/handover.rs");
}

mod adaptive {
    const SYNC: semring::Sync = semring::Sync::Adaptive;
    include!("cases/handover.rs");
}
