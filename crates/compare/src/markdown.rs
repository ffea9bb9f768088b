//! The results for a page: the same tables as Markdown, as a page of their own or between the marks of
//! one that is there.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::notes::notes;
use crate::plots;
use crate::results::Results;
use crate::sections::{Section, facts, sections};
use crate::{aims, methods, summary};

/// What stands before the name of what is to be filled in, in a line of its own.
const MARK: &str = "<!-- compare: ";
const MARK_END: &str = " -->";
/// The name that ends it.
const END: &str = "end";

/// The pages to be written, which were there before or not.
#[derive(Debug)]
pub struct Pages {
    pages: Vec<Page>,
    /// Where the pictures are.
    plots: Option<PathBuf>,
}

#[derive(Debug)]
struct Page {
    path: PathBuf,
    before: String,
}

impl Pages {
    /// Reads what is there, and makes sure that it can be written.
    ///
    /// # Errors
    ///
    /// A page cannot be read or written, or has a mark of another name or without an end.
    pub fn open(paths: &[PathBuf], plots: Option<&Path>) -> Result<Self> {
        let pages = paths.iter().map(|path| {
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))?;
            let before = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.clone();
            filled(&before, |name| name.parse::<Part>().map(|_| String::new()))
                .with_context(|| path.display().to_string())?;
            Ok(Page { path, before })
        });
        Ok(Self {
            pages: pages.collect::<Result<_>>()?,
            plots: plots.map(Path::to_owned),
        })
    }

    /// Writes them: between the marks where there are any, else all of it.
    ///
    /// # Errors
    ///
    /// A page cannot be written.
    pub fn write(&self, results: &Results) -> Result<()> {
        for Page { path, before } in &self.pages {
            let pictures = self.plots.as_deref().map(|plots| beside(path, plots));
            let part = |part: Part| part.render(results, pictures.as_deref());
            let text = if before.contains(MARK) {
                filled(before, |name| name.parse().map(part))?
            } else {
                [Part::Machine, Part::Results].map(part).join("\n")
            };
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// Returns how a page names the folder of the pictures.
fn beside(page: &Path, folder: &Path) -> String {
    let from = page.parent().unwrap_or(Path::new(""));
    let folder = folder.strip_prefix(from).unwrap_or(folder);
    folder.display().to_string()
}

/// Writes a page anew: what stands between marks comes from `part`, the rest stays.
fn filled(page: &str, part: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut text = String::new();
    let mut open: Option<&str> = None;
    for line in page.split_inclusive('\n') {
        let mark = line.trim().strip_prefix(MARK);
        let name = mark.and_then(|rest| rest.strip_suffix(MARK_END));
        match (open, name) {
            (None, Some(END)) => bail!("`{MARK}{END}{MARK_END}` stands there without a beginning"),
            (None, Some(name)) => {
                open = Some(name);
                text.extend([line, "\n", part(name)?.trim(), "\n"]);
            }
            (Some(_), Some(END)) => {
                open = None;
                text.extend(["\n", line]);
            }
            (Some(open), Some(name)) => bail!("`{open}` has no end before `{name}`"),
            (Some(_), None) => {}
            (None, None) => text.push_str(line),
        }
    }
    match open {
        Some(name) => bail!("`{name}` has no end: write `{MARK}{END}{MARK_END}` behind it"),
        None => Ok(text),
    }
}

/// What can be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Machine,
    Summary,
    Methods,
    Aims,
    Pictures,
    Results,
}

impl std::str::FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "machine" => Self::Machine,
            "summary" => Self::Summary,
            "methods" => Self::Methods,
            "aims" => Self::Aims,
            "pictures" => Self::Pictures,
            "results" => Self::Results,
            _ => bail!(
                "`{MARK}{name}{MARK_END}`: there are machine, summary, methods, aims, pictures, results"
            ),
        })
    }
}

impl Part {
    /// Writes it; `pictures`: the folder they are in.
    fn render(self, results: &Results, pictures: Option<&str>) -> String {
        match self {
            Self::Machine => facts(results).join("; ") + "\n",
            Self::Summary => {
                let picture = pictures.map(|folder| {
                    let (name, title) = plots::SUMMARY;
                    picture(folder, name, title)
                });
                let table = table(&summary::section(results));
                format!(
                    "{}{table}\n{}",
                    picture.unwrap_or_default(),
                    small_print(results)
                )
            }
            Self::Methods => table(&methods::section(results)),
            Self::Aims => table(&aims::section(results)),
            Self::Pictures => {
                let folder = pictures.unwrap_or(".");
                let pictures = plots::PICTURES.iter();
                pictures
                    .map(|(name, title)| picture(folder, name, title))
                    .collect()
            }
            Self::Results => {
                let mut text: String = sections(results).iter().map(grid).collect();
                for note in notes(results) {
                    text.extend(["* ", &note, "\n"]);
                }
                text
            }
        }
    }
}

/// On what it was measured, below a table.
fn small_print(results: &Results) -> String {
    let [machine, how] = facts(results);
    format!("{machine}; {how}.\n")
}

fn picture(folder: &str, name: &str, title: &str) -> String {
    format!("![{title}]({folder}/{name})\n\n")
}

/// A title, and the table.
fn grid(section: &Section) -> String {
    format!(
        "### {}\n\n{}\n",
        capitalised(&section.title),
        table(section)
    )
}

fn table(section: &Section) -> String {
    let rule = (0..section.head.len()).map(|column| if column == 0 { "---" } else { "---:" });
    let mut text = line(section.head.iter().map(String::as_str));
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
    use crate::sections::words;

    #[test]
    fn names_to_the_left_and_figures_to_the_right() {
        let section = Section {
            title: "round trip".into(),
            head: words(&["", "p50"]),
            rows: vec![vec!["pipe".into(), "55.7 µs".into()]],
        };
        let text = "### Round trip\n\n|  | p50 |\n| --- | ---: |\n| pipe | 55.7 µs |\n\n";
        assert_eq!(grid(&section), text);
    }

    #[test]
    fn only_what_stands_between_marks_is_written_anew() {
        let page = "before\n<!-- compare: aims -->\nold\nold\n<!-- compare: end -->\nafter\n";
        let part = |name: &str| Ok(format!("new {name}\n"));
        let once = filled(page, part).unwrap();
        assert_eq!(
            once,
            "before\n<!-- compare: aims -->\n\nnew aims\n\n<!-- compare: end -->\nafter\n"
        );
        assert_eq!(filled(&once, part).unwrap(), once);
        assert_eq!(filled("no marks\n", part).unwrap(), "no marks\n");
    }

    #[test]
    fn marks_that_mean_nothing_are_refused() {
        let part = |name: &str| name.parse::<Part>().map(|_| String::new());
        for page in [
            "<!-- compare: results -->\nno end\n",
            "<!-- compare: end -->\n",
            "<!-- compare: aims -->\n<!-- compare: results -->\n<!-- compare: end -->\n",
            "<!-- compare: pigeons -->\n<!-- compare: end -->\n",
        ] {
            assert!(filled(page, part).is_err(), "{page}");
        }
    }

    #[test]
    fn pictures_are_named_from_where_the_page_is() {
        let from = |page: &str| beside(Path::new(page), Path::new("docs/benchmarks"));
        assert_eq!(from("docs/benchmarks.md"), "benchmarks");
        assert_eq!(from("README.md"), "docs/benchmarks");
        assert_eq!(from("/elsewhere/page.md"), "docs/benchmarks");
    }
}
