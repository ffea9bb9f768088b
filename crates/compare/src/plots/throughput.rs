//! Throughput by length of messages.

use anyhow::Result;

use super::canvas::{Canvas, FAINT, INK, Point, Scale, Side, TOP, WIDTH};
use super::lines::{self, Line, lines};
use super::{shown, subtitle};
use crate::bare::Bare;
use crate::plan::Measure;
use crate::results::{Results, Row};
use crate::statistics::as_f64;
use crate::subject::Subject;
use crate::transports::Kind;
use crate::units;

const HEIGHT: i32 = 660;
const BOTTOM: i32 = HEIGHT - 56;
const LEFT: i32 = 96;
const RIGHT: i32 = WIDTH - 218;

/// Those that lie far below, or on the line of another.
const LEFT_OUT: [Kind; 5] = [
    Kind::FlagSleep,
    Kind::FlagBackoff,
    Kind::SemaphoresSingle,
    Kind::SemaphoresCopy,
    Kind::AdaptiveCopy,
];

/// Draws a line for each transport, from its smallest messages to its longest.
pub fn draw(results: &Results) -> Result<String> {
    let mut rows = shown(results, |task| task.measure == Measure::Throughput);
    rows.retain(|(kind, _)| !LEFT_OUT.contains(kind));
    let fill = Subject::Bare(Bare::Fill);
    let fill: Vec<&Row> = results
        .rows
        .iter()
        .filter(|row| row.task.subject == fill)
        .collect();
    let values = rows.iter().map(|(_, row)| *row).chain(fill.iter().copied());
    let y = Scale::new(values.map(bytes_per_s), BOTTOM, TOP);
    let sizes = &results.settings.sizes_bytes;
    let x = Scale::new(sizes.iter().map(|&bytes| as_f64(bytes as u64)), LEFT, RIGHT);
    let point = |row: &Row| (x.at(size(row)), y.at(bytes_per_s(row)));

    let mut picture = String::new();
    let title = "Throughput by length of message";
    let canvas = Canvas::new(&mut picture, HEIGHT, title, &subtitle(results))?;
    canvas.rows(&y.tens(units::bandwidth_mark), LEFT, RIGHT)?;
    let marks = sizes
        .iter()
        .map(|&bytes| (x.at(as_f64(bytes as u64)), units::bytes(bytes)));
    canvas.columns(&marks.collect::<Vec<_>>(), TOP, BOTTOM)?;
    canvas.label(
        "length of a message",
        (i32::midpoint(LEFT, RIGHT), BOTTOM + 40),
        FAINT,
        Side::Centre,
    )?;
    canvas.label_upwards("bytes per second", (18, i32::midpoint(TOP, BOTTOM)))?;

    let limit: Vec<Point> = fill.iter().map(|row| point(row)).collect();
    for pair in limit.windows(2) {
        canvas.dashes(pair[0], pair[1], INK)?;
    }
    let limit = Line {
        name: "one core, writing only",
        colour: INK,
        width: 0,
        points: limit,
    };
    let lines = std::iter::once(limit).chain(lines(&rows, Kind::title, point));
    lines::draw(&canvas, &lines.collect::<Vec<_>>(), RIGHT, BOTTOM)?;
    canvas.finish()?;
    Ok(picture)
}

fn size(row: &Row) -> f64 {
    as_f64(row.task.size_bytes as u64)
}

fn bytes_per_s(row: &Row) -> f64 {
    row.spread.median * size(row)
}
