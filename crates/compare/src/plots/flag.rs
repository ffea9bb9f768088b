//! The short answer: the flag beside the semaphores, as bars.

use anyhow::Result;

use super::canvas::{Canvas, FAINT, INK, Scale, Side, TOP, WIDTH};
use super::{colour, small, subtitle};
use crate::plan::Measure;
use crate::results::Results;
use crate::summary::KINDS;
use crate::units;

const ROW: i32 = 34;
const LEFT: i32 = 220;
const RIGHT: i32 = WIDTH - 110;

/// Draws a bar for each version; none where none was measured.
pub fn draw(results: &Results) -> Result<Option<String>> {
    let mut rows = small(results, Measure::Throughput);
    rows.retain(|(kind, _)| KINDS.contains(kind));
    if rows.is_empty() {
        return Ok(None);
    }
    let bottom = TOP + ROW * i32::try_from(rows.len())?;
    let values = rows.iter().map(|(_, row)| row.spread.median);
    // From one message a second, so that no bar is without a length.
    let x = Scale::new(values.chain([1.6]), LEFT, RIGHT);

    let mut picture = String::new();
    let bytes = units::bytes(results.settings.small_bytes());
    let title = format!("{bytes} messages per second: flag and semaphores");
    let canvas = Canvas::new(&mut picture, bottom + 62, &title, &subtitle(results))?;
    canvas.columns(&x.tens(units::rate_mark), TOP, bottom)?;
    for (&(kind, row), y) in rows
        .iter()
        .zip((TOP + ROW / 2..).step_by(ROW.unsigned_abs() as usize))
    {
        let end = x.at(row.spread.median);
        canvas.label(kind.title(), (LEFT - 14, y), INK, Side::Left)?;
        canvas.bar((LEFT, y - 11), (end, y + 11), colour(kind), 1.0)?;
        let figure = units::rate(row.spread.median);
        canvas.label_over(&figure, (end + 10, y), INK, Side::Right)?;
    }
    let below = (i32::midpoint(LEFT, RIGHT), bottom + 42);
    let times = match x.tens_apart() {
        1 => "ten",
        _ => "a hundred",
    };
    let scale = format!("each line: {times} times as many as the one before");
    canvas.label(&scale, below, FAINT, Side::Centre)?;
    canvas.finish()?;
    Ok(Some(picture))
}
