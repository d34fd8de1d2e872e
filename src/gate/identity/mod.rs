//! Signing in at an identity provider: what is begun on one node, any node can finish, once.
//!
//! Who somebody is, is issuer and subject and nothing else: never a name or an address, which change hands. Calls to
//! the provider are made outside of transactions. What it says of groups is asked again in `fresh`.

mod device;
mod device_codes;
mod discovery;
mod fetch;
mod fresh;
mod groups;
mod keys;
mod mapping;
mod provider;
mod seal;
mod step_up;
mod token;

use chrono::{DateTime, TimeDelta, Utc};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config;
use crate::domain::change::{Change, Record, Step};
use crate::domain::event::{Actor, Event, EventCode, Outcome};
use crate::domain::ids::PrincipalId;
use crate::domain::principal::Principal;
use crate::domain::provider::{IdentityRefusal, ProviderFault};
use crate::domain::refusal::Refusal;
use crate::domain::sign_in::Method;
use crate::secret::{Proof, Secret, hash_of, random, same};
use crate::store::Tx;
use crate::store::audit::Origin;
use crate::store::identities::{ForStepUp, Identity, ProviderCall};

use super::people::sign_in::open_sign_in;
use super::people::{Issued, NewSignIn, check_name, stored_hash};
use super::{Error, Gate, new_bits};

pub use device::{DeviceAnswer, DeviceBegun};
use discovery::Discovery;
use fetch::with_query;
pub(in crate::gate) use provider::Provider;
use provider::Told;
pub(in crate::gate) use step_up::Heard;

/// Longer than anybody takes at the provider, and shorter than somebody forgets what they began.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// A sign-in to be begun by a program that listens on this machine for its end.
#[derive(Debug, Clone)]
pub struct Begin {
    pub redirect_uri: String,
    /// The S256 challenge of PKCE; its verifier comes with the code.
    pub code_challenge: String,
    pub device: String,
}

/// Where the browser has to go, and what it brings back.
#[derive(Debug)]
pub struct Begun {
    pub authorize_url: String,
    pub state: Secret,
}

/// What the browser brought back.
#[derive(Debug, Clone)]
pub struct Finish {
    pub state: Secret,
    /// The provider's code, or its word for no.
    pub answer: Result<Secret, String>,
    pub code_verifier: Secret,
    pub iss: Option<String>,
}

impl Gate {
    /// Lets people sign in at an identity provider.
    pub fn with_identity(mut self, settings: Option<config::Identity>) -> anyhow::Result<Self> {
        self.provider = settings.map(Provider::new).transpose()?;
        Ok(self)
    }

    /// The issuer of the identity provider, if there is one.
    pub fn issuer(&self) -> Option<&str> {
        self.provider
            .as_ref()
            .map(|provider| provider.settings.issuer.as_str())
    }

    fn provider(&self) -> Result<&Provider, Error> {
        self.provider
            .as_ref()
            .ok_or_else(|| Refusal::from(IdentityRefusal::NotOffered).into())
    }

    /// Begins a sign-in: the answer is where the browser has to go.
    pub async fn begin_sign_in(&self, begin: Begin) -> Result<Begun, Error> {
        let provider = self.provider()?;
        let discovery = provider.discovery().await.map_err(said)?;
        let scopes = provider.settings.scopes.as_str();
        let mut more = vec![("scope", scopes)];
        if scopes.split(' ').any(|one| one == "offline_access") {
            // Without it a provider may leave the refresh token out, as the protocol lets it.
            more.push(("prompt", "consent"));
        }
        let errand = Errand::new(&discovery, &provider.settings, begin, &more)?;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let away = errand.remember(&mut tx, None, now).await?;
        self.store.commit(tx).await?;
        Ok(away)
    }

    /// Finishes a sign-in with what the browser brought back.
    pub async fn finish_sign_in(
        &self,
        finish: Finish,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let provider = self.provider()?;
        let jkt = self.device_key(proof, self.now().await?).await?;
        match self.finished(provider, finish, jkt, origin).await {
            Err(Error::Refused(Refusal::Identity(refusal))) => {
                self.record_sign_in_refusal(&refusal, origin).await;
                Err(Refusal::from(refusal).into())
            }
            other => other,
        }
    }

    async fn finished(
        &self,
        provider: &Provider,
        finish: Finish,
        jkt: Option<String>,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let (call, now) = self
            .take_call(&finish.state)
            .await?
            .filter(|(call, _)| call.step_up.is_none())
            .ok_or_else(|| Refusal::from(IdentityRefusal::NotBegun))?;
        let code = brought(provider, &call, &finish).await?;
        let told = provider.redeem(&call, code, &finish.code_verifier, now);
        let told = told.await.map_err(said)?;
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let (principal, mut change) = self.known_as(&mut tx, provider, &told, now).await?;
        if principal.roles.is_empty() {
            // Whoever may not sign in any more loses what they had, too.
            tx.apply(&change, origin, now).await?;
            self.store.commit(tx).await?;
            self.counted(&change);
            return Err(Refusal::from(IdentityRefusal::NoRole).into());
        }
        let proved = NewSignIn {
            principal,
            method: Method::Oidc,
            amr: told.claims.amr.clone(),
            authenticated_at: told.claims.auth_time,
            jkt,
            device: call.device.clone(),
        };
        let issued = open_sign_in(&mut tx, proved, &self.settings.tokens, now).await?;
        let mut event = Event::new(
            EventCode::SignedIn,
            Actor::Principal(issued.principal.as_ref()),
        )
        .detail("sign_in", issued.sign_in.as_str())
        .detail("device", call.device)
        .detail("method", Method::Oidc.as_str())
        .detail("issuer", provider.settings.issuer.as_str())
        .detail("amr", told.claims.amr.join(" "));
        if let Some(acr) = told.claims.acr {
            event = event.detail("acr", acr);
        }
        if let Some(at) = told.claims.auth_time {
            event = event.moment("authenticated_at", at);
        }
        change.push(Step::new(Record::Nothing, event));
        tx.apply(&change, origin, now).await?;
        self.store.commit(tx).await?;
        self.counted(&change);
        Ok(issued)
    }

    /// Takes out what was begun, so that nobody finishes it twice, however it ends.
    async fn take_call(
        &self,
        state: &Secret,
    ) -> Result<Option<(ProviderCall, DateTime<Utc>)>, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let call = tx.take_provider_call(&stored_hash(state.expose())).await?;
        self.store.commit(tx).await?;
        let call = call.filter(|call| now < call.expires_at);
        Ok(call.map(|call| (call, now)))
    }

    /// The principal of a person of the provider: known by issuer and subject, or new; and what their groups of today
    /// change.
    async fn known_as(
        &self,
        tx: &mut Tx,
        provider: &Provider,
        told: &Told,
        now: DateTime<Utc>,
    ) -> Result<(Principal, Change), Error> {
        let settings = &provider.settings;
        let (groups, roles) = mapping::mapped(settings, &told.groups);
        let known = tx.identity(&settings.issuer, &told.claims.subject).await?;
        let (principal, change) = if let Some(identity) = &known {
            let found = tx.principal(&identity.principal).await?;
            let found =
                found.ok_or_else(|| anyhow::anyhow!("the principal of an identity is gone"))?;
            let now_is = Principal {
                roles,
                groups,
                ..found.clone()
            };
            let change = self.regrouped(tx, &found, &now_is, now).await?;
            (now_is, change)
        } else if roles.is_empty() {
            return Err(Refusal::from(IdentityRefusal::NoRole).into());
        } else {
            // INVARIANT: nobody becomes a second person by another writing of the subject
            // (`a_subject_that_differs_in_capitals_or_spaces_is_nobody_new`).
            if tx.has_alike(&settings.issuer, &told.claims.subject).await? {
                return Err(Refusal::from(IdentityRefusal::SubjectAlike).into());
            }
            let name = mapping::canonical(told.name.as_deref()).map_err(said)?;
            // INVARIANT: a name that is there already belongs to somebody else, whoever asks for it
            // (`a_name_that_is_taken_is_never_linked`).
            if check_name(&name).is_err() || tx.principal_named(&name).await?.is_some() {
                let name = name.to_string();
                return Err(Refusal::from(IdentityRefusal::NameTaken { name }).into());
            }
            let new = Principal {
                id: PrincipalId::from_bits(new_bits()?),
                name,
                roles,
                groups,
                service: None,
            };
            tx.save_principal(&new, now).await?;
            (new, Vec::new())
        };
        let before = known.and_then(|identity| identity.refresh_token);
        let refresh_token = self.sealed(told, &principal.id)?.or(before);
        let identity = Identity {
            issuer: settings.issuer.clone(),
            subject: told.claims.subject.clone(),
            principal: principal.id.clone(),
            refresh_token,
            checked_at: now,
            lapsed_at: None,
            gone_at: None,
        };
        tx.save_identity(&identity, now).await?;
        Ok((principal, change))
    }

    fn sealed(&self, told: &Told, owner: &PrincipalId) -> Result<Option<String>, Error> {
        let token = told.refresh_token.as_ref();
        let sealed = token.map(|token| seal::seal(self.rules.key(), token, owner.as_str()));
        Ok(sealed.transpose()?)
    }

    /// Puts a sign-in that failed on record, once in a while for each address.
    async fn record_sign_in_refusal(&self, refusal: &IdentityRefusal, origin: &Origin) {
        let written = async {
            let mut tx = self.store.write().await?;
            let now = self.store.now(&mut tx).await?;
            let address = origin.address.as_deref().unwrap_or_default();
            if !self.is_news(format!("sign-in {} {address}", refusal.code()), now) {
                return Ok(());
            }
            let event = Event::new(EventCode::SignInRefused, Actor::Anonymous)
                .outcome(Outcome::Denied)
                .reason(Some(refusal.text()))
                .detail("code", refusal.code())
                .detail("method", "oidc");
            tx.apply(&vec![Step::new(Record::Nothing, event)], origin, now)
                .await?;
            Ok::<(), Error>(self.store.commit(tx).await?)
        };
        if let Err(error) = written.await {
            tracing::error!(error = ?error, "a refused sign-in could not be recorded");
        }
    }
}

/// A way through the provider that is about to be begun.
struct Errand {
    begin: Begin,
    authorize_url: String,
    state: Secret,
    nonce: String,
}

impl Errand {
    fn new(
        discovery: &Discovery,
        settings: &config::Identity,
        begin: Begin,
        more: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let state = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
        let nonce = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", settings.client_id.as_str()),
            ("redirect_uri", &begin.redirect_uri),
            ("state", state.expose()),
            ("nonce", &nonce),
            ("code_challenge", &begin.code_challenge),
            ("code_challenge_method", "S256"),
        ];
        pairs.extend(more);
        Ok(Self {
            authorize_url: with_query(&discovery.authorization_endpoint, &pairs).map_err(said)?,
            begin,
            state,
            nonce,
        })
    }

    /// Remembers it until the browser is back, and says where the browser has to go.
    async fn remember(
        self,
        tx: &mut Tx,
        step_up: Option<ForStepUp>,
        now: DateTime<Utc>,
    ) -> Result<Begun, Error> {
        let call = ProviderCall {
            nonce: self.nonce,
            redirect_uri: self.begin.redirect_uri,
            code_challenge: self.begin.code_challenge,
            device: self.begin.device,
            step_up,
            created_at: now,
            expires_at: now + PATIENCE,
        };
        let state = stored_hash(self.state.expose());
        tx.insert_provider_call(&state, &call).await?;
        Ok(Begun {
            authorize_url: self.authorize_url,
            state: self.state,
        })
    }
}

/// The code that came back, when it belongs to what was begun.
async fn brought<'f>(
    provider: &Provider,
    call: &ProviderCall,
    finish: &'f Finish,
) -> Result<&'f Secret, Error> {
    let refuse = |refusal: IdentityRefusal| Error::from(Refusal::from(refusal));
    let challenge = URL_SAFE_NO_PAD.encode(hash_of(finish.code_verifier.expose()));
    if !same(challenge.as_bytes(), call.code_challenge.as_bytes()) {
        return Err(refuse(IdentityRefusal::NotTheBeginner));
    }
    let discovery = provider.discovery().await.map_err(said)?;
    match &finish.iss {
        Some(iss) if *iss != provider.settings.issuer => {
            return Err(said(ProviderFault::ResponseIssuer));
        }
        None if discovery.authorization_response_iss_parameter_supported => {
            return Err(said(ProviderFault::ResponseIssuerMissing));
        }
        _ => {}
    }
    finish.answer.as_ref().map_err(|error| {
        let error = error.clone();
        refuse(IdentityRefusal::Declined { error })
    })
}

fn said(fault: ProviderFault) -> Error {
    Refusal::from(IdentityRefusal::Fault(fault)).into()
}
