//! Kills after every instruction: a side is taken through one operation step by step, killed, and
//! followed by a successor that must find everything in order.

mod cases;
mod tracer;

use anyhow::{Context as _, Result};

use crate::arguments::Level;
use crate::campaign::{Campaign, Run};
use crate::ledger::Number;
use crate::pair::Pair;
use crate::shape::Victim;
use crate::side::{Extra, Manner, Marker, Operation};

use cases::Case;
use tracer::{Point, Tracer};

/// Points of attach and close that a quick run takes of each case.
const SAMPLE: usize = 60;
/// How often an instruction of a loop is one of the points, its first so many times: in an exchange, and
/// in attach and close, which come past the same code for one system call after the other.
const TIMES: u32 = 16;
const TIMES_OF_LONG: u32 = 4;

/// Counts what was done in one operation.
#[derive(Debug, Default)]
struct Figures {
    instructions: Vec<usize>,
    calls: Vec<usize>,
    /// Places to kill at, of which a quick run takes samples.
    points: usize,
    reached: u64,
}

pub fn run(campaign: &mut Campaign) {
    if let Some(obstacle) = tracer::obstacle() {
        campaign
            .table
            .note(format!("SKIPPED: every instruction: {obstacle}"));
        return;
    }
    let level = campaign.plan.steps;
    for operation in Operation::ALL {
        let name = format!("every instruction of {operation}");
        let mut figures = Figures::default();
        campaign.row(&name, |run| {
            for case in cases::list(operation, level) {
                every_instruction(&case, level, &mut figures, run)
                    .with_context(|| case.to_string())?;
            }
            Ok(())
        });
        campaign.table.note(describe(&name, &figures));
    }
}

fn describe(name: &str, figures: &Figures) -> String {
    let range = |numbers: &[usize]| {
        let (least, most) = (numbers.iter().min(), numbers.iter().max());
        format!("{} to {}", least.unwrap_or(&0), most.unwrap_or(&0))
    };
    format!(
        "{name:<42} {:>7} kills at {} points; {} cases of {} instructions, {} system calls",
        figures.reached,
        figures.points,
        figures.instructions.len(),
        range(&figures.instructions),
        range(&figures.calls),
    )
}

fn every_instruction(
    case: &Case,
    level: Level,
    figures: &mut Figures,
    run: &mut Run<'_>,
) -> Result<()> {
    let path = trace(case, run, |tracer| tracer.measure().context("to its end"))?;
    figures.instructions.push(path.points.len());
    figures.calls.push(path.calls);
    let mut points = path.points;
    let times = if case.is_long() { TIMES_OF_LONG } else { TIMES };
    points.retain(|point| point.time <= times);
    figures.points += points.len();
    if level == Level::Quick && case.is_long() {
        run.rng.shuffle(&mut points);
        points.truncate(SAMPLE);
    }
    for (point, done) in points.iter().zip(0..) {
        run.show(done, points.len() as u64, "instructions");
        let reached = one_kill(case, *point, run)
            .with_context(|| format!("kill {done}, before {point:x?}"))?;
        figures.reached += u64::from(reached);
    }
    Ok(())
}

/// Kills at a point; false when the operation ended before.
fn one_kill(case: &Case, point: Point, run: &mut Run<'_>) -> Result<bool> {
    trace(case, run, |tracer| tracer.go(point))
}

/// Runs one stream in which a side is traced through the operation, killed, and succeeded.
fn trace<T>(
    case: &Case,
    run: &mut Run<'_>,
    action: impl FnOnce(&Tracer<'_>) -> Result<T>,
) -> Result<T> {
    let mut pair = Pair::new(case.shape, case.messages(), &mut run.rng)?.with(Manner {
        lengths: case.lengths,
        ..Manner::default()
    });
    case.prepare(&mut pair)?;
    let marker = Marker {
        operation: case.operation,
        time: case.time,
    };
    let traced = Extra {
        marker: Some(marker),
        ..Extra::default()
    };
    pair.spawn(case.role, traced)?;
    // Who sleeps waits for a peer that idles.
    let nudge = || pair.ledger.set(Number::Held, 0);
    let result = Tracer::begin(pair.pid(case.role)?, &nudge).and_then(|tracer| action(&tracer));
    let result = match pair.ledger.failure() {
        Some(failure) => result.context(failure)?,
        None => result?,
    };
    pair.ledger.set(Number::Held, 0)?;
    pair.kill(Victim::from(case.role))?;
    if case.leaves_a_survivor() {
        pair.wait_until(|pair| Ok(pair.ledger.get(Number::Losses)? > 0))
            .context("a survivor that is to learn of the death")?;
    }
    pair.start(&mut run.rng)?;
    pair.finish()?;
    pair.tidy()?;
    pair.judge()?;
    run.total += pair.outcome;
    Ok(result)
}
