//! One of the two processes of a pass.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use crate::bare;
use crate::board::Board;
use crate::machine;
use crate::plan::{Measured, Plan, Report};
use crate::set_up;
use crate::subject::Subject;
use crate::transports::Kind;
use crate::work::Work;

/// Does what the plan says, and writes a report as one line on standard output. `run` knows the
/// transports.
pub fn run(plan: &str, run: impl FnOnce(Kind, Work<'_>) -> Result<Measured>) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan).context("not a plan")?;
    machine::end_with_parent(plan.parent_pid)?;
    let report = measure(&plan, run).with_context(|| {
        format!(
            "{} of {}, {}",
            plan.role, plan.task.subject, plan.task.measure
        )
    })?;
    let mut line = serde_json::to_vec(&report)?;
    line.push(b'\n');
    std::io::stdout()
        .write_all(&line)
        .context("cannot hand in the report")
}

fn measure(plan: &Plan, run: impl FnOnce(Kind, Work<'_>) -> Result<Measured>) -> Result<Report> {
    if let Some(cpu) = plan.cpu {
        machine::pin(cpu)?;
    }
    let mut board = plan.board.map(Board::attach).transpose()?;
    let mut bounce = || match &mut board {
        Some(board) => board.bounce(plan.role),
        None => Ok(None),
    };
    Ok(Report {
        bounce_before_ns: bounce()?,
        measured: match plan.task.subject {
            Subject::Bare(bare) => bare::run(bare, plan)?,
            Subject::SetUp(step) => set_up::run(step, plan)?,
            Subject::Transport(kind) => run(kind, Work { plan })?,
        },
        bounce_after_ns: bounce()?,
    })
}
