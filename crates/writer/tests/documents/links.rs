//! Links within the repository lead somewhere.

use std::path::Path;

/// Finds the links of a document that lead to no file of the checkout, or to no heading of it.
pub fn broken_links(top: &Path, document: &Path, text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets
        .filter(|target| !target.contains("://") && !leads_somewhere(top, document, target))
        .map(|target| format!("{}: {target} leads nowhere", document.display()))
        .collect()
}

fn leads_somewhere(top: &Path, document: &Path, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        top.join(document)
    } else {
        top.join(document.parent().unwrap()).join(file)
    };
    if heading.is_empty() {
        return path.exists();
    }
    std::fs::read_to_string(path).is_ok_and(|text| {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        headings.map(anchor).any(|anchor| anchor == heading)
    })
}

/// What a heading is linked by: lower case, hyphens for spaces, nothing else but letters, digits and `_`.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.replace(' ', "-")
        .chars()
        .filter(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
        .collect()
}

#[test]
fn what_leads_nowhere_is_found() {
    let folder = tempfile::TempDir::new().unwrap();
    let text =
        "# One's `a`, b\n[a](a.md) [b](#ones-a-b) [c](https://x/y)\n[d](b.md) [e](a.md#ones)";
    std::fs::write(folder.path().join("a.md"), text).unwrap();
    let broken = broken_links(folder.path(), Path::new("a.md"), text);
    let expected = ["a.md: b.md leads nowhere", "a.md: a.md#ones leads nowhere"];
    assert_eq!(broken, expected);
}
