//! Two nodes of one installation: one database, one key, one list of addresses.

use std::process::Command;

use super::node::Node;
use super::postgres::{PASSWORD, SUPERUSER, cluster};
use super::world::{CATALOGUE, POLICY};

/// Two nodes, of which the first one names the sign-ins.
pub(crate) struct Installation {
    pub(crate) nodes: [Node; 2],
}

impl Installation {
    pub(crate) async fn start() -> Self {
        let cluster = cluster();
        let name = cluster.database().await.name;
        let password = PASSWORD.replace(' ', "%20");
        let database = format!(
            "postgres://{SUPERUSER}:{password}@{}:{}/{name}?sslmode=disable",
            cluster.host, cluster.port
        );
        // What people see must not depend on the node that they happen to reach.
        let catalogue = format!(
            "[server]\nnode = \"pc-1\"\npublic_url = \"http://localhost:7700\"\n{CATALOGUE}"
        );
        let mut first = Node::prepare(&catalogue, POLICY);
        first.use_database(&database);
        first.start();
        first.sign_in_root();
        let mut second = first.beside();
        let settings = second.folder().join("config/portcullis.toml");
        std::fs::write(settings, catalogue.replace("pc-1", "pc-2")).unwrap();
        second.use_database(&database);
        second.start();
        let nodes = [first, second];
        Self { nodes }
    }

    /// Every address, as people write them.
    pub(crate) fn urls(&self) -> String {
        self.nodes.each_ref().map(Node::url).join(",")
    }

    /// A command that somebody types who knows all addresses.
    pub(crate) fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = self.nodes[0].command(who, arguments);
        command.env("PORTCULLIS_SERVER", self.urls());
        command
    }

    /// A command that has to work.
    pub(crate) fn said(&self, who: &str, arguments: &[&str]) -> String {
        let output = self.command(who, arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{who}: {arguments:?}\n{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}
