//! Nobody gets access by their own word through the real gate either: random organisations on a real database, where
//! people, machines and second identities try everything over HTTP, and every grant there is has been earned.
//!
//! `domain::approvals` asks the same of the rules alone, thousands of times faster. What an organisation did is judged
//! here by what was asked and answered on the wire, and by rows that this test reads itself.

mod check;
mod moves;
mod organisation;

use std::collections::BTreeMap;

use organisation::Organisation;

use crate::identity::hostile;

/// How often what happened, so that a property about nothing is noticed.
type Often = BTreeMap<&'static str, u32>;

/// A few organisations are seconds; `PORTCULLIS_CASES=300` is minutes.
fn cases() -> u64 {
    let asked = std::env::var("PORTCULLIS_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(4)
}

/// Where the seeds begin: a failure names its seed, and `PORTCULLIS_SEED=N PORTCULLIS_CASES=1` is that one again.
fn first() -> u64 {
    let asked = std::env::var("PORTCULLIS_SEED").ok();
    asked.and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_access_by_their_own_word_through_the_gate() {
    let (began, mut often) = (std::time::Instant::now(), Often::new());
    let provider = hostile::provider().await;
    for seed in first()..first() + cases() {
        println!("seed {seed}");
        let mut organisation = Box::pin(Organisation::new(seed, &provider)).await;
        moves::run(&mut organisation, &mut often).await;
        check::everything(&organisation, &mut often).await;
    }
    println!(
        "{} organisations in {:?}: {often:?}",
        cases(),
        began.elapsed()
    );
    for what in ["approved", "self refused", "alike refused"] {
        assert!(
            often.contains_key(what),
            "no organisation ever {what}: {often:?}"
        );
    }
    if cases() >= 100 {
        for what in [
            "several people approved",
            "extended",
            "broke glass",
            "signed off",
            "sealed",
            "machine asked",
            "machine was approved",
            "machine refused",
            "own-service refused",
            "own-code refused",
        ] {
            let often = u64::from(often.get(what).copied().unwrap_or(0));
            assert!(often > cases() / 50, "{what}: {often} times");
        }
    }
}
