//! The fenced blocks of a Markdown file, and how each of them is checked.

use std::path::Path;

/// Holds a fenced block.
#[derive(Debug)]
pub struct Block {
    /// Where its first fence stands: file and line.
    pub place: String,
    /// What stands behind the first fence.
    pub info: String,
    /// The lines between the fences.
    pub lines: Vec<String>,
    /// The line before the first fence.
    before: String,
}

/// Says how a block is checked.
#[derive(Debug, PartialEq, Eq)]
pub enum Check<'a> {
    /// Its commands are run, and print what it shows.
    Console,
    /// It is a program that `cargo test --doc` runs.
    DocTest,
    /// Its lines stand in this file, in this order.
    From(&'a str),
    /// Not at all, for a reason.
    NotRun,
}

/// Finds the fenced blocks of a document.
pub fn blocks(document: &str, text: &str) -> Result<Vec<Block>, String> {
    let mut found = Vec::new();
    let mut before = "";
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            let place = format!("{document}:{number}");
            let inside = lines.by_ref().map(|(line, _)| line);
            let inside: Vec<&str> = inside.take_while(|line| line.trim() != "```").collect();
            found.push(Block {
                place,
                info: info.trim().to_owned(),
                lines: inside.into_iter().map(str::to_owned).collect(),
                before: before.trim().to_owned(),
            });
        }
        before = line;
    }
    let fences = text
        .lines()
        .filter(|line| line.trim_start().starts_with("```"));
    if fences.count() % 2 == 1 {
        return Err(format!("{document}: a fence has no other end"));
    }
    Ok(found)
}

impl Block {
    /// Finds out how the block is checked. `doc_tested` says whether its document's Rust is run.
    pub fn check(&self, doc_tested: bool) -> Result<Check<'_>, String> {
        if let Some(path) = self.comment("from:") {
            return Ok(Check::From(path));
        }
        match (self.info.as_str(), self.comment("not run:")) {
            ("console test", None) => Ok(Check::Console),
            ("rust", None) if doc_tested => Ok(Check::DocTest),
            (_, Some(reason)) if !reason.is_empty() => Ok(Check::NotRun),
            _ => Err(format!(
                "{}: nothing checks this block ({:?}): make it `console test`, or write \
                 `<!-- from: FILE -->` or `<!-- not run: REASON -->` on the line before it",
                self.place, self.info
            )),
        }
    }

    /// What a comment directly before the block says after this word.
    fn comment(&self, word: &str) -> Option<&str> {
        let comment = self.before.strip_prefix("<!--")?.strip_suffix("-->")?;
        comment.trim().strip_prefix(word).map(str::trim)
    }

    /// Checks that the lines stand in a file, one after the other. Indentation and empty lines do not
    /// count; a line that only says `// ...` stands for what was left out.
    pub fn check_excerpt(&self, top: &Path, path: &str) -> Result<(), String> {
        let source = std::fs::read_to_string(top.join(path))
            .map_err(|error| format!("{}: {path}: {error}", self.place))?;
        let source: Vec<&str> = contents(source.lines());
        let quoted = contents(self.lines.iter().map(String::as_str));
        let mut rest = source.as_slice();
        for part in quoted.split(|line| *line == "// ...") {
            let found = (0..=rest.len()).find(|&start| rest[start..].starts_with(part));
            let Some(start) = found else {
                let (place, part) = (&self.place, part.join("\n"));
                return Err(format!("{place}: not in {path}, or not there:\n{part}"));
            };
            rest = &rest[start + part.len()..];
        }
        Ok(())
    }
}

/// What counts of some lines.
fn contents<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}
