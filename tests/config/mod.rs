//! Configuration: what is wrong is said with its place, what is right is taken over.

mod catalogue;
mod policy;
mod reload;
mod server;
mod starter;

use std::fmt::Write as _;
use std::path::Path;

use portcullis::config::Problem;

/// Writes one file of a configuration folder.
fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// No environment at all.
fn bare(_: &str) -> Option<String> {
    None
}

/// Problems as people read them.
fn told(problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        writeln!(out, "{problem}").unwrap();
        if let Some(hint) = &problem.hint {
            writeln!(out, "  hint: {hint}").unwrap();
        }
    }
    out
}

/// A case of the corpus: `== title`, then the text.
fn cases(corpus: &str) -> Vec<(&str, &str)> {
    let blocks = corpus.strip_prefix("== ").unwrap().split("\n== ");
    blocks
        .map(|block| block.split_once('\n').unwrap())
        .map(|(title, text)| (title, text.trim_end()))
        .collect()
}

/// What every answer to a bad file has in common.
fn assert_well_said(title: &str, problems: &[Problem]) {
    assert!(!problems.is_empty(), "{title}: nothing was said");
    for problem in problems {
        assert!(
            problem
                .place
                .is_some_and(|place| place.line > 0 && place.column > 0),
            "{title}: no place: {problem}"
        );
        let text = &problem.message;
        assert!(
            !text.contains('\n') && !text.ends_with('.') && text.len() < 200,
            "{title}: {text}"
        );
        assert!(
            !text.chars().next().unwrap().is_uppercase(),
            "{title}: {text}"
        );
        assert!(
            !text.contains("struct ") && !text.contains("::de::") && !text.contains("policy0"),
            "{title}: {text}"
        );
    }
}
