//! Product roles for some targets only: what nobody sees and nobody changes outside of their scope, over random
//! organisations, and what a person notices.

mod glass;
mod organisation;
mod person;
mod reads;
mod writes;

use organisation::Organisation;

use crate::support::world::Backend;

/// A few organisations are seconds; `PORTCULLIS_CASES=200` is minutes.
fn cases() -> u64 {
    let asked = std::env::var("PORTCULLIS_CASES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(2)
}

async fn nothing_out_of_scope(backend: Backend, seeds: std::ops::Range<u64>) -> writes::Done {
    let mut done = writes::Done::default();
    for seed in seeds {
        let organisation = Organisation::new(backend, seed).await;
        reads::are_in_scope(&organisation).await;
        glass::is_in_scope(&organisation, &mut done).await;
        writes::are_in_scope(&organisation, &mut done).await;
    }
    done
}

/// For random organisations, tags and rows: no list, count, facet, search, single row, export, stream or explanation
/// ever shows a row out of its reader's scope or hides one within, and no route ever changes one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_out_of_scope_is_ever_shown_or_changed_on_sqlite() {
    let done = nothing_out_of_scope(Backend::Sqlite, 0..cases()).await;
    // Where everything is refused to everybody, nothing was shown.
    assert!(done.refused > 50 && done.carried_out > 0, "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_out_of_scope_is_ever_shown_or_changed_on_postgres() {
    let seeds = 1_000..1_000 + cases().div_ceil(2);
    let done = nothing_out_of_scope(Backend::Postgres, seeds).await;
    assert!(done.refused > 50, "{done:?}");
}
