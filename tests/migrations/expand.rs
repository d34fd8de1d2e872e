//! What a migration may do while nodes of the version before work on the database.

use std::fmt::Write as _;

use super::folder;

/// The first migration that is held to it.
const FIRST: i64 = 18;
/// Tables of few rows, which may be rewritten in one statement.
const SMALL: [&str; 3] = ["log_head", "settings", "siem_cursors"];
/// Tables that may be too large to make an index of while everybody waits.
const LARGE: [&str; 2] = ["audit", "log_nodes"];
/// What takes away or changes what the version before uses.
const TAKES_AWAY: [&str; 7] = [
    "drop table",
    "drop column",
    "drop index",
    "rename",
    "alter column",
    "add constraint",
    "set not null",
];

/// The statements of a file, without comments and line breaks.
fn statements(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.split("--").next().unwrap().trim());
    let text = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    text.split(';')
        .map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|one| !one.is_empty())
        .collect()
}

/// The word that follows some words.
fn after<'a>(statement: &'a str, words: &str) -> Option<&'a str> {
    let (_, rest) = statement.split_once(words)?;
    rest.split([' ', '(']).find(|word| !word.is_empty())
}

/// Why a statement would lock out the version before; `new` are the tables that the same file makes.
fn locks_out(statement: &str, new: &[&str]) -> Option<String> {
    let is_old = |table: &str| !new.contains(&table);
    for words in TAKES_AWAY {
        if statement.contains(words) {
            return Some(format!("`{words}` takes away what it uses"));
        }
    }
    if let Some(table) = after(statement, "alter table ").filter(|table| is_old(table)) {
        let Some((_, column)) = statement.split_once(" add column ") else {
            return Some(format!("`{table}` is altered"));
        };
        if column.contains("not null") && !column.contains("default") {
            return Some(format!(
                "it writes no such column of `{table}`, which must not be null"
            ));
        }
        for word in [" check", " unique", " references", " primary key"] {
            if column.contains(word) {
                return Some(format!("a new rule of `{table}`:{word}"));
            }
        }
    }
    for words in ["create unique index ", "create index "] {
        let Some((_, rest)) = statement.split_once(words) else {
            continue;
        };
        let table = after(rest, " on ").unwrap();
        if is_old(table) && words.contains("unique") {
            return Some(format!("a new rule of `{table}`: unique"));
        }
        if is_old(table) && LARGE.contains(&table) {
            return Some(format!("nobody writes `{table}` while its index is made"));
        }
    }
    for words in ["update ", "delete from ", "insert into "] {
        let Some(rest) = statement.strip_prefix(words) else {
            continue;
        };
        let table = rest.split([' ', '(']).next().unwrap();
        let fills = words == "insert into " && rest.contains(" values ");
        if is_old(table) && !SMALL.contains(&table) && !fills {
            return Some(format!("`{table}` is rewritten in one statement"));
        }
    }
    None
}

/// What is wrong with a migration, given what was needed before it; answers what is needed after it.
fn judge(version: i64, text: &str, before: i64) -> Result<i64, String> {
    let contract = text.starts_with("-- contract");
    let all = statements(text);
    let told = format!("insert into schema_reach (version, oldest) values ({version}, ");
    let mut told: Vec<i64> = all
        .iter()
        .filter_map(|one| one.strip_prefix(&told)?.strip_suffix(')')?.parse().ok())
        .collect();
    let Some(oldest) = told.pop().filter(|_| told.is_empty()) else {
        return Err(format!(
            "say once, on one line, who goes on: `insert into schema_reach (version, oldest) values ({version}, {before});`"
        ));
    };
    if contract {
        return if before < oldest && oldest < version {
            Ok(oldest)
        } else {
            Err(format!(
                "what is taken away was used until some version from {} to {}: `oldest` is that one",
                before + 1,
                version - 1
            ))
        };
    }
    if oldest != before {
        return Err(format!(
            "only a migration that begins with `-- contract` locks out others: `oldest` stays {before}"
        ));
    }
    let new: Vec<&str> = all
        .iter()
        .filter_map(|one| after(one, "create table "))
        .collect();
    let mut wrong = String::new();
    for one in &all {
        // What it says of itself goes into a table that is there by then.
        let own = one.starts_with("insert into schema_reach ");
        if let Some(why) = locks_out(one, &new).filter(|_| !own) {
            write!(wrong, "{why} (`{one}`); ").unwrap();
        }
    }
    if wrong.is_empty() {
        Ok(oldest)
    } else {
        Err(format!(
            "the version before could not go on: {wrong}do it in a later release, in a file that begins with `-- contract`"
        ))
    }
}

#[test]
fn no_migration_locks_out_the_version_before() {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut oldest = FIRST - 1;
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let version: i64 = name.get(..4).unwrap().parse().unwrap();
        if version < FIRST {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        oldest = judge(version, &text, oldest).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn what_would_lock_out_the_version_before_is_found() {
    let told = |text: &str| {
        format!("{text}\ninsert into schema_reach (version, oldest) values (20, 17);\n")
    };
    for text in [
        "alter table grants drop column epoch;",
        "alter table grants rename column epoch to turn;",
        "drop table locks;",
        "drop index locks_newest;",
        "alter table grants add column turn bigint not null;",
        "alter table grants add column turn bigint references requests (id);",
        "alter table grants alter column epoch type text;",
        "alter table grants add constraint one check (epoch > 0);",
        "create unique index one on grants (holder_id);",
        "create index audit_by_actor on audit (actor);",
        "update audit set actor = '';",
        "delete from grants;",
        "insert into tokens (hash) select id from grants;",
    ] {
        assert!(judge(20, &told(text), 17).is_err(), "{text}");
        // In its own time it may.
        let later = format!(
            "-- contract: nothing uses it since 19\n{text}\ninsert into schema_reach (version, oldest) values (20, 19);"
        );
        assert_eq!(judge(20, &later, 17), Ok(19), "{text}");
    }
    for text in [
        "create table notes (id text primary key, text text not null);\ncreate unique index one on notes (text);\ninsert into notes (id, text) select id, name from principals;",
        "alter table grants add column turn bigint not null default 0;",
        "alter table grants add column turn bigint; -- drop table grants\n create index by_turn on grants (turn);",
        "update log_head set epoch = 1;",
    ] {
        assert_eq!(judge(20, &told(text), 17), Ok(17), "{text}");
    }
    for told in [
        "",
        "insert into schema_reach (version, oldest) values (19, 17);",
        "insert into schema_reach (version, oldest) values (20, 18);",
        "-- contract\ninsert into schema_reach (version, oldest) values (20, 20);",
        "-- contract\ninsert into schema_reach (version, oldest) values (20, 17);",
    ] {
        assert!(judge(20, told, 17).is_err(), "{told}");
    }
}
