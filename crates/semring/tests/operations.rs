//! Goal: each operation of the two handles does what its documentation says, at its edges too, in either
//! way of waiting. Method: both handles in one process, or a process that waits and is stopped; nothing
//! depends on how long it takes.

mod watchdog;

mod strict {
    const SYNC: semring::Sync = semring::Sync::Strict;
    include!("cases/operations.rs");
}

mod adaptive {
    const SYNC: semring::Sync = semring::Sync::Adaptive;
    include!("cases/operations.rs");
}
