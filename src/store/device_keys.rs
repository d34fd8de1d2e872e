//! Device keys that people have enrolled, and sign-ins that wait for a browser on another machine.

use anyhow::Context;
use chrono::{DateTime, Utc};

use crate::domain::ids::{DeviceKeyId, PrincipalId};

use super::{Tx, millis, moment, moments, stored};

/// A device key from which somebody may sign in without a browser on that machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledKey {
    pub id: DeviceKeyId,
    pub principal: PrincipalId,
    pub thumbprint: String,
    pub name: String,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A sign-in that waits for a browser on another machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCall {
    pub thumbprint: String,
    /// Sealed; only the gate can open it.
    pub device_code: String,
    pub device: String,
    /// Seconds between two questions.
    pub pause: i64,
    pub next_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    principal_id: String,
    thumbprint: String,
    name: String,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl KeyRow {
    fn read(self) -> anyhow::Result<EnrolledKey> {
        Ok(EnrolledKey {
            id: stored("device key id", &self.id)?,
            principal: stored("principal id", &self.principal_id)?,
            thumbprint: self.thumbprint,
            name: self.name,
            created_at: moment(self.created_at)?,
            last_used_at: moments(self.last_used_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct CallRow {
    thumbprint: String,
    device_code: String,
    device: String,
    pause: i64,
    next_at: i64,
    created_at: i64,
    expires_at: i64,
}

const BY_THUMBPRINT: &str = "select id, principal_id, thumbprint, name, created_at, last_used_at from device_keys where thumbprint = $1 and revoked_at is null";
const BY_ID: &str = "select id, principal_id, thumbprint, name, created_at, last_used_at from device_keys where id = $1 and revoked_at is null";
const ALL: &str = "select id, principal_id, thumbprint, name, created_at, last_used_at from device_keys where revoked_at is null order by created_at, id limit 1000";

impl Tx {
    /// The device key with this thumbprint, unless it was revoked.
    pub async fn device_key(&mut self, thumbprint: &str) -> anyhow::Result<Option<EnrolledKey>> {
        let row: Option<KeyRow> =
            on!(self, c => sqlx::query_as(BY_THUMBPRINT).bind(thumbprint).fetch_optional(c))
                .context("reading a device key")?;
        row.map(KeyRow::read).transpose()
    }

    /// The device key with this id, unless it was revoked.
    pub async fn device_key_by_id(
        &mut self,
        id: &DeviceKeyId,
    ) -> anyhow::Result<Option<EnrolledKey>> {
        let row: Option<KeyRow> =
            on!(self, c => sqlx::query_as(BY_ID).bind(id.as_str()).fetch_optional(c))
                .context("reading a device key")?;
        row.map(KeyRow::read).transpose()
    }

    /// Every device key that was not revoked, oldest first.
    pub async fn device_keys(&mut self) -> anyhow::Result<Vec<EnrolledKey>> {
        let rows: Vec<KeyRow> =
            on!(self, c => sqlx::query_as(ALL).fetch_all(c)).context("reading device keys")?;
        rows.into_iter().map(KeyRow::read).collect()
    }

    /// Adds a device key; `false` when there is one with this thumbprint, or was.
    pub async fn insert_device_key(&mut self, key: &EnrolledKey) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("insert into device_keys (id, principal_id, thumbprint, name, created_at) values ($1, $2, $3, $4, $5) on conflict (thumbprint) do nothing")
            .bind(key.id.as_str()).bind(key.principal.as_str()).bind(&key.thumbprint).bind(&key.name).bind(millis(key.created_at)).execute(c))
        .context("writing a device key")?;
        Ok(rows == 1)
    }

    /// Revokes a device key, for good, and ends the sign-ins that were made from it without a browser.
    pub async fn revoke_device_key(
        &mut self,
        key: &EnrolledKey,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update device_keys set revoked_at = $2 where id = $1").bind(key.id.as_str()).bind(millis(now)).execute(c))
            .context("revoking a device key")?;
        touch!(self, c => sqlx::query("update sign_ins set revoked_at = $2 where jkt = $1 and method = 'device' and revoked_at is null").bind(&key.thumbprint).bind(millis(now)).execute(c))
            .context("ending the sign-ins of a device key")?;
        Ok(())
    }

    /// Notes that a device key was used.
    pub async fn touch_device_key(
        &mut self,
        id: &DeviceKeyId,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update device_keys set last_used_at = $2 where id = $1").bind(id.as_str()).bind(millis(now)).execute(c))
            .context("noting the use of a device key")?;
        Ok(())
    }

    /// Remembers a sign-in that waits, under the hash of its handle, and forgets those that are over.
    pub async fn insert_device_call(
        &mut self,
        handle: &str,
        call: &DeviceCall,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("delete from device_calls where expires_at < $1").bind(millis(call.created_at)).execute(c))
            .context("forgetting sign-ins that waited")?;
        touch!(self, c => sqlx::query("insert into device_calls (handle, thumbprint, device_code, device, pause, next_at, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(handle).bind(&call.thumbprint).bind(&call.device_code).bind(&call.device).bind(call.pause)
            .bind(millis(call.next_at)).bind(millis(call.created_at)).bind(millis(call.expires_at)).execute(c))
        .context("writing a sign-in that waits")?;
        Ok(())
    }

    /// A sign-in that waits.
    pub async fn device_call(&mut self, handle: &str) -> anyhow::Result<Option<DeviceCall>> {
        let row: Option<CallRow> = on!(self, c => sqlx::query_as(
            "select thumbprint, device_code, device, pause, next_at, created_at, expires_at from device_calls where handle = $1")
            .bind(handle).fetch_optional(c))
        .context("reading a sign-in that waits")?;
        row.map(|row| {
            Ok(DeviceCall {
                thumbprint: row.thumbprint,
                device_code: row.device_code,
                device: row.device,
                pause: row.pause,
                next_at: moment(row.next_at)?,
                created_at: moment(row.created_at)?,
                expires_at: moment(row.expires_at)?,
            })
        })
        .transpose()
    }

    /// Takes the turn to ask about a sign-in that waits; `false` when it is too early, or another has it.
    pub async fn take_device_turn(
        &mut self,
        handle: &str,
        now: DateTime<Utc>,
        next: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("update device_calls set next_at = $3 where handle = $1 and next_at <= $2")
            .bind(handle).bind(millis(now)).bind(millis(next)).execute(c))
        .context("taking the turn of a sign-in")?;
        Ok(rows == 1)
    }

    /// Has a sign-in that waits be asked about less often.
    pub async fn slow_device_call(
        &mut self,
        handle: &str,
        pause: i64,
        next: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        touch!(self, c => sqlx::query("update device_calls set pause = $2, next_at = $3 where handle = $1")
            .bind(handle).bind(pause).bind(millis(next)).execute(c))
        .context("slowing a sign-in down")?;
        Ok(())
    }

    /// Takes a sign-in out that waited: whoever comes second finds nothing.
    pub async fn take_device_call(&mut self, handle: &str) -> anyhow::Result<bool> {
        let rows = touch!(self, c => sqlx::query("delete from device_calls where handle = $1").bind(handle).execute(c))
            .context("taking a sign-in that waited")?;
        Ok(rows == 1)
    }
}
