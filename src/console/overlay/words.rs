//! What can be typed into the palette: every action that works here, the screens with a filter, rows by their id,
//! themes, backends.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::console::app::App;
use crate::console::keymap::{Action, Place};
use crate::console::overlay::Overlay;
use crate::console::overlay::command::CommandLine;
use crate::console::overlay::tutor::Tutor;
use crate::console::store::Subject;
use crate::domain::ids::{GrantId, IncidentId, LockId, RequestId};

/// Ids offered at once.
const IDS: usize = 12;

/// Something that can be run.
#[derive(Debug)]
pub(super) struct Item {
    /// What one would type.
    pub(super) text: String,
    pub(super) about: String,
    /// Its key, for next time.
    pub(super) key: String,
    /// Why it cannot be run at this moment.
    pub(super) refused: Option<String>,
    pub(super) does: Does,
}

/// What running it means.
#[derive(Debug)]
pub(super) enum Does {
    Run(Action),
    Go(Place, Option<String>),
    Open(Subject),
    /// An event of the record, by its number.
    Event(i64),
    Incident(String),
    Theme(String),
    Filter(String),
    SaveFilter(String),
    Backend(String),
    /// Only the beginning of a command: puts it on the line.
    Type(String),
    Show(fn(&App) -> Box<dyn Overlay>),
}

impl Item {
    fn new(text: impl Into<String>, about: impl Into<String>, does: Does) -> Self {
        Self {
            text: text.into(),
            about: about.into(),
            key: String::new(),
            refused: None,
            does,
        }
    }
}

/// What fits the text, the best first.
pub(super) fn items(app: &App, text: &str) -> Vec<Item> {
    let text = text.trim_start();
    let (verb, rest) = text
        .split_once(char::is_whitespace)
        .map_or((text, None), |(verb, rest)| (verb, Some(rest.trim())));
    if let Some(rest) = rest {
        let found = with_words(app, verb, rest);
        if !found.is_empty() {
            return found;
        }
    }
    if let Some(item) = by_id(text, "open it") {
        return vec![item];
    }
    ranked(everything(app), text)
}

/// Commands that take something.
fn with_words(app: &App, verb: &str, rest: &str) -> Vec<Item> {
    match verb.to_ascii_lowercase().as_str() {
        "open" => ids(app, rest),
        "theme" => ranked(themes(app), rest),
        "backend" => ranked(backends(app), rest),
        "filter" if !rest.is_empty() => vec![Item::new(
            format!("filter {rest}"),
            "show only rows that match, on this screen",
            Does::Filter(rest.to_owned()),
        )],
        "save-filter" if !rest.is_empty() => {
            let name = rest.trim_start_matches('@');
            vec![Item::new(
                format!("save-filter @{name}"),
                "keep the filter in force under this name",
                Does::SaveFilter(name.to_owned()),
            )]
        }
        verb => {
            let (screens, _) = app.screens();
            let screen = screens
                .iter()
                .find(|screen| screen.title().to_ascii_lowercase() == verb);
            screen
                .filter(|_| !rest.is_empty())
                .map(|screen| {
                    Item::new(
                        format!("{verb} {rest}"),
                        "go there with this filter",
                        Does::Go(screen.place(), Some(rest.to_owned())),
                    )
                })
                .into_iter()
                .collect()
        }
    }
}

fn everything(app: &App) -> Vec<Item> {
    let mut items = actions(app, app.front());
    items.extend(actions(app, Place::Anywhere));
    items.extend([
        Item::new(
            "open …",
            "a request, grant, session, lock, incident or event by its id",
            Does::Type("open ".to_owned()),
        ),
        Item::new(
            "filter …",
            "show only rows that match",
            Does::Type("filter ".to_owned()),
        ),
        Item::new(
            "save-filter …",
            "keep the filter in force under a name",
            Does::Type("save-filter @".to_owned()),
        ),
        Item::new(
            "break glass …",
            "take access before review: its command, to copy into a shell",
            Does::Show(|app| Box::new(CommandLine::of(break_glass(app)))),
        ),
        Item::new(
            "tutor",
            "learn to triage in two minutes; nothing in it is real",
            Does::Show(|app| Box::new(Tutor::new(app))),
        ),
        Item::new(
            "theme …",
            "other colours, shown while you choose",
            Does::Type("theme ".to_owned()),
        ),
    ]);
    items.extend(backends(app));
    items.extend(themes(app));
    items
}

fn actions(app: &App, place: Place) -> Vec<Item> {
    let bindings = app.world().keymap.all();
    bindings
        .filter(|(binding, _)| {
            let action = binding.action;
            binding.place == place
                && !action.is_move()
                && action != Action::Palette
                && app.works(place, action)
        })
        .map(|(binding, keys)| Item {
            text: binding.word.to_owned(),
            about: binding.doc.to_owned(),
            key: keys.first().map(|key| key.text()).unwrap_or_default(),
            refused: app.refusal(binding.action),
            does: Does::Run(binding.action),
        })
        .collect()
}

fn themes(app: &App) -> Vec<Item> {
    app.themes()
        .iter()
        .map(|name| {
            Item::new(
                format!("theme {name}"),
                "other colours, shown while you choose",
                Does::Theme(name.clone()),
            )
        })
        .collect()
}

fn backends(app: &App) -> Vec<Item> {
    app.backends()
        .iter()
        .filter(|_| app.backends().len() > 1)
        .map(|backend| {
            let mut item = Item::new(
                format!("backend {}", backend.name),
                format!("{} {}", backend.environment_word(), backend.url),
                Does::Backend(backend.name.clone()),
            );
            if app.backend() == Some(&backend.name) {
                item.refused = Some(format!("this is `{}`", backend.name));
            }
            item
        })
        .collect()
}

fn ids(app: &App, rest: &str) -> Vec<Item> {
    let low = rest.to_ascii_lowercase();
    let store = &app.world().store;
    let fits = |id: &str, words: [&str; 2]| {
        id.to_ascii_lowercase().contains(&low)
            || words.iter().any(|word| word.to_lowercase().contains(&low))
    };
    let mut found: Vec<(String, Item)> = Vec::new();
    for (id, view) in store.requests() {
        if fits(id.as_str(), [&view.requester, &view.target]) {
            let about = format!(
                "{}: {} on {}, {}",
                view.requester, view.role, view.target, view.state
            );
            let item = open(Subject::Request(id.clone()), &about);
            found.push((id.to_string(), item));
        }
    }
    for (id, view) in store.grants() {
        if fits(id.as_str(), [&view.holder, &view.target]) {
            let about = format!(
                "{}: {} on {}, {}",
                view.holder, view.role, view.target, view.state
            );
            let item = open(Subject::Grant(id.clone()), &about);
            found.push((id.to_string(), item));
        }
    }
    for (id, view) in store.locks() {
        let on = crate::console::confirm::locked(&view.on);
        if fits(id.as_str(), [&on, &view.placed_by]) {
            let about = format!("lock of {on} by {}, {}", view.placed_by, view.state);
            let item = open(Subject::Lock(id.clone()), &about);
            found.push((id.to_string(), item));
        }
    }
    for (id, view) in store.people().sign_ins() {
        if fits(id.as_str(), [&view.principal, &view.device]) {
            let about = format!("sign-in of {} on {}", view.principal, view.device);
            found.push((id.to_string(), open(Subject::SignIn(id.clone()), &about)));
        }
    }
    for (name, view) in store.people().services() {
        if fits(name.as_str(), [&view.owner, ""]) {
            let about = format!("service account of {}", view.owner);
            found.push((
                name.to_string(),
                open(Subject::Service(name.clone()), &about),
            ));
        }
    }
    for (id, view) in store.standing().all() {
        if fits(id.as_str(), [&view.subject, &view.target]) {
            let about = format!(
                "standing access: {} on {}, {}",
                view.subject, view.target, view.state
            );
            found.push((id.to_string(), open(Subject::Standing(id.clone()), &about)));
        }
    }
    for (id, view) in store.uses() {
        if fits(id.as_str(), [&view.person, &view.target]) {
            let about = format!(
                "{} broke glass: {} on {}, {}",
                view.person,
                view.role,
                view.target,
                view.state.replace('_', " ")
            );
            let item = Item {
                text: format!("open break-glass {id}"),
                ..open(Subject::Use(id.clone()), &about)
            };
            found.push((format!("{id} use"), item));
        }
    }
    for (key, view) in store.sessions() {
        if fits(&key.id, [&view.holder, &view.target]) {
            let about = format!("{} on {}, live", view.holder, view.target);
            let item = open(Subject::Session(key.clone()), &about);
            found.push((key.id.clone(), item));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut items: Vec<Item> = found.into_iter().map(|(_, item)| item).take(IDS).collect();
    let known = items
        .first()
        .is_some_and(|item| item.text.eq_ignore_ascii_case(&format!("open {rest}")));
    if !known && let Some(item) = by_id(rest, "ask the server for it") {
        items.insert(0, item);
    }
    items
}

fn open(subject: Subject, about: &str) -> Item {
    Item::new(
        format!("open {}", subject.as_str()),
        about,
        Does::Open(subject),
    )
}

/// The command that takes access before review; the person fills it in.
fn break_glass(app: &App) -> String {
    let backend = app.backend().filter(|_| app.backends().len() > 1);
    let backend = backend.map_or_else(String::new, |name| format!(" --backend {name}"));
    format!("portcullis break-glass TARGET ROLE --for 30m --reason '…' --wait{backend}")
}

/// What an id that was typed whole leads to, of whatever kind it is.
fn by_id(text: &str, about: &str) -> Option<Item> {
    let text = text.trim();
    let subject = None
        .or_else(|| text.parse::<RequestId>().ok().map(Subject::Request))
        .or_else(|| text.parse::<GrantId>().ok().map(Subject::Grant))
        .or_else(|| text.parse::<LockId>().ok().map(Subject::Lock));
    if let Some(subject) = subject {
        return Some(open(subject, about));
    }
    if let Ok(id) = text.parse::<IncidentId>() {
        let does = Does::Incident(id.to_string());
        return Some(Item::new(
            format!("open {id}"),
            "the incident and its receipts",
            does,
        ));
    }
    let number = text.strip_prefix('#').unwrap_or(text);
    let index = number.parse::<i64>().ok().filter(|index| *index >= 0)?;
    let about = "the event of the record with this number";
    Some(Item::new(
        format!("open {index}"),
        about,
        Does::Event(index),
    ))
}

/// The items that hold the letters in this order, the tightest match first.
fn ranked(items: Vec<Item>, text: &str) -> Vec<Item> {
    let text = text.trim();
    if text.is_empty() {
        return items;
    }
    let pattern = Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut letters = Vec::new();
    let mut found: Vec<(u32, Item)> = items
        .into_iter()
        .filter_map(|item| {
            let score = pattern.score(Utf32Str::new(&item.text, &mut letters), &mut matcher)?;
            Some((score, item))
        })
        .collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, item)| item).collect()
}
