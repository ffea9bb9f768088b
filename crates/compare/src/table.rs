//! The results for a terminal: aligned columns.

use crate::notes::notes;
use crate::results::Results;
use crate::sections::{Section, facts, sections};

/// Draws it all.
pub fn render(results: &Results) -> String {
    let mut text = lines(&facts(results));
    for section in sections(results) {
        text.push('\n');
        text.push_str(&grid(&section));
    }
    text.push('\n');
    text.push_str(&lines(&notes(results)));
    text
}

fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// A title, the head, a line for each row.
fn grid(section: &Section) -> String {
    let rows = section.rows.iter().map(|row| {
        let mut row = row.clone();
        if let Some(name) = row.first_mut() {
            name.insert_str(0, "  ");
        }
        row
    });
    let lines: Vec<Vec<String>> = std::iter::once(section.head.clone()).chain(rows).collect();
    let mut widths = vec![0; section.head.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines = lines.iter().map(|cells| line(cells, &widths));
    format!("{}\n{}", section.title, lines.collect::<String>())
}

/// The first column to the left, the others to the right.
fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
        if index == 0 {
            text.push_str(cell);
            text.push_str(&blanks);
        } else {
            text.push_str("  ");
            text.push_str(&blanks);
            text.push_str(cell);
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::words;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        let row = |name: &str, figure: &str| vec![name.to_owned(), figure.to_owned()];
        let section = Section {
            title: "round trip".into(),
            head: words(&["", "p50"]),
            rows: vec![row("pipe", "55.7 µs"), row("futex ring", "140 ns")],
        };
        let text =
            "round trip\n                  p50\n  pipe        55.7 µs\n  futex ring   140 ns\n";
        assert_eq!(grid(&section), text);
    }
}
