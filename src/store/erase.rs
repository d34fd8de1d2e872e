//! Erasing what people typed and where they were: from the history, and from what is over.
//!
//! The tree stands, because an entry has salted hashes only; without the salt nobody can try texts against them.

use anyhow::Context;

use crate::domain::ids::{GrantId, PrincipalName, RequestId};

use super::audit::Entry;
use super::index::PIECE;
use super::row::{COLUMNS, Row};
use super::{Tx, rows};

/// What stands where a text was that has to be there.
const ERASED: &str = "(erased)";

/// The states of what is not over.
const OPEN: &str = "('pending', 'scheduled', 'activating', 'active', 'closing')";

const HAS_TEXTS: &str = "(reason is not null or address is not null)";
/// Events that are looked at by one statement, and that one writes.
const AT_ONCE: i64 = 20_000;
const ROWS_AT_ONCE: usize = 100;

/// How events with texts are found.
#[derive(Clone, Copy)]
enum Found {
    /// They are few, and the database has an index of what they are about.
    ByIndex,
    /// Each is looked at.
    ByLooking,
}

impl Tx {
    /// Erases the texts of one event, and of those about the same request or grant that say the same; answers how many
    /// events lost any. Texts of events of before there was a tree are in the entry itself and stay.
    pub async fn erase_event(&mut self, entry: &Entry) -> anyhow::Result<u64> {
        let event = &entry.event;
        let own = format!("select idx, {COLUMNS} from audit where idx = $1 and {HAS_TEXTS}");
        let own: Vec<Row> = on!(self, c => sqlx::query_as(sqlx::AssertSqlSafe(own.clone())).bind(entry.index).fetch_all(c))
            .context("looking for texts to erase")?;
        let mut erased = self.put_hashes(&own).await?;
        let Some(reason) = event.reason.as_deref() else {
            return Ok(erased);
        };
        let request = event.request.as_ref().map_or("", RequestId::as_str);
        let grant = event.grant.as_ref().map_or("", GrantId::as_str);
        let same = "reason = $1 and (request_id = $2 or grant_id = $3)";
        erased += self
            .erase_texts(same, &[reason, request, grant], Found::ByIndex)
            .await?;
        let copies = [
            format!(
                "update requests set reason = '{ERASED}', reason_key = null where reason = $1 and (id = $2 or grant_id = $3) and state not in {OPEN}"
            ),
            format!(
                "update reviews set comment = '{ERASED}' where comment = $1 and request_id in (select id from requests where (id = $2 or grant_id = $3) and state not in {OPEN})"
            ),
            format!(
                "update grants set reason = '{ERASED}' where reason = $1 and (request_id = $2 or id = $3) and state not in {OPEN}"
            ),
            format!(
                "update grants set close_reason = '{ERASED}' where close_reason = $1 and (request_id = $2 or id = $3) and state not in {OPEN}"
            ),
        ];
        for sql in copies {
            touch!(self, c => sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(reason).bind(request).bind(grant).execute(c)).context("erasing copies of a text")?;
        }
        Ok(erased)
    }

    /// Erases the texts of every event that a person did or that is about them, and what they typed from
    /// what is over; answers how many events lost any.
    pub async fn erase_person(&mut self, name: &PrincipalName) -> anyhow::Result<u64> {
        let erased = self
            .erase_texts(
                "(actor = $1 or principal = $1)",
                &[name.as_str()],
                Found::ByLooking,
            )
            .await?;
        let copies = [
            format!(
                "update requests set reason = '{ERASED}', reason_key = null where requester_name = $1 and state not in {OPEN}"
            ),
            format!(
                "update reviews set comment = '{ERASED}' where comment is not null and (reviewer_name = $1 or request_id in (select id from requests where requester_name = $1)) and request_id in (select id from requests where state not in {OPEN})"
            ),
            format!(
                "update grants set reason = '{ERASED}' where holder_name = $1 and state not in {OPEN}"
            ),
            format!(
                "update grants set close_reason = '{ERASED}' where close_reason is not null and (closed_by_name = $1 or holder_name = $1) and state not in {OPEN}"
            ),
            format!(
                "update locks set reason = '{ERASED}' where (placed_by_name = $1 or principal_name = $1) and lifted_at is not null"
            ),
            format!(
                "update locks set lift_reason = '{ERASED}' where lift_reason is not null and (lifted_by_name = $1 or principal_name = $1)"
            ),
            format!(
                "update break_glass_sign_offs set comment = '{ERASED}' where reviewer_name = $1 or request_id in (select id from requests where requester_name = $1)"
            ),
        ];
        for sql in copies {
            touch!(self, c => sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(name.as_str()).execute(c)).context("erasing the texts of a person")?;
        }
        Ok(erased)
    }

    /// Erases the texts of events that fulfil a condition, and keeps their hashes, of which the log is made.
    async fn erase_texts(
        &mut self,
        such: &str,
        binds: &[&str],
        found: Found,
    ) -> anyhow::Result<u64> {
        // Nothing is numbered meanwhile, and so nothing is missed.
        self.hold_head().await?;
        let waiting = format!(
            "select cast(-1 as bigint) as idx, {COLUMNS} from audit_waiting where {such} and {HAS_TEXTS}"
        );
        let waiting = self.rows_such(&waiting, binds, None).await?;
        for row in &waiting {
            let erase = "update audit_waiting set reason = null, address = null, salt = null, body = $1 where at = $2 and event_id = $3";
            touch!(self, c => sqlx::query(erase).bind(row.erased()?).bind(row.at).bind(row.event_id.as_deref()).execute(c))
                .context("erasing texts")?;
        }
        let mut erased = u64::try_from(waiting.len())?;
        let (idx, step) = match found {
            // The `+` keeps planners from walking through the whole log in its order.
            Found::ByIndex => ("+idx", i64::MAX),
            // A part at a time, so that no statement takes longer than one may.
            Found::ByLooking => ("idx", AT_ONCE),
        };
        let part = format!(
            "select idx, {COLUMNS} from audit where {such} and {HAS_TEXTS} and {idx} >= ${} and {idx} < ${} order by {idx}",
            binds.len() + 1,
            binds.len() + 2
        );
        let (mut from, end) = self.log_range().await?;
        while from < end {
            let until = from.saturating_add(step);
            let rows = self.rows_such(&part, binds, Some((from, until))).await?;
            erased += self.put_hashes(&rows).await?;
            from = until;
        }
        Ok(erased)
    }

    async fn rows_such(
        &mut self,
        sql: &str,
        binds: &[&str],
        part: Option<(i64, i64)>,
    ) -> anyhow::Result<Vec<Row>> {
        on!(self, c => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned()));
            for bind in binds {
                query = query.bind(*bind);
            }
            if let Some((from, until)) = part {
                query = query.bind(from).bind(until);
            }
            query.fetch_all(c)
        })
        .context("looking for texts to erase")
    }

    /// Writes hashes in the place of the texts of numbered events, which the index of searches forgets, too.
    async fn put_hashes(&mut self, events: &[Row]) -> anyhow::Result<u64> {
        let mut erased = 0;
        for some in events.chunks(ROWS_AT_ONCE) {
            // Both databases call the columns of a list of values `column1` and so on.
            let sql = format!(
                "update audit set reason = null, address = null, salt = null, body = v.column2 from (values {}) as v where audit.idx = v.column1",
                rows(some.len(), &["", ""])
            );
            let bodies: Vec<String> = some
                .iter()
                .map(Row::erased)
                .collect::<anyhow::Result<_>>()?;
            erased += touch!(self, c => {
                let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
                for (row, body) in some.iter().zip(&bodies) {
                    query = query.bind(row.idx).bind(body);
                }
                query.execute(c)
            })
            .context("erasing texts")?;
        }
        let mut pieces: Vec<i64> = events.iter().map(|row| row.idx / PIECE).collect();
        pieces.dedup();
        for piece in pieces {
            self.texts_were_erased(piece * PIECE, (piece + 1) * PIECE)
                .await?;
        }
        Ok(erased)
    }
}
