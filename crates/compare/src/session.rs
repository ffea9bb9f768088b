//! A whole run: how many messages make a pass, the passes in changing order, the results.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::arguments::{Arguments, Settings};
use crate::board::Distance;
use crate::machine::Machine;
use crate::markdown::Pages;
use crate::pass::{Pass, Runner};
use crate::peers::Peers;
use crate::plan::{Measure, Task};
use crate::plots;
use crate::progress::Progress;
use crate::results::Results;
use crate::schedule::schedule;
use crate::subject::Subject;
use crate::table;
use crate::transports::Kind;

/// Fewest messages of a pass, however slow the transport.
const COUNT_MIN: u64 = 3;
/// Most round trips of a pass, each of which is kept.
const ROUND_TRIPS_MAX: u64 = 20_000;
/// Most channels made in a pass.
const SET_UPS_MAX: u64 = 1_000;
/// How often the sleeping flag is looked at.
const SLEEPING_FLAG_NS: u64 = 100_000_000;
/// Most wake-ups of a pass.
const WAKE_UPS_MAX: u64 = 1_000;
/// Most messages of a pass.
const MESSAGES_MAX: u64 = 1 << 32;
/// What the search for the right number begins with, and by how much it grows.
const TRIAL_FIRST: u64 = 2;
const TRIAL_FACTOR: u64 = 32;
/// Passes are repeated, all together, this part as often as there are passes.
const RETRIES_PART: usize = 2;
/// A trial that lasts this part of a pass is long enough to tell.
const TRIAL_PART: u64 = 8;

/// Measures, or takes what was measured before; prints the tables, and writes what was asked for.
pub fn run(arguments: &Arguments) -> Result<()> {
    // Before anything is measured: nobody wants to hear afterwards that there is no such folder.
    let json = arguments.json.as_deref().map(create).transpose()?;
    if let Some(folder) = &arguments.plots {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let pages = Pages::open(&arguments.markdown, arguments.plots.as_deref())?;
    let (results, left) = match &arguments.from {
        Some(path) => (Results::read(path)?, Vec::new()),
        None => measured(arguments)?,
    };
    std::io::stdout()
        .lock()
        .write_all(table::render(&results).as_bytes())
        .context("cannot write the table")?;
    pages.write(&results)?;
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
    if !left.is_empty() {
        bail!("left behind, and removed now: {}", left.join(", "));
    }
    Ok(())
}

/// Measures; returns what was found, and what was left behind by those who were measured.
fn measured(arguments: &Arguments) -> Result<(Results, Vec<String>)> {
    let peers = arguments.peers.as_deref().map(Peers::ask).transpose()?;
    let settings = arguments.settings(peers.as_ref().map_or(&[], |peers| &peers.kinds));
    check_peers(&settings, peers.as_ref())?;
    let machine = Machine::look(settings.placement, arguments.commit.clone())?;
    let run = arguments.run.clone().unwrap_or_else(unique_name);
    let mut runner = Runner::new(run, &settings, &machine, peers)?;
    let passes = measure(&settings, &mut runner)?;
    Ok((Results::new(settings, machine, passes), runner.left))
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
        if !counts.contains_key(&task) {
            progress.note(&format!("how many messages: {task}"));
            let guess = guess(&counts, task);
            counts.insert(task, calibrate(settings, runner, task, guess)?);
        }
    }
    let mut passes = Vec::new();
    // On a machine that stays far, repeating everything would take hours and find the same.
    let mut retries_left = schedule.len() / RETRIES_PART;
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
            if !is_far || retries_left == 0 {
                break;
            }
            retries_left -= usize::from(attempt < settings.retries);
        }
    }
    Ok(passes)
}

/// Says with how many messages to begin the search: as many as take no longer than those of a task before
/// that differs in their length, or in the slots, alone.
fn guess(counts: &BTreeMap<Task, u64>, task: Task) -> u64 {
    let alike = counts.iter().filter(|(known, _)| {
        (known.measure, known.subject, known.pause_ns)
            == (task.measure, task.subject, task.pause_ns)
    });
    let mut counts = alike.map(|(known, &count)| {
        let (known, bytes) = (
            known.size_bytes.max(1) as u64,
            task.size_bytes.max(1) as u64,
        );
        scaled(count, bytes.max(known), known)
    });
    counts.next_back().unwrap_or_default().max(TRIAL_FIRST)
}

/// Finds out how many messages make a pass of about the length that was asked for.
fn calibrate(settings: &Settings, runner: &mut Runner, task: Task, guess: u64) -> Result<u64> {
    let most = match task.measure {
        _ if task.messages > 0 => return Ok(task.messages),
        Measure::IdleCpu => return Ok(1),
        _ if task.subject == Subject::Transport(Kind::FlagSleep) => {
            return Ok((settings.pass_ns / SLEEPING_FLAG_NS).max(COUNT_MIN));
        }
        Measure::WakeUp => {
            let wake_ups = settings.pass_ns / task.pause_ns.max(1);
            return Ok(wake_ups.clamp(COUNT_MIN, WAKE_UPS_MAX));
        }
        Measure::SetUp => SET_UPS_MAX,
        Measure::RoundTrip => ROUND_TRIPS_MAX,
        Measure::Throughput | Measure::BySlots | Measure::ByMessages => MESSAGES_MAX,
    };
    let mut count = guess.min(most);
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
    fn a_guess_takes_no_longer_than_what_is_known() {
        let task = |measure, size_bytes| {
            Task::new(measure, size_bytes, Subject::Transport(Kind::Adaptive))
        };
        let counts = [(task(Measure::Throughput, 64), 1000)].into();
        assert_eq!(guess(&counts, task(Measure::Throughput, 128)), 500);
        assert_eq!(guess(&counts, task(Measure::Throughput, 8)), 1000);
        assert_eq!(guess(&counts, task(Measure::Throughput, 1 << 20)), 2);
        assert_eq!(guess(&counts, task(Measure::RoundTrip, 64)), 2);
    }

    #[test]
    fn the_count_follows_the_time_wanted() {
        assert_eq!(scaled(100, 1_000, 5_000), 500);
        assert_eq!(scaled(100, 0, 5), 500);
        assert_eq!(scaled(u64::MAX, 1, u64::MAX), u64::MAX);
    }
}
