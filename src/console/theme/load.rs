//! Reads theme files. A file that is wrong anywhere is refused as a whole, with the nearest name that would be right.

use std::collections::HashMap;

use ratatui::style::Modifier;
use toml::{Table, Value};
use unicode_width::UnicodeWidthStr;

use crate::console::term::caps::{Charset, Depth};
use crate::console::theme::MODS;
use crate::console::theme::colour::{ANSI_NAMES, Paint};
use crate::console::theme::glyph::Glyph;
use crate::console::theme::role::Role;
use crate::text;

/// A chain of parents longer than this is a mistake, or a circle.
const PARENTS: usize = 4;

/// Which backgrounds a theme is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
    /// Whatever the terminal has.
    Any,
}

/// What is wrong with a theme file, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct BadTheme {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// A theme as written, with its parents filled in.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) variant: Variant,
    pub(super) depth: Depth,
    pub(super) roles: HashMap<Role, Look>,
    pub(super) charset: Option<Charset>,
    pub(super) glyphs: HashMap<String, String>,
    /// Names that mean nothing here: a mistake for `theme check`, passed over when the console starts.
    pub(super) remarks: Vec<BadTheme>,
    pub(super) description: String,
    palette: HashMap<String, Paint>,
}

/// The look of one role.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) fg: Option<Paint>,
    pub(super) bg: Option<Paint>,
    pub(super) mods: Modifier,
    pub(super) ansi: Option<Paint>,
    pub(super) mono: Option<Modifier>,
}

impl Source {
    /// The terminal's own colours and nothing else.
    pub(super) fn plain() -> Self {
        Self {
            id: "plain".to_owned(),
            variant: Variant::Any,
            depth: Depth::TrueColor,
            roles: HashMap::new(),
            charset: None,
            glyphs: HashMap::new(),
            remarks: Vec::new(),
            description: String::new(),
            palette: HashMap::new(),
        }
    }
}

/// Reads a theme; `parent` finds the text of the theme that it inherits from.
pub(super) fn read(
    text: &str,
    parent: &dyn Fn(&str) -> Option<String>,
) -> Result<Source, BadTheme> {
    read_at(text, parent, PARENTS)
}

fn read_at(
    text: &str,
    parent: &dyn Fn(&str) -> Option<String>,
    left: usize,
) -> Result<Source, BadTheme> {
    let file: Table = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let keys = [
        "schema",
        "id",
        "name",
        "description",
        "author",
        "license",
        "variant",
        "depth",
        "inherits",
        "palette",
        "roles",
        "glyphs",
    ];
    let mut remarks = Vec::new();
    known(&file, &keys, "key", &mut remarks);
    if file.get("schema").and_then(Value::as_integer) != Some(1) {
        return Err(bad(
            "the theme has no `schema = 1`",
            "put it on the first line",
        ));
    }
    let id = string(&file, "id")?
        .ok_or_else(|| bad("the theme has no `id`", "use the name of its file"))?;
    if id.is_empty()
        || !id
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    {
        return Err(bad(
            format!("`{}` is no theme name", text::clean(id)),
            "use small letters, digits and hyphens",
        ));
    }
    let mut source = match string(&file, "inherits")? {
        None => Source::plain(),
        Some(name) => {
            let shown = text::clean(name);
            if left == 0 {
                return Err(bad(
                    format!("`{shown}` is one parent too many"),
                    "inherit from a theme that stands alone",
                ));
            }
            let text = parent(name).ok_or_else(|| {
                bad(
                    format!("there is no theme `{shown}` to inherit from"),
                    "name a theme that is installed",
                )
            })?;
            read_at(&text, parent, left - 1)?
        }
    };
    source.remarks.append(&mut remarks);
    id.clone_into(&mut source.id);
    string(&file, "description")?
        .unwrap_or_default()
        .clone_into(&mut source.description);
    if let Some(variant) = string(&file, "variant")? {
        let choices = [
            ("dark", Variant::Dark),
            ("light", Variant::Light),
            ("any", Variant::Any),
        ];
        source.variant = choose(variant, &choices, "variant")?;
    }
    if let Some(depth) = string(&file, "depth")? {
        let choices = [
            ("truecolor", Depth::TrueColor),
            ("256", Depth::Indexed),
            ("16", Depth::Ansi16),
            ("mono", Depth::Mono),
        ];
        source.depth = choose(depth, &choices, "depth")?;
    }
    palette(&file, &mut source)?;
    roles(&file, &mut source)?;
    glyphs(&file, &mut source)?;
    Ok(source)
}

fn palette(file: &Table, source: &mut Source) -> Result<(), BadTheme> {
    for (name, value) in section(file, "palette")?.into_iter().flatten() {
        let paint = match value {
            Value::Integer(index) => u8::try_from(*index).ok().map(Paint::Index),
            Value::String(text) => Paint::parse(text),
            _ => None,
        };
        let name = text::clean(name);
        let paint = paint.ok_or_else(|| {
            bad(
                format!("`palette.{name}` is no colour"),
                format!(
                    "write \"#rrggbb\", a number up to 255, \"default\" or one of {}",
                    ANSI_NAMES.join(", ")
                ),
            )
        })?;
        source.palette.insert(name.into_string(), paint);
    }
    Ok(())
}

fn roles(file: &Table, source: &mut Source) -> Result<(), BadTheme> {
    let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let Some(table) = section(file, "roles")? else {
        return Ok(());
    };
    known(table, &names, "role", &mut source.remarks);
    for role in Role::ALL.iter().copied() {
        let Some(value) = table.get(role.name()) else {
            continue;
        };
        let look = match value {
            Value::String(name) => Look {
                fg: Some(paint(source, name, role)?),
                ..Look::default()
            },
            Value::Table(table) => table_look(source, table, role)?,
            _ => {
                return Err(bad(
                    format!("`roles.{}` is no look", role.name()),
                    "write a colour or a table of fg, bg, mods",
                ));
            }
        };
        source.roles.insert(role, look);
    }
    Ok(())
}

fn table_look(source: &mut Source, table: &Table, role: Role) -> Result<Look, BadTheme> {
    known(
        table,
        &["fg", "bg", "mods", "underline", "ansi", "mono"],
        "key",
        &mut source.remarks,
    );
    let source = &*source;
    let colour = |key: &str| {
        string(table, key)?
            .map(|name| paint(source, name, role))
            .transpose()
    };
    let ansi = colour("ansi")?;
    if !matches!(ansi, None | Some(Paint::Ansi(_))) {
        let hint = format!("use one of {}", ANSI_NAMES.join(", "));
        return Err(bad(
            format!(
                "`ansi` of `{}` is not one of the sixteen colours",
                role.name()
            ),
            hint,
        ));
    }
    let mut with = mods(table, "mods")?.unwrap_or_default();
    if let Some(kind) = string(table, "underline")? {
        // A curl is drawn as a line: not every terminal knows it, and none may lose the underline.
        choose(kind, &[("line", ()), ("curl", ())], "underline")?;
        with |= Modifier::UNDERLINED;
    }
    Ok(Look {
        fg: colour("fg")?,
        bg: colour("bg")?,
        mods: with,
        ansi,
        mono: mods(table, "mono")?,
    })
}

/// A name from the palette, or a colour written out.
fn paint(source: &Source, name: &str, role: Role) -> Result<Paint, BadTheme> {
    source
        .palette
        .get(name)
        .copied()
        .or_else(|| Paint::parse(name))
        .ok_or_else(|| {
            let near = nearest(
                name,
                source.palette.keys().map(String::as_str).chain(ANSI_NAMES),
            );
            bad(
                format!(
                    "`{}` of `{}` is neither in the palette nor a colour",
                    text::clean(name),
                    role.name()
                ),
                near,
            )
        })
}

fn mods(table: &Table, key: &str) -> Result<Option<Modifier>, BadTheme> {
    let Some(value) = table.get(key) else {
        return Ok(None);
    };
    let names = value.as_array().ok_or_else(|| {
        bad(
            format!("`{key}` is no list"),
            "write for example [\"bold\"]",
        )
    })?;
    let mut all = Modifier::empty();
    for name in names {
        all |= choose(name.as_str().unwrap_or_default(), MODS, "modifier")?;
    }
    Ok(Some(all))
}

fn glyphs(file: &Table, source: &mut Source) -> Result<(), BadTheme> {
    let Some(table) = section(file, "glyphs")? else {
        return Ok(());
    };
    let names: Vec<&str> = Glyph::ALL
        .iter()
        .map(|glyph| glyph.name())
        .chain(["set"])
        .collect();
    known(table, &names, "glyph", &mut source.remarks);
    for key in table.keys().filter(|key| names.contains(&key.as_str())) {
        let Some(value) = string(table, key)? else {
            continue;
        };
        if key == "set" {
            source.charset = Some(choose(
                value,
                &[("unicode", Charset::Unicode), ("ascii", Charset::Ascii)],
                "set",
            )?);
            continue;
        }
        let clean = text::clean(value);
        if clean.as_str() != value || !(1..=2).contains(&value.width()) {
            return Err(bad(
                format!("`glyphs.{key}` is not one or two columns wide"),
                "use one or two plain characters",
            ));
        }
        source.glyphs.insert(key.clone(), value.to_owned());
    }
    Ok(())
}

fn section<'a>(file: &'a Table, key: &str) -> Result<Option<&'a Table>, BadTheme> {
    file.get(key)
        .map(|value| {
            value
                .as_table()
                .ok_or_else(|| bad(format!("`{key}` is no table"), "write it as a section"))
        })
        .transpose()
}

fn string<'a>(table: &'a Table, key: &str) -> Result<Option<&'a str>, BadTheme> {
    table
        .get(key)
        .map(|value| {
            value
                .as_str()
                .ok_or_else(|| bad(format!("`{key}` is no text"), "put it in quotes"))
        })
        .transpose()
}

fn known(table: &Table, names: &[&str], what: &str, remarks: &mut Vec<BadTheme>) {
    let strangers = table.keys().filter(|key| !names.contains(&key.as_str()));
    remarks.extend(strangers.map(|key| {
        bad(
            format!("there is no {what} `{}`", text::clean(key)),
            nearest(key, names.iter().copied()),
        )
    }));
}

fn choose<T: Copy>(name: &str, choices: &[(&str, T)], what: &str) -> Result<T, BadTheme> {
    choices
        .iter()
        .find(|(choice, _)| *choice == name)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let near = nearest(name, choices.iter().map(|(choice, _)| *choice));
            bad(format!("there is no {what} `{}`", text::clean(name)), near)
        })
}

fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(name, candidate),
                candidate,
            )
        })
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness > 0.5);
    match near {
        Some((_, candidate)) => format!("did you mean `{candidate}`"),
        None => "see the themes that are built in for the names there are".to_owned(),
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> BadTheme {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(1, |before| before.lines().count().max(1));
    bad(
        format!(
            "line {line} of the theme is not TOML: {}",
            text::clean(error.message())
        ),
        "compare it with a theme that is built in",
    )
}

fn bad(problem: impl Into<String>, hint: impl Into<String>) -> BadTheme {
    BadTheme {
        problem: problem.into(),
        hint: hint.into(),
    }
}
