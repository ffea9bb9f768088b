//! Goal: whoever searches docs/troubleshooting.md for what a program has printed finds it there. Method:
//! the texts are read from the sources, those of each variant of each error among them, and compared with
//! the page's entries, in both directions.

mod texts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What the walk takes for a message and is only a part of one, or is said by the demonstration, or written
/// to a file.
const NO_MESSAGES: [&str; 72] = [
    // Stand in a hole of a message, as what or as what was expected.
    "a reader",
    "the next reader",
    "semaphore set",
    "slot count",
    "slot size",
    "standard input",
    "standard output",
    "at most 176",
    "at most 188",
    "1 to 4 GiB - 4096",
    "a power of two from 1 to 16384",
    "0 to 5",
    "1 or 2",
    ", for instance … or …",
    "… or …",
    // Put a message and its channel together.
    "… (key …)",
    "… (…, key …)",
    // The demonstration's story, and its messages.
    " (again)",
    "[…] Detached from shared memory",
    "Message #… from Writer Process (PID: …)",
    // The record of positions.
    "going on",
    "semring-position 1",
    " stream ",
    " position ",
    " bytes ",
    "… stream … position … bytes … …\n",
    // The progress bar.
    "… of … … …, … to go",
    "… … in …, …",
    // Parts of the commands that are recommended.
    r#""$(printf %b '…')""#,
    "… --project …",
    // What `semring` makes its sentences of, and its words for other programs.
    " --key …",
    " and ",
    ", … could not be removed",
    "--force ",
    "--key …",
    "1 message lies",
    "`ipcrm -m …`",
    "`semring clean --force …`",
    "`semring clean …`",
    "end unseen",
    "in use",
    "is not there",
    "no consumer",
    "no producer",
    "nobody used it, and nothing waited in it",
    "nobody uses it, and nothing waits in it",
    "not found",
    "not owner",
    "nothing is",
    "nothing lies",
    "other version",
    "peer lost",
    "process … (…)",
    "reader -o FILE",
    "segment removed",
    "set missing",
    "set removed",
    "start `…`",
    "start its …",
    "the … has waited for …",
    "those that are attached",
    "would be kept",
    "would be removed",
    "writer FILE",
    "writer FILE --framing …",
    "… PID … (…)",
    "… PID …, not of this PID namespace",
    "… between it and the …",
    "… by force: … (…)",
    "… for …",
    "… lie",
    "…, with …",
];

/// The page's entries: the lines of its lists that are all bold.
fn entries() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
    fs::read_to_string(page)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.strip_suffix("**"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_message_has_its_entry() {
    let entries = entries();
    let missing: Vec<String> = texts::all()
        .into_iter()
        .filter(|text| !entries.contains(&text.text) && !NO_MESSAGES.contains(&&*text.text))
        .map(|text| format!("- **{}**   (of {})", text.text, text.file.display()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md lacks:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_entry_is_a_message() {
    let texts: BTreeSet<String> = texts::all().into_iter().map(|text| text.text).collect();
    let stale: Vec<String> = entries().difference(&texts).cloned().collect();
    assert!(
        stale.is_empty(),
        "docs/troubleshooting.md has what no program says:\n{}",
        stale.join("\n")
    );
    let unused = NO_MESSAGES.iter().find(|part| !texts.contains(**part));
    assert_eq!(unused, None, "no longer in the sources");
}
