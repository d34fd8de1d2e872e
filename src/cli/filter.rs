//! `--filter`: a filter is read here before anything is asked, so that what is wrong with it is shown where it is.

use std::fmt::Write as _;

use crate::cli::{Context, Failure};
use crate::client::ShelfFile;
use crate::query::fields::{self, Field};
use crate::query::{List, Saved, parse};

/// Reads a filter, with the saved ones of this machine, and gives it as the server takes it.
pub(super) fn read(context: &Context<'_>, text: &str, list: List) -> Result<String, Failure> {
    // Whoever has no home folder has saved no filters either.
    let saved = match context.state() {
        Ok(state) => ShelfFile::of(&state).read().saved,
        Err(_) => Saved::default(),
    };
    match parse(text, list, &saved).whole() {
        Ok(filter) => Ok(filter.to_string()),
        Err(problem) => {
            let mut failure = Failure::usage(
                problem.to_string(),
                format!("`portcullis {} --help` explains filters", list.as_str()),
            );
            failure.marked = Some((text.to_owned(), problem.span));
            Err(failure)
        }
    }
}

/// What filters of a list are, for `--help`.
pub(super) fn help(list: List) -> String {
    let mut out = String::from(
        "Filters:\n  Terms like `field:value`, all of which have to match; a comma means any of these. Words are looked\n  for in the reason and the names. `OR`, `NOT` or `-`, and parentheses work; quotes hold spaces.\n\n",
    );
    let widest = fields::of(list)
        .map(|field| field.word.len())
        .max()
        .unwrap_or_default();
    for field in fields::of(list) {
        let _ = writeln!(out, "  {:<widest$}  {}", field.word, described(field, list));
    }
    if fields::has_tags(list) {
        let _ = writeln!(
            out,
            "  {:<widest$}  a tag of the target, like `env:prod` or `tag.team:core`",
            "env"
        );
    }
    let words: Vec<&str> = fields::words(list).map(|word| word.word).collect();
    let _ = writeln!(out, "  {:<widest$}  {}", "is", words.join(", "));
    let _ = writeln!(
        out,
        "  {:<widest$}  a field that has a value, like `has:reason`",
        "has"
    );
    let _ = write!(
        out,
        "\n  Values: x, x*, =x, ~pattern; >30m, 30m..2h; -2h, today, 14:30, 2026-11-20..2026-11-21 (UTC)\n  `@me` is you, `@name` a filter saved in the console.\nExample: portcullis {} --filter '{}'",
        list.as_str(),
        example(list)
    );
    out
}

fn described(field: &Field, list: List) -> String {
    let values = field.values(list);
    let few = !values.is_empty() && values.len() < 10;
    let mut text = field.help.replace('`', "");
    if few {
        let _ = write!(text, ": {}", values.join(", "));
    }
    if !field.aliases.is_empty() {
        let _ = write!(text, " (also {})", field.aliases.join(", "));
    }
    text
}

fn example(list: List) -> &'static str {
    match list {
        List::Requests => "is:pending env:prod age:>30m -user:svc-*",
        List::Grants => "target:orders-* left:<15m",
        List::Audit => "outcome:denied time:-24h -actor:svc-*",
        List::Sessions => "is:idle age:>1h",
        List::Locks => "is:endless kind:principal",
        List::SignIns => "user:ada device:laptop",
        List::Services => "owner:ada left:<7d",
        List::Standing => "is:open kind:account age:>30d",
        List::BreakGlass => "is:signable env:prod age:>1h",
    }
}

/// Every field and every `is:` word as Markdown, for the README.
pub fn filters() -> String {
    let mut out =
        String::from("| field | also | in | what it is | values |\n|---|---|---|---|---|\n");
    for field in fields::FIELDS {
        let aliases: Vec<String> = field
            .aliases
            .iter()
            .map(|word| format!("`{word}`"))
            .collect();
        let lists: Vec<&str> = field.lists.iter().map(|list| list.as_str()).collect();
        let lists = if lists.len() == List::ALL.len() {
            "all".to_owned()
        } else {
            lists.join(", ")
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {lists} | {} | {} |",
            field.word,
            aliases.join(", "),
            field.help,
            crate::query::parse::examples(field).replace('|', "\\|")
        );
    }
    out.push_str("| `env`, `tag.name` |  | all but sessions, sign-ins, services, standing | a tag of the target | `prod`, `prod,dev`, `p*` |\n\n");
    out.push_str("| list | `is:` | true when |\n|---|---|---|\n");
    for word in fields::WORDS {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} |",
            word.list.as_str(),
            word.word,
            word.help
        );
    }
    out
}
