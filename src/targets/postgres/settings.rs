//! What the catalogue says about a PostgreSQL server and its roles.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::ids::RoleName;
use crate::targets::SettingsProblem;

/// PostgreSQL cuts longer names silently, and could then mean somebody else's role.
const LONGEST_NAME: usize = 63;

/// How to reach a server, and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A host name, or the absolute path of the folder with the server's socket.
    pub host: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// The database that people connect to where their role names no other, and that has our fence.
    pub database: String,
    /// The admin role that we log in as.
    pub user: String,
    /// Its password, in a file that only we can read.
    pub password_file: Option<PathBuf>,
    #[serde(default)]
    pub sslmode: SslMode,
    /// The authority that signed the server's certificate, where the system does not know it.
    pub ca_file: Option<PathBuf>,
    /// How many sessions the holder of a grant can have at once.
    #[serde(default = "default_connection_limit")]
    pub connection_limit: u16,
    /// Something on the server's side keeps our guard running, which ends sessions that outlive their grant: class A+.
    #[serde(default)]
    pub guard: bool,
}

/// There is nothing between checking everything and not leaving the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    #[default]
    VerifyFull,
    /// Only for a socket or the loopback address.
    Disable,
}

/// What the holder of a role may do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// Roles of the server whose rights the holder has.
    #[serde(default)]
    pub member_of: Vec<String>,
    /// Where the holder may connect to, and where `privileges` and a preset hold; the target's database without it.
    pub databases: Option<Vec<String>>,
    /// Rights, given one by one.
    #[serde(default)]
    pub privileges: Vec<Privileges>,
    /// Rights that go by one name.
    pub preset: Option<Preset>,
    /// Where a preset about tables holds; without it that is `public`.
    pub schemas: Option<Vec<String>>,
}

/// The least that a usual kind of work needs. Each is exactly what its line in the README says, of what the database has
/// when the grant begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Look at every table, and at how far sequences are.
    ReadOnly,
    /// Besides, add, change and delete rows, and take numbers from sequences.
    ReadWrite,
    /// Add rows, and look at none.
    AppendOnly,
    /// Look at what the server does, and at no table.
    Monitor,
}

impl Preset {
    const ALL: [Self; 4] = [
        Self::ReadOnly,
        Self::ReadWrite,
        Self::AppendOnly,
        Self::Monitor,
    ];

    /// The word in the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
            Self::AppendOnly => "append-only",
            Self::Monitor => "monitor",
        }
    }

    /// A role of the server that has just these rights.
    fn member_of(self) -> Option<&'static str> {
        (self == Self::Monitor).then_some("pg_monitor")
    }

    fn in_schema(self, schema: &str) -> Option<Privileges> {
        use SequencePrivilege as Sequence;
        use TablePrivilege as Table;
        let (tables, sequences) = match self {
            Self::ReadOnly => (vec![Table::Select], vec![Sequence::Select]),
            Self::ReadWrite => (
                vec![Table::Select, Table::Insert, Table::Update, Table::Delete],
                vec![Sequence::Usage, Sequence::Select],
            ),
            Self::AppendOnly => (vec![Table::Insert], vec![Sequence::Usage]),
            Self::Monitor => return None,
        };
        Some(Privileges {
            schema: schema.to_owned(),
            tables,
            only: None,
            sequences,
        })
    }
}

impl RoleSettings {
    /// The databases of the role, the one to connect to first, on a target with this one.
    pub(super) fn databases<'a>(&'a self, usual: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.databases.iter().flatten().map(String::as_str);
        let usual = self.databases.is_none().then_some(usual);
        named.chain(usual)
    }

    /// The same role with what its preset means written out.
    pub(super) fn written_out(mut self) -> Self {
        let Some(preset) = self.preset.take() else {
            return self;
        };
        if let Some(group) = preset.member_of().map(str::to_owned)
            && !self.member_of.contains(&group)
        {
            self.member_of.push(group);
        }
        let schemas = self.schemas.take();
        let schemas = schemas.unwrap_or_else(|| vec!["public".to_owned()]);
        let given = schemas.iter().filter_map(|schema| preset.in_schema(schema));
        self.privileges.extend(given);
        self
    }
}

/// Rights in one schema.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privileges {
    pub schema: String,
    #[serde(default)]
    pub tables: Vec<TablePrivilege>,
    /// Restricts `tables` to these; without it they are all tables that the schema has when the grant begins.
    pub only: Option<Vec<String>>,
    #[serde(default)]
    pub sequences: Vec<SequencePrivilege>,
}

/// `trigger` is missing on purpose: a trigger goes on acting after the end, with the rights of whoever sets it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TablePrivilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SequencePrivilege {
    Usage,
    Select,
    Update,
}

impl Settings {
    /// The server in words, for sentences about it.
    pub(super) fn place(&self) -> String {
        format!("the server at `{}:{}`", self.host, self.port)
    }

    /// Whether the server is reached without leaving this machine.
    fn is_here(&self) -> bool {
        let address: Option<IpAddr> = self.host.parse().ok();
        self.host.starts_with('/')
            || self.host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
    }
}

impl TablePrivilege {
    /// The word in SQL.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
        }
    }
}

impl SequencePrivilege {
    /// The word in SQL.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Select => "select",
            Self::Update => "update",
        }
    }
}

/// Everything in the settings that cannot work.
pub(super) fn check(
    settings: &Settings,
    roles: &BTreeMap<RoleName, RoleSettings>,
) -> Vec<SettingsProblem> {
    let mut problems = Vec::new();
    let mut note = |role: Option<&RoleName>, key, message: String, hint: &str| {
        problems.push(SettingsProblem {
            role: role.cloned(),
            key,
            message,
            hint: hint.to_owned(),
        });
    };
    if settings.host.is_empty()
        || settings
            .host
            .chars()
            .any(|letter| letter.is_control() || letter.is_whitespace())
    {
        let message = format!("`{}` is not a host", settings.host.escape_default());
        note(
            None,
            "host",
            message,
            "use a host name, an address, or the folder of the server's socket",
        );
    }
    if settings.sslmode == SslMode::Disable && !settings.is_here() {
        let message = format!(
            "`{}` is on another machine and would be spoken to in clear text",
            settings.host
        );
        note(
            None,
            "sslmode",
            message,
            "use `verify-full`, with `ca_file` if the authority is your own",
        );
    }
    if settings.connection_limit == 0 {
        note(
            None,
            "connection_limit",
            "nobody could connect".to_owned(),
            "use 1 or more",
        );
    }
    for (key, name) in [("database", &settings.database), ("user", &settings.user)] {
        if !is_name(name) {
            note(
                None,
                key,
                not_a_name(name),
                "use the name as the server has it",
            );
        }
    }
    for (name, role) in roles {
        if role.member_of.is_empty() && role.privileges.is_empty() && role.preset.is_none() {
            let message = "the role gives no rights".to_owned();
            note(
                Some(name),
                "member_of",
                message,
                "name a role of the server in `member_of`, list `privileges`, or use a `preset`",
            );
        }
        if let Some(databases) = &role.databases {
            if databases.is_empty() {
                let message = "the holder could connect nowhere".to_owned();
                let hint = "leave the key out to use the target's database";
                note(Some(name), "databases", message, hint);
            }
            for (nth, database) in databases.iter().enumerate() {
                if !is_name(database) {
                    let hint = "use the name as the server has it";
                    note(Some(name), "databases", not_a_name(database), hint);
                } else if databases.iter().take(nth).any(|known| known == database) {
                    let message = format!("`{database}` is there twice");
                    note(Some(name), "databases", message, "name it once");
                }
            }
        }
        let tables = role
            .preset
            .is_some_and(|preset| preset.in_schema("public").is_some());
        if let Some(schemas) = &role.schemas {
            if !tables {
                let words: Vec<&str> = Preset::ALL
                    .into_iter()
                    .filter(|preset| preset.in_schema("public").is_some())
                    .map(Preset::as_str)
                    .collect();
                note(
                    Some(name),
                    "schemas",
                    format!(
                        "`schemas` say nothing without one of these presets: {}",
                        words.join(", ")
                    ),
                    "leave it out, or list `privileges`",
                );
            }
            if schemas.is_empty() {
                let message = "the preset would give no rights".to_owned();
                note(
                    Some(name),
                    "schemas",
                    message,
                    "leave the key out to use `public`",
                );
            }
            for wrong in schemas.iter().filter(|word| !is_name(word)) {
                note(
                    Some(name),
                    "schemas",
                    not_a_name(wrong),
                    "use the name as the server has it",
                );
            }
        }
        for group in role.member_of.iter().filter(|group| !is_name(group)) {
            note(
                Some(name),
                "member_of",
                not_a_name(group),
                "use the name as the server has it",
            );
        }
        for given in &role.privileges {
            let tables = given.only.iter().flatten();
            for wrong in tables.chain([&given.schema]).filter(|word| !is_name(word)) {
                note(
                    Some(name),
                    "privileges",
                    not_a_name(wrong),
                    "use the name as the server has it",
                );
            }
        }
    }
    problems
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains('\0')
}

fn not_a_name(text: &str) -> String {
    format!(
        "`{}` is not a name of 1 to {LONGEST_NAME} bytes",
        text.escape_default()
    )
}

fn default_port() -> u16 {
    5432
}

fn default_connection_limit() -> u16 {
    5
}
