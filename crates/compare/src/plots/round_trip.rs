//! Round trips: how long most take, and how long the others.

use anyhow::Result;

use super::canvas::{Canvas, FAINT, INK, Scale, Side, TOP, WIDTH};
use super::{colour, small, subtitle};
use crate::bare::Bare;
use crate::plan::Measure;
use crate::results::{Results, Row};
use crate::statistics::as_f64;
use crate::subject::Subject;
use crate::transports::Kind;
use crate::units;

const ROW: i32 = 26;
const LEFT: i32 = 262;
/// Where names end, and medians begin.
const NAMES: i32 = LEFT - 76;
const RIGHT: i32 = WIDTH - 40;
/// For the names of the limits.
const HEADROOM: i32 = 26;

/// Draws a row for each transport, the quickest first.
pub fn draw(results: &Results) -> Result<String> {
    let mut rows = small(results, Measure::RoundTrip);
    rows.sort_by(|(_, one), (_, other)| one.spread.median.total_cmp(&other.spread.median));
    let top = TOP + HEADROOM;
    let bottom = top + ROW * i32::try_from(rows.len())?;
    let height = bottom + 84;

    let limits = limits(results);
    let values = rows.iter().flat_map(|(_, row)| {
        let longest = row.max_ns.map_or(row.spread.median, as_f64);
        [row.spread.median, longest]
    });
    let x = Scale::new(values.chain(limits.iter().map(|(ns, _)| *ns)), LEFT, RIGHT);

    let mut picture = String::new();
    let bytes = units::bytes(results.settings.small_bytes());
    let title = format!("Round trip, messages of {bytes}");
    let canvas = Canvas::new(&mut picture, height, &title, &subtitle(results))?;
    canvas.columns(&x.tens(units::time_mark), top, bottom)?;
    for (ns, name) in limits {
        let at = x.at(ns);
        canvas.dashes((at, top - 6), (at, bottom), INK)?;
        canvas.label(name, (at, top - 16), INK, Side::Centre)?;
    }
    for ((kind, row), y) in rows
        .iter()
        .zip((top + ROW / 2..).step_by(ROW.unsigned_abs() as usize))
    {
        draw_row(&canvas, x, y, *kind, row)?;
    }
    draw_key(&canvas, bottom + 56)?;
    canvas.finish()?;
    Ok(picture)
}

fn limits(results: &Results) -> Vec<(f64, &'static str)> {
    let semop = results.rows.iter().find(|row| {
        row.task.subject == Subject::Bare(Bare::Semop) && row.task.measure == Measure::RoundTrip
    });
    let bounce = results
        .machine
        .bounce_median_ns
        .map(|ns| (ns, "cache line"));
    let semop = semop.map(|row| (row.spread.median, "bare semop"));
    bounce.into_iter().chain(semop).collect()
}

fn draw_row(canvas: &Canvas<'_>, x: Scale, y: i32, kind: Kind, row: &Row) -> Result<()> {
    let colour = colour(kind);
    let median = x.at(row.spread.median);
    let to = |ns: Option<u64>| ns.map_or(median, |ns| x.at(as_f64(ns)));
    let (p99, p999, max) = (to(row.p99_ns), to(row.p999_ns), to(row.max_ns));
    canvas.label(kind.title(), (NAMES, y), colour, Side::Left)?;
    canvas.label(
        &units::time(row.spread.median),
        (LEFT - 12, y),
        INK,
        Side::Left,
    )?;
    canvas.line(&[(p999, y), (max, y)], colour, 1)?;
    canvas.bar((p99, y - 2), (p999, y + 2), colour, 0.55)?;
    canvas.bar((median, y - 5), (p99, y + 5), colour, 0.35)?;
    canvas.line(&[(max, y - 5), (max, y + 5)], colour, 1)?;
    canvas.dot((median, y), 6, colour)
}

/// Explains the marks.
fn draw_key(canvas: &Canvas<'_>, y: i32) -> Result<()> {
    let mut x = LEFT;
    canvas.dot((x, y), 6, FAINT)?;
    canvas.label("half are faster", (x + 14, y), FAINT, Side::Right)?;
    x += 150;
    canvas.bar((x, y - 5), (x + 36, y + 5), FAINT, 0.35)?;
    canvas.label("99 %", (x + 44, y), FAINT, Side::Right)?;
    x += 116;
    canvas.bar((x, y - 2), (x + 36, y + 2), FAINT, 0.55)?;
    canvas.label("99.9 %", (x + 44, y), FAINT, Side::Right)?;
    x += 128;
    canvas.line(&[(x, y), (x + 36, y)], FAINT, 1)?;
    canvas.line(&[(x + 36, y - 5), (x + 36, y + 5)], FAINT, 1)?;
    canvas.label("all", (x + 44, y), FAINT, Side::Right)
}
