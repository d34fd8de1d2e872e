//! Signing in on a machine without a browser (RFC 8628), from a device key that its person has enrolled before.
//!
//! Whoever can make somebody type a code elsewhere gets nothing by it: the sign-in starts only from an enrolled key, is
//! good only for the person that the key belongs to, and is bound to that key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::change::{Record, Step};
use crate::domain::event::{Actor, Event, EventCode};
use crate::domain::provider::IdentityRefusal;
use crate::domain::refusal::Refusal;
use crate::domain::second_factor::{DEVICE_SIGN_INS, DEVICE_SIGN_INS_FROM_ADDRESS, Limit};
use crate::domain::sign_in::Method;
use crate::gate::people::sign_in::open_sign_in;
use crate::gate::people::{Issued, NewSignIn, stored_hash};
use crate::gate::{Error, Gate};
use crate::secret::{Proof, Secret, random};
use crate::store::audit::Origin;
use crate::store::device_keys::DeviceCall;

use super::device_codes::Device;
use super::provider::{Provider, Told};
use super::{said, seal};

/// No code is good for longer, whatever the provider says.
const LONGEST: TimeDelta = TimeDelta::minutes(5);
/// What `slow_down` adds to the pause (RFC 8628, 3.5).
const SLOWER: i64 = 5;

/// What the person has to type where, and how the program asks whether they have.
#[derive(Debug)]
pub struct DeviceBegun {
    pub handle: Secret,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: Option<String>,
    /// Seconds for which the code is good.
    pub lasts: i64,
    /// Seconds until the first question.
    pub wait: i64,
}

/// What became of such a sign-in.
pub enum DeviceAnswer {
    /// The person is not done; to be asked again after so many seconds.
    Waiting(i64),
    SignedIn(Box<Issued>),
}

fn refuse(refusal: IdentityRefusal) -> Error {
    Refusal::from(refusal).into()
}

impl Gate {
    /// Whether people may sign in here from a machine without a browser.
    pub fn has_device_flow(&self) -> bool {
        let provider = self.provider.as_ref();
        provider.is_some_and(|provider| provider.settings.device_flow)
    }

    fn device_provider(&self) -> Result<&Provider, Error> {
        let provider = self.provider()?;
        if provider.settings.device_flow {
            Ok(provider)
        } else {
            Err(refuse(IdentityRefusal::NoDeviceFlow))
        }
    }

    /// Begins a sign-in that is approved on another machine.
    pub async fn begin_device_sign_in(
        &self,
        device: String,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<DeviceBegun, Error> {
        let provider = self.device_provider()?;
        let now = self.now().await?;
        let jkt = self.device_key(proof, now).await?;
        let jkt = jkt.ok_or(Refusal::ProofRequired)?;
        let address = origin.address.as_deref().unwrap_or("nowhere");
        self.count_device(
            &format!("device sign-ins from {address}"),
            DEVICE_SIGN_INS_FROM_ADDRESS,
        )
        .await?;
        let enrolled = self.store.glance().await?.device_key(&jkt).await?;
        if enrolled.is_none() {
            self.record_sign_in_refusal(&IdentityRefusal::DeviceNotEnrolled, origin)
                .await;
            return Err(refuse(IdentityRefusal::DeviceNotEnrolled));
        }
        self.count_device(&format!("device sign-ins of {jkt}"), DEVICE_SIGN_INS)
            .await?;
        let codes = provider.device_codes().await.map_err(said)?;
        let handle = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let expires_at = now + TimeDelta::seconds(codes.lasts).min(LONGEST);
        let call = DeviceCall {
            device_code: seal::seal(self.rules.key(), &codes.device_code, &jkt)?,
            thumbprint: jkt,
            device,
            pause: codes.pause,
            next_at: now + TimeDelta::seconds(codes.pause),
            created_at: now,
            expires_at,
        };
        tx.insert_device_call(&stored_hash(handle.expose()), &call)
            .await?;
        self.store.commit(tx).await?;
        Ok(DeviceBegun {
            handle,
            user_code: codes.user_code,
            verification_uri: codes.verification_uri,
            verification_uri_complete: codes.verification_uri_complete,
            lasts: (expires_at - now).num_seconds(),
            wait: codes.pause,
        })
    }

    /// Asks whether the person has approved it.
    pub async fn finish_device_sign_in(
        &self,
        handle: &Secret,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<DeviceAnswer, Error> {
        match self.asked_device(handle, proof, origin).await {
            Err(Error::Refused(Refusal::Identity(refusal))) => {
                self.record_sign_in_refusal(&refusal, origin).await;
                Err(refuse(refusal))
            }
            other => other,
        }
    }

    async fn asked_device(
        &self,
        handle: &Secret,
        proof: Option<&Proof>,
        origin: &Origin,
    ) -> Result<DeviceAnswer, Error> {
        let provider = self.device_provider()?;
        let jkt = self.device_key(proof, self.now().await?).await?;
        let handle = stored_hash(handle.expose());
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let call = tx.device_call(&handle).await?.filter(|call| {
            now < call.expires_at && jkt.as_deref() == Some(call.thumbprint.as_str())
        });
        let call = call.ok_or_else(|| refuse(IdentityRefusal::DeviceOver))?;
        let next = now + TimeDelta::seconds(call.pause);
        if !tx.take_device_turn(&handle, now, next).await? {
            let wait = (call.next_at - now).num_seconds() + 1;
            return Ok(DeviceAnswer::Waiting(wait.max(1)));
        }
        self.store.commit(tx).await?;
        let code = seal::open(self.rules.key(), &call.device_code, &call.thumbprint)?;
        match provider
            .redeem_device(&code, call.created_at, now)
            .await
            .map_err(said)?
        {
            Device::Waiting => Ok(DeviceAnswer::Waiting(call.pause)),
            Device::TooFast => {
                let mut tx = self.store.write().await?;
                let pause = call.pause + SLOWER;
                let next = now + TimeDelta::seconds(pause);
                tx.slow_device_call(&handle, pause, next).await?;
                self.store.commit(tx).await?;
                Ok(DeviceAnswer::Waiting(pause))
            }
            Device::Over(refusal) => {
                let mut tx = self.store.write().await?;
                tx.take_device_call(&handle).await?;
                self.store.commit(tx).await?;
                Err(refuse(refusal))
            }
            Device::Told(told) => {
                let issued = self.device_signed_in(provider, &handle, &call, *told, origin);
                Ok(DeviceAnswer::SignedIn(Box::new(issued.await?)))
            }
        }
    }

    /// INVARIANT: whoever approved it is the person that the device key belongs to, or nobody is signed in
    /// (`a_phished_approval_signs_nobody_in`).
    async fn device_signed_in(
        &self,
        provider: &Provider,
        handle: &str,
        call: &DeviceCall,
        told: Told,
        origin: &Origin,
    ) -> Result<Issued, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let ours = tx.take_device_call(handle).await?;
        let key = tx.device_key(&call.thumbprint).await?;
        let issuer = &provider.settings.issuer;
        let identity = tx.identity(issuer, &told.claims.subject).await?;
        let wrong = match (&key, &identity) {
            _ if !ours => Some(IdentityRefusal::DeviceOver),
            (None, _) => Some(IdentityRefusal::DeviceNotEnrolled),
            (Some(key), Some(known)) if known.principal == key.principal => None,
            _ => Some(IdentityRefusal::DeviceOfAnother),
        };
        let (Some(key), None) = (key, &wrong) else {
            self.store.commit(tx).await?;
            return Err(refuse(wrong.unwrap_or(IdentityRefusal::DeviceNotEnrolled)));
        };
        let (principal, mut change) = self.known_as(&mut tx, provider, &told, now).await?;
        if principal.roles.is_empty() {
            tx.apply(&change, origin, now).await?;
            self.store.commit(tx).await?;
            self.counted(&change);
            return Err(refuse(IdentityRefusal::NoRole));
        }
        let proved = NewSignIn {
            principal,
            method: Method::Device,
            amr: told.claims.amr,
            authenticated_at: told.claims.auth_time,
            jkt: Some(call.thumbprint.clone()),
            device: call.device.clone(),
        };
        let opened = open_sign_in(&mut tx, proved, &self.settings.tokens, now).await?;
        tx.touch_device_key(&key.id, now).await?;
        let event = Event::new(
            EventCode::SignedIn,
            Actor::Principal(opened.principal.as_ref()),
        )
        .detail("sign_in", opened.sign_in.as_str())
        .detail("device", call.device.as_str())
        .detail("method", Method::Device.as_str())
        .detail("device_key", key.id.as_str())
        .detail("issuer", issuer.as_str());
        change.push(Step::new(Record::Nothing, event));
        tx.apply(&change, origin, now).await?;
        self.store.commit(tx).await?;
        self.counted(&change);
        Ok(opened)
    }

    async fn count_device(&self, subject: &str, limit: Limit) -> Result<DateTime<Utc>, Error> {
        let mut tx = self.store.write().await?;
        let now = self.store.now(&mut tx).await?;
        let (count, began_at) = tx.count_try(subject, limit.per, now).await?;
        self.store.commit(tx).await?;
        limit.check(count, began_at, now).map_err(Refusal::from)?;
        Ok(now)
    }
}
