//! The atomic numbers through which the two processes talk: those of the standard library, or, built
//! with `--cfg loom`, those of the model checker, which tries every order that the language allows.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, fence};
