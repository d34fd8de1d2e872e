//! `[[siem]]` and `[audit]`: where the history goes by itself, and how long it stays here at least. Only this file says
//! where it goes: what can be changed over the network can be turned on its owner.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use crate::config::document::{Entry, Table};
use crate::config::identity::is_safe_address;
use crate::config::keys::AUDIT;
use crate::config::layers::{Env, Layers, Origin, Wrong};
use crate::config::problem::Notes;
use crate::config::server::{Shown, data_path};
use crate::config::witness::Witness;
use crate::domain::nearest::nearest;
use crate::secret::{Secret, read_private};
use crate::wire::export::Format;

/// More than any installation delivers to.
const MOST: usize = 8;

/// What holds for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Nothing that is younger is pruned.
    pub retention: TimeDelta,
    pub siem: Vec<Siem>,
    /// Where every signed checkpoint is added as a new file.
    pub checkpoints: Option<PathBuf>,
    /// Who outside says of each checkpoint that it continues the one before.
    pub witnesses: Vec<Witness>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            retention: TimeDelta::days(365),
            siem: Vec::new(),
            checkpoints: None,
            witnesses: Vec::new(),
        }
    }
}

/// One place that the history is delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Siem {
    /// Its cursor goes by this name.
    pub name: String,
    pub format: Format,
    /// What happened before it was first configured is delivered, too.
    pub from_start: bool,
    pub to: Destination,
}

/// How it gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// RFC 5424 over TLS (RFC 5425).
    Syslog {
        /// Host and port.
        address: String,
        /// PEM certificates that the receiver's has to come from.
        ca: PathBuf,
        /// The private enterprise number that the fields stand under, if whoever runs this has one.
        enterprise: Option<u32>,
    },
    /// The HTTP Event Collector of Splunk, and what looks like it.
    Http {
        url: String,
        token_file: PathBuf,
        /// In place of the authorities of this system.
        ca: Option<PathBuf>,
        /// Batches are sent compressed.
        gzip: bool,
    },
    File {
        path: PathBuf,
    },
}

impl Destination {
    /// Where to, without anything secret.
    pub fn shown(&self) -> String {
        match self {
            Self::Syslog { address, .. } => format!("syslog+tls://{address}"),
            Self::Http { url, .. } => url.clone(),
            Self::File { path } => path.display().to_string(),
        }
    }

    /// What the sender proves itself with.
    pub fn token(path: &Path) -> anyhow::Result<Secret> {
        let secret = read_private(path)?;
        Ok(Secret::new(secret.expose().trim().to_owned()))
    }
}

const KEYS: [&str; 11] = [
    "name",
    "kind",
    "format",
    "from",
    "address",
    "url",
    "token_file",
    "ca",
    "path",
    "compression",
    "enterprise",
];

/// What the keys are for, for the README.
pub(super) const ABOUT: [(&str, &str); 11] = [
    (
        "name",
        "What the position is kept under: with another name delivery begins anew.",
    ),
    ("kind", "`syslog`, `http` or `file`."),
    (
        "format",
        "`json`, the events as the API has them, or `ocsf`, OCSF 1.8.0; `json` without it.",
    ),
    (
        "from",
        "`start`, everything there is, or `now`; `start` without it. It counts when the name is new.",
    ),
    (
        "address",
        "`syslog`: host and port of a receiver of RFC 5424 over TLS (RFC 5425).",
    ),
    (
        "url",
        "`http`: an HTTP Event Collector as Splunk has it, for example `https://splunk.example.com:8088/services/collector/event`.",
    ),
    (
        "token_file",
        "`http`: a file with the token alone, readable by the server only.",
    ),
    (
        "ca",
        "PEM certificates that the receiver's has to come from; needed for `syslog`, in place of the system's for `http`.",
    ),
    (
        "path",
        "`file`: appended to and synced; it may be moved away at any time.",
    ),
    (
        "compression",
        "`http`: `gzip`, as Splunk takes it, or `none`; `gzip` without it.",
    ),
    (
        "enterprise",
        "`syslog`: the private enterprise number of your organisation. With it the fields of an event are structured data, too, as `[portcullis@NUMBER …]`; without it there are `[origin]` and `[meta]` only, and the fields are in the message.",
    ),
];

/// Understands `[audit]`, every `[[siem]]` of the file in `folder`, and the environment.
pub(super) fn understand<'t>(
    folder: &Path,
    (table, siem): (Option<Table<'t>>, Option<Entry<'t>>),
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (AuditSettings, Vec<Shown>) {
    let layers = Layers::collect(&AUDIT, "`[audit]`", table, env, &[], notes);
    let usual = AuditSettings::default().retention;
    let (retention, from) = layers.understand("retention", usual, notes, |text, _| days(text));
    let mut shown = vec![Shown {
        name: "audit.retention",
        value: format!("{}d", retention.num_days()),
        origin: from.to_string(),
    }];
    let home = env("HOME");
    let (checkpoints, from) = layers.understand("checkpoints", None, notes, |text, origin| {
        let base = if *origin == Origin::File {
            folder
        } else {
            Path::new("")
        };
        data_path(text, base, home.as_deref()).map(Some)
    });
    let told = checkpoints.as_ref().map(|path| path.display().to_string());
    shown.push(Shown {
        name: "audit.checkpoints",
        value: told.unwrap_or_else(|| "none".to_owned()),
        origin: from.to_string(),
    });
    let mut all: Vec<Siem> = Vec::new();
    for table in siem
        .and_then(|entry| entry.into_tables(notes, "[[siem]]"))
        .unwrap_or_default()
    {
        let at = table.at;
        let Some(siem) = read(folder, table, notes) else {
            continue;
        };
        if all.iter().any(|other| other.name == siem.name) {
            let message = format!("there are two `[[siem]]` with the name `{}`", siem.name);
            notes.error(at, message, Some("give one another name".to_owned()));
        } else if all.len() == MOST {
            let message = format!("there are more than {MOST} `[[siem]]`");
            notes.error(at, message, Some("take some out".to_owned()));
        } else {
            shown.push(Shown {
                name: "siem",
                value: format!("{}: {}", siem.name, siem.to.shown()),
                origin: "file".to_owned(),
            });
            all.push(siem);
        }
    }
    let settings = AuditSettings {
        retention,
        siem: all,
        checkpoints,
        witnesses: Vec::new(),
    };
    (settings, shown)
}

fn days(text: &str) -> Result<TimeDelta, Wrong> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    let days = days.filter(|days| (1..=36_500).contains(days));
    days.map(TimeDelta::days).ok_or_else(|| Wrong {
        message: format!("`{}` is no number of days", text.escape_debug()),
        hint: "write it like `365d`".to_owned(),
    })
}

/// One text of a table, with its place.
pub(super) type Said = Option<(usize, String)>;

fn read<'t>(folder: &Path, mut table: Table<'t>, notes: &mut Notes<'t>) -> Option<Siem> {
    let (at, before) = (table.at, notes.count());
    let mut take = |name: &str, notes: &mut Notes<'t>| -> Said {
        let entry = table.take(name)?;
        let at = entry.value_at();
        Some((at, entry.into_text(notes)?))
    };
    let [name, kind, format, from] =
        ["name", "kind", "format", "from"].map(|name| take(name, notes));
    let [address, url, token_file, ca, path] =
        ["address", "url", "token_file", "ca", "path"].map(|name| take(name, notes));
    let [compression, enterprise] = ["compression", "enterprise"].map(|name| take(name, notes));
    table.refuse_rest(notes, "[[siem]]", &KEYS);
    let name = plain_name(at, name, ("[[siem]]", "splunk"), notes);
    let format = one_of(format, "format", &["json", "ocsf"], notes);
    let from = one_of(from, "from", &["start", "now"], notes);
    let kind = one_of(kind, "kind", &["syslog", "http", "file"], notes);
    let Some(kind) = kind else {
        if notes.count() == before {
            let hint = "add `kind = \"syslog\"`, `\"http\"` or `\"file\"` below it".to_owned();
            notes.error(at, "`[[siem]]` has no `kind`", Some(hint));
        }
        return None;
    };
    let given = [
        ("address", &address),
        ("url", &url),
        ("token_file", &token_file),
        ("ca", &ca),
        ("path", &path),
        ("compression", &compression),
        ("enterprise", &enterprise),
    ];
    let (needed, may): (&[&str], &[&str]) = match kind {
        "syslog" => (&["address", "ca"], &["enterprise"]),
        "http" => (&["url", "token_file"], &["ca", "compression"]),
        _ => (&["path"], &[]),
    };
    for (name, said) in given {
        if let Some((at, _)) = said
            && !needed.contains(&name)
            && !may.contains(&name)
        {
            let message = format!("`{name}` means nothing to a `[[siem]]` of kind `{kind}`");
            notes.error(*at, message, Some("take it out".to_owned()));
        } else if said.is_none() && needed.contains(&name) {
            let message = format!("a `[[siem]]` of kind `{kind}` needs `{name}`");
            notes.error(at, message, Some(format!("add `{name} = \"…\"` below it")));
        }
    }
    let file = |said: &Said| folder.join(said.as_ref().map_or("", |(_, text)| text.as_str()));
    let to = match kind {
        "syslog" => Destination::Syslog {
            address: checked(address.as_ref(), is_address, "host.example.com:6514", notes),
            ca: file(&ca),
            enterprise: enterprise.and_then(|said| number(said, notes)),
        },
        "http" => Destination::Http {
            url: checked(
                url.as_ref(),
                is_url,
                "https://splunk.example.com:8088/services/collector/event",
                notes,
            ),
            token_file: file(&token_file),
            ca: ca.is_some().then(|| file(&ca)),
            gzip: one_of(compression, "compression", &["gzip", "none"], notes) != Some("none"),
        },
        _ => Destination::File { path: file(&path) },
    };
    (notes.count() == before).then_some(())?;
    Some(Siem {
        name: name?,
        format: match format {
            Some("ocsf") => Format::Ocsf,
            _ => Format::Ndjson,
        },
        from_start: from != Some("now"),
        to,
    })
}

/// A name that metrics and people can tell it by, of a table like this one.
pub(super) fn plain_name(
    at: usize,
    name: Said,
    (table, like): (&str, &str),
    notes: &mut Notes<'_>,
) -> Option<String> {
    let Some((at, name)) = name else {
        let hint = format!("add `name = \"{like}\"` below it");
        notes.error(at, format!("`{table}` has no `name`"), Some(hint));
        return None;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 63 || !name.bytes().all(plain) {
        let message = format!("`{}` is not a name for a `{table}`", name.escape_debug());
        let hint = "use letters, digits, `-`, `_` and `.`".to_owned();
        notes.error(at, message, Some(hint));
        return None;
    }
    Some(name)
}

pub(super) fn one_of(
    said: Said,
    name: &str,
    known: &[&'static str],
    notes: &mut Notes<'_>,
) -> Option<&'static str> {
    let (at, text) = said?;
    let found = known.iter().copied().find(|known| *known == text);
    if found.is_none() {
        let hint = nearest(&text, known.iter().copied()).map_or_else(
            || format!("write `{}`", known.join("` or `")),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("`{}` is no `{name}`", text.escape_debug());
        notes.error(at, message, Some(hint));
    }
    found
}

pub(super) fn checked(
    said: Option<&(usize, String)>,
    fits: fn(&str) -> bool,
    like: &str,
    notes: &mut Notes<'_>,
) -> String {
    let Some((at, text)) = said else {
        return String::new();
    };
    if !fits(text) {
        // It is not repeated: it may have a password in it.
        let message = "nothing can be delivered to this address";
        notes.error(*at, message, Some(format!("write it like `{like}`")));
    }
    text.clone()
}

/// A number as IANA gives them out; RFC 5424 has no leading zeros.
fn number((at, text): (usize, String), notes: &mut Notes<'_>) -> Option<u32> {
    let found = text.parse().ok().filter(|number| *number > 0);
    if found.is_none() || text.starts_with(['0', '+']) {
        let message = format!("`{}` is no enterprise number", text.escape_debug());
        let hint = "write the one that IANA gave your organisation, like `enterprise = \"32473\"`";
        notes.error(at, message, Some(hint.to_owned()));
        return None;
    }
    found
}

pub(super) fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        !host.is_empty()
            && host.chars().all(plain)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// In clear text to this machine only: the token would be read on the way, and so would the history.
pub(super) fn is_url(text: &str) -> bool {
    is_safe_address(text, true)
}
