//! What speed costs: CPU time of a message against messages in a second.

use anyhow::Result;

use super::canvas::{Canvas, FAINT, Places, Point, Scale, Side, TOP, WIDTH};
use super::{colour, small, subtitle};
use crate::plan::Measure;
use crate::results::Results;
use crate::transports::{Family, Kind};
use crate::units;

const HEIGHT: i32 = 600;
const BOTTOM: i32 = HEIGHT - 56;
const LEFT: i32 = 96;
const RIGHT: i32 = WIDTH - 40;

/// The one that lies far outside, and those that only differ with long messages.
const LEFT_OUT: [Kind; 5] = [
    Kind::FlagSleep,
    Kind::SemaphoresCopy,
    Kind::AdaptiveRoomy,
    Kind::AdaptiveCopy,
    Kind::FutexRingRoomy,
];

/// Draws a dot for each transport.
pub fn draw(results: &Results) -> Result<String> {
    let mut rows = small(results, Measure::Throughput);
    let sleeping = rows.iter().find(|(kind, _)| *kind == Kind::FlagSleep);
    let sleeping = sleeping.map(|(_, row)| (units::rate(row.spread.median), row.cpu_ns));
    rows.retain(|(kind, _)| !LEFT_OUT.contains(kind));
    // Those of the semaphores last, so that they lie on top.
    rows.sort_by_key(|(kind, _)| kind.family() == Family::Semaphores);
    let x = Scale::new(rows.iter().map(|(_, row)| row.spread.median), LEFT, RIGHT);
    let y = Scale::new(rows.iter().map(|(_, row)| row.cpu_ns), BOTTOM, TOP);

    let mut picture = String::new();
    let bytes = units::bytes(results.settings.small_bytes());
    let title = format!("What a message costs, and how many there are, {bytes}");
    let canvas = Canvas::new(&mut picture, HEIGHT, &title, &subtitle(results))?;
    canvas.rows(&y.tens(units::time_mark), LEFT, RIGHT)?;
    canvas.columns(&x.tens(units::rate_mark), TOP, BOTTOM)?;
    let below = (i32::midpoint(LEFT, RIGHT), BOTTOM + 40);
    canvas.label("messages per second", below, FAINT, Side::Centre)?;
    canvas.label_upwards(
        "CPU time per message, both processes",
        (18, i32::midpoint(TOP, BOTTOM)),
    )?;
    let busy = draw_busy(&canvas, x, y)?;
    if let Some((rate, cpu_ns)) = sleeping {
        let text = format!("← flag, sleeping: {rate} a second, {}", units::time(cpu_ns));
        canvas.label(
            &text,
            (LEFT + 12, BOTTOM - 18),
            colour(Kind::FlagSleep),
            Side::Right,
        )?;
    }

    let mut places = Places::default();
    let points: Vec<Point> = rows
        .iter()
        .map(|(_, row)| (x.at(row.spread.median), y.at(row.cpu_ns)))
        .collect();
    for &at in &points {
        places.avoid(at);
    }
    if let Some(at) = busy {
        let text = "two CPUs, busy all the time";
        let (beside, side) = places.place(at, text, RIGHT);
        canvas.label_over(text, beside, FAINT, side)?;
    }
    for ((kind, _), &at) in rows.iter().zip(&points) {
        let (beside, side) = places.place(at, kind.title(), RIGHT);
        if beside.1 != at.1 {
            canvas.line(&[at, beside], colour(*kind), 1)?;
        }
        canvas.label_over(kind.title(), beside, colour(*kind), side)?;
    }
    for ((kind, _), &at) in rows.iter().zip(&points) {
        canvas.dot(at, 6, colour(*kind))?;
    }
    canvas.finish()?;
    Ok(picture)
}

/// Draws where both CPUs are busy all the time: nothing lies beyond. Returns a point of it, for its name.
fn draw_busy(canvas: &Canvas<'_>, x: Scale, y: Scale) -> Result<Option<Point>> {
    let ((slow, fast), (cheap, dear)) = (x.ends(), y.ends());
    let rate_at = |cpu_ns: f64| 2e9 / cpu_ns;
    let (from, to) = (slow.max(rate_at(dear)), fast.min(rate_at(cheap)));
    if from >= to {
        return Ok(None);
    }
    let point = |rate: f64| (x.at(rate), y.at(rate_at(rate)));
    canvas.dashes(point(from), point(to), FAINT)?;
    let third = from * (to / from).cbrt();
    Ok(Some(point(third)))
}
