//! Notices: those that wait to be sent, those that were, and what people want of them.
//!
//! A row is written in the transaction that moves the cursor over the event that caused it, and is sent under a lease:
//! nothing is lost with a node, and what is sent twice says that it is the same.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{GrantId, PrincipalId, RequestId};
use crate::domain::notice::{Kind, Notice, Quiet, Wishes};

use super::{Tx, millis, moment, moments, stored};

/// Notices that go out as one message at most.
const TOGETHER: i64 = 50;
/// What is looked at once at most.
const BATCH: i64 = 100;

/// A notice that is to be sent.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// The same for the same notice, so that it is written once.
    pub id: &'a str,
    pub cause: &'a str,
    pub channel: &'a str,
    /// Whom it is for; nobody in particular where the channel is a room.
    pub to: Option<&'a PrincipalId>,
    pub notice: &'a Notice,
    pub due_at: DateTime<Utc>,
    pub give_up_at: DateTime<Utc>,
}

/// Notices that go out as one message, leased by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The message, the same at each attempt.
    pub message: String,
    /// Nobody in particular where the channel is a room.
    pub to: Option<PrincipalId>,
    pub urgent: bool,
    pub attempts: i64,
    pub give_up_at: DateTime<Utc>,
    pub notices: Vec<Notice>,
}

/// How many wait for one channel, and since when the oldest does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub channel: String,
    pub count: i64,
    pub oldest: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct First {
    id: String,
    principal_id: String,
    urgent: i64,
    message: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    body: String,
    attempts: i64,
    give_up_at: i64,
}

#[derive(sqlx::FromRow)]
struct WishRow {
    address: Option<String>,
    channels: Option<String>,
    kinds_off: String,
    quiet_times: Option<String>,
    quiet_zone: Option<String>,
}

impl Tx {
    /// The first event that was not looked at for notices; nothing where none ever was.
    pub async fn notices_cursor(&mut self) -> anyhow::Result<Option<i64>> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as("select next_idx from notices_cursor where id = 1").fetch_optional(c))
            .context("reading how far notices are")?;
        Ok(row.map(|(next,)| next))
    }

    /// Begins at an index, unless it has begun.
    pub async fn begin_notices(&mut self, next: i64) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into notices_cursor (id, next_idx) values (1, $1) on conflict (id) do nothing").bind(next).execute(c))
            .context("beginning with notices")?;
        Ok(())
    }

    /// Moves on. INVARIANT: of several nodes that read the same events one writes what they cause; for the others this is
    /// `false`, and nothing of theirs is committed (`of_several_nodes_one_tells_and_no_notice_comes_twice`).
    pub async fn move_notices(&mut self, from: i64, to: i64) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update notices_cursor set next_idx = $2 where id = 1 and next_idx = $1").bind(from).bind(to).execute(c))
            .context("moving on with notices")?;
        Ok(rows == 1)
    }

    /// Writes a notice, unless it is there.
    pub async fn add_notice(&mut self, new: &New<'_>, now: DateTime<Utc>) -> anyhow::Result<()> {
        let body = serde_json::to_string(new.notice)?;
        let notice = new.notice;
        touch!(self, c => sqlx::query(
            "insert into notices_out (id, cause, kind, channel, principal_id, request_id, urgent, body, created_at, due_at, give_up_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing")
            .bind(new.id).bind(new.cause).bind(notice.kind.as_str()).bind(new.channel)
            .bind(new.to.map_or("", PrincipalId::as_str)).bind(notice.request.as_ref().map(RequestId::as_str))
            .bind(i64::from(notice.kind.is_urgent())).bind(&body)
            .bind(millis(now)).bind(millis(new.due_at)).bind(millis(new.give_up_at)).execute(c))
        .context("writing a notice")?;
        Ok(())
    }

    /// Notes that what is no event was dealt with, whoever wanted to know; `false` when it was before.
    pub async fn deal_with(
        &mut self,
        cause: &str,
        kind: Kind,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query(
            "insert into notices_out (id, cause, kind, channel, principal_id, urgent, body, created_at, due_at, give_up_at, sent_at) values ($1, $1, $2, '', '', 0, '', $3, $3, $3, $3) on conflict (id) do nothing")
            .bind(cause).bind(kind.as_str()).bind(millis(now)).execute(c))
        .context("noting what was told")?;
        Ok(rows == 1)
    }

    /// Who was told that a request waits.
    pub async fn told_of(&mut self, request: &RequestId) -> anyhow::Result<Vec<PrincipalId>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select distinct principal_id from notices_out where request_id = $1 and kind = 'review' and principal_id <> '' order by principal_id").bind(request.as_str()).fetch_all(c))
            .context("looking who was told")?;
        rows.iter()
            .map(|(id,)| stored("principal id", id))
            .collect()
    }

    /// Takes back what would still ask for a review, for what is decided.
    pub async fn take_back(&mut self, request: &RequestId) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from notices_out where request_id = $1 and kind = 'review' and sent_at is null and message is null and principal_id <> ''").bind(request.as_str()).execute(c))
            .context("taking notices back")?;
        Ok(())
    }

    /// Active grants that end before a moment and whose holders were not told of this end, the next ones first.
    pub async fn ending_untold(
        &mut self,
        now: DateTime<Utc>,
        before: DateTime<Utc>,
    ) -> anyhow::Result<Vec<GrantId>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(
            "select g.id from grants g where g.state = 'active' and g.expires_at > $1 and g.expires_at <= $2 and not exists (select 1 from notices_out n where n.cause = 'ends:' || g.id || ':' || g.expires_at) order by g.expires_at limit $3")
            .bind(millis(now)).bind(millis(before)).bind(BATCH).fetch_all(c))
        .context("looking for grants that end soon")?;
        rows.iter().map(|(id,)| stored("grant id", id)).collect()
    }

    /// Grants whose end was due before this moment, is not confirmed, and of which nobody was told.
    pub async fn closing_untold(&mut self, due: DateTime<Utc>) -> anyhow::Result<Vec<GrantId>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(
            "select g.id from grants g where g.state = 'closing' and coalesce(g.close_due_at, g.expires_at) <= $2 and not exists (select 1 from notices_out n where n.cause = 'overdue:' || g.id) order by g.expires_at limit $1")
            .bind(BATCH).bind(millis(due)).fetch_all(c))
        .context("looking for ends that are not confirmed")?;
        rows.iter().map(|(id,)| stored("grant id", id)).collect()
    }

    /// Whether anything is due for a channel that nobody holds.
    pub async fn has_due_notices(
        &mut self,
        channel: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as("select id from notices_out where channel = $1 and sent_at is null and given_up_at is null and due_at <= $2 and lease_until <= $2 limit 1").bind(channel).bind(millis(now)).fetch_optional(c))
            .context("looking for notices that are due")?;
        Ok(row.is_some())
    }

    /// Leases what is due for one channel and one reader there, to go out as one message. What was tried before is the
    /// same message again.
    pub async fn take_notices(
        &mut self,
        channel: &str,
        (owner, until): (&str, DateTime<Utc>),
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<Letter>> {
        const FIRST: &str = "select id, principal_id, urgent, message from notices_out where channel = $1 and sent_at is null and given_up_at is null and due_at <= $2 and lease_until <= $2 order by urgent desc, due_at, id limit 1";
        const FIRST_FREE: &str = "select id, principal_id, urgent, message from notices_out where channel = $1 and sent_at is null and given_up_at is null and due_at <= $2 and lease_until <= $2 order by urgent desc, due_at, id limit 1 for update skip locked";
        const OTHERS: &str = "select id, body, attempts, give_up_at from notices_out where channel = $1 and principal_id = $2 and urgent = $3 and sent_at is null and given_up_at is null and due_at <= $4 and lease_until <= $4 and (id = $5 or message = $6 or ($6 is null and message is null)) order by created_at, id limit $7";
        const OTHERS_FREE: &str = "select id, body, attempts, give_up_at from notices_out where channel = $1 and principal_id = $2 and urgent = $3 and sent_at is null and given_up_at is null and due_at <= $4 and lease_until <= $4 and (id = $5 or message = $6 or ($6::text is null and message is null)) order by created_at, id limit $7 for update skip locked";
        let sql = self.either(FIRST, FIRST_FREE);
        let first: Option<First> =
            on!(self, c => sqlx::query_as(sql).bind(channel).bind(millis(now)).fetch_optional(c))
                .context("looking for notices that are due")?;
        let Some(first) = first else { return Ok(None) };
        let sql = self.either(OTHERS, OTHERS_FREE);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(sql).bind(channel).bind(&first.principal_id).bind(first.urgent)
            .bind(millis(now)).bind(&first.id).bind(first.message.as_deref()).bind(TOGETHER).fetch_all(c))
        .context("looking for notices that go together")?;
        let message = first.message.unwrap_or(first.id);
        let mut notices = Vec::with_capacity(rows.len());
        let (mut attempts, mut give_up_at) = (0, i64::MAX);
        for row in rows {
            touch!(self, c => sqlx::query("update notices_out set message = $2, lease_owner = $3, lease_until = $4 where id = $1")
                .bind(&row.id).bind(&message).bind(owner).bind(millis(until)).execute(c))
            .context("leasing a notice")?;
            attempts = attempts.max(row.attempts);
            give_up_at = give_up_at.min(row.give_up_at);
            notices.push(serde_json::from_str(&row.body).context("reading a notice")?);
        }
        if notices.is_empty() {
            return Ok(None);
        }
        let to = Some(first.principal_id).filter(|id| !id.is_empty());
        Ok(Some(Letter {
            message,
            to: to.map(|id| stored("principal id", &id)).transpose()?,
            urgent: first.urgent != 0,
            attempts,
            give_up_at: moment(give_up_at)?,
            notices,
        }))
    }

    /// When a reader was told of something that can wait, most lately.
    pub async fn last_told(
        &mut self,
        channel: &str,
        to: Option<&PrincipalId>,
    ) -> anyhow::Result<Option<DateTime<Utc>>> {
        let row: (Option<i64>,) = on!(self, c => sqlx::query_as("select max(sent_at) from notices_out where channel = $1 and principal_id = $2 and urgent = 0")
            .bind(channel).bind(to.map_or("", PrincipalId::as_str)).fetch_one(c))
        .context("looking when somebody was told")?;
        moments(row.0)
    }

    /// Gives a letter back, to be opened again at a moment: more may be put into it until then.
    pub async fn hold_notices(
        &mut self,
        letter: &Letter,
        owner: &str,
        (until, give_up_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update notices_out set due_at = $3, give_up_at = $4, message = null, lease_owner = null, lease_until = 0 where message = $1 and lease_owner = $2 and sent_at is null")
            .bind(&letter.message).bind(owner).bind(millis(until)).bind(millis(give_up_at)).execute(c))
        .context("holding notices back")?;
        Ok(())
    }

    /// Notes that a letter was taken by whoever delivers it.
    pub async fn sent_notices(
        &mut self,
        letter: &Letter,
        owner: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update notices_out set sent_at = $3, error = null, lease_owner = null, lease_until = 0 where message = $1 and lease_owner = $2 and sent_at is null")
            .bind(&letter.message).bind(owner).bind(millis(now)).execute(c))
        .context("noting what was sent")?;
        Ok(())
    }

    /// Notes that a letter could not be delivered: it is tried again at a moment, or never.
    pub async fn failed_notices(
        &mut self,
        letter: &Letter,
        owner: &str,
        (error, again): (&str, Option<DateTime<Utc>>),
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let given_up = again.is_none().then(|| millis(now));
        touch!(self, c => sqlx::query("update notices_out set attempts = attempts + 1, error = $3, due_at = $4, given_up_at = $5, lease_owner = null, lease_until = 0 where message = $1 and lease_owner = $2 and sent_at is null")
            .bind(&letter.message).bind(owner).bind(error).bind(millis(again.unwrap_or(now))).bind(given_up).execute(c))
        .context("noting what could not be sent")?;
        Ok(())
    }

    /// What waits, by channel.
    pub async fn waiting_notices(&mut self) -> anyhow::Result<Vec<Waiting>> {
        let rows: Vec<(String, i64, i64)> = on!(self, c => sqlx::query_as("select channel, count(*), min(due_at) from notices_out where sent_at is null and given_up_at is null group by channel").fetch_all(c))
            .context("counting notices")?;
        rows.into_iter()
            .map(|(channel, count, oldest)| {
                Ok(Waiting {
                    channel,
                    count,
                    oldest: moment(oldest)?,
                })
            })
            .collect()
    }

    /// Forgets what was sent or given up before a moment.
    pub async fn forget_notices(&mut self, before: DateTime<Utc>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from notices_out where created_at < $1 and (sent_at is not null or given_up_at is not null)").bind(millis(before)).execute(c))
            .context("forgetting old notices")?;
        Ok(())
    }

    /// What somebody wants of notices; the default where they never said anything.
    pub async fn wishes(&mut self, of: &PrincipalId) -> anyhow::Result<Wishes> {
        let row: Option<WishRow> = on!(self, c => sqlx::query_as("select address, channels, kinds_off, quiet_times, quiet_zone from notice_wishes where principal_id = $1").bind(of.as_str()).fetch_optional(c))
            .context("reading what somebody wants of notices")?;
        let Some(row) = row else {
            return Ok(Wishes::default());
        };
        let channels = row.channels.as_deref().map(serde_json::from_str);
        let quiet = row.quiet_times.zip(row.quiet_zone);
        Ok(Wishes {
            address: row.address,
            channels: channels.transpose().context("reading channels")?,
            off: serde_json::from_str(&row.kinds_off).context("reading kinds of notices")?,
            quiet: quiet
                .map(|(times, zone)| Quiet::parse(&times, &zone))
                .transpose()
                .context("reading quiet hours")?,
        })
    }

    /// Keeps what somebody wants of notices.
    pub async fn save_wishes(
        &mut self,
        of: &PrincipalId,
        wishes: &Wishes,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let channels = wishes.channels.as_ref().map(serde_json::to_string);
        let channels = channels.transpose()?;
        let off = serde_json::to_string(&wishes.off)?;
        let quiet = wishes.quiet.as_ref();
        touch!(self, c => sqlx::query(
            "insert into notice_wishes (principal_id, address, channels, kinds_off, quiet_times, quiet_zone, updated_at) values ($1, $2, $3, $4, $5, $6, $7) \
             on conflict (principal_id) do update set address = excluded.address, channels = excluded.channels, kinds_off = excluded.kinds_off, quiet_times = excluded.quiet_times, quiet_zone = excluded.quiet_zone, updated_at = excluded.updated_at")
            .bind(of.as_str()).bind(wishes.address.as_deref()).bind(channels.as_deref()).bind(&off)
            .bind(quiet.map(Quiet::times)).bind(quiet.map(Quiet::zone)).bind(millis(now)).execute(c))
        .context("keeping what somebody wants of notices")?;
        Ok(())
    }
}
