//! What the record has of the end of one grant.

use anyhow::Context;

use crate::domain::event::EventCode;
use crate::domain::ids::GrantId;

use super::Tx;
use super::audit::Entry;
use super::row::{COLUMNS, Row};

impl Tx {
    /// The events of a grant with one of these codes, oldest first: all of them, or so many from the beginning and from
    /// the end, and then `true` for those in between. Also those that have no index yet.
    pub async fn ending_of(
        &mut self,
        grant: &GrantId,
        codes: &[EventCode],
        most: i64,
    ) -> anyhow::Result<(Vec<Entry>, bool)> {
        let first = self.ending_from("audit", "asc", grant, codes, most).await?;
        let full = i64::try_from(first.len())? >= most;
        let last = if full {
            self.ending_from("audit", "desc", grant, codes, most)
                .await?
        } else {
            Vec::new()
        };
        let overlaps = last.iter().any(|one| first.contains(one));
        let waiting = self
            .ending_from("audit_waiting", "desc", grant, codes, most)
            .await?;
        let mut all = first;
        for one in last.into_iter().chain(waiting) {
            // One may have got its index in between.
            if !all.iter().any(|known| known.id == one.id) {
                all.push(one);
            }
        }
        // What has no index yet came last.
        let place = |one: &Entry| if one.index < 0 { i64::MAX } else { one.index };
        all.sort_by(|one, other| {
            (place(one), one.at, &one.id).cmp(&(place(other), other.at, &other.id))
        });
        Ok((all, full && !overlaps))
    }

    async fn ending_from(
        &mut self,
        table: &str,
        order: &str,
        grant: &GrantId,
        codes: &[EventCode],
        most: i64,
    ) -> anyhow::Result<Vec<Entry>> {
        let places: Vec<String> = (3..codes.len() + 3)
            .map(|place| format!("${place}"))
            .collect();
        let (index, by) = if table == "audit" {
            ("idx", "idx")
        } else {
            ("cast(-1 as bigint) as idx", "event_id")
        };
        let sql = format!(
            "select {index}, {COLUMNS} from {table} where grant_id = $1 and code in ({}) order by {by} {order} limit $2",
            places.join(", ")
        );
        let rows: Vec<Row> = on!(self, c => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone())).bind(grant.as_str()).bind(most);
            for code in codes {
                query = query.bind(code.as_str());
            }
            query.fetch_all(c)
        })
        .context("reading the end of a grant")?;
        rows.into_iter().map(Row::read).collect()
    }
}
