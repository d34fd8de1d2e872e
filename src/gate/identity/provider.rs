//! Talks to the identity provider: finds its addresses and keys, redeems codes, asks again about somebody.
//!
//! Nothing that it says is believed before it was checked. Answers are small and come in seconds, redirects are not
//! followed, and addresses are `https` ones. Neither `openidconnect` (it brings `rsa`, RUSTSEC-2023-0071) nor
//! `jsonwebtoken` (it brings that or `aws-lc-sys`) passes `.deny.toml`; the few checks over `ring` are the smaller risk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::{Certificate, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::config::Identity as Settings;
use crate::domain::provider::ProviderFault as Fault;
use crate::secret::Secret;
use crate::store::identities::ProviderCall;

use super::discovery::Discovery;
use super::fetch::{encoded, escaped, fault_of, json, send, successful};
use super::groups::{find, groups};
use super::keys::{Algorithm, Keys};
use super::token::{self, Beginning, Claims, Expected};
const CONNECT: Duration = Duration::from_secs(3);
const WHOLE: Duration = Duration::from_secs(6);
/// Addresses and keys are looked up again after this time.
const KEEP: Duration = Duration::from_hours(1);
/// A token with an unknown key makes us look for new keys, but no stranger makes us do so all the time.
const REFETCH: Duration = Duration::from_mins(1);

struct Known<T> {
    value: Arc<T>,
    at: Instant,
}

/// One provider, with what it has published lately.
pub(in crate::gate) struct Provider {
    pub(super) settings: Settings,
    secret: Option<Secret>,
    http: reqwest::Client,
    discovery: tokio::sync::Mutex<Option<Known<Discovery>>>,
    keys: tokio::sync::Mutex<Option<Known<Keys>>>,
}

#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    access_token: Option<String>,
    token_type: Option<String>,
    id_token: Option<String>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

/// What the provider says of a person.
pub(super) struct Told {
    pub(super) claims: Claims,
    pub(super) groups: Vec<String>,
    pub(super) name: Option<String>,
    /// The next refresh token, when there is a new one.
    pub(super) refresh_token: Option<Secret>,
}

/// What came of asking again about somebody.
pub(super) enum Again {
    Told(Box<Told>),
    /// The provider takes the refresh token no more: it is over, or the person is.
    Refused,
}

impl Provider {
    /// Prepares to talk to a provider; nothing is sent yet.
    pub(super) fn new(settings: Settings) -> anyhow::Result<Self> {
        // Fails when a provider is there already, and that one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!settings.loopback)
            .connect_timeout(CONNECT)
            .timeout(WHOLE);
        if settings.loopback {
            builder = builder.no_proxy();
        }
        if let Some(path) = &settings.ca {
            let shown = path.display();
            let pem = std::fs::read(path).with_context(|| format!("reading `{shown}`"))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("`{shown}` holds no certificates"))?;
            builder = builder.tls_certs_only(certificates);
        } else if settings.issuer.starts_with("http:") {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            secret: settings.secret()?,
            settings,
            http: builder
                .build()
                .context("preparing to talk to the provider")?,
            discovery: tokio::sync::Mutex::new(None),
            keys: tokio::sync::Mutex::new(None),
        })
    }

    /// The provider's addresses.
    pub(super) async fn discovery(&self) -> Result<Arc<Discovery>, Fault> {
        let mut kept = self.discovery.lock().await;
        if let Some(known) = kept.as_ref().filter(|known| known.at.elapsed() < KEEP) {
            return Ok(Arc::clone(&known.value));
        }
        let issuer = self.settings.issuer.trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let found: Discovery = json(&successful(self.http.get(address)).await?)?;
        found.check(&self.settings)?;
        let value = Arc::new(found);
        *kept = Some(Known {
            value: Arc::clone(&value),
            at: Instant::now(),
        });
        Ok(value)
    }

    /// Checks a signature, and looks for new keys first when it is made with one that is not known.
    async fn verify(&self, id_token: &str) -> Result<(Algorithm, Vec<u8>), Fault> {
        let mut kept = self.keys.lock().await;
        if let Some(known) = kept.as_ref() {
            let answer = known.value.verify(id_token);
            let age = known.at.elapsed();
            let unknown = matches!(answer, Err(Fault::TokenKey)) && age >= REFETCH;
            if age < KEEP && !unknown {
                return answer;
            }
        }
        let discovery = self.discovery().await?;
        let bytes = successful(self.http.get(&discovery.jwks_uri)).await?;
        let value = Arc::new(Keys::read(&bytes)?);
        let answer = value.verify(id_token);
        *kept = Some(Known {
            value,
            at: Instant::now(),
        });
        answer
    }

    /// Redeems the code of a sign-in that was begun here.
    pub(super) async fn redeem(
        &self,
        call: &ProviderCall,
        code: &Secret,
        verifier: &Secret,
        now: DateTime<Utc>,
    ) -> Result<Told, Fault> {
        let answer = self.exchanged(call, code, verifier).await?;
        let sign_in = Beginning {
            nonce: Some(&call.nonce),
            at: call.created_at,
        };
        self.told(answer, Some(sign_in), None, now).await
    }

    /// Redeems the code of a step-up that was begun here; of its ID token alone, because who it is and how they
    /// proved it is in there and nothing else matters.
    pub(super) async fn redeem_step_up(
        &self,
        call: &ProviderCall,
        code: &Secret,
        verifier: &Secret,
        now: DateTime<Utc>,
    ) -> Result<Claims, Fault> {
        let answer = self.exchanged(call, code, verifier).await?;
        let id_token = answer.id_token.as_deref().ok_or(Fault::TokenMissing)?;
        let sign_in = Beginning {
            nonce: Some(&call.nonce),
            at: call.created_at,
        };
        let access = answer.access_token.as_deref();
        self.claims(id_token, Some(sign_in), access, now).await
    }

    async fn exchanged(
        &self,
        call: &ProviderCall,
        code: &Secret,
        verifier: &Secret,
    ) -> Result<TokenAnswer, Fault> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &call.redirect_uri),
            ("code_verifier", verifier.expose()),
        ];
        self.tokens(&form).await?.ok_or(Fault::CodeRefused)
    }

    /// The claims of an ID token, once signature and contents are known to be right.
    async fn claims(
        &self,
        id_token: &str,
        sign_in: Option<Beginning<'_>>,
        access_token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Claims, Fault> {
        let (algorithm, claims) = self.verify(id_token).await?;
        let expected = Expected {
            sign_in,
            access_token,
            now,
        };
        token::check(&self.settings, algorithm, &claims, &expected)
    }

    /// Asks again about somebody.
    pub(super) async fn again(
        &self,
        refresh_token: &Secret,
        subject: &str,
        now: DateTime<Utc>,
    ) -> Result<Again, Fault> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        let Some(answer) = self.tokens(&form).await? else {
            return Ok(Again::Refused);
        };
        let told = self.told(answer, None, Some(subject), now).await?;
        Ok(Again::Told(Box::new(told)))
    }

    /// Asks the token endpoint; `None` when what was shown to it is good no longer.
    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Option<TokenAnswer>, Fault> {
        let endpoint = &self.discovery().await?.token_endpoint;
        match self.asked(endpoint, form).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error == "invalid_grant" => Ok(None),
            Err(_) => Err(Fault::Failed),
        }
    }

    /// Asks an endpoint as the client that this server is; the provider's own word when it says no.
    pub(super) async fn asked<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        form: &[(&str, &str)],
    ) -> Result<Result<T, String>, Fault> {
        let discovery = self.discovery().await?;
        let id = self.settings.client_id.as_str();
        let secret = self.secret.as_ref().map(Secret::expose);
        let basic = discovery
            .token_endpoint_auth_methods_supported
            .as_ref()
            .is_none_or(|ways| ways.iter().any(|way| way == "client_secret_basic"));
        let mut form = form.to_vec();
        let mut call = self.http.post(endpoint);
        match secret {
            Some(secret) if basic => {
                // RFC 6749 wants both parts escaped as in a form before they are put together.
                let pair = format!("{}:{}", escaped(id), escaped(secret));
                call = call.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
            }
            Some(secret) => form.extend([("client_id", id), ("client_secret", secret)]),
            None => form.push(("client_id", id)),
        }
        let call = call
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(encoded(&form));
        let (status, bytes) = send(call).await?;
        if status.is_success() {
            return json(&bytes).map(Ok);
        }
        let error: Result<ErrorAnswer, Fault> = json(&bytes);
        match error {
            Ok(ErrorAnswer { error })
                if error == "invalid_client" || error == "unauthorized_client" =>
            {
                Err(Fault::ClientRefused)
            }
            _ if status == StatusCode::UNAUTHORIZED => Err(Fault::ClientRefused),
            Ok(ErrorAnswer { error }) if status.is_client_error() => Ok(Err(error)),
            _ => Err(fault_of(status)),
        }
    }

    pub(super) async fn told(
        &self,
        answer: TokenAnswer,
        sign_in: Option<Beginning<'_>>,
        subject: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Told, Fault> {
        if answer
            .token_type
            .as_ref()
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
        {
            return Err(Fault::TokenType);
        }
        let access = answer.access_token.as_deref();
        let mut claims = match (&answer.id_token, subject) {
            (Some(id_token), _) => self.claims(id_token, sign_in, access, now).await?,
            // A refresh need not come with an ID token; then the userinfo endpoint says all there is to know.
            (None, Some(subject)) if sign_in.is_none() => Claims::of(subject),
            (None, _) => return Err(Fault::TokenMissing),
        };
        if subject.is_some_and(|subject| subject != claims.subject) {
            return Err(Fault::TokenOtherPerson);
        }
        let settings = &self.settings;
        let complete = |claims: &Claims| {
            find(&claims.others, &settings.groups_claim).is_some()
                && (sign_in.is_none() || find(&claims.others, &settings.name_claim).is_some())
        };
        if !complete(&claims)
            && let Some(access) = access
        {
            let more = self.userinfo(access, &claims.subject).await?;
            for (name, value) in more {
                claims.others.entry(name).or_insert(value);
            }
        }
        Ok(Told {
            groups: groups(&claims.others, &settings.groups_claim)?,
            name: find(&claims.others, &settings.name_claim)
                .and_then(Value::as_str)
                .map(str::to_owned),
            refresh_token: answer.refresh_token.map(Secret::new),
            claims,
        })
    }

    async fn userinfo(&self, access: &str, subject: &str) -> Result<Map<String, Value>, Fault> {
        let discovery = self.discovery().await?;
        let Some(address) = &discovery.userinfo_endpoint else {
            return Ok(Map::new());
        };
        let call = self.http.get(address).bearer_auth(access);
        let found: Map<String, Value> = json(&successful(call).await?)?;
        // Without this check an answer about somebody else could be slipped in.
        if found.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(Fault::TokenOtherPerson);
        }
        Ok(found)
    }
}
