//! The README's tables are what the code says; `.ci/readme` renews them.

use std::fmt::Write as _;

use portcullis::cli::{filters, reference};
use portcullis::config;
use portcullis::console::keymap::{BINDINGS, Place};

const README: &str = include_str!("../README.md");

/// The keys of the console as Markdown tables, one for each place.
fn keys() -> String {
    let mut places: Vec<Place> = Vec::new();
    for binding in BINDINGS {
        if !places.contains(&binding.place) {
            places.push(binding.place);
        }
    }
    let mut out = String::new();
    for place in places {
        let _ = write!(
            out,
            "#### {}\n\n| key | what it does |\n|---|---|\n",
            place.title()
        );
        for binding in BINDINGS.iter().filter(|binding| binding.place == place) {
            let keys: Vec<String> = binding
                .keys
                .iter()
                .map(|key| format!("`{}`", key.text().replace('|', "\\|")))
                .collect();
            let _ = writeln!(out, "| {} | {} |", keys.join(", "), binding.doc);
        }
        out.push('\n');
    }
    out
}

fn with(readme: &str, name: &str, generated: &str) -> String {
    let (begin, end) = (
        format!("<!-- begin: {name} -->\n"),
        format!("<!-- end: {name} -->"),
    );
    let (before, rest) = readme.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{}\n\n{end}{after}", generated.trim())
}

#[test]
fn the_tables_are_what_the_code_says() {
    let mut right = with(README, "keys", &keys());
    right = with(&right, "commands", &reference());
    right = with(&right, "filters", &filters());
    right = with(&right, "configuration", &config::reference());
    if std::env::var_os("PORTCULLIS_README").is_some_and(|value| value == "write") {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"), right).unwrap();
        return;
    }
    assert!(
        right == README,
        "README.md is not up to date: run `.ci/readme`"
    );
}

#[test]
fn every_link_leads_somewhere() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let headings: Vec<String> = README
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| {
            line.trim_matches(['#', ' '])
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect();
    for target in README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        let there = match target.strip_prefix('#') {
            Some(heading) => headings.iter().any(|known| known == heading),
            None => target.starts_with("https://") || top.join(target).exists(),
        };
        assert!(there, "`{target}`");
    }
}
