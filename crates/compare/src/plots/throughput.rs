//! Throughput by length of messages.

use anyhow::Result;

use super::canvas::{Canvas, FAINT, INK, LABEL_HEIGHT, Point, Scale, Side, TOP, WIDTH, spread};
use super::{colour, shown, subtitle};
use crate::bare::Bare;
use crate::plan::Measure;
use crate::results::{Results, Row};
use crate::statistics::as_f64;
use crate::subject::Subject;
use crate::transports::{Family, Kind};
use crate::units;

const HEIGHT: i32 = 660;
const BOTTOM: i32 = HEIGHT - 56;
const LEFT: i32 = 96;
const RIGHT: i32 = WIDTH - 218;

/// Draws a line for each transport, from its smallest messages to its longest.
pub fn draw(results: &Results) -> Result<String> {
    let rows = shown(results, |task| task.measure == Measure::Throughput);
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
    let mut ends = Vec::new();
    ends.extend(
        limit
            .last()
            .map(|&end| (end, "one core, writing only", INK)),
    );
    for (kind, points) in lines(&rows, point) {
        let width = if kind.family() == Family::Kernel {
            1
        } else {
            3
        };
        canvas.line(&points, colour(kind), width)?;
        for &at in &points {
            canvas.dot(at, 3, colour(kind))?;
        }
        ends.extend(points.last().map(|&end| (end, kind.title(), colour(kind))));
    }
    write_names(&canvas, &ends)?;
    canvas.finish()?;
    Ok(picture)
}

fn size(row: &Row) -> f64 {
    as_f64(row.task.size_bytes as u64)
}

fn bytes_per_s(row: &Row) -> f64 {
    row.spread.median * size(row)
}

/// Collects the points of each transport, those of the semaphores last, so that they lie on top.
fn lines(rows: &[(Kind, &Row)], point: impl Fn(&Row) -> Point) -> Vec<(Kind, Vec<Point>)> {
    let mut kinds: Vec<Kind> = rows.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.sort_by_key(|kind| (kind.family() == Family::Semaphores, *kind));
    let lines = kinds.into_iter().map(|kind| {
        let points = rows.iter().filter(|(other, _)| *other == kind);
        (kind, points.map(|(_, row)| point(row)).collect())
    });
    lines.collect()
}

/// Writes names where the lines end; of those that end at the right in a column, joined by a hair.
fn write_names(
    canvas: &Canvas<'_>,
    ends: &[(Point, &str, plotters::style::RGBColor)],
) -> Result<()> {
    let rightmost = ends.iter().map(|(end, _, _)| end.0).max().unwrap_or(RIGHT);
    let (in_column, inside): (Vec<_>, Vec<_>) =
        ends.iter().partition(|(end, _, _)| end.0 == rightmost);
    let wanted: Vec<i32> = in_column.iter().map(|(end, _, _)| end.1).collect();
    let placed = spread(&wanted, TOP, BOTTOM + LABEL_HEIGHT);
    for ((end, name, colour), y) in in_column.into_iter().zip(placed) {
        canvas.line(&[(end.0 + 6, end.1), (RIGHT + 14, y)], colour, 1)?;
        canvas.label(name, (RIGHT + 18, y), colour, Side::Right)?;
    }
    let wanted: Vec<i32> = inside.iter().map(|(end, _, _)| end.1 - 14).collect();
    let placed = spread(&wanted, TOP, wanted.iter().copied().max().unwrap_or(TOP));
    for ((end, name, colour), y) in inside.into_iter().zip(placed) {
        canvas.label_over(name, (end.0 - 6, y), colour, Side::Left)?;
    }
    Ok(())
}
