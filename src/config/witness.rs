//! `[[witness]]`: who outside says of each checkpoint of the record that it continues the one before.

use std::path::{Path, PathBuf};

use crate::config::document::{Entry, Table};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::config::siem::{Said, checked, is_url, plain_name};
use crate::tlog::WitnessKey;

/// Each is asked about every checkpoint.
const MOST: usize = 8;

/// One witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// What metrics and people call it.
    pub name: String,
    /// What `add-checkpoint` is below; without a `/` at its end.
    pub url: String,
    /// What its signatures are checked with.
    pub key: WitnessKey,
    /// In place of the authorities of this system.
    pub ca: Option<PathBuf>,
}

const KEYS: [&str; 4] = ["name", "url", "key", "ca"];

/// What the keys are for, for the README.
pub(super) const ABOUT: [(&str, &str); 4] = [
    (
        "name",
        "What metrics and `portcullis audit deliveries` call it.",
    ),
    (
        "url",
        "Where it answers, without `/add-checkpoint`, for example `https://witness.example.com:7718`.",
    ),
    (
        "key",
        "Its key as `name+hash+key`; `portcullis audit witness` shows it when it starts.",
    ),
    (
        "ca",
        "PEM certificates that its own has to come from, in place of the system's.",
    ),
];

/// Understands every `[[witness]]` of the file in `folder`.
pub(super) fn understand<'t>(
    folder: &Path,
    entry: Option<Entry<'t>>,
    notes: &mut Notes<'t>,
) -> (Vec<Witness>, Vec<Shown>) {
    let (mut all, mut shown): (Vec<Witness>, _) = (Vec::new(), Vec::new());
    for table in entry
        .and_then(|entry| entry.into_tables(notes, "[[witness]]"))
        .unwrap_or_default()
    {
        let at = table.at;
        let Some(witness) = read(folder, table, notes) else {
            continue;
        };
        let same = |other: &Witness| {
            other.name == witness.name || other.key == witness.key || other.url == witness.url
        };
        if all.iter().any(same) {
            let message = format!("`{}` is the same witness as one above", witness.name);
            let hint = "each has a name, an address and a key of its own".to_owned();
            notes.error(at, message, Some(hint));
        } else if all.len() == MOST {
            let message = format!("there are more than {MOST} `[[witness]]`");
            notes.error(at, message, Some("take some out".to_owned()));
        } else {
            shown.push(Shown {
                name: "witness",
                value: format!("{}: {}", witness.name, witness.url),
                origin: "file".to_owned(),
            });
            all.push(witness);
        }
    }
    (all, shown)
}

fn read<'t>(folder: &Path, mut table: Table<'t>, notes: &mut Notes<'t>) -> Option<Witness> {
    let (at, before) = (table.at, notes.count());
    let mut take = |name: &str| -> Said {
        let entry = table.take(name)?;
        let at = entry.value_at();
        Some((at, entry.into_text(notes)?))
    };
    let [name, url, key, ca] = KEYS.map(&mut take);
    table.refuse_rest(notes, "[[witness]]", &KEYS);
    for (needed, said) in [("url", &url), ("key", &key)] {
        if said.is_none() {
            let message = format!("a `[[witness]]` needs `{needed}`");
            notes.error(
                at,
                message,
                Some(format!("add `{needed} = \"…\"` below it")),
            );
        }
    }
    let name = plain_name(at, name, ("[[witness]]", "audit-dept"), notes);
    let like = "https://witness.example.com:7718";
    let url = checked(url.as_ref(), is_url, like, notes);
    let (at, key) = key?;
    let key: Option<WitnessKey> = match key.parse() {
        Ok(key) => Some(key),
        Err(error) => {
            let hint = "it is what `portcullis audit witness` shows when it starts".to_owned();
            notes.error(
                at,
                format!("this is no key of a witness: {error}"),
                Some(hint),
            );
            None
        }
    };
    (notes.count() == before).then_some(())?;
    Some(Witness {
        name: name?,
        url: url.trim_end_matches('/').to_owned(),
        key: key?,
        ca: ca.map(|(_, ca)| folder.join(ca)),
    })
}
