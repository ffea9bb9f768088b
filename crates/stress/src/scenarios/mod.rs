//! The scenarios, a file for each kind.

pub mod edges;
pub mod kills;
pub mod orphans;
pub mod phases;
#[cfg(feature = "crash-points")]
pub mod points;
pub mod removals;
pub mod returns;
pub mod signals;
pub mod steady;
pub mod stops;
pub mod survivors;
