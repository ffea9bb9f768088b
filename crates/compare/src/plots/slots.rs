//! Throughput by number of slots.

use anyhow::Result;

use super::canvas::{Canvas, FAINT, Scale, Side, TOP, WIDTH};
use super::lines::{self, lines};
use super::{shown, subtitle};
use crate::plan::Measure;
use crate::results::Results;
use crate::transports::Kind;
use crate::units;

const HEIGHT: i32 = 520;
const BOTTOM: i32 = HEIGHT - 56;
const LEFT: i32 = 84;
const RIGHT: i32 = WIDTH - 218;

/// Draws a line for each transport that may have any number of slots; none where that was not measured.
pub fn draw(results: &Results) -> Result<Option<String>> {
    let rows = shown(results, |task| task.measure == Measure::BySlots);
    let Some(&(_, first)) = rows.first() else {
        return Ok(None);
    };
    let slots = &results.settings.slots;
    let x = Scale::new(slots.iter().map(|&slots| f64::from(slots)), LEFT, RIGHT);
    let y = Scale::new(rows.iter().map(|(_, row)| row.spread.median), BOTTOM, TOP);

    let mut picture = String::new();
    let bytes = units::bytes(first.task.size_bytes);
    let title = format!("Throughput by number of slots, messages of {bytes}");
    let canvas = Canvas::new(&mut picture, HEIGHT, &title, &subtitle(results))?;
    canvas.rows(&y.tens(units::rate_mark), LEFT, RIGHT)?;
    let marks = slots.iter().map(|&slots| {
        let text = units::count(slots.into());
        (x.at(f64::from(slots)), text)
    });
    canvas.columns(&marks.collect::<Vec<_>>(), TOP, BOTTOM)?;
    let below = (i32::midpoint(LEFT, RIGHT), BOTTOM + 40);
    canvas.label("slots", below, FAINT, Side::Centre)?;
    canvas.label_upwards("messages per second", (18, i32::midpoint(TOP, BOTTOM)))?;
    let lines = lines(&rows, Kind::title_of_any_slots, |row| {
        (x.at(f64::from(row.task.slots)), y.at(row.spread.median))
    });
    lines::draw(&canvas, &lines, RIGHT, BOTTOM)?;
    canvas.finish()?;
    Ok(Some(picture))
}
