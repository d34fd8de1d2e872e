//! The end of a grant on a PostgreSQL server, in the one order that leaves nothing open.
//!
//! First no new login; then the sessions, while they can still be found by their role; then what the role owns and may, in
//! every database; then the role; then a look whether all that is true. The end of logins is committed before anything else,
//! and the look comes after everything was; all of it may be repeated, by two nodes at once.

use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use super::Postgres;
use crate::domain::ids::GrantId;
use crate::targets::{Failure, Receipt, Steps};

#[derive(Deserialize)]
struct CloseAnswer {
    found: bool,
}

#[derive(Deserialize)]
struct FinishAnswer {
    ended: u32,
    live: u32,
    /// Where something of the role is left, so that it is still there.
    databases: Vec<String>,
}

#[derive(Deserialize)]
struct HandOverAnswer {
    owned: u32,
}

#[derive(Deserialize)]
struct ReadBackAnswer {
    found: bool,
    live: u32,
}

impl Postgres {
    pub(super) async fn end(
        &self,
        grant: &GrantId,
        epoch: i64,
        heard: Option<&Steps>,
    ) -> Result<Receipt, Failure> {
        let began = Instant::now();
        let object = self.object(grant);
        let ask = json!({
            "object": object,
            "grant": grant.digits(),
            "epoch": epoch,
            "keeper": format!("pcl_{}_keeper", self.installation),
        });
        let mut receipt = Receipt::default();
        let mut note = |what: String| receipt.note(heard, began, what);

        let closed: CloseAnswer = self.admin.run(include_str!("close.sql"), &ask).await?;
        note(if closed.found {
            format!("closed the login of `{object}` and forgot its password")
        } else {
            format!("found no role `{object}`")
        });

        let mut done = self.finish(&object, &ask).await?;
        let sessions_ended = done.ended;
        note(format!("ended {}", sessions(sessions_ended)));
        if !done.databases.is_empty() {
            let owned = self.hand_over(&object, &done.databases, &ask).await?;
            if owned > 0 {
                note(format!(
                    "handed {owned} objects that it had made to `pcl_{}_keeper`",
                    self.installation
                ));
            }
            done = self.finish(&object, &ask).await?;
        }
        if let Some(database) = done.databases.first() {
            return Err(Failure::passing(format!(
                "`{object}` cannot log in, but still has something in database `{database}`"
            )));
        }
        if closed.found {
            note(format!("dropped the role `{object}`"));
        }

        let left: ReadBackAnswer = self.admin.run(include_str!("read_back.sql"), &ask).await?;
        if left.found || left.live > 0 {
            return Err(Failure::passing(format!(
                "`{object}` is still there, with {}",
                sessions(left.live)
            )));
        }
        note("read back: no role, no session".to_owned());
        receipt.sessions_ended = sessions_ended;
        Ok(receipt)
    }

    /// Ends sessions, and drops the role if nothing of it is left anywhere.
    async fn finish(&self, object: &str, ask: &serde_json::Value) -> Result<FinishAnswer, Failure> {
        let answer: FinishAnswer = self.admin.run(include_str!("finish.sql"), ask).await?;
        if answer.live > 0 {
            return Err(Failure::passing(format!(
                "{} of `{object}` do not end",
                sessions(answer.live)
            )));
        }
        Ok(answer)
    }

    /// Takes from the role what it owns and may in these databases; answers how many objects it owned.
    async fn hand_over(
        &self,
        object: &str,
        databases: &[String],
        ask: &serde_json::Value,
    ) -> Result<u32, Failure> {
        const SCRIPT: &str = include_str!("hand_over.sql");
        let mut owned = 0;
        for database in databases {
            let answer = if *database == self.settings.database {
                self.admin.run(SCRIPT, ask).await
            } else {
                self.admin.run_in(database, SCRIPT, ask).await
            };
            let answer: HandOverAnswer = answer.map_err(|failure| Failure {
                permanent: failure.permanent,
                not_before: failure.not_before,
                message: format!(
                    "`{object}` cannot log in, but has something in database `{database}`: {}",
                    failure.message
                ),
            })?;
            owned += answer.owned;
        }
        Ok(owned)
    }
}

fn sessions(count: u32) -> String {
    if count == 1 {
        "1 session".to_owned()
    } else {
        format!("{count} sessions")
    }
}
