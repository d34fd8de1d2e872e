//! What every connector keeps, shown on real servers: one body, run over each kind.

mod command;
mod injection;
mod kubernetes;
pub(crate) mod ldap;
mod mess;
mod postgres;
mod ssh;
mod webhook;

use chrono::{DateTime, TimeDelta, Utc};
use portcullis::domain::ids::{GrantId, PrincipalName, RoleName};
use portcullis::secret::{Key, random};
use portcullis::targets::{
    Access, Connector, Credential, CredentialAsk, Down, Environment, Failure, Installation,
    SessionOutcome,
};

/// A kind of target with a real server behind it. To add a kind: one of these, and a line in `conformance!` below.
pub(crate) trait Stand: Sized {
    async fn set_up() -> Self;
    fn connector(&self) -> &dyn Connector;
    /// A connector with the same settings but for an address where nobody answers.
    fn unreachable(&self) -> Box<dyn Connector>;
    /// The clock that the connector is told, as the database would.
    async fn now(&self) -> DateTime<Utc>;
    fn ask(&self) -> CredentialAsk<'_>;
    /// Whether somebody who has this credential gets in.
    async fn opens(&self, credential: &Credential) -> bool;
    /// Everything on the target that the connector has made, whatever it is called.
    async fn traces(&self) -> Vec<String>;
}

/// A grant to ask connectors about.
pub(crate) struct Case {
    pub(crate) grant: GrantId,
    pub(crate) role: RoleName,
    pub(crate) holder: PrincipalName,
    pub(crate) now: DateTime<Utc>,
}

impl Case {
    pub(crate) async fn on(stand: &impl Stand) -> Self {
        Self {
            grant: GrantId::from_bits(u64::from_be_bytes(random().unwrap())),
            role: "readonly".parse().unwrap(),
            holder: "ada".parse().unwrap(),
            now: stand.now().await,
        }
    }

    /// The access as it is in its `epoch`, for an hour.
    pub(crate) fn access(&self, epoch: i64) -> Access<'_> {
        Access {
            grant: &self.grant,
            role: &self.role,
            holder: &self.holder,
            ends_at: self.now + TimeDelta::hours(1),
            epoch,
            last_credential_ends_at: None,
            now: self.now,
            heard: None,
        }
    }

    /// The access at its end, when all that was handed out is over.
    pub(crate) fn end(&self, epoch: i64, last: Option<DateTime<Utc>>) -> Access<'_> {
        Access {
            last_credential_ends_at: last,
            now: last.unwrap_or(self.now),
            ..self.access(epoch)
        }
    }
}

pub(crate) fn environment() -> Environment {
    let key = Key::new(random().unwrap());
    Environment {
        installation: Installation::of(&key),
        key,
    }
}

async fn end(stand: &impl Stand, access: Access<'_>) -> Result<(), Failure> {
    match stand.connector().down(access).await? {
        Down::Gone(_) => Ok(()),
        Down::Until(moment, why) => panic!("not gone before {moment}: {why}"),
    }
}

async fn access_works_between_up_and_down<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector().up(case.access(1)).await.unwrap();
    let credential = stand
        .connector()
        .credential(case.access(1), stand.ask())
        .await
        .unwrap();
    assert!(
        stand.opens(&credential).await,
        "it opens while the grant lasts"
    );
    end(&stand, case.end(2, Some(credential.ends_at())))
        .await
        .unwrap();
    // A certificate that was handed out is over only when its time has come: see `ssh.rs`.
    if !matches!(credential, Credential::Ssh(_)) {
        assert!(!stand.opens(&credential).await, "it does not open any more");
    }
    assert_eq!(stand.traces().await, [""; 0], "nothing is left");
}

async fn what_was_handed_out_is_not_called_gone_before_it_is<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector().up(case.access(1)).await.unwrap();
    let credential = stand
        .connector()
        .credential(case.access(1), stand.ask())
        .await
        .unwrap();
    let access = Access {
        last_credential_ends_at: Some(credential.ends_at()),
        ..case.access(2)
    };
    match stand.connector().down(access).await.unwrap() {
        Down::Gone(_) => assert!(!stand.opens(&credential).await),
        Down::Until(moment, _) => assert_eq!(moment, credential.ends_at()),
    }
}

async fn a_credential_never_outlives_its_grant<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    for seconds in [1, 59, 3600] {
        let ends_at = case.now + TimeDelta::seconds(seconds);
        let access = Access {
            ends_at,
            ..case.access(1)
        };
        let credential = stand
            .connector()
            .credential(access, stand.ask())
            .await
            .unwrap();
        assert!(
            credential.ends_at() <= ends_at,
            "{} > {ends_at}",
            credential.ends_at()
        );
    }
    let over = Access {
        ends_at: case.now,
        ..case.access(1)
    };
    assert!(
        stand
            .connector()
            .credential(over, stand.ask())
            .await
            .unwrap_err()
            .permanent
    );
}

async fn up_and_down_may_be_repeated<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    let first = stand.connector().up(case.access(1)).await.unwrap();
    let traces = stand.traces().await;
    let second = stand.connector().up(case.access(1)).await.unwrap();
    assert_eq!(first.object, second.object);
    assert_eq!(traces, stand.traces().await);
    for _ in 0..2 {
        end(&stand, case.end(2, None)).await.unwrap();
        assert_eq!(stand.traces().await, [""; 0]);
    }
}

async fn two_nodes_may_end_the_same_grant_at_once<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector().up(case.access(1)).await.unwrap();
    let (one, other) = tokio::join!(
        end(&stand, case.end(2, None)),
        end(&stand, case.end(2, None))
    );
    // One of them may be told to come back, but the next call finds it done.
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    end(&stand, case.end(2, None)).await.unwrap();
    assert_eq!(stand.traces().await, [""; 0]);
}

async fn a_grant_that_was_never_up_can_be_ended<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    end(&stand, case.end(1, None)).await.unwrap();
    assert_eq!(stand.traces().await, [""; 0]);
}

async fn a_late_up_cannot_undo_a_down<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector().up(case.access(1)).await.unwrap();
    end(&stand, case.end(2, None)).await.unwrap();
    // Whether it is refused or makes nothing depends on the kind; that nothing is there does not.
    for epoch in [1, 2, 3] {
        drop(stand.connector().up(case.access(epoch)).await);
        assert_eq!(
            stand.traces().await,
            [""; 0],
            "after an up with epoch {epoch}"
        );
    }
}

async fn an_unreachable_target_is_a_failure_that_may_pass<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    let away = stand.unreachable();
    // A kind that needs no connection has no such failure.
    for failure in [
        away.up(case.access(1)).await.err(),
        away.down(case.end(2, None)).await.err(),
        away.sessions().await.err(),
        away.end_session(case.access(1), "4711-1")
            .await
            .err()
            .filter(|failure| !failure.permanent),
    ]
    .into_iter()
    .flatten()
    {
        assert!(!failure.permanent, "{failure}");
        assert!(failure.message.contains("cannot be reached"), "{failure}");
    }
}

async fn observe_sees_what_up_has_made<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    let up = stand.connector().up(case.access(1)).await.unwrap();
    let plan = stand.connector().plan(&case.access(1));
    assert_eq!(plan.object, up.object, "the plan names what is made");
    let seen = stand.connector().observe().await.unwrap().objects;
    let names: Vec<&str> = seen.iter().map(|object| object.object.as_str()).collect();
    assert_eq!(names, up.object.as_deref().into_iter().collect::<Vec<_>>());
    for object in &seen {
        assert_eq!(object.grant, case.grant);
        assert_eq!(object.drift, [""; 0]);
        assert_eq!(object.live_sessions, 0);
    }
}

async fn sessions_are_told_or_it_is_said_that_they_are_not<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector().up(case.access(1)).await.unwrap();
    let reported = stand.connector().sessions().await.unwrap();
    assert_eq!(reported.sessions, [], "nobody is connected");
    let ended = stand
        .connector()
        .end_session(case.access(1), "4711-1763830000123")
        .await;
    match reported.incomplete {
        None => assert_eq!(ended, Ok(SessionOutcome::Gone)),
        Some(why) => {
            assert!(!why.is_empty());
            assert!(
                ended.unwrap_err().permanent,
                "what is not told cannot be ended"
            );
        }
    }
    // Whatever came of it, the access is as it was.
    let credential = stand
        .connector()
        .credential(case.access(1), stand.ask())
        .await
        .unwrap();
    assert!(stand.opens(&credential).await);
}

async fn an_orphan_can_be_removed_by_its_name<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case::on(&stand).await;
    stand.connector().up(case.access(1)).await.unwrap();
    for object in stand.connector().observe().await.unwrap().objects {
        stand
            .connector()
            .remove_orphan(&object.object)
            .await
            .unwrap();
    }
    assert_eq!(stand.traces().await, [""; 0]);
}

async fn an_unknown_role_is_a_failure_that_stays<S: Stand>() {
    let stand = S::set_up().await;
    let case = Case {
        role: "nobody-made-this".parse().unwrap(),
        ..Case::on(&stand).await
    };
    assert!(
        stand
            .connector()
            .up(case.access(1))
            .await
            .unwrap_err()
            .permanent
    );
    assert!(
        stand
            .connector()
            .credential(case.access(1), stand.ask())
            .await
            .unwrap_err()
            .permanent
    );
    assert_eq!(stand.traces().await, [""; 0]);
}

macro_rules! conformance {
    ($($behaviour:ident)*) => {
        conformance!(@kind on_postgres, super::postgres::PostgresStand, $($behaviour)*);
        conformance!(@kind on_ssh, super::ssh::SshStand, $($behaviour)*);
        conformance!(@kind on_ldap, super::ldap::LdapStand, $($behaviour)*);
        conformance!(@kind on_command, super::command::CommandStand, $($behaviour)*);
        conformance!(@kind on_webhook, super::webhook::WebhookStand, $($behaviour)*);
        conformance!(@kind on_kubernetes, super::kubernetes::KubernetesStand, $($behaviour)*);
    };
    (@kind $kind:ident, $stand:ty, $($behaviour:ident)*) => {
        mod $kind {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$behaviour::<$stand>().await;
                }
            )*
        }
    };
}

conformance! {
    access_works_between_up_and_down
    what_was_handed_out_is_not_called_gone_before_it_is
    a_credential_never_outlives_its_grant
    up_and_down_may_be_repeated
    two_nodes_may_end_the_same_grant_at_once
    a_grant_that_was_never_up_can_be_ended
    a_late_up_cannot_undo_a_down
    an_unreachable_target_is_a_failure_that_may_pass
    observe_sees_what_up_has_made
    sessions_are_told_or_it_is_said_that_they_are_not
    an_orphan_can_be_removed_by_its_name
    an_unknown_role_is_a_failure_that_stays
}
