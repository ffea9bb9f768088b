//! Runs the scenarios, one after the other, and says what came out.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;

use crate::arguments::{Arguments, Kind};
use crate::live::Live;
use crate::outcome::Outcome;
use crate::output::print;
use crate::plan::Plan;
use crate::table::{Row, Table};
use crate::{interrupt, scenarios, steps};

/// Runs the scenarios of a kind.
type Scenarios = fn(&mut Campaign);

/// Every kind of scenario, in the order in which they run.
const KINDS: [(Kind, Scenarios); 12] = [
    (Kind::Steady, scenarios::steady::run),
    (Kind::Edges, scenarios::edges::run),
    (Kind::Kills, scenarios::kills::run),
    (Kind::Phases, scenarios::phases::run),
    (Kind::Survivors, scenarios::survivors::run),
    (Kind::Stops, scenarios::stops::run),
    (Kind::Signals, scenarios::signals::run),
    (Kind::Removals, scenarios::removals::run),
    (Kind::Orphans, scenarios::orphans::run),
    (Kind::Returns, scenarios::returns::run),
    (Kind::Points, points),
    (Kind::Steps, steps::run),
];

/// Runs what the arguments ask for. Fails on a violation, naming the seed.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        cfg!(feature = "crash-points") || !arguments.crash_points,
        "this program was built without its crash points: add --features crash-points"
    );
    interrupt::heed()?;
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let Some(soak) = arguments.soak else {
        return one(arguments, seed);
    };
    let since = Instant::now();
    let mut seeds = Rng::with_seed(seed);
    let mut next = seed;
    loop {
        one(arguments, next)?;
        if since.elapsed() >= soak {
            return Ok(());
        }
        next = seeds.u64(..1_000_000_000);
    }
}

fn seed_of_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_nanos()
        .into()
}

/// Runs one campaign from one seed.
fn one(arguments: &Arguments, seed: u64) -> Result<()> {
    print(format_args!("stress: seed {seed}"))?;
    let mut campaign = Campaign {
        plan: Plan::of(arguments),
        seed,
        live: Live::new(),
        table: Table::default(),
    };
    let since = Instant::now();
    for (kind, scenarios) in KINDS {
        let wanted = match arguments.steps {
            Some(_) => kind == Kind::Steps,
            None => arguments.only.is_empty() || arguments.only.contains(&kind),
        };
        if wanted {
            scenarios(&mut campaign);
        }
    }
    campaign.live.clear();
    campaign.table.print(since.elapsed())?;
    match campaign.table.violations() {
        0 => {
            interrupt::check().context("not finished, and nothing left behind")?;
            print("stress: 0 lost, 0 gaps, 0 reordered, 0 torn, 0 hangs, nothing left behind")
        }
        count => bail!("{count} violations; repeat with the same options and --seed {seed}"),
    }
}

#[cfg(feature = "crash-points")]
fn points(campaign: &mut Campaign) {
    scenarios::points::run(campaign);
}

#[cfg(not(feature = "crash-points"))]
fn points(campaign: &mut Campaign) {
    let rounds = campaign.plan.points;
    campaign.table.note(format!(
        "SKIPPED: kill at every named point: built without --features crash-points ({rounds} rounds)"
    ));
}

/// Holds a campaign while it runs.
pub struct Campaign {
    pub plan: Plan,
    pub table: Table,
    seed: u64,
    live: Live,
}

/// Holds a scenario while it runs.
pub struct Run<'a> {
    pub rng: Rng,
    /// What was done so far.
    pub total: Outcome,
    name: &'a str,
    live: &'a Live,
}

impl Run<'_> {
    /// Shows how far the scenario is.
    pub fn show(&self, done: u64, wanted: u64, what: &str) {
        self.live.show(self.name, done, wanted, what);
    }
}

impl Campaign {
    /// Runs a scenario and adds its row; what it fails with is a violation.
    /// An interrupted one has none, and after it none runs.
    pub fn row(&mut self, name: &str, scenario: impl FnOnce(&mut Run<'_>) -> Result<()>) {
        if interrupt::check().is_err() {
            return;
        }
        let started = Instant::now();
        let mut run = Run {
            // Of its own, so that the same scenario makes the same choices whatever else runs.
            rng: Rng::with_seed(self.seed ^ fold(name)),
            total: Outcome::default(),
            name,
            live: &self.live,
        };
        run.show(0, 0, "");
        let result = scenario(&mut run);
        if interrupt::check().is_err() {
            return;
        }
        let total = run.total;
        let row = Row {
            outcome: total,
            time: started.elapsed(),
            violation: result.err().map(|error| format!("{error:#}")),
            name: name.to_owned(),
        };
        self.live
            .end(&row.name, row.time.as_secs_f64(), row.violation.as_deref());
        self.table.add(row);
    }
}

/// Makes a number of a name (FNV-1a).
fn fold(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Sleeps for a random time below a limit.
pub fn sleep_below(limit: Duration, rng: &mut Rng) {
    let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    std::thread::sleep(Duration::from_nanos(rng.u64(..limit.max(1))));
}
