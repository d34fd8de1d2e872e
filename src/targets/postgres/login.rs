//! What the holder of a grant logs in with, made without asking the server.

use chrono::{DateTime, Utc};

use super::settings::{Settings, SslMode};
use super::{Postgres, scram};
use crate::domain::ids::GrantId;
use crate::secret::Secret;
use crate::targets::{Access, Failure};

/// What the holder of a grant logs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// A host name, or the absolute path of a socket's folder.
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Secret,
    /// `verify-full` or `disable`, as `libpq` spells it.
    pub sslmode: &'static str,
    /// The authority that signed the server's certificate, in PEM, where the system does not know it.
    pub root_certificate: Option<String>,
    pub ends_at: DateTime<Utc>,
}

impl Postgres {
    pub(super) fn login(&self, access: &Access<'_>) -> Result<Login, Failure> {
        let role = self.role(access.role)?;
        if access.ends_at <= access.now {
            return Err(Failure::permanent(format!(
                "the grant `{}` is over",
                access.grant
            )));
        }
        let Settings {
            host,
            port,
            database: usual,
            ..
        } = self.settings.clone();
        let database = role.databases(&usual).next().unwrap_or(&usual).to_owned();
        let user = self.object(access.grant);
        let password = self.password(access.grant);
        let sslmode = match self.settings.sslmode {
            SslMode::VerifyFull => "verify-full",
            SslMode::Disable => "disable",
        };
        let root_certificate = match &self.settings.ca_file {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                Failure::passing(format!(
                    "the authority's certificate {} cannot be read: {error}",
                    path.display()
                ))
            })?),
        };
        Ok(Login {
            host,
            port,
            database,
            user,
            password,
            sslmode,
            root_certificate,
            ends_at: access.ends_at,
        })
    }

    fn password(&self, grant: &GrantId) -> Secret {
        self.key.derive_text(
            "postgres password",
            &[self.installation.as_str(), grant.digits()],
        )
    }

    pub(super) fn verifier(&self, grant: &GrantId) -> String {
        let salt = self.key.derive(
            "postgres salt",
            &[self.installation.as_str(), grant.digits()],
        );
        let (salt, _) = salt.split_first_chunk().unwrap_or((&[0; 16], &[]));
        scram::verifier(self.password(grant).expose(), salt)
    }
}
