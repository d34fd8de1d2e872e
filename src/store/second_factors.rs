//! Second factors, recovery codes, proofs bound to calls, and how often something was tried.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{FactorId, PrincipalId, SignInId};
use crate::domain::second_factor::{Factor, Way};

use super::{Tx, millis, moment, moments, stored};

#[derive(sqlx::FromRow)]
struct FactorRow {
    id: String,
    principal_id: String,
    way: String,
    name: String,
    created_at: i64,
    confirmed_at: Option<i64>,
    last_used_at: Option<i64>,
    last_step: i64,
    public: Option<String>,
}

impl FactorRow {
    fn read(self) -> anyhow::Result<Factor> {
        Ok(Factor {
            id: stored("factor id", &self.id)?,
            principal: stored("principal id", &self.principal_id)?,
            way: stored("second factor", &self.way)?,
            name: self.name,
            created_at: moment(self.created_at)?,
            confirmed_at: moments(self.confirmed_at)?,
            last_used_at: moments(self.last_used_at)?,
            last_step: self.last_step,
            public: self.public,
        })
    }
}

/// A call that wants to use a proof up.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The hash of the proof.
    pub proof: &'a str,
    pub digest: &'a str,
    pub principal: &'a PrincipalId,
    pub sign_in: &'a SignInId,
    /// Proofs from before this moment are too old.
    pub good_since: DateTime<Utc>,
}

/// What a passkey is asked, by whom it was asked for and about what.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub id: &'a str,
    pub principal: &'a PrincipalId,
    /// The sign-in in which it is asked, or the device on which one is being made.
    pub sign_in: &'a str,
    /// The hash of what the answer is for.
    pub about: &'a str,
}

/// More pages than these nobody has open at once.
const QUESTIONS: i64 = 8;

impl Tx {
    /// The second factors of a person, oldest first, with those that are not confirmed yet.
    pub async fn factors(&mut self, of: &PrincipalId) -> anyhow::Result<Vec<Factor>> {
        let rows: Vec<FactorRow> = on!(self, c => sqlx::query_as(
            "select id, principal_id, way, name, created_at, confirmed_at, last_used_at, last_step, public from factors where principal_id = $1 order by created_at, id")
            .bind(of.as_str()).fetch_all(c))
        .context("reading second factors")?;
        rows.into_iter().map(FactorRow::read).collect()
    }

    /// Adds a second factor that is not confirmed yet.
    pub async fn insert_factor(&mut self, factor: &Factor) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into factors (id, principal_id, way, name, created_at, last_step) values ($1, $2, $3, $4, $5, $6)")
            .bind(factor.id.as_str()).bind(factor.principal.as_str()).bind(factor.way.as_str()).bind(&factor.name)
            .bind(millis(factor.created_at)).bind(factor.last_step).execute(c))
        .context("writing a second factor")?;
        Ok(())
    }

    /// Confirms a second factor; `false` when it was confirmed, or removed, before.
    pub async fn confirm_factor(
        &mut self,
        id: &FactorId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update factors set confirmed_at = $2 where id = $1 and confirmed_at is null")
            .bind(id.as_str()).bind(millis(now)).execute(c))
        .context("confirming a second factor")?;
        Ok(rows == 1)
    }

    /// Takes the code of a step; `false` when one of this step, or of a later one, was taken before.
    pub async fn take_step(
        &mut self,
        id: &FactorId,
        step: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update factors set last_step = $2, last_used_at = $3 where id = $1 and last_step < $2")
            .bind(id.as_str()).bind(step).bind(millis(now)).execute(c))
        .context("taking a code")?;
        Ok(rows == 1)
    }

    /// Keeps what is public of a passkey that was just made.
    pub async fn keep_passkey(&mut self, id: &FactorId, public: &str) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update factors set public = $2 where id = $1").bind(id.as_str()).bind(public).execute(c))
            .context("keeping a passkey")?;
        Ok(())
    }

    /// Takes the signature of a passkey that has signed so often; `false` when it had signed as often before. One
    /// that does not count says zero each time.
    pub async fn take_signature(
        &mut self,
        id: &FactorId,
        counter: i64,
        public: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update factors set last_step = $2, public = $3, last_used_at = $4 where id = $1 and (last_step < $2 or (last_step = 0 and $2 = 0))")
            .bind(id.as_str()).bind(counter).bind(public).bind(millis(now)).execute(c))
        .context("taking a signature")?;
        Ok(rows == 1)
    }

    /// Keeps what a passkey is asked. Of the questions of one sign-in the newest few are kept.
    pub async fn ask_passkey(
        &mut self,
        question: &Question<'_>,
        state: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from passkey_questions where sign_in_id = $1 and id not in (select id from passkey_questions where sign_in_id = $1 order by asked_at desc, id limit $2)")
            .bind(question.sign_in).bind(QUESTIONS - 1).execute(c))
        .context("forgetting older questions")?;
        touch!(self, c => sqlx::query("insert into passkey_questions (id, principal_id, sign_in_id, about, state, asked_at) values ($1, $2, $3, $4, $5, $6) \
             on conflict (id) do update set principal_id = excluded.principal_id, sign_in_id = excluded.sign_in_id, about = excluded.about, state = excluded.state, asked_at = excluded.asked_at")
            .bind(question.id).bind(question.principal.as_str()).bind(question.sign_in).bind(question.about).bind(state).bind(millis(now)).execute(c))
        .context("asking a passkey")?;
        Ok(())
    }

    /// Takes a question away, which can be answered once, and gives what its answer is judged by. Nothing when it is
    /// about something else, of another person or sign-in, or from before that moment.
    pub async fn take_question(
        &mut self,
        question: &Question<'_>,
        since: DateTime<Utc>,
    ) -> anyhow::Result<Option<String>> {
        let row: Option<(String, String, i64)> = on!(self, c => sqlx::query_as("delete from passkey_questions where id = $1 and principal_id = $2 and sign_in_id = $3 returning about, state, asked_at")
            .bind(question.id).bind(question.principal.as_str()).bind(question.sign_in).fetch_optional(c))
        .context("looking a question up")?;
        Ok(row
            .filter(|(about, _, asked_at)| about == question.about && *asked_at >= millis(since))
            .map(|(_, state, _)| state))
    }

    /// Forgets questions that nobody can answer any more.
    pub async fn forget_questions(&mut self, before: DateTime<Utc>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from passkey_questions where asked_at < $1").bind(millis(before)).execute(c))
            .context("forgetting questions")?;
        Ok(())
    }

    /// Removes one second factor.
    pub async fn delete_factor(&mut self, id: &FactorId) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("delete from factors where id = $1").bind(id.as_str()).execute(c))
            .context("removing a second factor")?;
        Ok(rows == 1)
    }

    /// Removes the second factors of a person that were never confirmed.
    pub async fn delete_unconfirmed_factors(&mut self, of: &PrincipalId) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from factors where principal_id = $1 and confirmed_at is null").bind(of.as_str()).execute(c))
            .context("removing second factors")?;
        Ok(())
    }

    /// Removes every second factor and recovery code of a person; answers how many factors.
    pub async fn delete_factors(&mut self, of: &PrincipalId) -> anyhow::Result<u64> {
        self.delete_recovery_codes(of).await?;
        touch!(self, c => sqlx::query("delete from factors where principal_id = $1").bind(of.as_str()).execute(c))
            .context("removing second factors")
    }

    /// Removes every recovery code of a person.
    pub async fn delete_recovery_codes(&mut self, of: &PrincipalId) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from recovery_codes where principal_id = $1").bind(of.as_str()).execute(c))
            .context("removing recovery codes")?;
        Ok(())
    }

    /// Keeps the hash of a recovery code.
    pub async fn insert_recovery_code(
        &mut self,
        hash: &str,
        of: &PrincipalId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into recovery_codes (hash, principal_id, created_at) values ($1, $2, $3)")
            .bind(hash).bind(of.as_str()).bind(millis(now)).execute(c))
        .context("writing a recovery code")?;
        Ok(())
    }

    /// Uses a recovery code of a person up; `false` when there is none, or it was used before.
    pub async fn use_recovery_code(
        &mut self,
        hash: &str,
        of: &PrincipalId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update recovery_codes set used_at = $3 where hash = $1 and principal_id = $2 and used_at is null")
            .bind(hash).bind(of.as_str()).bind(millis(now)).execute(c))
        .context("using a recovery code")?;
        Ok(rows == 1)
    }

    /// How many recovery codes a person still has.
    pub async fn recovery_codes_left(&mut self, of: &PrincipalId) -> anyhow::Result<i64> {
        let (left,): (i64,) = on!(self, c => sqlx::query_as("select count(*) from recovery_codes where principal_id = $1 and used_at is null")
            .bind(of.as_str()).fetch_one(c))
        .context("counting recovery codes")?;
        Ok(left)
    }

    /// Keeps a proof of a second factor by its hash, with the calls that it is good for.
    pub async fn insert_step_up(
        &mut self,
        hash: &str,
        principal: &PrincipalId,
        sign_in: &SignInId,
        way: Way,
        digests: &[String],
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into step_ups (hash, principal_id, sign_in_id, way, proved_at) values ($1, $2, $3, $4, $5)")
            .bind(hash).bind(principal.as_str()).bind(sign_in.as_str()).bind(way.as_str()).bind(millis(now)).execute(c))
        .context("writing a proof")?;
        for digest in digests {
            touch!(self, c => sqlx::query("insert into step_up_digests (proof, digest) values ($1, $2)").bind(hash).bind(digest).execute(c))
                .context("writing what a proof is good for")?;
        }
        Ok(())
    }

    /// Uses a proof up for one call and answers how it was proved. Nothing when it is not for this call, person or
    /// sign-in, is too old, or was used for this call.
    pub async fn use_step_up(
        &mut self,
        wanted: Use<'_>,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<Way>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as("select way from step_ups where hash = $1 and principal_id = $2 and sign_in_id = $3 and proved_at >= $4")
            .bind(wanted.proof).bind(wanted.principal.as_str()).bind(wanted.sign_in.as_str()).bind(millis(wanted.good_since)).fetch_optional(c))
        .context("looking a proof up")?;
        let Some((way,)) = row else { return Ok(None) };
        let rows = touch!(self, c => sqlx::query("update step_up_digests set used_at = $3 where proof = $1 and digest = $2 and used_at is null")
            .bind(wanted.proof).bind(wanted.digest).bind(millis(now)).execute(c))
        .context("using a proof")?;
        if rows != 1 {
            return Ok(None);
        }
        stored("second factor", &way).map(Some)
    }

    /// Forgets proofs that are too old to be used.
    pub async fn forget_step_ups(&mut self, before: DateTime<Utc>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from step_up_digests where proof in (select hash from step_ups where proved_at < $1)").bind(millis(before)).execute(c))
            .context("forgetting proofs")?;
        touch!(self, c => sqlx::query("delete from step_ups where proved_at < $1").bind(millis(before)).execute(c))
            .context("forgetting proofs")?;
        Ok(())
    }

    /// Counts one more try of something, and answers its number with the moment of the first. After `per` the count
    /// begins anew. Whoever else tries the same waits until this transaction ends.
    pub async fn count_try(
        &mut self,
        subject: &str,
        per: TimeDelta,
        now: DateTime<Utc>,
    ) -> anyhow::Result<(i64, DateTime<Utc>)> {
        let row: (i64, i64) = on!(self, c => sqlx::query_as(
            "insert into tries (subject, began_at, count) values ($1, $2, 1) on conflict (subject) do update set \
             count = case when tries.began_at <= $3 then 1 else tries.count + 1 end, \
             began_at = case when tries.began_at <= $3 then excluded.began_at else tries.began_at end \
             returning count, began_at")
            .bind(subject).bind(millis(now)).bind(millis(now - per)).fetch_one(c))
        .context("counting a try")?;
        Ok((row.0, moment(row.1)?))
    }

    /// Forgets the tries of something, after one that was right.
    pub async fn forget_tries(&mut self, subject: &str) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from tries where subject = $1").bind(subject).execute(c))
            .context("forgetting tries")?;
        Ok(())
    }

    /// Forgets every count that began before this moment and so is over.
    pub async fn forget_tries_before(&mut self, before: DateTime<Utc>) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from tries where began_at < $1").bind(millis(before)).execute(c))
            .context("forgetting tries")?;
        Ok(())
    }

    /// Keeps something that a person is told at each sign-in of the next days.
    pub async fn insert_notice(
        &mut self,
        id: &str,
        of: &PrincipalId,
        text: &str,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("insert into notices (id, principal_id, text, created_at) values ($1, $2, $3, $4)")
            .bind(id).bind(of.as_str()).bind(text).bind(millis(now)).execute(c))
        .context("writing a notice")?;
        Ok(())
    }

    /// What a person is told of the time since this moment, oldest first.
    pub async fn notices(
        &mut self,
        of: &PrincipalId,
        since: DateTime<Utc>,
    ) -> anyhow::Result<Vec<String>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as("select text from notices where principal_id = $1 and created_at >= $2 order by created_at, id limit 20")
            .bind(of.as_str()).bind(millis(since)).fetch_all(c))
        .context("reading notices")?;
        Ok(rows.into_iter().map(|(text,)| text).collect())
    }
}
