//! Erasing what people typed and where they were: from the history, and from what is over.
//!
//! The tree stands, because an entry has salted hashes only; without the salt nobody can try texts against them.

use anyhow::Context;

use crate::domain::ids::{GrantId, PrincipalName, RequestId};

use super::Tx;
use super::audit::Entry;

/// What stands where a text was that has to be there.
const ERASED: &str = "(erased)";

/// The states of what is not over.
const OPEN: &str = "('pending', 'scheduled', 'activating', 'active', 'closing')";

impl Tx {
    /// Erases the texts of one event, and of those about the same request or grant that say the same; answers how many
    /// events lost any. Texts of events of before there was a tree are in the entry itself and stay.
    pub async fn erase_event(&mut self, entry: &Entry) -> anyhow::Result<u64> {
        let (index, event) = (entry.index, &entry.event);
        self.texts_were_erased(index, index + 1).await?;
        let sql = "update audit set reason = null, address = null, salt = null where idx = $1 and (reason is not null or address is not null)";
        let mut erased = touch!(self, c => sqlx::query(sql).bind(index).execute(c))
            .context("erasing an event")?;
        let Some(reason) = event.reason.as_deref() else {
            return Ok(erased);
        };
        let request = event.request.as_ref().map_or("", RequestId::as_str);
        let grant = event.grant.as_ref().map_or("", GrantId::as_str);
        let same = "select distinct idx / 2048 from audit where reason = $1 and (request_id = $2 or grant_id = $3) and idx is not null";
        let pieces: Vec<(i64,)> = on!(self, c => sqlx::query_as(same).bind(reason).bind(request).bind(grant).fetch_all(c)).context("looking for what says the same")?;
        self.forget_pieces(&pieces).await?;
        let again = "update audit set reason = null, address = null, salt = null where reason = $1 and (request_id = $2 or grant_id = $3)";
        erased +=
            touch!(self, c => sqlx::query(again).bind(reason).bind(request).bind(grant).execute(c))
                .context("erasing what says the same")?;
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
        let of = "select distinct idx / 2048 from audit where (actor = $1 or principal = $1) and idx is not null and (reason is not null or address is not null)";
        let pieces: Vec<(i64,)> =
            on!(self, c => sqlx::query_as(of).bind(name.as_str()).fetch_all(c))
                .context("looking for the events of a person")?;
        self.forget_pieces(&pieces).await?;
        let sql = "update audit set reason = null, address = null, salt = null where (actor = $1 or principal = $1) and (reason is not null or address is not null)";
        let erased = touch!(self, c => sqlx::query(sql).bind(name.as_str()).execute(c))
            .context("erasing the events of a person")?;
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

    /// Makes the index of searches forget what it has of some events, by their numbers divided by 2,048.
    async fn forget_pieces(&mut self, pieces: &[(i64,)]) -> anyhow::Result<()> {
        for (piece,) in pieces {
            let from = piece * 2_048;
            self.texts_were_erased(from, from + 2_048).await?;
        }
        Ok(())
    }
}
