//! Requests and their reviews.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::claim::Claim;
use crate::domain::ids::{GrantId, PrincipalId, RequestId, RoleName, TargetName};
use crate::domain::principal::PrincipalRef;
use crate::domain::request::{Request, RequestState};
use crate::domain::review::Review;
use crate::domain::signal::normalised;
use crate::domain::span::Span;
use crate::secret::hash_of;

use super::grants::Filter;
use super::{Tx, millis, moment, moments, stored, word};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: String,
    state: String,
    requester_id: String,
    requester_name: String,
    owner_id: Option<String>,
    maker_id: Option<String>,
    target: String,
    role: String,
    duration: i64,
    not_before: Option<i64>,
    reason: String,
    ticket: Option<String>,
    snapshot: String,
    created_at: i64,
    decide_by: i64,
    decided_at: Option<i64>,
    grant_id: Option<String>,
    claimed_by_id: Option<String>,
    claimed_by_name: Option<String>,
    claimed_at: Option<i64>,
    claimed_until: Option<i64>,
    version: i64,
}

impl Row {
    fn claim(&self) -> anyhow::Result<Option<Claim>> {
        let (Some(id), Some(name), Some(since), Some(until)) = (
            &self.claimed_by_id,
            &self.claimed_by_name,
            self.claimed_at,
            self.claimed_until,
        ) else {
            return Ok(None);
        };
        Ok(Some(Claim {
            by: PrincipalRef {
                id: stored("principal id", id)?,
                name: stored("principal name", name)?,
            },
            since: moment(since)?,
            until: moment(until)?,
        }))
    }

    fn read(self, reviews: Vec<Review>) -> anyhow::Result<Request> {
        let claim = self.claim()?;
        Ok(Request {
            id: stored("request id", &self.id)?,
            kind: word("kind", &self.kind)?,
            requester: PrincipalRef {
                id: stored("principal id", &self.requester_id)?,
                name: stored("principal name", &self.requester_name)?,
            },
            owner: self
                .owner_id
                .map(|id| stored("principal id", &id))
                .transpose()?,
            maker: self
                .maker_id
                .map(|id| stored("principal id", &id))
                .transpose()?,
            target: stored("target name", &self.target)?,
            role: stored("role name", &self.role)?,
            duration: span(self.duration)?,
            not_before: moments(self.not_before)?,
            reason: self.reason,
            ticket: self.ticket,
            snapshot: serde_json::from_str(&self.snapshot).context("reading a policy snapshot")?,
            state: word("state", &self.state)?,
            created_at: moment(self.created_at)?,
            decide_by: moment(self.decide_by)?,
            decided_at: moments(self.decided_at)?,
            grant: self
                .grant_id
                .map(|id| stored("grant id", &id))
                .transpose()?,
            reviews,
            claim,
            version: self.version,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ReviewRow {
    request_id: String,
    reviewer_id: String,
    reviewer_name: String,
    decision: String,
    comment: Option<String>,
    narrowed: String,
    counted_groups: String,
    created_at: i64,
}

impl ReviewRow {
    fn read(self) -> anyhow::Result<Review> {
        Ok(Review {
            reviewer: PrincipalRef {
                id: stored("principal id", &self.reviewer_id)?,
                name: stored("principal name", &self.reviewer_name)?,
            },
            decision: word("decision", &self.decision)?,
            comment: self.comment,
            narrowed: serde_json::from_str(&self.narrowed).context("reading a narrowing")?,
            counted_groups: serde_json::from_str(&self.counted_groups)
                .context("reading counted groups")?,
            created_at: moment(self.created_at)?,
        })
    }
}

/// A duration as it is stored, in seconds.
pub(in crate::store) fn span(seconds: i64) -> anyhow::Result<Span> {
    u64::try_from(seconds)
        .ok()
        .and_then(|seconds| Span::from_seconds(seconds).ok())
        .with_context(|| format!("the database has the duration {seconds}"))
}

/// What two requests with the same reason have in common, short enough for an index.
fn reason_key(reason: &str) -> String {
    hash_of(&normalised(reason))
        .iter()
        .take(16)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

const COLUMNS: &str = "id, kind, state, requester_id, requester_name, owner_id, maker_id, target, role, duration, not_before, reason, ticket, snapshot, created_at, decide_by, decided_at, grant_id, claimed_by_id, claimed_by_name, claimed_at, claimed_until, version";
const BY_ID: &str = "select id, kind, state, requester_id, requester_name, owner_id, maker_id, target, role, duration, not_before, reason, ticket, snapshot, created_at, decide_by, decided_at, grant_id, claimed_by_id, claimed_by_name, claimed_at, claimed_until, version from requests where id = $1";
const REVIEWS: &str = "select request_id, reviewer_id, reviewer_name, decision, comment, narrowed, counted_groups, created_at from reviews where request_id = $1 order by version";

impl Tx {
    /// One request with its reviews.
    pub async fn request(&mut self, id: &RequestId) -> anyhow::Result<Option<Request>> {
        let row: Option<Row> =
            on!(self, c => sqlx::query_as(BY_ID).bind(id.as_str()).fetch_optional(c))
                .context("reading a request")?;
        let Some(row) = row else { return Ok(None) };
        // Each review raises the version, so the first one has none.
        let reviews = if row.version > 1 {
            self.reviews(&row.id).await?
        } else {
            Vec::new()
        };
        row.read(reviews).map(Some)
    }

    async fn reviews(&mut self, request: &str) -> anyhow::Result<Vec<Review>> {
        let rows: Vec<ReviewRow> =
            on!(self, c => sqlx::query_as(REVIEWS).bind(request).fetch_all(c))
                .context("reading reviews")?;
        rows.into_iter().map(ReviewRow::read).collect()
    }

    /// A page of requests, newest first, with their reviews.
    pub async fn requests(&mut self, filter: &Filter, limit: i64) -> anyhow::Result<Vec<Request>> {
        let (sql, binds) = filter.select(COLUMNS, "requests", "requester_id", limit);
        let rows: Vec<Row> = on!(self, c => binds.bind(sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()))).fetch_all(c)).context("reading requests")?;
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let mut reviews = self.reviews_of(&ids).await?;
        rows.into_iter()
            .map(|row| {
                let of_this = reviews.remove(&row.id).unwrap_or_default();
                row.read(of_this)
            })
            .collect()
    }

    async fn reviews_of(
        &mut self,
        requests: &[String],
    ) -> anyhow::Result<std::collections::HashMap<String, Vec<Review>>> {
        let mut found: std::collections::HashMap<String, Vec<Review>> =
            std::collections::HashMap::new();
        if requests.is_empty() {
            return Ok(found);
        }
        let places: Vec<String> = (1..=requests.len()).map(|n| format!("${n}")).collect();
        let sql = format!(
            "select request_id, reviewer_id, reviewer_name, decision, comment, narrowed, counted_groups, created_at from reviews where request_id in ({}) order by version",
            places.join(", ")
        );
        let rows: Vec<ReviewRow> = on!(self, c => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.clone()));
            for id in requests {
                query = query.bind(id);
            }
            query.fetch_all(c)
        })
        .context("reading reviews")?;
        for row in rows {
            found
                .entry(row.request_id.clone())
                .or_default()
                .push(row.read()?);
        }
        Ok(found)
    }

    /// The pending request of this principal for exactly this access.
    pub async fn pending_like(
        &mut self,
        who: &PrincipalId,
        target: &TargetName,
        role: &RoleName,
    ) -> anyhow::Result<Option<RequestId>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(
            "select id from requests where requester_id = $1 and target = $2 and role = $3 and state = 'pending' and kind = 'access'")
            .bind(who.as_str()).bind(target.as_str()).bind(role.as_str()).fetch_optional(c))
        .context("looking for a like request")?;
        row.map(|(id,)| stored("request id", &id)).transpose()
    }

    /// The pending extension of this grant.
    pub async fn pending_extension(
        &mut self,
        grant: &GrantId,
    ) -> anyhow::Result<Option<RequestId>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(
            "select id from requests where grant_id = $1 and state = 'pending' and kind = 'extend' limit 1")
            .bind(grant.as_str()).fetch_optional(c))
        .context("looking for a pending extension")?;
        row.map(|(id,)| stored("request id", &id)).transpose()
    }

    /// The requests about a grant, oldest first, but for the one that it came of.
    pub async fn requests_about(
        &mut self,
        grant: &GrantId,
        but: &RequestId,
    ) -> anyhow::Result<Vec<RequestId>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select id from requests where grant_id = $1 and id <> $2 order by created_at, id").bind(grant.as_str()).bind(but.as_str()).fetch_all(c))
            .context("reading the requests about a grant")?;
        rows.iter().map(|(id,)| stored("request id", id)).collect()
    }

    /// How many requests this principal has pending.
    pub async fn pending_count(&mut self, who: &PrincipalId) -> anyhow::Result<i64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as("select count(*) from requests where requester_id = $1 and state = 'pending'").bind(who.as_str()).fetch_one(c))
            .context("counting pending requests")?;
        Ok(count)
    }

    /// Pending extensions of grants that are closing or over.
    pub async fn outlived_extensions(&mut self, limit: i64) -> anyhow::Result<Vec<RequestId>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(
            "select r.id from requests r join grants g on g.id = r.grant_id where r.state = 'pending' and r.kind = 'extend' and g.state not in ('scheduled', 'activating', 'active') limit $1")
            .bind(limit).fetch_all(c))
        .context("looking for extensions of grants that are over")?;
        rows.iter().map(|(id,)| stored("request id", id)).collect()
    }

    /// Pending requests whose deadline has passed.
    pub async fn overdue_requests(
        &mut self,
        now: DateTime<Utc>,
        limit: i64,
    ) -> anyhow::Result<Vec<RequestId>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select id from requests where state = 'pending' and decide_by <= $1 order by decide_by limit $2").bind(millis(now)).bind(limit).fetch_all(c))
            .context("looking for expired requests")?;
        rows.iter().map(|(id,)| stored("request id", id)).collect()
    }

    /// The next deadline of a pending request.
    pub async fn next_deadline(&mut self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as("select decide_by from requests where state = 'pending' order by decide_by limit 1").fetch_optional(c)).context("looking for the next deadline")?;
        moments(row.map(|(at,)| at))
    }

    /// Files a request; `false` when the same is pending already, filed by a transaction that was faster.
    pub(in crate::store) async fn insert_request(
        &mut self,
        request: &Request,
    ) -> anyhow::Result<bool> {
        let snapshot = serde_json::to_string(&request.snapshot)?;
        let rows = touch!(self, c => sqlx::query(
            "insert into requests (id, kind, state, requester_id, requester_name, target, role, duration, not_before, reason, ticket, snapshot, created_at, decide_by, grant_id, version, reason_key, owner_id, maker_id) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) \
             on conflict (requester_id, target, role) where state = 'pending' and kind = 'access' do nothing")
            .bind(request.id.as_str()).bind(request.kind.as_str()).bind(RequestState::Pending.as_str())
            .bind(request.requester.id.as_str()).bind(request.requester.name.as_str())
            .bind(request.target.as_str()).bind(request.role.as_str()).bind(i64::from(request.duration.seconds()))
            .bind(request.not_before.map(millis)).bind(&request.reason).bind(request.ticket.as_deref()).bind(&snapshot)
            .bind(millis(request.created_at)).bind(millis(request.decide_by)).bind(request.grant.as_ref().map(GrantId::as_str))
            .bind(request.version).bind(reason_key(&request.reason))
            .bind(request.owner.as_ref().map(PrincipalId::as_str))
            .bind(request.maker.as_ref().map(PrincipalId::as_str)).execute(c))
        .context("writing a request")?;
        Ok(rows == 1)
    }

    /// A decision ends every claim, one review of several the claim of its reviewer.
    pub(in crate::store) async fn update_request(
        &mut self,
        request: &Request,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query(
            "update requests set state = $2, decided_at = $3, grant_id = $4, version = $5, claimed_by_id = case when $2 = 'pending' and claimed_by_id <> $7 then claimed_by_id end \
             where id = $1 and version = $6 and state = 'pending'")
            .bind(request.id.as_str()).bind(request.state.as_str()).bind(request.decided_at.map(millis))
            .bind(request.grant.as_ref().map(GrantId::as_str)).bind(request.version).bind(request.version - 1)
            .bind(request.reviews.last().map(|review| review.reviewer.id.as_str())).execute(c))
        .context("writing a request")?;
        Ok(rows == 1)
    }

    /// Writes who has the claim, unless somebody else took it since the request was read.
    pub(in crate::store) async fn update_claim(
        &mut self,
        request: &Request,
        before: Option<&PrincipalId>,
    ) -> anyhow::Result<bool> {
        let claim = request.claim.as_ref();
        let rows = touch!(self, c => sqlx::query(
            "update requests set claimed_by_id = $2, claimed_by_name = $3, claimed_at = $4, claimed_until = $5 where id = $1 and state = 'pending' and coalesce(claimed_by_id, '') = $6")
            .bind(request.id.as_str()).bind(claim.map(|claim| claim.by.id.as_str())).bind(claim.map(|claim| claim.by.name.as_str()))
            .bind(claim.map(|claim| millis(claim.since))).bind(claim.map(|claim| millis(claim.until)))
            .bind(before.map_or("", PrincipalId::as_str)).execute(c))
        .context("writing a claim")?;
        Ok(rows == 1)
    }

    pub(in crate::store) async fn insert_review(
        &mut self,
        request: &Request,
        review: &Review,
    ) -> anyhow::Result<()> {
        let narrowed = serde_json::to_string(&review.narrowed)?;
        let groups = serde_json::to_string(&review.counted_groups)?;
        touch!(self, c => sqlx::query(
            "insert into reviews (request_id, reviewer_id, reviewer_name, decision, comment, narrowed, counted_groups, created_at, version) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(request.id.as_str()).bind(review.reviewer.id.as_str()).bind(review.reviewer.name.as_str()).bind(review.decision.as_str())
            .bind(review.comment.as_deref()).bind(&narrowed).bind(&groups).bind(millis(review.created_at)).bind(request.version).execute(c))
        .context("writing a review")?;
        Ok(())
    }
}
