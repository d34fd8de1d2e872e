//! Live sessions of grants on a PostgreSQL server, and ending one of them.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::json;

use super::Postgres;
use crate::domain::ids::GrantId;
use crate::targets::{Activity, Failure, Live, Reported, SessionOutcome};

#[derive(Deserialize)]
struct SessionsAnswer {
    /// Sessions that our user may not look at.
    hidden: u32,
    sessions: Vec<Session>,
}

#[derive(Deserialize)]
struct Session {
    digits: String,
    pid: i32,
    /// Milliseconds since 1970.
    started: i64,
    address: Option<String>,
    program: Option<String>,
    state: Option<String>,
    command: Option<String>,
}

#[derive(Deserialize)]
struct EndAnswer {
    found: bool,
    live: u32,
}

impl Postgres {
    pub(super) async fn live(&self) -> Result<Reported, Failure> {
        let ask = json!({ "prefix": format!("pcl_{}_", self.installation) });
        let answer: SessionsAnswer = self.admin.run(include_str!("sessions.sql"), &ask).await?;
        let incomplete = (answer.hidden > 0).then(|| {
            format!(
                "{} more that `{}` may not look at: grant it `pg_read_all_stats`",
                answer.hidden, self.settings.user
            )
        });
        Ok(Reported {
            sessions: answer.sessions.into_iter().filter_map(live).collect(),
            incomplete,
        })
    }

    pub(super) async fn cut_one(
        &self,
        grant: &GrantId,
        session: &str,
    ) -> Result<SessionOutcome, Failure> {
        let Some((pid, started)) = parts(session) else {
            return Ok(SessionOutcome::Gone);
        };
        let ask = json!({
            "object": self.object(grant),
            "grant": grant.digits(),
            "pid": pid,
            "started": started,
        });
        let answer: EndAnswer = self
            .admin
            .run(include_str!("end_session.sql"), &ask)
            .await?;
        match answer {
            EndAnswer { live: 1.., .. } => Err(Failure::passing(format!(
                "session `{pid}-{started}` was told to end and does not"
            ))),
            EndAnswer { found: true, .. } => Ok(SessionOutcome::Ended),
            EndAnswer { found: false, .. } => Ok(SessionOutcome::Gone),
        }
    }
}

fn live(session: Session) -> Option<Live> {
    let activity = match session.state.as_deref() {
        Some("active" | "fastpath function call") => Some(Activity::Running),
        Some("idle") => Some(Activity::Idle),
        Some("idle in transaction" | "idle in transaction (aborted)") => {
            Some(Activity::IdleInTransaction)
        }
        _ => None,
    };
    Some(Live {
        // Digits that are no grant's are of somebody whose role happens to look like ours.
        grant: format!("G-{}", session.digits).parse().ok()?,
        id: format!("{}-{}", session.pid, session.started),
        started_at: DateTime::from_timestamp_millis(session.started),
        address: session.address,
        program: session.program.and_then(|digits| text(&digits)),
        activity,
        command: session.command.and_then(|digits| text(&digits)),
    })
}

/// Reads what travelled as hexadecimal digits; a letter that was cut in the middle or is no letter becomes `�`.
fn text(digits: &str) -> Option<String> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? * 16 + digit(low)?),
            _ => None,
        })
        .collect();
    let bytes = bytes?;
    let text = String::from_utf8_lossy(&bytes);
    let text: String = text.trim().chars().take(Live::COMMAND_MAX).collect();
    (!text.is_empty()).then_some(text)
}

/// A session's process and the moment when it began, in milliseconds.
fn parts(session: &str) -> Option<(i32, i64)> {
    let (pid, started) = session.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (number(pid) && number(started)).then_some(())?;
    Some((pid.parse().ok()?, started.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_made_up_ourselves_is_a_session() {
        assert_eq!(parts("4711-1763830000123"), Some((4711, 1_763_830_000_123)));
        for wrong in [
            "",
            "4711",
            "4711-",
            "-1",
            "-4711-1",
            "+4711-1",
            "4711-1-2",
            "99999999999-1",
            "4711 -1",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn text_in_any_encoding_is_read_and_cut() {
        assert_eq!(text("73656c6563742031").as_deref(), Some("select 1"));
        assert_eq!(text("fc62657200").as_deref(), Some("\u{fffd}ber\u{0}"));
        assert_eq!(text("2020"), None);
        let long = text(&"c3bc".repeat(1000)).unwrap();
        assert_eq!(long.chars().count(), 500);
    }
}
