//! Lines with their names where they end.

use anyhow::Result;
use plotters::style::RGBColor;

use super::canvas::{Canvas, LABEL_HEIGHT, Point, Side, TOP, spread};
use super::colour;
use crate::results::Row;
use crate::transports::{Family, Kind};

/// One line; of width 0: its name only.
pub struct Line<'a> {
    pub name: &'a str,
    pub colour: RGBColor,
    pub width: u32,
    pub points: Vec<Point>,
}

/// Makes a line for each transport, those of the semaphores last, so that they lie on top.
pub fn lines(
    rows: &[(Kind, &Row)],
    title: impl Fn(Kind) -> &'static str,
    point: impl Fn(&Row) -> Point,
) -> Vec<Line<'static>> {
    let mut kinds: Vec<Kind> = rows.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.sort_by_key(|kind| (kind.family() == Family::Semaphores, *kind));
    let lines = kinds.into_iter().map(|kind| {
        let of_kind = rows.iter().filter(|(other, _)| *other == kind);
        let thin = [Family::Kernel, Family::Peer].contains(&kind.family());
        Line {
            name: title(kind),
            colour: colour(kind),
            width: if thin { 1 } else { 2 },
            points: of_kind.map(|(_, row)| point(row)).collect(),
        }
    });
    lines.collect()
}

/// Draws them, and the names of those that end at the right in a column there, joined by a hair.
pub fn draw(canvas: &Canvas<'_>, lines: &[Line<'_>], right: i32, bottom: i32) -> Result<()> {
    for line in lines.iter().filter(|line| line.width > 0) {
        canvas.line(&line.points, line.colour, line.width)?;
        for &at in &line.points {
            canvas.dot(at, 3, line.colour)?;
        }
    }
    write_names(canvas, lines, right, bottom)
}

fn write_names(canvas: &Canvas<'_>, lines: &[Line<'_>], right: i32, bottom: i32) -> Result<()> {
    let ends = lines
        .iter()
        .filter_map(|line| Some((*line.points.last()?, line)));
    let ends: Vec<(Point, &Line<'_>)> = ends.collect();
    let rightmost = ends.iter().map(|(end, _)| end.0).max().unwrap_or(right);
    let (in_column, inside): (Vec<_>, Vec<_>) =
        ends.into_iter().partition(|(end, _)| end.0 == rightmost);
    let wanted: Vec<i32> = in_column.iter().map(|(end, _)| end.1).collect();
    let placed = spread(&wanted, TOP, bottom + LABEL_HEIGHT);
    for ((end, line), y) in in_column.into_iter().zip(placed) {
        canvas.line(&[(end.0 + 6, end.1), (right + 14, y)], line.colour, 1)?;
        canvas.label(line.name, (right + 18, y), line.colour, Side::Right)?;
    }
    let wanted: Vec<i32> = inside.iter().map(|(end, _)| end.1 - 14).collect();
    let placed = spread(&wanted, TOP, wanted.iter().copied().max().unwrap_or(TOP));
    for ((end, line), y) in inside.into_iter().zip(placed) {
        canvas.label_over(line.name, (end.0 - 6, y), line.colour, Side::Left)?;
    }
    Ok(())
}
