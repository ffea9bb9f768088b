//! Other people's engines, measured by the same code as the transports of `compare`.

#[cfg(boost)]
mod boost_queue;
mod iceoryx2;
mod ipc_channel;

use std::process::ExitCode;

use anyhow::{Result, bail};
use compare::{Job as _, Kind, Measured, Work};

#[cfg(boost)]
const KINDS: &[Kind] = &[
    Kind::Iceoryx2Poll,
    Kind::Iceoryx2Event,
    Kind::IpcChannel,
    Kind::BoostQueue,
];
#[cfg(not(boost))]
const KINDS: &[Kind] = &[Kind::Iceoryx2Poll, Kind::Iceoryx2Event, Kind::IpcChannel];

fn main() -> ExitCode {
    let asks = std::env::args().nth(1).is_some_and(|word| word == "list");
    if asks && !KINDS.contains(&Kind::BoostQueue) {
        eprintln!(
            "SKIPPED: boost-queue: Boost.Interprocess or a C++ compiler is missing (`apt-get install g++ \
             libboost-dev`)"
        );
    }
    compare::peers_main(KINDS, run)
}

fn run(kind: Kind, work: Work<'_>) -> Result<Measured> {
    match kind {
        Kind::Iceoryx2Poll => work.run(iceoryx2::Iceoryx2::POLLING),
        Kind::Iceoryx2Event => work.run(iceoryx2::Iceoryx2::EVENTS),
        Kind::IpcChannel => work.run(ipc_channel::IpcChannel),
        #[cfg(boost)]
        Kind::BoostQueue => work.run(boost_queue::BoostQueue),
        _ => bail!("this program has no {kind}"),
    }
}
