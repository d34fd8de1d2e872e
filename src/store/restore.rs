//! Taking back whatever lets somebody in, in a database that was restored: what was taken back since the backup would be
//! good again.

use anyhow::Context;
use chrono::{DateTime, Utc};

use super::{Tx, millis};

/// How much of what lets somebody in was taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Of people and of service accounts, with all their tokens.
    pub sign_ins: u64,
    /// Invitations that nobody had used.
    pub codes: u64,
    /// Codes of break-glass that nobody had used.
    pub sealed_codes: u64,
    /// Keys of devices without a browser.
    pub device_keys: u64,
}

/// What was begun and not finished.
const BEGUN: [&str; 6] = [
    "delete from codes where used_at is null",
    "delete from device_calls",
    "delete from provider_calls",
    "delete from passkey_questions",
    "delete from step_up_digests",
    "delete from step_ups",
];

impl Tx {
    /// Ends every sign-in, and takes back every code and key that opens one. Passwords and second factors stay.
    pub async fn take_back_all(&mut self, now: DateTime<Utc>) -> anyhow::Result<TakenBack> {
        let sign_ins = touch!(self, c => sqlx::query("update sign_ins set revoked_at = $1 where revoked_at is null").bind(millis(now)).execute(c))
            .context("ending every sign-in")?;
        let sealed_codes = touch!(self, c => sqlx::query("update sealed_codes set revoked_at = $1 where used_at is null and revoked_at is null").bind(millis(now)).execute(c))
            .context("taking back sealed codes")?;
        let device_keys = touch!(self, c => sqlx::query("update device_keys set revoked_at = $1 where revoked_at is null").bind(millis(now)).execute(c))
            .context("taking back the keys of devices")?;
        let mut codes = 0;
        for (turn, sql) in BEGUN.into_iter().enumerate() {
            let rows = touch!(self, c => sqlx::query(sql).execute(c))
                .context("forgetting what was begun")?;
            if turn == 0 {
                codes = rows;
            }
        }
        Ok(TakenBack {
            sign_ins,
            codes,
            sealed_codes,
            device_keys,
        })
    }
}
