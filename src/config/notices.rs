//! `[notices]` and every `[[notices.channel]]`: by which ways people are told. Only this file says where to: what can
//! be changed over the network could be turned on its owner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use crate::config::document::{Entry, Table};
use crate::config::keys::NOTICES;
use crate::config::layers::{Env, Layers, Wrong};
use crate::config::problem::Notes;
use crate::config::server::Shown;
use crate::config::siem::{Said, checked, is_address, one_of, plain_name};
use crate::domain::nearest::list;
use crate::domain::notice::{Kind, Template, TemplateError, check_address};
use crate::domain::span::Span;
use crate::egress::{Network, Reach};
use crate::secret::{Secret, read_private};

/// More than any installation has.
const MOST: usize = 8;
const SUBJECT: &str = "Portcullis: {sentence}";
const TEXT: &str =
    "{sentence}\n\nnext step: {command}\nrequest: {request}\ngrant: {grant}\nserver: {server}";

/// What holds for notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    pub channels: Vec<Channel>,
    /// How long before an end its holder is told.
    pub ends_soon: TimeDelta,
    /// How long one that cannot be delivered is tried.
    pub give_up: TimeDelta,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            ends_soon: TimeDelta::minutes(10),
            give_up: TimeDelta::hours(24),
        }
    }
}

/// One way by which people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What people choose it by, and what metrics call it.
    pub name: String,
    pub kinds: BTreeSet<Kind>,
    pub subject: Template,
    pub text: Template,
    pub to: Way,
}

impl Channel {
    /// Whether everybody there reads the same.
    pub fn is_room(&self) -> bool {
        !matches!(self.to, Way::Email(_))
    }
}

/// How it gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    Email(Smtp),
    /// What takes the messages of Slack's incoming webhooks. Its address is a secret.
    Slack {
        url_file: PathBuf,
        reach: Reach,
        ca: Option<PathBuf>,
    },
    Webhook {
        url: reqwest::Url,
        secret_file: PathBuf,
        reach: Reach,
        ca: Option<PathBuf>,
    },
}

/// A server that takes mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// Who signs in there, and where the password is.
    pub login: Option<(String, PathBuf)>,
    /// As it stands in the letter.
    pub from: String,
    /// In place of the authorities of this system.
    pub ca: Option<PathBuf>,
    /// Mail goes to nobody elsewhere; whoever says no address has their name in it.
    pub domain: String,
}

/// How the way there is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It begins in clear text and does not go on without TLS.
    Starttls,
    Implicit,
    /// To this machine only.
    None,
}

impl Way {
    /// Where to, without anything secret.
    pub fn shown(&self) -> String {
        match self {
            Self::Email(smtp) => format!("smtp://{}:{}", smtp.host, smtp.port),
            Self::Slack { url_file, .. } => format!("the address in {}", url_file.display()),
            Self::Webhook { url, .. } => url.to_string(),
        }
    }
}

/// A secret alone in a file that only the server can read.
pub fn secret_in(path: &Path) -> anyhow::Result<Secret> {
    let secret = read_private(path)?;
    Ok(Secret::new(secret.expose().trim().to_owned()))
}

const KEYS: [&str; 17] = [
    "name",
    "kind",
    "kinds",
    "subject",
    "text",
    "server",
    "tls",
    "user",
    "password_file",
    "from",
    "domain",
    "url_file",
    "url",
    "secret_file",
    "ca",
    "allow_networks",
    "allow_plain_http",
];

/// What the keys are for, for the README.
pub(super) const ABOUT: [(&str, &str); 17] = [
    (
        "name",
        "What people choose it by, and what metrics call it.",
    ),
    (
        "kind",
        "`email`, `slack` or `webhook`. An `email` goes to each person; the others are rooms, where everybody reads the same.",
    ),
    (
        "kinds",
        "What it is told: of `review`, `handled`, `decided`, `active`, `ends_soon`, `over`, `overdue` and `break_glass`. Without it an `email` all of them, a room `review`, `handled`, `overdue` and `break_glass`.",
    ),
    (
        "subject",
        "A template: text with fields in braces, for example `{role} on {target}`.",
    ),
    (
        "text",
        "The same for the message itself. A line whose fields have nothing to say is left out.",
    ),
    (
        "server",
        "`email`: host and port of a server that takes mail.",
    ),
    (
        "tls",
        "`email`: `starttls`, `tls`, or `none` to this machine only; `starttls` without it, and never less than it says.",
    ),
    ("user", "`email`: who signs in there, if anybody has to."),
    (
        "password_file",
        "`email`: a file with the password alone, readable by the server only.",
    ),
    (
        "from",
        "`email`: the sender, as `Portcullis <portcullis@example.com>`.",
    ),
    (
        "domain",
        "`email`: the only one that mail goes to. Whoever says no address of theirs has it as `NAME@DOMAIN`.",
    ),
    (
        "url_file",
        "`slack`: a file with the address of an incoming webhook alone, readable by the server only. Whoever has the address can write there.",
    ),
    (
        "url",
        "`webhook`: where the messages go, for example `https://pager.example.com/hook`.",
    ),
    (
        "secret_file",
        "`webhook`: a file with the secret that messages are signed with, readable by the server only.",
    ),
    (
        "ca",
        "PEM certificates that the server's has to come from, in place of the system's.",
    ),
    (
        "allow_networks",
        "`slack` and `webhook`: networks of your own where the server may be, for example `[\"10.20.0.0/16\"]`; otherwise it has to be on the internet.",
    ),
    (
        "allow_plain_http",
        "`slack` and `webhook`: `true` where those networks, and only those, may be called without encryption.",
    ),
];

/// Understands the `[notices]` table of the file in `folder`, and the environment.
pub(super) fn understand<'t>(
    folder: &Path,
    table: Option<Table<'t>>,
    env: Env<'_>,
    notes: &mut Notes<'t>,
) -> (Notices, Vec<Shown>) {
    let mut table = table;
    let channels = table.as_mut().and_then(|table| table.take("channel"));
    let layers = Layers::collect(&NOTICES, "`[notices]`", table, env, &[], notes);
    let usual = Notices::default();
    let mut show = Vec::new();
    let mut span = |name: &'static str, told: &'static str, usual, notes: &mut Notes<'t>| {
        let usual = Span::from_chrono(usual).unwrap_or(Span::DAY);
        let (span, from) = layers.understand(name, usual, notes, |text, _| {
            text.parse::<Span>().map_err(|error| Wrong {
                message: error.to_string(),
                hint: "write it like `10m` or `24h`".to_owned(),
            })
        });
        show.push(Shown {
            name: told,
            value: span.to_string(),
            origin: from.to_string(),
        });
        span.to_chrono()
    };
    let ends_soon = span("ends_soon", "notices.ends_soon", usual.ends_soon, notes);
    let give_up = span("give_up", "notices.give_up", usual.give_up, notes);
    let channels = all(folder, channels, notes);
    show.extend(channels.iter().map(|channel| Shown {
        name: "notices.channel",
        value: format!("{}: {}", channel.name, channel.to.shown()),
        origin: "file".to_owned(),
    }));
    let notices = Notices {
        channels,
        ends_soon,
        give_up,
    };
    (notices, show)
}

fn all<'t>(folder: &Path, entry: Option<Entry<'t>>, notes: &mut Notes<'t>) -> Vec<Channel> {
    let mut all: Vec<Channel> = Vec::new();
    for table in entry
        .and_then(|entry| entry.into_tables(notes, "[[notices.channel]]"))
        .unwrap_or_default()
    {
        let at = table.at;
        let Some(channel) = read(folder, table, notes) else {
            continue;
        };
        if all.iter().any(|other| other.name == channel.name) {
            let name = &channel.name;
            let message = format!("there are two `[[notices.channel]]` with the name `{name}`");
            notes.error(at, message, Some("give one another name".to_owned()));
        } else if all.len() == MOST {
            let message = format!("there are more than {MOST} `[[notices.channel]]`");
            notes.error(at, message, Some("take some out".to_owned()));
        } else {
            all.push(channel);
        }
    }
    all
}

/// Which keys a kind of channel needs, and which it may have besides those of every channel.
fn keys_of(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        "email" => (
            &["server", "from", "domain"],
            &["tls", "user", "password_file", "ca"],
        ),
        "slack" => (&["url_file"], &["ca", "allow_networks", "allow_plain_http"]),
        _ => (
            &["url", "secret_file"],
            &["ca", "allow_networks", "allow_plain_http"],
        ),
    }
}

fn read<'t>(folder: &Path, mut table: Table<'t>, notes: &mut Notes<'t>) -> Option<Channel> {
    let (at, before) = (table.at, notes.count());
    let kinds = table.take("kinds");
    let kinds = kinds.and_then(|entry| entry.into_texts(notes));
    let networks = table.take("allow_networks");
    let plain = table.take("allow_plain_http");
    let places = [&networks, &plain].map(|entry| entry.as_ref().map(|entry| entry.at));
    let reach = reach(networks, plain, notes);
    let mut take = |name: &str| -> Said {
        let entry = table.take(name)?;
        let at = entry.value_at();
        Some((at, entry.into_text(notes)?))
    };
    let [name, kind, subject, text] = ["name", "kind", "subject", "text"].map(&mut take);
    let own = [
        "server",
        "tls",
        "user",
        "password_file",
        "from",
        "domain",
        "url_file",
        "url",
        "secret_file",
        "ca",
    ];
    let said = own.map(&mut take);
    table.refuse_rest(notes, "[[notices.channel]]", &KEYS);
    let name = plain_name(at, name, ("[[notices.channel]]", "mail"), notes);
    let kind = one_of(kind, "kind", &["email", "slack", "webhook"], notes);
    let Some(kind) = kind else {
        if notes.count() == before {
            let hint = "add `kind = \"email\"`, `\"slack\"` or `\"webhook\"` below it".to_owned();
            notes.error(at, "`[[notices.channel]]` has no `kind`", Some(hint));
        }
        return None;
    };
    let (needed, may) = keys_of(kind);
    for (name, said) in own.iter().zip(&said) {
        if let Some((at, _)) = said
            && !needed.contains(name)
            && !may.contains(name)
        {
            let message =
                format!("`{name}` means nothing to a `[[notices.channel]]` of kind `{kind}`");
            notes.error(*at, message, Some("take it out".to_owned()));
        } else if said.is_none() && needed.contains(name) {
            let message = format!("a `[[notices.channel]]` of kind `{kind}` needs `{name}`");
            notes.error(at, message, Some(format!("add `{name} = \"…\"` below it")));
        }
    }
    for (name, place) in ["allow_networks", "allow_plain_http"].iter().zip(places) {
        if let Some(at) = place.filter(|_| !may.contains(name)) {
            let message =
                format!("`{name}` means nothing to a `[[notices.channel]]` of kind `{kind}`");
            notes.error(at, message, Some("take it out".to_owned()));
        }
    }
    let [
        server,
        tls,
        user,
        password,
        from,
        domain,
        url_file,
        url,
        secret_file,
        ca,
    ] = said;
    let file = |said: &Said| folder.join(said.as_ref().map_or("", |(_, text)| text.as_str()));
    let ca = ca.is_some().then(|| file(&ca));
    let to = match kind {
        "email" => {
            let (host, port) = host_of(server.as_ref(), notes);
            let login = login(at, user, password.is_some().then(|| file(&password)), notes);
            Way::Email(Smtp {
                tls: tls_of(at, tls, (&host, login.is_some()), notes),
                host,
                port,
                login,
                from: sender(from, notes),
                ca,
                domain: domain_of(domain, notes),
            })
        }
        "slack" => Way::Slack {
            url_file: file(&url_file),
            reach,
            ca,
        },
        _ => Way::Webhook {
            url: address(url, &reach, notes)?,
            secret_file: file(&secret_file),
            reach,
            ca,
        },
    };
    let kinds = kinds_of(kinds, kind == "email", notes);
    let subject = template(subject, SUBJECT, notes);
    let text = template(text, TEXT, notes);
    (notes.count() == before).then_some(())?;
    Some(Channel {
        name: name?,
        kinds,
        subject: subject?,
        text: text?,
        to,
    })
}

/// How far calls of a channel may go.
fn reach<'t>(
    networks: Option<Entry<'t>>,
    plain: Option<Entry<'t>>,
    notes: &mut Notes<'t>,
) -> Reach {
    let networks = networks.and_then(|entry| entry.into_texts(notes));
    let mut reach = Reach::default();
    for (at, text) in networks.unwrap_or_default() {
        match text.parse::<Network>() {
            Ok(network) => reach.allow_networks.push(network),
            Err(why) => notes.error(at, why, Some("write it like `10.20.0.0/16`".to_owned())),
        }
    }
    let Some(plain) = plain else {
        return reach;
    };
    let at = plain.value_at();
    match plain.into_setting(notes).as_deref() {
        Some("true") => reach.allow_plain_http = true,
        Some("false") | None => {}
        Some(other) => {
            let message = format!("`{}` is neither `true` nor `false`", other.escape_debug());
            notes.error(at, message, Some("write `true` or `false`".to_owned()));
        }
    }
    reach
}

fn address(said: Said, reach: &Reach, notes: &mut Notes<'_>) -> Option<reqwest::Url> {
    let (at, text) = said?;
    match reach.address(&text) {
        Ok(url) => Some(url),
        Err((message, hint)) => {
            notes.error(at, message, Some(hint));
            None
        }
    }
}

fn kinds_of(
    said: Option<Vec<(usize, String)>>,
    is_email: bool,
    notes: &mut Notes<'_>,
) -> BTreeSet<Kind> {
    let Some(said) = said else {
        let usual = |kind: &Kind| is_email || kind.is_for_rooms();
        return Kind::ALL.into_iter().filter(usual).collect();
    };
    let mut kinds = BTreeSet::new();
    for (at, text) in said {
        if let Ok(kind) = text.parse::<Kind>() {
            kinds.insert(kind);
        } else {
            let message = format!("`{}` is no kind of notice", text.escape_debug());
            let hint = format!("known are {}", list(Kind::ALL));
            notes.error(at, message, Some(hint));
        }
    }
    kinds
}

fn template(said: Said, usual: &str, notes: &mut Notes<'_>) -> Option<Template> {
    let (at, text) = said.unwrap_or_else(|| (0, usual.to_owned()));
    match text.parse() {
        Ok(template) => Some(template),
        Err(error) => {
            let error: TemplateError = error;
            notes.error(at, error.message, Some(error.hint));
            None
        }
    }
}

fn host_of(said: Option<&(usize, String)>, notes: &mut Notes<'_>) -> (String, u16) {
    let text = checked(said, is_address, "smtp.example.com:587", notes);
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), port.parse().unwrap_or_default())
}

fn is_here(host: &str) -> bool {
    let address: Result<std::net::IpAddr, _> = host.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Passwords and what people do in production do not go over a network in clear text.
fn tls_of(at: usize, said: Said, (host, signs_in): (&str, bool), notes: &mut Notes<'_>) -> Tls {
    let at = said.as_ref().map_or(at, |(at, _)| *at);
    match one_of(said, "tls", &["starttls", "tls", "none"], notes) {
        Some("tls") => Tls::Implicit,
        Some("none") if is_here(host) && !signs_in => Tls::None,
        Some("none") => {
            let message = "mail goes without TLS to this machine only, and without a password";
            let hint = "write `tls = \"starttls\"`".to_owned();
            notes.error(at, message, Some(hint));
            Tls::Starttls
        }
        _ => Tls::Starttls,
    }
}

fn login(
    at: usize,
    user: Said,
    password: Option<PathBuf>,
    notes: &mut Notes<'_>,
) -> Option<(String, PathBuf)> {
    if user.is_some() != password.is_some() {
        let message = "whoever signs in to send mail needs `user` and `password_file`";
        notes.error(
            at,
            message,
            Some("add the other, or take it out".to_owned()),
        );
    }
    Some((user?.1, password?))
}

/// The address in a sender, which may have a name before it.
pub fn address_in(sender: &str) -> &str {
    let inside = sender
        .rsplit_once('<')
        .and_then(|(_, rest)| rest.strip_suffix('>'));
    inside.unwrap_or(sender)
}

fn sender(said: Said, notes: &mut Notes<'_>) -> String {
    let Some((at, text)) = said else {
        return String::new();
    };
    let name = text.strip_suffix(&format!("<{}>", address_in(&text)));
    let plain = |c: char| !c.is_control() && !"<>@\",;:\\".contains(c);
    let named = name.is_none_or(|name| name.chars().all(plain));
    if check_address(address_in(&text)).is_err() || !named {
        let message = format!("`{}` is no sender", text.escape_debug());
        let hint = "write it like `Portcullis <portcullis@example.com>`".to_owned();
        notes.error(at, message, Some(hint));
    }
    text
}

fn domain_of(said: Said, notes: &mut Notes<'_>) -> String {
    let Some((at, text)) = said else {
        return String::new();
    };
    if check_address(&format!("x@{text}")).is_err() {
        let message = format!("`{}` is no domain", text.escape_debug());
        notes.error(at, message, Some("write it like `example.com`".to_owned()));
    }
    text.to_ascii_lowercase()
}
