//! The table of crates in docs/architecture.md is what the manifests say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a crate may use, of our own packages, or does use.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Reads the rows `| [folder](../crates/folder) | package | may use | ...`.
fn allowed(document: &str) -> Uses {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ["));
    let rows = rows.filter(|row| row.contains("](../crates/"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let (folder, _) = cells[0].split_once(']')?;
        let names = cells.get(2)?.split('`').skip(1).step_by(2);
        Some((folder.to_owned(), names.map(str::to_owned).collect()))
    })
    .collect()
}

/// Reads `[dependencies]` of all manifests.
fn used(top: &Path) -> Uses {
    let folders = fs::read_dir(top.join("crates")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    folders
        .map(|folder| {
            let path = top.join("crates").join(&folder).join("Cargo.toml");
            let manifest = fs::read_to_string(path).unwrap();
            let (_, section) = manifest.split_once("[dependencies]\n").unwrap();
            let lines = section.lines().take_while(|line| !line.starts_with('['));
            let names = lines.map(|line| line.split(['.', ' ', '=']).next().unwrap());
            let ours = names.filter(|name| name.starts_with("semring") || *name == "sysv-ipc");
            (folder, ours.map(str::to_owned).collect())
        })
        .collect()
}

/// Says where the table and the manifests differ.
fn differences(allowed: &Uses, used: &Uses) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, packages) in used {
        match allowed.get(folder) {
            None => found.push(format!("crates/{folder} is not in docs/architecture.md")),
            Some(may) => found.extend(
                packages
                    .difference(may)
                    .map(|package| format!("crates/{folder} uses {package}, and may not")),
            ),
        }
    }
    let gone = allowed.keys().filter(|folder| !used.contains_key(*folder));
    found.extend(gone.map(|folder| format!("crates/{folder} does not exist")));
    found
}

/// Finds what docs/architecture.md says that is not so.
pub fn wrong_in_the_table(top: &Path) -> Vec<String> {
    let document = fs::read_to_string(top.join("docs/architecture.md")).unwrap();
    differences(&allowed(&document), &used(top))
}

#[test]
fn what_a_crate_may_not_use_is_found() {
    let of = |folder: &str, packages: &[&str]| {
        let packages = packages.iter().map(|&package| package.to_owned());
        (folder.to_owned(), packages.collect())
    };
    let table =
        "| [a](../crates/a) | `x` | `sysv-ipc`, `semring` | b |\n| [c](../crates/c) | `y` | | d |";
    let used = Uses::from([of("a", &["semring"]), of("b", &[])]);
    let found = differences(&allowed(table), &used);
    assert_eq!(found.len(), 2, "{found:?}");
    let used = Uses::from([of("a", &[]), of("c", &["semring"])]);
    let found = differences(&allowed(table), &used);
    assert_eq!(found, ["crates/c uses semring, and may not"]);
}
