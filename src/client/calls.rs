//! One method for each endpoint.

use chrono::{DateTime, Utc};
use reqwest::Method;

use crate::client::call::Call;
use crate::client::send::Client;
use crate::client::{
    AuditQuery, ClientError, GrantsQuery, HistogramQuery, IdempotencyKey, RequestsQuery,
};
use crate::domain::standing::StandingState;
use crate::wire::{
    Approval, CredentialAsk, CredentialView, Denial, EventView, Facets, GrantView, Histogram,
    HostReport, IncidentCommit, IncidentPreview, IncidentPreviewAsk, IncidentSummary, IncidentView,
    Invitation, InvitationCode, Lifting, LockView, Me, NewExtension, NewLock, NewRequest,
    NewService, Page, ProviderFinish, ProviderStart, ProviderStarted, RequestView, Revocation,
    ServiceRotation, ServiceToken, ServiceView, SessionEnd, SessionEnded, Sessions, SignIn,
    SignInView, SignInWays, StandingImport, StandingView, StandingWord, TargetView, Tokens,
    WhyView,
};

impl Client {
    /// Redeems a one-time code and keeps the tokens. `name` is for the first admin of a new server only.
    pub async fn sign_in(
        &self,
        code: &str,
        name: Option<&str>,
        device: Option<&str>,
    ) -> Result<Me, ClientError> {
        let body = SignIn {
            code: code.to_owned(),
            name: name.map(ToOwned::to_owned),
            device: device.map(ToOwned::to_owned),
        };
        let call = Call::new(Method::POST, &["v1", "sign-in"])
            .unsigned()
            .body(&body)?;
        let tokens: Tokens = self.call(call).await?;
        self.session().store(&tokens).await?;
        Ok(tokens.me)
    }

    /// How people sign in on the server.
    pub async fn sign_in_ways(&self) -> Result<SignInWays, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "sign-in", "ways"]).unsigned())
            .await
    }

    /// Begins a sign-in at the identity provider.
    pub async fn start_at_provider(
        &self,
        start: &ProviderStart,
    ) -> Result<ProviderStarted, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "sign-in", "oidc", "start"])
                .unsigned()
                .repeatable()
                .body(start)?,
        )
        .await
    }

    /// Finishes a sign-in at the identity provider and keeps the tokens.
    pub async fn finish_at_provider(&self, finish: &ProviderFinish) -> Result<Me, ClientError> {
        let call = Call::new(Method::POST, &["v1", "sign-in", "oidc", "finish"])
            .unsigned()
            .long()
            .body(finish)?;
        let tokens: Tokens = self.call(call).await?;
        self.session().store(&tokens).await?;
        Ok(tokens.me)
    }

    /// Ends this sign-in on the server and forgets its tokens here. Without the server they are still forgotten.
    pub async fn sign_out(&self) -> Result<(), ClientError> {
        let ended = self
            .call_empty(Call::new(Method::POST, &["v1", "sign-out"]))
            .await;
        self.session().forget().await?;
        ended
    }

    /// Who the caller is, and the server's clock.
    pub async fn me(&self) -> Result<Me, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "me"])).await
    }

    /// Sign-ins that the caller may see.
    pub async fn sign_ins(&self) -> Result<Page<SignInView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "sign-ins"])).await
    }

    /// Ends a sign-in: its tokens stop working at once.
    pub async fn revoke_sign_in(&self, id: &str, key: &IdempotencyKey) -> Result<(), ClientError> {
        self.call_empty(Call::new(Method::DELETE, &["v1", "sign-ins", id]).key(key))
            .await
    }

    /// Service accounts that the caller may see.
    pub async fn services(&self) -> Result<Page<ServiceView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "service-accounts"]))
            .await
    }

    /// Makes a service account; its token is shown once.
    pub async fn create_service(
        &self,
        new: &NewService,
        key: &IdempotencyKey,
    ) -> Result<ServiceToken, ClientError> {
        let call = Call::new(Method::POST, &["v1", "service-accounts"]);
        self.call(call.key(key).body(new)?).await
    }

    /// Makes another token for a service account; the one before stops working.
    pub async fn rotate_service(
        &self,
        name: &str,
        expires: &str,
        key: &IdempotencyKey,
    ) -> Result<ServiceToken, ClientError> {
        let path = ["v1", "service-accounts", name, "rotate"];
        let body = ServiceRotation {
            expires: expires.to_owned(),
        };
        self.call(Call::new(Method::POST, &path).key(key).body(&body)?)
            .await
    }

    /// Ends a service account.
    pub async fn delete_service(
        &self,
        name: &str,
        key: &IdempotencyKey,
    ) -> Result<(), ClientError> {
        let path = ["v1", "service-accounts", name];
        self.call_empty(Call::new(Method::DELETE, &path).key(key))
            .await
    }

    /// Makes a one-time code for a person.
    pub async fn invite(
        &self,
        invitation: &Invitation,
        key: &IdempotencyKey,
    ) -> Result<InvitationCode, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "invitations"])
                .key(key)
                .body(invitation)?,
        )
        .await
    }

    /// The catalogue, with what the caller may ask for.
    pub async fn targets(&self) -> Result<Page<TargetView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "targets"])).await
    }

    /// A page of requests, newest first.
    pub async fn requests(&self, query: &RequestsQuery) -> Result<Page<RequestView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "requests"]).query(query.pairs()))
            .await
    }

    /// One request.
    pub async fn request(&self, id: &str) -> Result<RequestView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "requests", id]))
            .await
    }

    /// Asks for access.
    pub async fn submit(
        &self,
        new: &NewRequest,
        key: &IdempotencyKey,
    ) -> Result<RequestView, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "requests"])
                .key(key)
                .body(new)?,
        )
        .await
    }

    /// Approves the request that was seen at `version`.
    pub async fn approve(
        &self,
        id: &str,
        version: i64,
        approval: &Approval,
        key: &IdempotencyKey,
    ) -> Result<RequestView, ClientError> {
        self.call(decision(&["v1", "requests", id, "approve"], version, key).body(approval)?)
            .await
    }

    /// Denies the request that was seen at `version`.
    pub async fn deny(
        &self,
        id: &str,
        version: i64,
        denial: &Denial,
        key: &IdempotencyKey,
    ) -> Result<RequestView, ClientError> {
        self.call(decision(&["v1", "requests", id, "deny"], version, key).body(denial)?)
            .await
    }

    /// Takes back one's own pending request.
    pub async fn withdraw(
        &self,
        id: &str,
        version: i64,
        key: &IdempotencyKey,
    ) -> Result<RequestView, ClientError> {
        self.call(decision(&["v1", "requests", id, "withdraw"], version, key))
            .await
    }

    /// Tells other reviewers that the caller is on this request; a second claim prolongs it.
    pub async fn claim(&self, id: &str, key: &IdempotencyKey) -> Result<RequestView, ClientError> {
        self.call(Call::new(Method::POST, &["v1", "requests", id, "claim"]).key(key))
            .await
    }

    /// Takes the caller's claim back.
    pub async fn release(
        &self,
        id: &str,
        key: &IdempotencyKey,
    ) -> Result<RequestView, ClientError> {
        self.call(Call::new(Method::POST, &["v1", "requests", id, "release"]).key(key))
            .await
    }

    /// A page of grants, newest first.
    pub async fn grants(&self, query: &GrantsQuery) -> Result<Page<GrantView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "grants"]).query(query.pairs()))
            .await
    }

    /// One grant.
    pub async fn grant(&self, id: &str) -> Result<GrantView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "grants", id]))
            .await
    }

    /// Why a request is as it is.
    pub async fn why_request(&self, id: &str) -> Result<WhyView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "requests", id, "why"]))
            .await
    }

    /// Why there is a grant.
    pub async fn why_grant(&self, id: &str) -> Result<WhyView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "grants", id, "why"]))
            .await
    }

    /// Asks for a later end of the grant that was seen at `version`.
    pub async fn extend(
        &self,
        id: &str,
        version: i64,
        extension: &NewExtension,
        key: &IdempotencyKey,
    ) -> Result<RequestView, ClientError> {
        self.call(decision(&["v1", "grants", id, "extend"], version, key).body(extension)?)
            .await
    }

    /// Gives one's own grant back early.
    pub async fn give_back(
        &self,
        id: &str,
        version: i64,
        key: &IdempotencyKey,
    ) -> Result<GrantView, ClientError> {
        self.call(decision(&["v1", "grants", id, "return"], version, key))
            .await
    }

    /// Takes a grant away. The answer says `closing`; it is off when the grant says `revoked`.
    pub async fn revoke(
        &self,
        id: &str,
        version: i64,
        revocation: &Revocation,
        key: &IdempotencyKey,
    ) -> Result<GrantView, ClientError> {
        self.call(decision(&["v1", "grants", id, "revoke"], version, key).body(revocation)?)
            .await
    }

    /// A credential of one's own active grant.
    pub async fn credential(
        &self,
        id: &str,
        ask: &CredentialAsk,
        key: &IdempotencyKey,
    ) -> Result<CredentialView, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "grants", id, "credential"])
                .key(key)
                .body(ask)?,
        )
        .await
    }

    /// Every live session that the targets report.
    pub async fn sessions(&self) -> Result<Sessions, ClientError> {
        self.sessions_like(None).await
    }

    /// Live sessions that pass a filter.
    pub async fn sessions_like(&self, q: Option<String>) -> Result<Sessions, ClientError> {
        let query = q.map(|q| ("q", q)).into_iter().collect();
        self.call(Call::new(Method::GET, &["v1", "sessions"]).query(query))
            .await
    }

    /// Ends one session of a grant.
    pub async fn end_session(
        &self,
        grant: &str,
        session: &str,
        end: &SessionEnd,
        key: &IdempotencyKey,
    ) -> Result<SessionEnded, ClientError> {
        let path = ["v1", "grants", grant, "sessions", session, "end"];
        self.call(Call::new(Method::POST, &path).key(key).body(end)?)
            .await
    }

    /// Locks: those in force, and with `all` also those that are over, newest first.
    pub async fn locks(
        &self,
        all: bool,
        after: Option<&str>,
    ) -> Result<Page<LockView>, ClientError> {
        self.locks_like(all, None, after).await
    }

    /// The same for locks that pass a filter.
    pub async fn locks_like(
        &self,
        all: bool,
        q: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page<LockView>, ClientError> {
        let mut query = Vec::new();
        if all {
            query.push(("state", "in_force,lifted,over".to_owned()));
        }
        query.extend(q.map(|q| ("q", q.to_owned())));
        query.extend(after.map(|after| ("after", after.to_owned())));
        self.call(Call::new(Method::GET, &["v1", "locks"]).query(query))
            .await
    }

    /// One lock.
    pub async fn lock(&self, id: &str) -> Result<LockView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "locks", id]))
            .await
    }

    /// Places a lock.
    pub async fn place_lock(
        &self,
        new: &NewLock,
        key: &IdempotencyKey,
    ) -> Result<LockView, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "locks"])
                .key(key)
                .body(new)?,
        )
        .await
    }

    /// Lifts the lock that was seen at `version`.
    pub async fn lift(
        &self,
        id: &str,
        version: i64,
        lifting: &Lifting,
        key: &IdempotencyKey,
    ) -> Result<LockView, ClientError> {
        self.call(decision(&["v1", "locks", id, "lift"], version, key).body(lifting)?)
            .await
    }

    /// A page of standing access in these states; what is open where none is named.
    pub async fn standing_access(
        &self,
        states: &[StandingState],
        target: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page<StandingView>, ClientError> {
        let mut query = Vec::new();
        let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
        if !states.is_empty() {
            query.push(("state", states.join(",")));
        }
        query.extend(target.map(|target| ("target", target.to_owned())));
        query.extend(after.map(|after| ("after", after.to_owned())));
        self.call(Call::new(Method::GET, &["v1", "standing"]).query(query))
            .await
    }

    /// One piece of standing access.
    pub async fn one_standing_access(&self, id: &str) -> Result<StandingView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "standing", id]))
            .await
    }

    /// Says why the standing access that was seen at `version` stays.
    pub async fn ignore_standing(
        &self,
        id: &str,
        version: i64,
        word: &StandingWord,
        key: &IdempotencyKey,
    ) -> Result<StandingView, ClientError> {
        self.call(decision(&["v1", "standing", id, "ignore"], version, key).body(word)?)
            .await
    }

    /// Names who answers for it.
    pub async fn import_standing(
        &self,
        id: &str,
        version: i64,
        import: &StandingImport,
        key: &IdempotencyKey,
    ) -> Result<StandingView, ClientError> {
        self.call(decision(&["v1", "standing", id, "import"], version, key).body(import)?)
            .await
    }

    /// Takes back what was said about it.
    pub async fn reopen_standing(
        &self,
        id: &str,
        version: i64,
        word: &StandingWord,
        key: &IdempotencyKey,
    ) -> Result<StandingView, ClientError> {
        self.call(decision(&["v1", "standing", id, "reopen"], version, key).body(word)?)
            .await
    }

    /// Says for a host who gets in there beside grants.
    pub async fn report_standing(
        &self,
        target: &str,
        report: &HostReport,
        key: &IdempotencyKey,
    ) -> Result<(), ClientError> {
        let path = ["v1", "targets", target, "standing"];
        let call = Call::new(Method::PUT, &path);
        self.call_empty(call.key(key).body(report)?).await
    }

    /// What an incident would take away. It changes nothing, so it has no key.
    pub async fn preview_incident(
        &self,
        ask: &IncidentPreviewAsk,
    ) -> Result<IncidentPreview, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "incidents", "preview"])
                .long()
                .body(ask)?,
        )
        .await
    }

    /// Does exactly what a dry run showed.
    pub async fn commit_incident(
        &self,
        commit: &IncidentCommit,
        key: &IdempotencyKey,
    ) -> Result<IncidentView, ClientError> {
        self.call(
            Call::new(Method::POST, &["v1", "incidents"])
                .long()
                .key(key)
                .body(commit)?,
        )
        .await
    }

    /// An incident with its receipts as they are now.
    pub async fn incident(&self, id: &str) -> Result<IncidentView, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "incidents", id]))
            .await
    }

    /// A page of incidents, newest first.
    pub async fn incidents(
        &self,
        after: Option<&str>,
    ) -> Result<Page<IncidentSummary>, ClientError> {
        let query = after
            .map(|after| ("after", after.to_owned()))
            .into_iter()
            .collect();
        self.call(Call::new(Method::GET, &["v1", "incidents"]).query(query))
            .await
    }

    /// The values of a field in the list `of` (`requests`, `grants`, `sessions`, `locks` or `audit`) that begin with `prefix`, among the
    /// rows that match the filter `q`.
    pub async fn facets(
        &self,
        of: &str,
        field: &str,
        prefix: &str,
        q: &str,
    ) -> Result<Facets, ClientError> {
        let query = vec![
            ("of", of.to_owned()),
            ("field", field.to_owned()),
            ("prefix", prefix.to_owned()),
            ("q", q.to_owned()),
        ];
        self.call(Call::new(Method::GET, &["v1", "facets"]).query(query))
            .await
    }

    /// A page of audit events, newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Page<EventView>, ClientError> {
        self.call(Call::new(Method::GET, &["v1", "audit"]).query(query.pairs()))
            .await
    }

    /// How many audit events there were over time.
    pub async fn histogram(&self, query: &HistogramQuery) -> Result<Histogram, ClientError> {
        let call = Call::new(Method::GET, &["v1", "audit", "histogram"]);
        self.call(call.query(query.pairs())).await
    }

    /// The first audit event at or after a moment that a filter lets through. Pages in both directions begin at its
    /// index.
    pub async fn audit_at(
        &self,
        at: DateTime<Utc>,
        q: Option<&str>,
    ) -> Result<Option<EventView>, ClientError> {
        let mut query = AuditQuery {
            since: Some(at),
            q: q.map(ToOwned::to_owned),
            oldest_first: true,
            limit: Some(1),
            ..AuditQuery::default()
        };
        loop {
            let page = self.audit(&query).await?;
            if let Some(event) = page.items.into_iter().next() {
                return Ok(Some(event));
            }
            // A server looks through so much at once.
            let Some(next) = page.next else {
                return Ok(None);
            };
            query.after = Some(next);
        }
    }
}

pub(super) fn decision<'a>(path: &'a [&'a str], version: i64, key: &'a IdempotencyKey) -> Call<'a> {
    Call::new(Method::POST, path).version(version).key(key)
}
