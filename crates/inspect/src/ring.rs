//! The ring as a picture.

use semring::observe::Snapshot;

/// Cells of the bar in a table.
const BAR_CELLS: u32 = 8;
/// Cells of the drawing: it shows up to so many slots one by one.
const RING_CELLS: u32 = 64;

/// Draws how full it is: "████░░░░ 32/64".
pub fn bar(snapshot: &Snapshot) -> String {
    let slots = snapshot.geometry.slot_count();
    let Some(filled) = snapshot.filled else {
        return format!("?/{slots}");
    };
    // Something is never drawn as nothing, nor what is not full as full.
    let cells = (filled * BAR_CELLS).div_ceil(slots);
    let cells = if filled < slots {
        cells.min(BAR_CELLS - 1)
    } else {
        BAR_CELLS
    };
    let (full, empty) = (cells as usize, (BAR_CELLS - cells) as usize);
    format!("{}{} {filled}/{slots}", "█".repeat(full), "░".repeat(empty))
}

/// Draws the ring: where `head` and `tail` point, and what lies between them.
pub fn drawing(snapshot: &Snapshot) -> Vec<String> {
    let slots = snapshot.geometry.slot_count();
    let Some(filled) = snapshot.filled else {
        return vec!["it cannot be drawn: head and tail do not belong together".to_owned()];
    };
    let cells = slots.min(RING_CELLS);
    let slots_in_cell = slots / cells;
    let head = index(snapshot.head, slots);
    let cell = |position| index(position, slots) / slots_in_cell;
    let ring: String = (0..cells)
        .map(|number| {
            let first = number * slots_in_cell;
            let taken = (first..first + slots_in_cell)
                .filter(|slot| (slots + slot - head) % slots < filled)
                .count();
            match u32::try_from(taken) {
                Ok(0) => '░',
                Ok(taken) if taken == slots_in_cell => '█',
                _ => '▒',
            }
        })
        .collect();
    vec![
        mark(
            cell(snapshot.head),
            cells,
            '▼',
            &format!("head {}", snapshot.head),
        ),
        ring,
        mark(
            cell(snapshot.tail),
            cells,
            '▲',
            &format!("tail {}", snapshot.tail),
        ),
    ]
}

/// Says what a cell of the drawing is.
pub fn legend(snapshot: &Snapshot) -> String {
    let slots = snapshot.geometry.slot_count();
    match slots / slots.min(RING_CELLS) {
        1 => "a cell is a slot".to_owned(),
        more => format!("a cell is {more} slots"),
    }
}

/// Points at a cell, with the words on the side where there is more room.
fn mark(cell: u32, cells: u32, sign: char, words: &str) -> String {
    let before = cell as usize;
    if cell < cells / 2 || before <= words.len() {
        format!("{}{sign} {words}", " ".repeat(before))
    } else {
        format!("{words:>width$} {sign}", width = before - 1)
    }
}

/// The index in the ring at which a position lies.
fn index(position: u64, slots: u32) -> u32 {
    u32::try_from(position % u64::from(slots)).unwrap_or(0)
}
