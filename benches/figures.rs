//! Figures of performance, each beside its baseline in the same run. `.ci/bench` runs all but what takes
//! many minutes; names pick some, `capacity` too, and `console soak=60m` watches the console for an hour.

mod api;
mod bare;
mod capacity;
mod console;
mod fill;
mod history;
mod http;
mod idle;
mod live;
mod log;
mod node;
mod policy;
mod proof;
mod role;
mod soak;
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what the tests share follows the rules of tests, and figures need only some of it"
)]
mod support;
mod table;
mod terminal;
mod usage;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    if names.iter().any(|name| name == terminal::ECHO) {
        return terminal::echo();
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    if wanted("sqlite") {
        api::sqlite().await?;
    }
    if wanted("postgres") {
        api::postgres().await?;
    }
    if wanted("target") {
        role::postgres().await?;
    }
    if wanted("live") {
        live::streams().await?;
    }
    if wanted("policy") {
        policy::decisions()?;
    }
    if wanted("tokens") {
        proof::proofs()?;
    }
    if wanted("log") {
        log::figures().await?;
    }
    let load = names.iter().find_map(|name| name.strip_prefix("load="));
    if load.is_some() || names.iter().any(|name| name == "capacity") {
        let load = load.map(soak::time).transpose()?;
        capacity::figures(load.unwrap_or(capacity::USUALLY)).await?;
    }
    let history = names.iter().find_map(|name| name.strip_prefix("history="));
    let events = history.map(history::count).transpose()?;
    if events.is_some() || wanted("history") {
        let on = ["sqlite", "postgres"].map(|name| {
            (
                name,
                names.iter().any(|asked| asked == &format!("on={name}")),
            )
        });
        let only = on.iter().any(|(_, asked)| *asked);
        let on: Vec<&str> = on
            .into_iter()
            .filter(|(_, asked)| *asked || !only)
            .map(|(name, _)| name)
            .collect();
        history::figures(events.unwrap_or(history::USUALLY), &on).await?;
    }
    if wanted("server") {
        idle::server().await?;
    }
    let soak = names.iter().find_map(|name| name.strip_prefix("soak="));
    if let Some(time) = soak.map(soak::time).transpose()? {
        tokio::task::block_in_place(|| soak::soak(time))?;
    } else if wanted("console") {
        tokio::task::block_in_place(console::figures)?;
    } else if wanted("storm") {
        tokio::task::block_in_place(console::only_storm)?;
    }
    Ok(())
}
