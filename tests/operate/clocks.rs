//! The clock of a node is set while it runs: nobody is given anything by it, and what ends goes on.

use std::time::{Duration, Instant};

use super::{field, fresh, gone, granted, prepared, with_people};
use crate::support::node::Node;

/// Waits until the node says something in its log.
async fn says(node: &Node, what: &str) {
    let began = Instant::now();
    while !node.log().contains(what) {
        assert!(began.elapsed() < Duration::from_mins(1), "{}", node.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_while_the_clocks_differ_and_everything_ends() {
    let (mut node, target) = prepared().await;
    let (url, _) = fresh().await;
    node.use_database(&url);
    if !node.turn_clock(0) {
        eprintln!("skipped: this machine has no `faketime`");
        return;
    }
    with_people(&mut node, &["ada", "bob"]);
    let (first, _) = granted(&node, "ada", "1h");
    let ask = ["request", "orders-db", "readonly", "--for", "1h"];
    let ask = [&ask[..], &["--reason", "INC-4127 stuck orders"]].concat();
    let second = node.json("bob", &ask);

    node.turn_clock(-3_600);
    says(&node, "the clock of the database is ahead").await;
    let refused = node.run("root", &["approve", field(&second, "id")]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("the clocks of this server and of its database differ by 3"),
        "{said}"
    );
    node.said("root", &["revoke", &first, "--reason", "no longer needed"]);
    gone(&target, &first).await;

    node.turn_clock(0);
    says(&node, "agree again").await;
    node.said("root", &["approve", field(&second, "id")]);
}
