//! Models of the protocol, explored completely: every interleaving, with a death at every step.
mod explorer;
mod setup;
mod strict;
