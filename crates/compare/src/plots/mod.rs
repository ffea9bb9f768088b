//! The results as pictures for a page: one file each.

mod canvas;
mod cpu;
mod dark;
mod flag;
mod lines;
mod round_trip;
mod slots;
mod throughput;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use plotters::style::RGBColor;

use crate::plan::{Measure, Task};
use crate::results::{Results, Row};
use crate::transports::{Family, Kind};

/// The picture of the short answer, and what it shows.
pub const SUMMARY: (&str, &str) = ("flag.svg", "Messages a second: the flag and the semaphores");

/// The others.
pub const PICTURES: [(&str, &str); 4] = [
    ("throughput.svg", "Throughput by length of message"),
    (
        "round-trip.svg",
        "Round trips, from half of them to the longest",
    ),
    ("cpu.svg", "CPU time of a message against messages a second"),
    ("slots.svg", "Messages a second by number of slots"),
];

/// Draws all pictures into a folder, which must be there. Those of which nothing was measured are
/// left out.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    let pictures = [
        (SUMMARY.0, flag::draw(results)?),
        ("throughput.svg", Some(throughput::draw(results)?)),
        ("round-trip.svg", Some(round_trip::draw(results)?)),
        ("cpu.svg", Some(cpu::draw(results)?)),
        ("slots.svg", slots::draw(results)?),
    ];
    for (name, picture) in pictures {
        let Some(picture) = picture else { continue };
        let path = folder.join(name);
        fs::write(&path, dark::also(&picture))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Returns the rows of transports that such a picture shows: everything but the control.
fn shown(results: &Results, wanted: impl Fn(Task) -> bool) -> Vec<(Kind, &Row)> {
    let rows = results.rows.iter().filter(|row| wanted(row.task));
    let rows = rows.filter_map(|row| Some((row.task.subject.transport()?, row)));
    rows.filter(|(kind, _)| *kind != Kind::Control).collect()
}

/// Returns the rows of one measure of the usual small messages.
fn small(results: &Results, measure: Measure) -> Vec<(Kind, &Row)> {
    let small_bytes = results.settings.small_bytes();
    shown(results, |task| {
        task.measure == measure && task.size_bytes == small_bytes
    })
}

/// Returns the colour of a transport: one for each family, in shades.
fn colour(kind: Kind) -> RGBColor {
    let shades: &[(u8, u8, u8)] = match kind.family() {
        Family::Flag => &[(127, 29, 29), (220, 38, 38), (234, 118, 60)],
        Family::Semaphores => &[
            (96, 145, 225),
            (59, 110, 220),
            (29, 78, 196),
            (50, 140, 185),
            (23, 37, 130),
            // The control, which is not drawn.
            (0, 0, 0),
            (6, 148, 190),
            (8, 90, 115),
            (2, 132, 199),
            (56, 160, 200),
        ],
        Family::Ring => &[(21, 128, 61), (74, 150, 80)],
        Family::Kernel => &[
            (55, 65, 81),
            (110, 100, 92),
            (140, 130, 122),
            (133, 110, 80),
            (120, 128, 140),
        ],
        Family::Peer => &[
            (124, 58, 180),
            (168, 85, 200),
            (190, 60, 130),
            (150, 90, 150),
        ],
    };
    let family = Kind::all()
        .iter()
        .filter(|other| other.family() == kind.family());
    let index = family.take_while(|&&other| other != kind).count();
    let (red, green, blue) = shades[index % shades.len()];
    RGBColor(red, green, blue)
}

/// Says on what it was measured.
fn subtitle(results: &Results) -> String {
    let machine = &results.machine;
    let mut parts = vec![
        machine.cpu_model.clone(),
        format!("Linux {}", machine.kernel),
    ];
    parts.extend(
        machine
            .commit
            .as_ref()
            .map(|commit| format!("commit {commit}")),
    );
    parts.push("every byte written and checked".into());
    parts.join(", ")
}
