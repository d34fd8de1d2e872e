//! What the language promises about any text.

use chrono::{DateTime, Utc};
use portcullis::query::complete::complete;
use portcullis::query::{Context, Expr, List, Row, Saved, needs, parse};
use proptest::prelude::*;

use super::rows;

fn saved() -> Saved {
    let mut saved = Saved::default();
    saved.set("night", "user:ada OR user:bob").unwrap();
    saved.set("loop", "@loop x").unwrap();
    saved
}

/// Texts that are nearly filters, and texts that are nothing.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "user:",
        "principal:@me",
        "state:pending,denied",
        "-",
        "(",
        ")",
        " ",
        "OR",
        "AND",
        "NOT",
        "time:-2h",
        "time:2026-11-20..",
        "..",
        "age:>30m",
        "left:<=1h",
        "duration:30m..2h",
        "is:mine",
        "has:ticket",
        "is:",
        "env:prod",
        "tag.team:*core",
        "reason:\"a b\"",
        "reason:~a|b",
        "\"",
        "@night",
        "@loop",
        "@",
        ",",
        "*",
        "x*",
        "event:grant.*",
        "outcome:denied",
        ":",
        "\\",
        "é",
        "İ",
        "ΑΣ",
        "~[",
        ">",
        "=*",
        "refund",
        "10:42",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        prop::collection::vec(
            prop::sample::select(vec![
                "user:ada",
                "-state:pending",
                "(a OR b)",
                "time:today",
                "age:>1d",
                "is:mine",
                "refund",
                "OR",
                "-(a b)",
                "has:grant",
                "env:prod,dev",
                "\"x y\"",
                "target:~^db",
            ]),
            0..8
        )
        .prop_map(|terms| terms.join(" ")),
        "\\PC{0,60}",
    ]
}

fn list() -> impl Strategy<Value = List> {
    prop::sample::select(List::ALL.to_vec())
}

fn context(now: DateTime<Utc>) -> Context<'static> {
    Context { now, me: "ada" }
}

proptest! {
    #[test]
    fn what_is_displayed_reads_back_as_the_same(text in text(), list in list()) {
        let first = parse(&text, list, &saved());
        let shown = first.expr.to_string();
        if shown.len() <= portcullis::query::LONGEST {
            let again = parse(&shown, list, &Saved::default());
            prop_assert_eq!(&again.problems, &vec![], "{}", shown);
            prop_assert_eq!(&again.expr, &first.expr, "{}", shown);
            prop_assert_eq!(again.expr.to_string(), shown);
        }
    }

    #[test]
    fn every_span_is_a_part_of_the_text(text in text(), list in list(), cursor in 0_usize..80) {
        let parsed = parse(&text, list, &saved());
        let spans = parsed.problems.iter().map(|problem| problem.span);
        for span in spans.chain(parsed.expr.terms().iter().map(|term| term.span)) {
            prop_assert!(span.start <= span.end && text.get(span.start..span.end).is_some(), "{:?}", span);
        }
        let completion = complete(&text, cursor, list, &saved());
        if text.is_char_boundary(cursor) && cursor <= text.len() {
            prop_assert!(text.get(completion.span.start..completion.span.end).is_some());
            for candidate in &completion.candidates {
                let (text, cursor) = completion.accept(&text, candidate);
                prop_assert!(text.is_char_boundary(cursor));
            }
        }
    }

    #[test]
    fn a_filter_and_its_negation_share_every_row(text in text(), list in list()) {
        let expr = parse(&text, list, &saved()).expr;
        let not = Expr::Not(Box::new(expr.clone()));
        let context = context(rows::now());
        let opposite = |row: &dyn Row| expr.lets(row, context) != not.lets(row, context);
        prop_assert!(rows::requests().iter().all(|row| opposite(row)));
        prop_assert!(rows::grants().iter().all(|row| opposite(row)));
        prop_assert!(rows::events().iter().all(|row| opposite(row)));
        prop_assert!(rows::locks().iter().all(|row| opposite(row)));
        prop_assert!(rows::sessions().iter().all(|row| opposite(row)));
    }

    #[test]
    fn what_the_database_leaves_out_would_not_pass(text in text()) {
        use portcullis::query::Name;
        let context = context(rows::now());
        let expr = parse(&text, List::Requests, &saved()).expr;
        for row in rows::requests() {
            let passes = expr.lets(&row, context);
            for name in [Name::State, Name::Principal, Name::Target, Name::Id] {
                if let Some(values) = needs::values(&expr, List::Requests, name, context) {
                    let has = row.any(name, context, &mut |value| {
                        matches!(value, portcullis::query::eval::Value::Text(text) if values.contains(&text.to_lowercase()))
                    });
                    prop_assert!(has || !passes, "{:?}", name);
                }
            }
            prop_assert!(!passes || needs::time(&expr, context).holds(row.created_at));
        }
    }
}

#[test]
fn what_cannot_be_understood_is_named_and_the_rest_still_counts() {
    let cases = [
        (
            "usr:ada state:pending",
            "state:pending",
            "unknown field `usr`: did you mean `user`?",
            "usr",
        ),
        (
            "state:pendin",
            "",
            "`state` is never `pendin`: did you mean `pending`?",
            "pendin",
        ),
        (
            "state:pendin*,=*",
            "state:pendin*",
            "`state` is never `=*`; there are `pending`, `approved`, `denied`, `withdrawn` and `expired`",
            "=*",
        ),
        (
            "is:pendign ticket:x",
            "ticket:x",
            "requests are never `pendign`: did you mean `pending`?",
            "pendign",
        ),
        (
            "event:grant.revoked x",
            "x",
            "requests have no `event`",
            "event:",
        ),
        ("(a OR b", "a OR b", "this `(` is not closed", "("),
        ("a)", "a", "this `)` closes nothing", ")"),
        ("() a", "a", "there is nothing in these parentheses", "("),
        (
            "a OR",
            "a",
            "`OR` stands between two terms; in quotes it is a word",
            "OR",
        ),
        ("state:", "", "`state:` needs a value", "state:"),
        (
            "age:2h",
            "",
            "`age` never stays `2h`: write `>2h`, `<2h` or a range",
            "2h",
        ),
        (
            "duration:long",
            "",
            "`long` is no length for `duration`: write `45s`, `30m`, `2h30m` or `1d`",
            "long",
        ),
        (
            "time:soon a",
            "a",
            "`soon` is no moment for `time`: write `-2h`, `14:30`, `today`, `2026-11-20` or a range like `-2d..-1d`",
            "soon",
        ),
        ("state:>pending", "", "`state` takes no `>`", ">"),
        (
            "reason:~( a",
            "a",
            "this is no regular expression: unclosed group",
            "(",
        ),
        (
            "reason:\"a b",
            "reason:\"a b\"",
            "this quote is not closed",
            "\"a b",
        ),
        (
            "@nigth a",
            "a",
            "there is no saved filter `@nigth`: did you mean `@night`?",
            "@nigth",
        ),
        ("@loop", "x", "`@loop` goes round in circles", ""),
    ];
    for (text, understood, problem, at) in cases {
        let parsed = parse(text, List::Requests, &saved());
        assert_eq!(parsed.expr.to_string(), understood, "{text}");
        match parsed.problems.first() {
            Some(found) if text == "@loop" => assert!(found.to_string().contains(problem)),
            Some(found) => assert_eq!(
                (found.to_string().as_str(), found.span.of(text)),
                (problem, at),
                "{text}"
            ),
            None => assert_eq!(problem, "", "{text}"),
        }
    }
}

#[test]
fn a_filter_has_one_way_to_be_written() {
    let cases = [
        ("  user:Ada   resource:db-1 ", "principal:ada target:db-1"),
        ("a AND b", "a b"),
        ("NOT a", "-a"),
        ("(a b) c", "a b c"),
        ("a (b OR c)", "a (b OR c)"),
        ("(a OR b) OR c", "a OR b OR c"),
        ("-(a b)", "-(a b)"),
        ("tag.env:prod", "env:prod"),
        ("tag.team:\"a b\"", "tag.team:\"a b\""),
        ("time:2026-11-20..2026-11-21", "time:2026-11-20..2026-11-21"),
        ("time:now-1d..now", "time:-1d..now"),
        ("time:2h", "time:-2h"),
        ("duration:>=90m", "duration:>=1h30m"),
        ("reason:=\"x*\"", "reason:=\"x*\""),
        ("\"OR\"", "or"),
        ("\"user:x\"", "\"user:x\""),
        ("@night", "principal:ada OR principal:bob"),
        ("x @night", "x (principal:ada OR principal:bob)"),
        ("is:mine,decidable", "is:mine,decidable"),
    ];
    for (text, shown) in cases {
        assert_eq!(
            parse(text, List::Requests, &saved()).expr.to_string(),
            shown,
            "{text}"
        );
    }
}

#[test]
fn what_could_be_typed_next_is_offered_with_what_it_means() {
    let mut out = String::new();
    let cases = [
        ("", 0),
        ("ti", 2),
        ("-(who", 5),
        ("event:grant.re", 14),
        ("outcome:", 8),
        ("outcome:denied,", 15),
        ("time:", 5),
        ("age:>", 5),
        ("is:", 3),
        ("@", 1),
        ("is:mine -target:ord env:prod", 19),
        ("env:", 4),
    ];
    for (text, cursor) in cases {
        let completion = complete(text, cursor, List::Audit, &saved());
        let (before, after) = text.split_at(cursor);
        out.push_str(&format!("{before}|{after}\n"));
        for candidate in completion.candidates.iter().take(4) {
            let (text, _) = completion.accept(text, candidate);
            out.push_str(&format!("    {text:<30} {}\n", candidate.help));
        }
        if let Some(counted) = completion.counted {
            out.push_str(&format!(
                "    values of {} like {:?} where {:?}\n",
                counted.field, counted.prefix, counted.rest
            ));
        }
    }
    insta::assert_snapshot!(out);
}
