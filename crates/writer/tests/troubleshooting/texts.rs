//! The texts of messages, read from the sources: whatever a program can print stands there in a literal.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprCall, ExprLit, ExprMethodCall, ItemConst, ItemFn, ItemMod, Lit, Macro,
};

/// What stands in place of a value.
const HOLE: char = '…';
/// Methods whose argument is what a program says.
const SAYING: [&str; 5] = ["context", "with_context", "say", "note", "map_err"];

/// Functions likewise: those that make what `semring doctor` has found.
const FINDING: [&str; 2] = ["warn", "fail"];

/// Folders and files under `crates`, and how much of what stands in them a program says.
const SOURCES: [(&str, Extent); 16] = [
    ("cli/src", Extent::All),
    ("writer/src", Extent::All),
    ("reader/src", Extent::All),
    ("flag/src", Extent::All),
    ("inspect/src", Extent::Errors),
    // What is the matter with a channel, and why one is kept.
    ("inspect/src/diagnosis.rs", Extent::All),
    ("inspect/src/namespace.rs", Extent::All),
    ("inspect/src/clean/outcome.rs", Extent::All),
    ("semring/src", Extent::Errors),
    ("sysv/src", Extent::Errors),
    // Where the reasons are that stand in the errors.
    ("semring/src/limits.rs", Extent::All),
    ("semring/src/channel/header.rs", Extent::All),
    ("semring/src/channel/objects.rs", Extent::All),
    ("semring/src/error/attach.rs", Extent::All),
    ("sysv/src/error.rs", Extent::All),
    ("sysv/src/limits.rs", Extent::All),
];

/// A text with a hole in place of each value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    pub text: String,
    pub file: PathBuf,
}

/// Says which literals are texts of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All that have words.
    All,
    /// Those of `#[error("…")]`, and those that are handed to a method or macro that says them.
    Errors,
}

/// Reads all texts.
pub fn all() -> Vec<Text> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut texts = Vec::new();
    for (source, extent) in SOURCES {
        read(&crates.join(source), extent, &mut texts);
    }
    texts.sort();
    texts.dedup();
    texts
}

fn read(path: &Path, extent: Extent, texts: &mut Vec<Text>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read(&entry.unwrap().path(), extent, texts);
        }
        return;
    }
    let source = fs::read_to_string(path).unwrap();
    let mut walk = Walk {
        said: extent == Extent::All,
        found: Vec::new(),
    };
    walk.visit_file(&syn::parse_file(&source).unwrap());
    let file = path.to_owned();
    texts.extend(walk.found.into_iter().map(|text| Text {
        text,
        file: file.clone(),
    }));
}

struct Walk {
    /// Whether what comes now is said.
    said: bool,
    found: Vec<String>,
}

impl Walk {
    fn saying(&mut self, said: bool, walk: impl FnOnce(&mut Self)) {
        let before = self.said;
        self.said |= said;
        walk(self);
        self.said = before;
    }

    fn literal(&mut self, literal: &str) {
        let text = with_holes(literal);
        if self.said && has_words(&text) {
            self.found.push(text);
        }
    }

    /// Macros are not parsed: all literals in them count.
    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.literal(&text.value());
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    /// The examples of `--help` are no messages.
    fn visit_item_const(&mut self, constant: &'ast ItemConst) {
        if constant.ident != "EXAMPLES" {
            visit::visit_item_const(self, constant);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("error")
            && let Ok(list) = attribute.meta.require_list()
        {
            self.saying(true, |walk| walk.tokens(list.tokens.clone()));
        }
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        if let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = expression
        {
            self.literal(&text.value());
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        self.visit_expr(&call.receiver);
        let said = SAYING.iter().any(|method| call.method == method);
        self.saying(said, |walk| {
            call.args
                .iter()
                .for_each(|argument| walk.visit_expr(argument));
        });
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let said = match &*call.func {
            Expr::Path(path) => {
                let name = path.path.segments.last();
                name.is_some_and(|last| FINDING.iter().any(|function| last.ident == function))
            }
            _ => false,
        };
        self.saying(said, |walk| visit::visit_expr_call(walk, call));
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().map(|last| last.ident.to_string());
        match name.as_deref() {
            Some("bail" | "anyhow" | "ensure") => {
                self.saying(true, |walk| walk.tokens(call.tokens.clone()));
            }
            Some("format") => self.tokens(call.tokens.clone()),
            // Steps of `-v`, figures, assertions.
            _ => {}
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.require_list();
        attribute.path().is_ident("cfg")
            && condition.is_ok_and(|condition| condition.tokens.to_string().contains("test"))
    })
}

/// Tells a message from a name, and from a line of the demonstration's story, which is on another page.
fn has_words(text: &str) -> bool {
    let is_word = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() > 1;
    let is_story = ["[P1]", "[P2]", "==="]
        .iter()
        .any(|start| text.starts_with(start));
    text.contains(' ') && text.split(' ').any(is_word) && !is_story
}

/// Puts one hole in place of the values of a format string that stand together.
fn with_holes(literal: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for character in literal.chars() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if !text.ends_with(HOLE) {
                    text.push(HOLE);
                }
            }
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    text
}
