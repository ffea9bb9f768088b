//! Models of the protocol, explored completely: every interleaving of small configurations, with
//! deaths at every step.
//!
//! | model | covers |
//! |---|---|
//! | `strict` | permits, credits, batches, verdicts, deadlines, cancel, drain, takeover, end of stream, removal of the set |
//! | `adaptive` | flags, wake-ups, owed units, barriers under store buffers, and all of the above but removal |
//! | `setup` | making, attaching, leaving and removing the two objects, `ipcrm` at any moment |
//! | `loans` | slots, inline messages, loans, and what is free after a death |
//!
//! Each model takes its steps in the order in which the code does; a step's name says whose it is and
//! what it does in the words of docs/protocol.md. Where a run fails, the shortest way there is
//! printed, step by step. Each model also has controls, which do one thing wrong and must fail: they
//! show that the model would notice. Some are what the code did when its model was written.
//!
//! Without optimization a model has some 200,000 states a second, so the runs with more than about a
//! million are ignored by default, and a smaller one of the same kind is beside each. With the
//! others, all of them, in some five minutes and up to 6 GB of memory:
//!
//! ```text
//! cargo test --release -p semring --test models -- --include-ignored --nocapture
//! ```

mod adaptive;
mod explorer;
mod loans;
mod setup;
mod strict;
