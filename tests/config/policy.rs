//! Policy files that are wrong.

use std::fmt::Write as _;

use portcullis::config::Problem;
use portcullis::domain::policy::Policy;

use crate::config::{assert_well_said, cases, told};

#[test]
fn every_bad_policy_is_answered_with_a_place_and_a_sentence() {
    let corpus = cases(include_str!("bad_policies.txt"));
    assert!(corpus.len() >= 40, "{}", corpus.len());
    let mut answers = String::new();
    for (title, text) in corpus {
        let Err(problems) = Policy::parse(text) else {
            panic!("{title}: it was accepted")
        };
        let problems: Vec<_> = problems
            .into_iter()
            .map(|problem| Problem::in_policy("policy.cedar", problem))
            .collect();
        assert_well_said(title, &problems);
        writeln!(answers, "== {title}\n{text}\n---\n{}", told(&problems)).unwrap();
    }
    insta::assert_snapshot!(answers);
}
