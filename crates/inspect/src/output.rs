//! Writing to standard output: coloured on a terminal only, and as wide as that is.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use semring_cli::OutputClosed;

/// For what stands above a column, or names a part.
pub const HEAD: Style = Style::new().bold();
/// For what somebody should look at.
pub const ALARM: Style = AnsiColor::Yellow.on_default();
/// For what matters less.
pub const FAINT: Style = Style::new().dimmed();

/// Stands for a blank at which no line is broken.
const UNBROKEN: &str = "\u{a0}";
/// Blanks between two columns.
const GAP: u16 = 2;

/// Writes a text in one piece. Colours are left out where they are not wanted: on no terminal, or with
/// `NO_COLOR`.
///
/// # Errors
///
/// [`OutputClosed`] when nobody reads it, else what the kernel said.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result.context("cannot write to standard output"),
    }
}

/// Returns how wide a line may be: as `COLUMNS` says, else as the terminal is; `None` without one.
pub fn width() -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok();
    let asked = columns.and_then(|columns| columns.parse().ok());
    let terminal = || {
        let (width, _) = terminal_size::terminal_size().filter(|_| io::stdout().is_terminal())?;
        Some(usize::from(width.0))
    };
    asked.filter(|&width| width > 0).or_else(terminal)
}

/// Writes a text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Keeps a text in one line, for [`wrapped`].
pub fn unbroken(text: &str) -> String {
    text.replace(' ', UNBROKEN)
}

/// Breaks a text at blanks into indented lines that fit; a command, between two backticks, stays whole.
pub fn wrapped(text: &str, indent: &str, width: Option<usize>) -> Vec<String> {
    let width = width.unwrap_or(usize::MAX).max(20);
    let options = textwrap::Options::new(width)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let parts = text
        .split('`')
        .enumerate()
        .map(|(index, part)| match index % 2 {
            0 => part.to_owned(),
            _ => unbroken(part),
        });
    let text = parts.collect::<Vec<_>>().join("`");
    let lines = textwrap::wrap(&text, options).into_iter();
    lines.map(|line| line.replace(UNBROKEN, " ")).collect()
}

/// A column: its head, and whether it holds numbers.
pub type Column = (&'static str, Align);

/// Says to which side a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Lays rows out in columns, the head first; returns a line for each.
pub fn columns(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let mut table = grid(columns, rows);
    for (index, (_, align)) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, GAP));
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// Returns how many of the columns, from the first on, fit into a width.
pub fn fitting(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> usize {
    let Some(limit) = width else {
        return columns.len();
    };
    let mut end = 0;
    let widths = grid(columns, rows).column_max_content_widths();
    let fits = widths.into_iter().take_while(|&width| {
        let fits = end + usize::from(width) <= limit;
        end += usize::from(width + GAP);
        fits
    });
    fits.count()
}

fn grid(columns: &[Column], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(columns.iter().map(|(head, _)| *head));
    for row in rows {
        table.add_row(row.iter().take(columns.len()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        ("CHANNEL", Align::Left),
        ("MESSAGES", Align::Right),
        ("STATE", Align::Left),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row(["注文", "5", "idle"]),
            row(["a", "1234567890", "stale"]),
        ]
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let lines = columns(&COLUMNS, &rows());
        assert_eq!(
            lines,
            [
                "CHANNEL    MESSAGES  STATE",
                "注文              5  idle",
                "a        1234567890  stale",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_known() {
        assert_eq!(fitting(&COLUMNS, &rows(), None), 3);
        assert_eq!(fitting(&COLUMNS, &rows(), Some(26)), 3);
        assert_eq!(fitting(&COLUMNS, &rows(), Some(25)), 2);
        assert_eq!(fitting(&COLUMNS, &rows(), Some(5)), 0);
    }

    #[test]
    fn texts_are_broken_at_blanks() {
        let lines = wrapped("one two three four five six", "  ", Some(20));
        assert_eq!(lines, ["  one two three four", "  five six"]);
        assert_eq!(wrapped("one two", "", None), ["one two"]);
        let lines = wrapped("end it: `kill -CONT 4711` now", "", Some(20));
        assert_eq!(lines, ["end it:", "`kill -CONT 4711`", "now"]);
        let lines = wrapped("it does end at log-out", "", Some(20));
        assert_eq!(lines, ["it does end at", "log-out"]);
        let parts = ["one", "of 64 KiB", "and 5"].map(unbroken).join(" · ");
        assert_eq!(
            wrapped(&parts, "", Some(20)),
            ["one · of 64 KiB ·", "and 5"]
        );
    }
}
