//! The results for a page: the same tables as Markdown.

use crate::results::Results;
use crate::sections::{Section, facts, notes, sections};

/// Writes it all.
pub fn render(results: &Results) -> String {
    let mut text = facts(results).join("; ") + "\n";
    for section in sections(results) {
        text.push('\n');
        text.push_str(&grid(&section));
    }
    text.push('\n');
    for note in notes(results) {
        text.extend(["* ", &note, "\n"]);
    }
    text
}

fn grid(section: &Section) -> String {
    let rule = (0..section.head.len()).map(|column| if column == 0 { "---" } else { "---:" });
    let mut text = format!("### {}\n\n", capitalised(&section.title));
    text.push_str(&line(section.head.iter().copied()));
    text.push_str(&line(rule));
    for row in &section.rows {
        text.push_str(&line(row.iter().map(String::as_str)));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<&str> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

fn capitalised(title: &str) -> String {
    let mut letters = title.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_the_left_and_figures_to_the_right() {
        let section = Section {
            title: "round trip".into(),
            head: vec!["", "p50"],
            rows: vec![vec!["pipe".into(), "55.7 µs".into()]],
        };
        let text = "### Round trip\n\n|  | p50 |\n| --- | ---: |\n| pipe | 55.7 µs |\n";
        assert_eq!(grid(&section), text);
    }
}
