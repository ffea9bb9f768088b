//! systemd's `RemoveIPC`: at the last logout of a user, logind removes all that is the user's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use super::finding::Finding;

/// Where systemd looks for its files, the first to have a name wins (logind.conf(5)).
const FOLDERS: [&str; 4] = [
    "etc/systemd",
    "run/systemd",
    "usr/local/lib/systemd",
    "usr/lib/systemd",
];
/// Root and system users, whom logind spares, are below (`SYS_UID_MAX` is 999 nearly everywhere).
const FIRST_NORMAL_USER: u32 = 1000;

/// Tells whether logind would remove a channel of the user who asks.
pub fn remove_ipc() -> Finding {
    let user = geteuid();
    let name = User::from_uid(user).ok().flatten().map(|user| user.name);
    judge(Path::new("/"), user.as_raw(), name.as_deref())
}

fn judge(root: &Path, user: u32, name: Option<&str>) -> Finding {
    // How sd_booted(3) tells.
    if !root.join("run/systemd/system").exists() {
        return Finding::pass("this machine is not run by systemd");
    }
    let Setting { on, source } = setting(root);
    if !on {
        return Finding::pass(format!("off ({source})"));
    }
    if user < FIRST_NORMAL_USER {
        return Finding::pass(format!(
            "on ({source}), which spares root and system users, as uid {user} is one"
        ));
    }
    let name = name.map_or_else(|| user.to_string(), str::to_owned);
    if root.join("var/lib/systemd/linger").join(&name).exists() {
        return Finding::pass(format!("on ({source}), which spares {name}, who lingers"));
    }
    Finding::warn(
        format!(
            "on ({source}): {name}'s last logout takes the semaphores even of running channels"
        ),
        format!(
            "sudo loginctl enable-linger {name}, or RemoveIPC=no in /etc/systemd/logind.conf, then \
             sudo systemctl restart systemd-logind"
        ),
    )
}

/// The value of `RemoveIPC`, and where it is from.
#[derive(Debug)]
struct Setting {
    on: bool,
    source: String,
}

fn setting(root: &Path) -> Setting {
    let mut setting = Setting {
        on: true,
        source: "systemd's default".into(),
    };
    for file in files(root) {
        // One that cannot be read says nothing to logind, either.
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some(on) = value(&text) {
            setting.on = on;
            setting.source = Path::new("/")
                .join(file.strip_prefix(root).unwrap_or(&file))
                .display()
                .to_string();
        }
    }
    setting
}

/// The files in the order in which the later overrides the earlier: the main one, then the drop-ins by
/// name.
fn files(root: &Path) -> Vec<PathBuf> {
    let folders = FOLDERS.map(|folder| root.join(folder));
    let main = folders.iter().map(|folder| folder.join("logind.conf"));
    let mut files: Vec<PathBuf> = main.filter(|file| file.exists()).take(1).collect();
    let mut drop_ins: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in &folders {
        let entries = fs::read_dir(folder.join("logind.conf.d"));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|end| end == "conf")
            {
                drop_ins.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    files.extend(drop_ins.into_values());
    files
}

/// Finds the last `RemoveIPC` of the section `[Login]` (systemd.syntax(7)).
fn value(text: &str) -> Option<bool> {
    let mut in_section = false;
    let mut value = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_section = line == "[Login]";
        } else if let Some(("RemoveIPC", word)) = line
            .split_once('=')
            .map(|(name, word)| (name.trim(), word.trim()))
            && in_section
        {
            value = truth(word).or(value);
        }
    }
    value
}

fn truth(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Outcome;
    use super::*;

    /// A machine run by systemd, with these files.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    const MAIN: &str = "etc/systemd/logind.conf";

    #[test]
    fn only_a_normal_user_without_linger_is_warned() {
        let root = machine(&[(MAIN, "[Login]\n#RemoveIPC=no\n")]);
        let finding = judge(root.path(), 1000, Some("ada"));
        assert_eq!(finding.outcome, Outcome::Warn);
        assert!(finding.found.contains("systemd's default"), "{finding:?}");
        assert!(finding.remedy.unwrap().contains("enable-linger ada"));
        for system in [0, 999] {
            assert_eq!(judge(root.path(), system, None).outcome, Outcome::Pass);
        }

        let root = machine(&[("var/lib/systemd/linger/ada", "")]);
        assert_eq!(judge(root.path(), 1000, Some("ada")).outcome, Outcome::Pass);
        assert_eq!(judge(root.path(), 1001, Some("bob")).outcome, Outcome::Warn);
    }

    #[test]
    fn without_systemd_nobody_removes() {
        let root = tempfile::TempDir::new().unwrap();
        assert_eq!(judge(root.path(), 1000, Some("ada")).outcome, Outcome::Pass);
    }

    #[test]
    fn the_file_that_is_sorted_last_decides_and_is_named() {
        let on = "[Login]\nRemoveIPC=yes\n";
        let off = "[Login]\n RemoveIPC = off\n";
        for (files, off_by) in [
            (vec![(MAIN, off)], Some("/etc/systemd/logind.conf")),
            (
                vec![(MAIN, off), ("usr/lib/systemd/logind.conf.d/5.conf", on)],
                None,
            ),
            (
                vec![
                    ("etc/systemd/logind.conf.d/9.conf", off),
                    ("usr/lib/systemd/logind.conf.d/5.conf", on),
                ],
                Some("/etc/systemd/logind.conf.d/9.conf"),
            ),
            // Of two with one name, the vendor's does not count.
            (
                vec![
                    ("etc/systemd/logind.conf.d/5.conf", "[Login]\n"),
                    ("usr/lib/systemd/logind.conf.d/5.conf", off),
                ],
                None,
            ),
            (vec![(MAIN, "[Sleep]\nRemoveIPC=no\n")], None),
            (
                vec![(MAIN, "[Login]\nRemoveIPC=no\nRemoveIPC=perhaps\n")],
                Some(MAIN),
            ),
            (vec![("etc/systemd/logind.conf.d/5.disabled", off)], None),
        ] {
            let root = machine(&files);
            let finding = judge(root.path(), 1000, Some("ada"));
            assert_eq!(
                finding.outcome == Outcome::Pass,
                off_by.is_some(),
                "{files:?}"
            );
            let words = off_by.unwrap_or("last logout takes the semaphores");
            assert!(finding.found.contains(words), "{finding:?} of {files:?}");
        }
    }
}
