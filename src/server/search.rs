//! The `q` of lists: the database reads a superset, page by page, and `query` decides about each row as the caller
//! sees it, until enough were found or enough were looked at.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::domain::ids::{GrantId, RequestId};
use crate::gate::{Caller, Gate};
use crate::query::index::{self, Needed};
use crate::query::time::Bounds;
use crate::query::{self, Context, Expr, List, Name, Row, Saved, needs};
use crate::store::among::{Among, Column};

use super::error::Failed;
use super::query::Params;

/// Rows that one call looks at: after these the page may be short, or empty, and still have a `next`.
const LOOKED_AT: usize = 5_000;
/// Nor does one call look for longer, so that a filter that matches nothing keeps nobody else waiting.
const LOOKS_FOR: Duration = Duration::from_secs(2);
/// Rows read from the database at once.
const CHUNK: usize = 500;

/// More targets than this are not looked up one by one: they are a part of everything.
const TARGETS: usize = 64;

/// A filter with who asked for it, and when.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub expr: Expr,
    list: List,
    now: DateTime<Utc>,
    me: String,
}

impl Wanted {
    /// Reads a filter; all of it has to make sense. Names of saved filters are the client's business.
    pub fn read(
        text: &str,
        list: List,
        now: DateTime<Utc>,
        caller: &Caller,
    ) -> Result<Self, Failed> {
        let expr = query::parse(text, list, &Saved::default())
            .whole()
            .map_err(Failed::BadFilter)?;
        Ok(Self {
            expr,
            list,
            now,
            me: caller.principal.name.to_string(),
        })
    }

    /// Takes the parameter `q`, if it says anything.
    pub async fn take(
        params: &mut Params,
        list: List,
        gate: &Gate,
        caller: &Caller,
    ) -> Result<Option<Self>, Failed> {
        let Some(text) = params.short("q", query::LONGEST)? else {
            return Ok(None);
        };
        let wanted = Self::read(&text, list, DateTime::UNIX_EPOCH, caller)?;
        if wanted.expr.is_empty() {
            return Ok(None);
        }
        let now = gate.now().await?;
        Ok(Some(Self { now, ..wanted }))
    }

    /// Says whether a row passes.
    pub fn lets<R: Row>(&self, row: &R) -> bool {
        self.expr.lets(row, self.context())
    }

    /// The same at another moment.
    pub fn at(&mut self, now: DateTime<Utc>) {
        self.now = now;
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            me: &self.me,
        }
    }

    /// What the database can compare.
    pub fn among(&self) -> Among {
        let columns: &[(Name, Column)] = match self.list {
            List::Requests => &[
                (Name::Id, Column::Id),
                (Name::Request, Column::Id),
                (Name::State, Column::State),
                (Name::Target, Column::Target),
                (Name::Principal, Column::Person),
            ],
            List::Grants => &[
                (Name::Id, Column::Id),
                (Name::Grant, Column::Id),
                (Name::Request, Column::Request),
                (Name::State, Column::State),
                (Name::Target, Column::Target),
                (Name::Principal, Column::Person),
            ],
            List::Audit => &[
                (Name::Id, Column::Event),
                (Name::Event, Column::Code),
                (Name::Outcome, Column::Outcome),
                (Name::Actor, Column::Actor),
                (Name::Principal, Column::Principal),
                (Name::Target, Column::Target),
                (Name::Request, Column::Request),
                (Name::Grant, Column::Grant),
            ],
            List::Sessions
            | List::Locks
            | List::SignIns
            | List::Services
            | List::Standing
            | List::BreakGlass => &[],
        };
        let needed = columns.iter().filter_map(|(name, column)| {
            let values = needs::values(&self.expr, self.list, *name, self.context())?;
            // Ids are stored as they are written, and filters are in small letters.
            let stored = |value: String| match (self.list, name) {
                (List::Requests, Name::Id) | (_, Name::Request) => {
                    value.parse::<RequestId>().ok().map(|id| id.to_string())
                }
                (List::Grants, Name::Id) | (_, Name::Grant) => {
                    value.parse::<GrantId>().ok().map(|id| id.to_string())
                }
                _ => Some(value),
            };
            Some((*column, values.into_iter().filter_map(stored).collect()))
        });
        needed.collect()
    }

    /// What an index of events can be asked for.
    pub fn needed(&self, catalog: &Catalog) -> Needed {
        let tagged = |name: &str, takes: &dyn Fn(&str) -> bool| {
            let targets = catalog.targets.values().map(|entry| &entry.target);
            let has = targets.filter(|target| {
                let mut tags = target.tags.iter();
                let tag = tags.find(|(key, _)| key.eq_ignore_ascii_case(name));
                tag.is_some_and(|(_, value)| takes(value))
            });
            let named: Vec<String> = has.map(|target| target.name.to_string()).collect();
            (named.len() <= TARGETS).then_some(named)
        };
        index::needed(&self.expr, self.context(), &tagged)
    }

    /// Says whether it asks for states, so that no other states are chosen for it.
    pub fn says_state(&self) -> bool {
        needs::values(&self.expr, self.list, Name::State, self.context()).is_some()
    }

    /// The stretch of time in which every row is that passes.
    pub fn time(&self) -> Bounds {
        needs::time(&self.expr, self.context())
    }
}

/// The later beginning and the earlier end of two stretches.
pub fn both(a: Bounds, b: Bounds) -> Bounds {
    Bounds {
        from: a.from.max(b.from),
        until: match (a.until, b.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    }
}

/// One look through a list. `C` is where a page begins.
pub struct Search<V, C> {
    wanted: Option<Wanted>,
    limit: usize,
    most: usize,
    asked: usize,
    looked: usize,
    until: Instant,
    over: bool,
    /// The rows that pass, in the order of the list.
    pub found: Vec<V>,
    /// Where the next page begins; nothing at the end of the list.
    pub next: Option<C>,
}

impl<V: Row, C: Clone> Search<V, C> {
    /// Looks for so many rows.
    pub fn new(wanted: Option<Wanted>, limit: i64) -> Self {
        Self {
            wanted,
            limit: usize::try_from(limit).unwrap_or(0),
            most: LOOKED_AT,
            asked: 0,
            looked: 0,
            until: Instant::now() + LOOKS_FOR,
            over: false,
            found: Vec::new(),
            next: None,
        }
    }

    /// Looks at the newest rows, however many of them pass.
    pub fn newest(wanted: Option<Wanted>, most: usize) -> Self {
        Self {
            most,
            limit: usize::MAX,
            ..Self::new(wanted, 0)
        }
    }

    /// Looks for so long at most.
    #[must_use]
    pub fn for_at_most(self, time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
            ..self
        }
    }

    /// How many rows it has looked at.
    pub fn looked(&self) -> usize {
        self.looked
    }

    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// How many rows to read next; `None` when that was enough.
    pub fn more(&mut self) -> Option<i64> {
        if self.over || self.found.len() >= self.limit {
            return None;
        }
        self.asked = if self.wanted.is_none() && self.limit < self.most {
            self.limit
        } else if self.looked == 0 {
            self.limit.clamp(50, CHUNK).min(self.most)
        } else if Instant::now() >= self.until {
            return None;
        } else {
            CHUNK.min(self.most.saturating_sub(self.looked))
        };
        (self.asked > 0).then(|| i64::try_from(self.asked).unwrap_or(i64::MAX))
    }

    /// Takes the rows that were read, each with where the page after it begins.
    pub fn take(&mut self, rows: impl ExactSizeIterator<Item = (V, C)>) {
        if let Some(read) = self.look_at(rows)
            && read < self.asked
        {
            self.over = true;
            self.next = None;
        }
    }

    /// The same for rows of which it is known where the next ones are; fewer than were asked for are all that there was
    /// time for.
    pub fn take_until(&mut self, rows: impl ExactSizeIterator<Item = (V, C)>, next: Option<C>) {
        if let Some(read) = self.look_at(rows) {
            self.over = next.is_none() || read < self.asked;
            self.next = next;
        }
    }

    /// Keeps the rows that pass; says how many were read, unless the page is full before the last of them.
    fn look_at(&mut self, rows: impl ExactSizeIterator<Item = (V, C)>) -> Option<usize> {
        let read = rows.len();
        for (at, (row, after)) in rows.enumerate() {
            self.looked += 1;
            self.next = Some(after);
            if self.wanted.as_ref().is_none_or(|wanted| wanted.lets(&row)) {
                self.found.push(row);
            }
            if self.found.len() >= self.limit && at + 1 < read {
                return None;
            }
        }
        Some(read)
    }
}

/// A parameter that makes no sense.
pub fn senseless(why: impl Into<String>) -> Failed {
    Failed::Malformed(StatusCode::BAD_REQUEST, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::eval::Value;

    /// A row that mentions its number.
    struct Numbered(usize);

    impl Row for Numbered {
        fn any(&self, _: Name, _: Context<'_>, _: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
            false
        }

        fn tag(&self, _: &str) -> Option<&str> {
            None
        }

        fn is(&self, _: &str, _: Context<'_>) -> bool {
            false
        }

        fn texts(&self, takes: &mut dyn FnMut(&str) -> bool) -> bool {
            takes(&self.0.to_string())
        }
    }

    fn wanted(text: &str) -> Wanted {
        Wanted {
            expr: query::parse(text, List::Audit, &Saved::default()).expr,
            list: List::Audit,
            now: DateTime::UNIX_EPOCH,
            me: String::new(),
        }
    }

    /// Pages through so many rows and gives the numbers found on each page.
    fn pages(text: &str, limit: i64, rows: usize) -> Vec<Vec<usize>> {
        let mut pages = Vec::new();
        let mut from = 0;
        loop {
            let mut search: Search<Numbered, usize> = Search::new(Some(wanted(text)), limit);
            let mut at = from;
            while let Some(more) = search.more() {
                let end = rows.min(at + usize::try_from(more).unwrap());
                search.take((at..end).map(|row| (Numbered(row), row + 1)));
                at = search.next.unwrap_or(end);
            }
            pages.push(search.found.iter().map(|row| row.0).collect());
            match search.next {
                Some(next) => from = next,
                None => return pages,
            }
        }
    }

    #[tokio::test]
    async fn pages_hold_every_row_that_passes_once_and_in_order() {
        let all: Vec<usize> = (0..1_200)
            .filter(|row| row.to_string().contains('7'))
            .collect();
        for limit in [1, 7, 200] {
            let found = pages("7", limit, 1_200);
            assert_eq!(found.concat(), all, "{limit}");
            let short = found
                .iter()
                .filter(|page| page.len() < usize::try_from(limit).unwrap());
            assert!(short.count() <= 1);
        }
    }

    #[tokio::test]
    async fn a_filter_that_matches_little_looks_at_a_bounded_number_of_rows_for_each_page() {
        let found = pages("11999", 50, 12_000);
        let sizes: Vec<usize> = found.iter().map(Vec::len).collect();
        assert_eq!(sizes, [0, 0, 1]);
    }
}
