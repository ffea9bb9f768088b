//! The README and the documents do what they say. Each fenced block is one of
//!
//! * `console test`: its commands (`$ `, continued with `> `) are run by one shell, in a new folder and
//!   a new IPC namespace, with the programs of this build; they must print what is shown, where `...`
//!   stands for anything, must not fail unless `$ echo $?` follows, and must leave nothing behind;
//! * `rust` in a document that the library includes: `cargo test --doc` runs it;
//! * `<!-- from: FILE -->` on the line before: its lines stand in that file;
//! * `<!-- not run: REASON -->` on the line before.
//!
//! And links within the repository lead somewhere, and the table of crates is true.

mod blocks;
#[path = "../common/mod.rs"]
mod common;
mod console;
mod expected;
mod house;
mod links;

use std::path::{Path, PathBuf};
use std::time::Duration;

use blocks::{Block, Check, blocks};
use common::{build_beside_writer, skip};
use console::Surroundings;
use house::wrong_in_the_table;
use links::broken_links;

/// How long the commands of one block may take.
const BLOCK_LIMIT: Duration = Duration::from_secs(60);

/// The top of the checkout.
fn top() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap()
}

/// All blocks, each with whether the library includes its document.
fn all_blocks() -> Vec<(Block, bool)> {
    let library = std::fs::read_to_string(top().join("crates/semring/src/lib.rs")).unwrap();
    let mut all = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(top().join(&path)).unwrap();
        let included = library.contains(&format!("include_str!(\"../../../{}\")", path.display()));
        let found = blocks(&path.display().to_string(), &text).unwrap();
        all.extend(found.into_iter().map(|block| (block, included)));
    }
    all
}

fn documents() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(top().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut paths: Vec<_> = names.map(|name| Path::new("docs").join(name)).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.push("README.md".into());
    paths.sort();
    paths
}

#[track_caller]
fn assert_none(failures: impl Iterator<Item = String>) {
    let failures: Vec<String> = failures.collect();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n\n"));
}

#[test]
fn every_block_is_checked_or_says_why_not() {
    let all = all_blocks();
    assert_none(
        all.iter()
            .filter_map(|(block, included)| block.check(*included).err()),
    );
}

#[test]
fn every_link_leads_somewhere() {
    assert_none(documents().into_iter().flat_map(|path| {
        let text = std::fs::read_to_string(top().join(&path)).unwrap();
        broken_links(top(), &path, &text)
    }));
}

#[test]
fn every_crate_uses_what_it_may() {
    assert_none(wrong_in_the_table(top()).into_iter());
}

#[test]
fn every_excerpt_stands_in_its_source() {
    let all = all_blocks();
    assert_none(all.iter().filter_map(|(block, included)| {
        let Ok(Check::From(path)) = block.check(*included) else {
            return None;
        };
        block.check_excerpt(top(), path).err()
    }));
}

#[test]
fn every_command_prints_what_is_shown() {
    let programs = build_beside_writer(&["reader", "inspect", "semring-flag", "semring"]);
    let folders = [programs, &programs.join("examples")];
    let surroundings = match Surroundings::new(&folders, BLOCK_LIMIT) {
        Ok(surroundings) => surroundings,
        Err(reason) => return skip(&reason),
    };
    let all = all_blocks();
    assert_none(all.iter().filter_map(|(block, included)| {
        let is_run = matches!(block.check(*included), Ok(Check::Console));
        is_run.then(|| surroundings.run(block).err()).flatten()
    }));
}

mod the_checks {
    //! Each of the checks meets what it is there for.

    use super::*;

    fn only_block(text: &str) -> Block {
        blocks("test.md", text).unwrap().pop().unwrap()
    }

    #[track_caller]
    fn assert_refused(block: &Block) {
        let error = block.check(false).unwrap_err();
        assert!(error.contains("test.md:"), "{error}");
    }

    #[test]
    fn a_block_without_a_reason_is_refused() {
        assert_refused(&only_block("```sh\nls\n```"));
        assert_refused(&only_block("```console\n$ ls\n```"));
        assert_refused(&only_block("<!-- not run: -->\n```sh\nls\n```"));
        assert_refused(&only_block("<!-- not run: sudo -->\n\n```sh\nls\n```"));
        assert_refused(&only_block("```rust\nfn main() {}\n```"));
        assert_refused(&only_block(
            "<!-- not run: a picture -->\n```\n```\n```sh\nls\n```",
        ));
        assert!(blocks("test.md", "```sh\nls\n").is_err());
    }

    #[test]
    fn a_block_with_a_reason_is_left_alone() {
        let block = only_block("<!-- not run: needs sudo -->\n```sh\nls\n```");
        assert_eq!(block.check(false), Ok(Check::NotRun));
        let block = only_block("```rust\nfn main() {}\n```");
        assert_eq!(block.check(true), Ok(Check::DocTest));
    }

    #[test]
    fn an_excerpt_that_is_not_in_the_source_is_refused() {
        let this_file = "crates/writer/tests/documents/main.rs";
        let check = |lines: &str| {
            let block = only_block(&format!(
                "<!-- from: {this_file} -->\n```rust\n{lines}\n```"
            ));
            assert_eq!(block.check(false), Ok(Check::From(this_file)));
            block.check_excerpt(top(), this_file)
        };
        check("mod blocks;\n// ...\nfn top() -> &'static Path {").unwrap();
        check("mod expected;\nmod blocks;").unwrap_err();
        check("mod blocks;\nfn top() -> &'static Path {").unwrap_err();
        check("mod blocks; // which is").unwrap_err();
    }

    /// Runs a block; nothing where that is not possible.
    fn run(lines: &str, limit: Duration) -> Option<Result<(), String>> {
        match Surroundings::new(&[], limit) {
            Ok(surroundings) => {
                Some(surroundings.run(&only_block(&format!("```console test\n{lines}\n```"))))
            }
            Err(reason) => {
                skip(&reason);
                None
            }
        }
    }

    #[track_caller]
    fn assert_passes(lines: &str) {
        if let Some(result) = run(lines, BLOCK_LIMIT) {
            result.unwrap();
        }
    }

    #[track_caller]
    fn assert_fails(lines: &str, why: &str) {
        assert_fails_within(BLOCK_LIMIT, lines, why);
    }

    #[track_caller]
    fn assert_fails_within(limit: Duration, lines: &str, why: &str) {
        if let Some(result) = run(lines, limit) {
            let error = result.unwrap_err();
            assert!(error.contains(why), "no {why:?} in {error:?}");
        }
    }

    #[test]
    fn a_block_is_one_shell() {
        assert_passes("$ word=two; (exit 3)\n$ echo $? $word\n3 two");
        assert_passes(
            "$ for word in \"it's\" \\\n>     b; do\n>\n>   echo $word >&2\n> done\nit's\nb",
        );
        assert_passes("$ sleep 0.1 && echo late &\n$ wait\nlate");
        assert_passes("$ ls");
    }

    #[test]
    fn what_is_not_as_shown_fails() {
        assert_fails("$ echo one\ntwo", "--- but it printed:\none");
        assert_fails("$ echo one", "--- but it printed:\none");
        assert_fails("$ true\none", "the document shows:\none");
        assert_fails("one", "begins without a command");
    }

    #[test]
    fn a_command_that_fails_unseen_fails() {
        assert_fails("$ (exit 3)\n$ true", "`(exit 3)` failed with exit code 3");
        assert_fails("$ (exit 3)", "`(exit 3)` failed with exit code 3");
        assert_fails("$ exit 0\n$ true", "the shell ended in `exit 0`");
        assert_fails("$ no-such-program\n...", "failed with exit code 127");
    }

    #[test]
    fn a_command_that_does_not_end_fails() {
        let moment = Duration::from_secs(2);
        assert_fails_within(moment, "$ sleep 60", "hung for 2s");
        assert_fails_within(moment, "$ sleep 60 &\n$ true", "hung for 2s");
    }

    #[test]
    fn a_block_that_leaves_something_fails() {
        assert_fails(
            "$ ipcmk --queue\n...",
            "leaves System V objects or output:\n/proc/sysvipc/msg",
        );
        assert_fails(
            "$ (sleep 0.2; echo late) &",
            "leaves System V objects or output:\nlate",
        );
    }
}
