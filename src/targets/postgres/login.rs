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
    /// All of the above in one line, as `psql` and drivers take it.
    pub dsn: Secret,
    pub ends_at: DateTime<Utc>,
}

impl Postgres {
    pub(super) fn login(&self, access: &Access<'_>) -> Result<Login, Failure> {
        self.role(access.role)?;
        if access.ends_at <= access.now {
            return Err(Failure::permanent(format!(
                "the grant `{}` is over",
                access.grant
            )));
        }
        let Settings {
            host,
            port,
            database,
            ..
        } = self.settings.clone();
        let user = self.object(access.grant);
        let password = self.password(access.grant);
        let dsn = Secret::new(dsn(&self.settings, &user, &password));
        Ok(Login {
            host,
            port,
            database,
            user,
            password,
            dsn,
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

fn dsn(settings: &Settings, user: &str, password: &Secret) -> String {
    let database = escaped(&settings.database);
    let login = format!("postgresql://{user}:{}", password.expose());
    let port = settings.port;
    let mode = match settings.sslmode {
        SslMode::VerifyFull => "verify-full",
        SslMode::Disable => "disable",
    };
    match settings.host.as_str() {
        socket if socket.starts_with('/') => {
            format!("{login}@/{database}?host={}&port={port}", escaped(socket))
        }
        address if address.contains(':') => {
            format!("{login}@[{address}]:{port}/{database}?sslmode={mode}")
        }
        host => format!("{login}@{}:{port}/{database}?sslmode={mode}", escaped(host)),
    }
}

/// Percent-encodes everything but what is harmless in every part of a URL.
fn escaped(text: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if harmless(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
