//! Goal: completions and manual pages know what the programs know. Method: they are made by the real
//! program, and read by the shell and by name of each option.

use std::io::Write as _;
use std::process::{Command, Output};

fn semring(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_semring"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn bash_accepts_the_completions_and_offers_options() {
    for (program, option) in [
        ("writer", "--no-linger"),
        ("reader", "--resume"),
        ("semring", "generate"),
    ] {
        let made = semring(&["generate", "completions", "bash", program]);
        assert!(made.status.success(), "{made:?}");
        let script = String::from_utf8(made.stdout).unwrap();
        let start = &option[..option.len() - 2];
        let asked = format!(
            "{script}\nCOMP_WORDS=({program} {start}); COMP_CWORD=1\n\
             _{program} {program} {start} {program}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let Ok(offered) = Command::new("bash").args(["--norc", "-c", &asked]).output() else {
            let reason = "no bash";
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: bash_accepts_the_completions: {reason}"
            );
            return;
        };
        let offered = String::from_utf8(offered.stdout).unwrap();
        assert!(
            offered.lines().any(|line| line == option),
            "{option} of {program}: {offered:?}"
        );
    }
}

#[test]
fn every_shell_has_completions() {
    for (shell, words) in [
        ("bash", "complete -F _reader"),
        ("zsh", "#compdef reader"),
        ("fish", "complete -c reader"),
        ("elvish", "set edit:completion:arg-completer[reader]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let made = semring(&["generate", "completions", shell, "reader"]);
        let script = String::from_utf8(made.stdout).unwrap();
        assert!(script.contains("resume"), "{shell}");
        assert!(script.contains(words), "{words:?} for {shell}");
    }
}

#[test]
fn every_option_stands_in_the_manual() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("man");
    let made = semring(&["generate", "man", "--folder", path.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    for (page, option) in [
        ("writer.1", "wait\\-for\\-reader"),
        ("reader.1", "resume"),
        ("semring.1", "generate"),
    ] {
        let text = std::fs::read_to_string(path.join(page)).unwrap();
        assert!(text.contains(option), "{option} in {page}");
    }
    for page in ["semring-list.1", "semring-show.1", "semring-generate-man.1"] {
        assert!(path.join(page).exists(), "{page}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let made = semring(&["generate", "man", "--folder", "/dev/null/man"]);
    assert_eq!(made.status.code(), Some(1));
    let words = String::from_utf8(made.stderr).unwrap();
    assert!(
        words.contains(
            "semring: cannot make /dev/null/man: Not a directory (os error 20); check the name"
        ),
        "{words}"
    );
}

#[test]
fn what_is_for_the_program_itself_is_not_offered() {
    for shell in ["bash", "fish"] {
        let made = semring(&["generate", "completions", shell, "semring"]);
        let script = String::from_utf8(made.stdout).unwrap();
        let mut words = script.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(script.contains("doctor") && words.all(|word| word != "part"));
    }
}

#[test]
fn what_cannot_be_written_is_named() {
    let made = semring(&["generate", "man", "--folder", "/proc"]);
    assert_eq!(made.status.code(), Some(1));
    let words = String::from_utf8(made.stderr).unwrap();
    let start = "semring: cannot write manual pages to /proc: ";
    assert!(words.starts_with(start), "{words}");
    assert!(words.ends_with("; check the name\n"), "{words}");

    let full = std::fs::File::options().write(true).open("/dev/full");
    let made = Command::new(env!("CARGO_BIN_EXE_semring"))
        .args(["generate", "completions", "bash", "writer"])
        .stdout(full.unwrap())
        .output()
        .unwrap();
    assert_eq!(made.status.code(), Some(1));
    let words = String::from_utf8(made.stderr).unwrap();
    let all = "semring: cannot write to standard output: No space left on device (os error 28); make \
               room, see `df`\n";
    assert_eq!(words, all);
}
