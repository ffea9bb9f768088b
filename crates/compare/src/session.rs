//! A whole run: how many messages make a pass, the passes in changing order, the results.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::arguments::{Arguments, Settings};
use crate::board::Distance;
use crate::machine::Machine;
use crate::markdown;
use crate::pass::{Pass, Runner};
use crate::peers::Peers;
use crate::plan::{Measure, Task};
use crate::plots;
use crate::progress::Progress;
use crate::results::Results;
use crate::schedule::schedule;
use crate::table;

/// Fewest messages of a pass, however slow the transport.
const COUNT_MIN: u64 = 3;
/// Most round trips of a pass, each of which is kept.
const ROUND_TRIPS_MAX: u64 = 20_000;
/// Most wake-ups of a pass.
const WAKE_UPS_MAX: u64 = 1_000;
/// Most messages of a pass.
const MESSAGES_MAX: u64 = 1 << 32;
/// What the search for the right number begins with, and by how much it grows.
const TRIAL_FIRST: u64 = 2;
const TRIAL_FACTOR: u64 = 32;
/// A trial that lasts this part of a pass is long enough to tell.
const TRIAL_PART: u64 = 8;

/// Measures, prints the table, and writes the samples where asked to.
pub fn run(arguments: &Arguments) -> Result<()> {
    let peers = arguments.peers.as_deref().map(Peers::ask).transpose()?;
    let settings = arguments.settings(peers.as_ref().map_or(&[], |peers| &peers.kinds));
    check_peers(&settings, peers.as_ref())?;
    let machine = Machine::look(settings.placement, arguments.commit.clone())?;
    // Before anything is measured: nobody wants to hear afterwards that there is no such folder.
    let json = arguments.json.as_deref().map(create).transpose()?;
    let markdown = arguments.markdown.as_deref().map(create).transpose()?;
    if let Some(folder) = &arguments.plots {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let run = arguments.run.clone().unwrap_or_else(unique_name);
    let mut runner = Runner::new(run, &settings, &machine, peers)?;
    let passes = measure(&settings, &mut runner)?;
    let results = Results::new(settings, machine, passes);
    let mut output = std::io::stdout().lock();
    output
        .write_all(table::render(&results).as_bytes())
        .context("cannot write the table")?;
    if let Some(mut file) = markdown {
        file.write_all(markdown::render(&results).as_bytes())
            .context("cannot write the table as Markdown")?;
    }
    if let Some(folder) = &arguments.plots {
        plots::write(&results, folder)?;
    }
    if let Some(file) = json {
        let mut writer = BufWriter::new(file);
        serde_json::to_writer(&mut writer, &results)
            .map_err(std::io::Error::from)
            .and_then(|()| writer.flush())
            .context("cannot write the samples")?;
    }
    if !runner.left.is_empty() {
        bail!("left behind, and removed now: {}", runner.left.join(", "));
    }
    Ok(())
}

/// Refuses transports that nobody here has.
fn check_peers(settings: &Settings, peers: Option<&Peers>) -> Result<()> {
    let has = |kind| peers.is_some_and(|peers| peers.kinds.contains(&kind));
    let mut kinds = settings.transports.iter();
    match kinds.find(|&&kind| kind.is_peer() && !has(kind)) {
        Some(kind) if peers.is_none() => bail!("{kind} needs --peers"),
        Some(kind) => bail!("the program of --peers was built without {kind}"),
        None => Ok(()),
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

fn unique_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ns = since.unwrap_or_default().as_nanos();
    format!("compare-{}-{now_ns:x}", std::process::id())
}

fn measure(settings: &Settings, runner: &mut Runner) -> Result<Vec<Pass>> {
    let schedule = schedule(settings);
    let mut progress = Progress::new(schedule.len());
    let mut counts = BTreeMap::new();
    for &(_, task) in &schedule {
        if let Entry::Vacant(entry) = counts.entry(task) {
            progress.note(&format!("how many messages: {task}"));
            entry.insert(calibrate(settings, runner, task)?);
        }
    }
    let mut passes = Vec::new();
    for &(repetition, task) in &schedule {
        progress.step(repetition, &task.to_string());
        let count = counts.get(&task).copied().unwrap_or(COUNT_MIN);
        let bounce = task.takes_both_cpus();
        for attempt in 0..=settings.retries {
            let pass = runner.pass(task, count, bounce)?;
            let is_far = pass.distance == Distance::Far;
            passes.push(Pass {
                repetition,
                attempt,
                ..pass
            });
            if !is_far {
                break;
            }
        }
    }
    Ok(passes)
}

/// Finds out how many messages make a pass of about the length that was asked for.
fn calibrate(settings: &Settings, runner: &mut Runner, task: Task) -> Result<u64> {
    let most = match task.measure {
        Measure::IdleCpu => return Ok(1),
        Measure::RoundTrip => ROUND_TRIPS_MAX,
        Measure::WakeUp => WAKE_UPS_MAX,
        Measure::Throughput => MESSAGES_MAX,
    };
    let mut count = TRIAL_FIRST;
    loop {
        let elapsed_ns = runner.pass(task, count, false)?.elapsed_ns;
        if elapsed_ns >= settings.pass_ns / TRIAL_PART || count >= most {
            return Ok(scaled(count, elapsed_ns, settings.pass_ns).clamp(COUNT_MIN, most));
        }
        count = most.min(count * TRIAL_FACTOR);
    }
}

fn scaled(count: u64, elapsed_ns: u64, wanted_ns: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(wanted_ns) / u128::from(elapsed_ns.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_follows_the_time_wanted() {
        assert_eq!(scaled(100, 1_000, 5_000), 500);
        assert_eq!(scaled(100, 0, 5), 500);
        assert_eq!(scaled(u64::MAX, 1, u64::MAX), u64::MAX);
    }
}
