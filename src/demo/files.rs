//! The catalogue and the policy of the demonstration, as an operator would write them.

use std::path::Path;

use anyhow::Context as _;

use crate::config::paths;
use crate::demo::postgres::{self, Postgres};
use crate::demo::sshd::Hosts;

const POLICY: &str = include_str!("policy.cedar");

/// Writes both files.
pub(super) fn write(
    folder: &Path,
    database: Option<&Postgres>,
    hosts: &Hosts,
) -> anyhow::Result<()> {
    let mut catalogue = String::from("# The catalogue of the demonstration.\n");
    if let Some(database) = database {
        catalogue.push_str(&orders_db(database));
    }
    for (name, about, team) in [
        ("bastion", "The way into production", "platform"),
        ("web-1", "Web server 1", "web"),
    ] {
        catalogue.push_str(&host(name, about, team, hosts));
    }
    for (name, text) in [
        (paths::SERVER_FILE, catalogue.as_str()),
        (paths::POLICY_FILE, POLICY),
    ] {
        std::fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

fn orders_db(database: &Postgres) -> String {
    let (port, user, name) = (database.port, postgres::USER, postgres::DATABASE);
    let password_file = quoted(&database.password_file.to_string_lossy());
    format!(
        r#"
[target.orders-db]
kind = "postgres"
description = "Orders, production"
tags = {{ env = "prod", team = "orders" }}
host = "127.0.0.1"
port = {port}
database = "{name}"
user = "{user}"
password_file = {password_file}
sslmode = "disable"

[target.orders-db.role.readonly]
description = "Read the orders"
privileges = [{{ schema = "public", tables = ["select"] }}]

[target.orders-db.role.readwrite]
description = "Change the orders"
includes = ["readonly"]
privileges = [{{ schema = "public", tables = ["select", "insert", "update", "delete"] }}]

[target.orders-db.role.admin]
description = "Change data and schema"
includes = ["readonly", "readwrite"]
member_of = ["orders_owner"]
"#
    )
}

fn host(name: &str, about: &str, team: &str, hosts: &Hosts) -> String {
    let authority = quoted(&hosts.authority.to_string_lossy());
    // Without a server of ours there is nothing at this address, and certificates are made all the same.
    let (address, account) = hosts.sshd.as_ref().map_or_else(
        || (format!("host = \"{name}.example.com\""), "deploy"),
        |sshd| {
            let (port, key) = (sshd.port, quoted(&sshd.host_key));
            (
                format!("host = \"127.0.0.1\"\nport = {port}\nhost_key = {key}"),
                sshd.account.as_str(),
            )
        },
    );
    format!(
        r#"
[target.{name}]
kind = "ssh"
description = "{about}"
tags = {{ env = "prod", team = "{team}" }}
{address}
ca = {authority}

[target.{name}.role.readonly]
description = "Look at logs and processes"
user = "{account}"
principals = ["readonly"]

[target.{name}.role.admin]
description = "Change the host"
includes = ["readonly"]
user = "{account}"
principals = ["admin"]
"#
    )
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
