//! Whether this machine and its kernel give what channels need: its limits and settings, and the
//! behaviours that the protocol rests on, tried on objects of their own.

mod check;
mod examination;
mod finding;
mod kernel;
mod limits;
mod login;
mod memory;
mod namespace;
mod part;
mod processors;
mod report;

use anyhow::{Result, bail};
use clap::ValueEnum as _;
use semring_cli::Signals;

pub use check::Check;
pub use part::{Part, play};

use check::Area;
use finding::Outcome;
use report::Report;

/// What is above is the likelier cause.
const MEND_FIRST: &str = "mend what failed above first";

/// Does all checks, one after the other, and prints what each found. Blocks for at most ten seconds a
/// check.
///
/// # Errors
///
/// When a check fails, naming all that do; when a signal comes, or nobody reads the output any more.
pub fn run(json: bool) -> Result<()> {
    let signals = Signals::take()?;
    let mut report = Report::new(json);
    for &check in Check::value_variants() {
        report.begin(check)?;
        let mut finding = examination::of(check, &signals)?;
        if check.area() == Area::Kernel && report.has_failed(Area::Machine) {
            finding.remedy = finding.remedy.map(|_| MEND_FIRST.to_owned());
        }
        report.add(check, finding)?;
    }
    report.end()?;
    let failed: Vec<&str> = report.names(Outcome::Fail).collect();
    if !failed.is_empty() {
        let noun = if failed.len() == 1 { "check" } else { "checks" };
        bail!("{} {noun} failed: {}", failed.len(), failed.join(", "));
    }
    Ok(())
}
