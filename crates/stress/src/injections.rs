//! Every system call fails once: the first, second, third … call of each kind returns each error of its
//! page in the manual, in every program, until a run comes past none; and a signal comes at each.
//!
//! The executables are found beside this one and driven by their command lines. Which calls they make is
//! found out by tracing a run in which nothing fails. After each failure victim and peer end with a
//! code and a sentence that the README knows; what was received is what was sent, in order and without a
//! gap; a fresh pair finds a channel that works; and in the end nothing is left.

mod calls;
mod follow;
mod judge;
mod place;
mod play;
mod player;
mod table;
mod trace;
mod trial;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;

use play::{PLAYS, Play};
use table::Table;
use trace::{Counts, Injection};
use trial::Trial;

use crate::output::print;

/// Says how many injections to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Extent {
    /// A sample: of each kind of call the first and one at random, two errors.
    Quick,
    /// All.
    Full,
}

/// Plays at the same time: mostly they wait.
const WORKERS: usize = 4;
/// More calls than any program makes here: who comes so far hangs.
const MOST_CALLS: usize = 2_000;

/// Runs the injections, or only those whose `program: call` holds a text, and prints what came out.
pub fn run(extent: Extent, only: &str, seed: Option<u64>) -> Result<()> {
    let seed = seed.unwrap_or_else(|| Rng::new().u64(..1 << 32));
    print(format_args!("injections: {extent:?}, seed {seed}"))?;
    if let Some(reason) = trace::obstacle() {
        return print(format_args!("SKIPPED: injections: {reason}"));
    }
    let mut table = Table::default();
    let next = AtomicUsize::new(0);
    let done = thread::scope(|scope| {
        let work = || play_all(extent, only, seed, &next);
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(thread::ScopedJoinHandle::join);
        results.collect::<Vec<_>>()
    });
    for result in done {
        table.add(result.unwrap_or_else(|_| bail!("a worker panicked"))?);
    }
    table.print()?;
    if table.violations > 0 {
        bail!("{} violations", table.violations);
    }
    print("injections: 0 panics, 0 hangs, 0 leaks, 0 lost, 0 silent failures")
}

/// Takes one play after the other from those that nobody has taken yet.
fn play_all(extent: Extent, only: &str, seed: u64, next: &AtomicUsize) -> Result<Table> {
    let mut all = Table::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(play) = PLAYS.get(index) else {
            return Ok(all);
        };
        let (mut table, started) = (Table::default(), Instant::now());
        let mut rng = Rng::with_seed(seed + index as u64);
        let calls = discover(play).with_context(|| format!("{}, without a failure", play.name))?;
        for (call, range) in &calls {
            if !format!("{}: {call}", play.name).contains(only) {
                continue;
            }
            match extent {
                Extent::Quick => sample(play, call, *range, &mut rng, &mut table)?,
                Extent::Full => exhaust(play, call, range.0, &mut table)?,
            }
        }
        let (injections, seconds) = (table.injections(), started.elapsed().as_secs_f64());
        print(format_args!(
            "{:<24} {injections:>6} injections {seconds:>8.1} s",
            play.name
        ))?;
        all.add(table);
    }
}

/// Finds the calls that the victim makes when nothing fails: how many of each belong to its start-up, and
/// how many there are.
fn discover(play: &Play) -> Result<BTreeMap<String, (usize, usize)>> {
    let file = std::env::temp_dir().join(format!(
        "injections-{}-{}.trace",
        std::process::id(),
        play.name.replace(' ', "-")
    ));
    let start_up = trace::start_up(&play.program(play.victim)?, &file);
    let _ = std::fs::remove_file(&file);
    let start_up = start_up?;
    let trial = Trial::run(play, None)?;
    let mut calls = BTreeMap::new();
    for (index, (_, counts)) in trial.trace.threads.iter().enumerate() {
        for (call, &count) in counts.iter().filter(|(call, _)| calls::can_fail(call)) {
            let before = skipped(&start_up, call, index);
            if count > before {
                let range = calls.entry(call.clone()).or_insert((before, count));
                *range = (range.0.min(before), range.1.max(count));
            }
        }
    }
    Ok(calls)
}

/// Calls of a thread that come before the program's own.
fn skipped(start_up: &Counts, call: &str, thread: usize) -> usize {
    if thread == 0 {
        start_up.get(call).copied().unwrap_or(0)
    } else {
        0
    }
}

/// Has each call of a kind fail with each error, until a run comes past none.
fn exhaust(play: &Play, call: &str, before: usize, table: &mut Table) -> Result<()> {
    for what in calls::errors(call).chain(calls::SIGNALS) {
        let mut nth = before + 1;
        while inject(play, call, nth, what, table)? {
            nth += 1;
            if nth > MOST_CALLS {
                bail!("{} makes more than {MOST_CALLS} {call} calls", play.name);
            }
        }
    }
    Ok(())
}

/// Has the first call of a kind and one at random fail, each with an error at random, or be killed.
fn sample(
    play: &Play,
    call: &str,
    (before, count): (usize, usize),
    rng: &mut Rng,
    table: &mut Table,
) -> Result<()> {
    // A false ERANGE costs a second or more, since it loses a unit.
    let errors: Vec<_> = calls::errors(call)
        .filter(|&what| what != "ERANGE")
        .collect();
    let nth = before + 1 + rng.usize(..count - before);
    for nth in [before + 1, nth] {
        let what = rng.choice(&errors).context("every call can fail")?;
        inject(play, call, nth, what, table)?;
    }
    inject(play, call, nth, calls::SIGNALS[0], table)?;
    Ok(())
}

/// Makes one injection; false when no call came so far.
fn inject(
    play: &Play,
    call: &str,
    nth: usize,
    what: &'static str,
    table: &mut Table,
) -> Result<bool> {
    let injection = Injection {
        call: call.to_owned(),
        nth,
        what,
    };
    match Trial::run(play, Some(&injection)) {
        Ok(trial) if trial.trace.has(call, nth) => {
            table.note(&trial, &injection);
            Ok(true)
        }
        Ok(_) => Ok(false),
        Err(error) => {
            table.violation(play.name, &injection, &error)?;
            Ok(true)
        }
    }
}
