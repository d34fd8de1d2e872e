//! The permission table: which product role may do what in Portcullis itself, and where.
//!
//! A product role may hold for some targets only. What is about a target is asked with its place; everything else
//! needs a role that holds everywhere, and so does whoever forgets to say where.
//!
//! What a principal may get on a target is policy (`domain::policy`); who may review which request is the
//! request's own rule (`Request::may_review`). An action that is not in the table cannot be asked for.

use super::extent::{Extent, Place};
use super::principal::{Principal, ProductRole};
use super::refusal::Refusal;

use ProductRole::{Admin, Auditor, Operator, Requester, Reviewer};

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident, $phrase:literal, [$($role:ident),*];)*) => {
        /// Everything that a signed-in caller can ask the gate for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $variant,)* }

        impl Action {
            /// Every action, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The action as a verb phrase that follows "you may not".
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$variant => $phrase),* }
            }

            /// The product roles that may do it; one of them is enough.
            pub fn roles(self) -> &'static [ProductRole] {
                match self { $(Self::$variant => &[$($role),*]),* }
            }
        }
    };
}

impl Action {
    /// Whether it is about a target, so that a role that holds for some of them can allow it.
    pub fn has_place(self) -> bool {
        !matches!(
            self,
            Self::ReadPeople
                | Self::Invite
                | Self::ManageServices
                | Self::SealCodes
                | Self::ManageHistory
                | Self::ReadMetrics
                | Self::KeepLog
                | Self::ChangePolicy
        )
    }
}

actions! {
    /// Ask for access, withdraw the ask and ask for more time.
    Submit, "ask for access", [Requester, Admin];
    /// Take access before anybody has reviewed it, where policy lets.
    BreakGlass, "break glass", [Requester, Admin];
    /// Use one's own grant and give it back.
    UseGrant, "use your grants", [Requester, Admin];
    ReadCatalog, "see the catalogue", [Requester, Reviewer, Admin, Auditor];
    ReadOwn, "see your requests and grants", [Requester, Reviewer, Admin, Auditor];
    /// See everybody's requests and grants.
    ReadAll, "see the requests and grants of others", [Reviewer, Admin, Auditor];
    Review, "review requests", [Reviewer, Admin];
    /// Prolong the grant of somebody else.
    ExtendOthers, "extend the grants of others", [Reviewer, Admin];
    Revoke, "revoke grants", [Reviewer, Admin];
    /// Say, one of two, that a grant counts as ended although its target has not confirmed.
    OverrideEnd, "override the end of grants", [Admin];
    /// Place and lift locks.
    Lock, "place or lift locks", [Reviewer, Admin];
    ReadLocks, "see locks", [Reviewer, Admin, Auditor];
    /// See what lets people into targets although no grant backs it.
    ReadStanding, "see standing access", [Reviewer, Admin, Auditor];
    /// Say who answers for standing access, or why it stays.
    SettleStanding, "settle standing access", [Reviewer, Admin];
    /// Say for a host what lets people in there beside grants: a host's own service account, or else an admin
    /// (`domain::report`).
    ReportStanding, "report standing access", [Operator, Admin];
    /// Cut live connections of somebody else.
    EndSessions, "end the sessions of others", [Reviewer, Admin];
    ReadAudit, "read the audit history of others", [Reviewer, Admin, Auditor];
    /// Ask what policy says to others, and what another policy would have said.
    ReadPolicy, "see what policy says to others", [Admin, Auditor];
    /// Put another policy in the place of the one in use.
    ChangePolicy, "change the policy", [Admin];
    ReadPeople, "see who is signed in", [Admin, Auditor];
    Invite, "invite people and end their sign-ins", [Admin];
    /// Make service accounts, and manage those of others.
    ManageServices, "manage the service accounts of others", [Admin];
    /// Make sealed codes, see whose there are, and revoke them.
    SealCodes, "make sealed codes", [Admin];
    /// Take something out of the history, as law or its age want.
    ManageHistory, "erase or prune the history", [Admin];
    ReadMetrics, "read metrics", [Operator, Admin];
    /// Go on with the audit log where history was lost, and change its key.
    KeepLog, "recover the audit log or change its key", [Admin];
}

/// Who may report: named by the table and by the rule of reports.
pub(super) const HOST_OR_ADMIN: &str =
    "the scope `report:TARGET` of the target itself, or the product role admin";

/// The targets on which the principal's product roles allow the action.
pub fn extent(who: &Principal, action: Action) -> Extent {
    // INVARIANT: a service account does nothing that its scopes do not name, whatever its product roles
    // (`a_service_account_never_decides`).
    if let Some(service) = &who.service
        && !service.allows(action)
    {
        return Extent::Nowhere;
    }
    let mut all = Extent::Nowhere;
    for role in action.roles() {
        all.widen(who.roles.extent(*role));
    }
    all
}

/// Whether the principal's product roles allow the action everywhere.
pub fn permit(who: &Principal, action: Action) -> Result<(), Refusal> {
    permit_at(who, action, Place::Everywhere)
}

/// Whether the principal's product roles allow the action in this place.
pub fn permit_at(who: &Principal, action: Action, place: Place<'_>) -> Result<(), Refusal> {
    let extent = extent(who, action);
    let place = if action.has_place() {
        place
    } else {
        Place::Everywhere
    };
    if extent.covers(place) {
        return Ok(());
    }
    if extent != Extent::Nowhere {
        return Err(Refusal::OutOfScope {
            action: action.phrase(),
            scope: extent.sentence(),
            wide: !matches!(place, Place::On(_)),
        });
    }
    let needs = match action {
        _ if who.service.is_some() => "a person, or a scope of the service account",
        Action::Submit | Action::BreakGlass | Action::UseGrant => "the product role requester",
        Action::ReadMetrics => "the product role operator",
        Action::ReportStanding => HOST_OR_ADMIN,
        Action::Invite
        | Action::ManageServices
        | Action::SealCodes
        | Action::ManageHistory
        | Action::ChangePolicy
        | Action::OverrideEnd
        | Action::KeepLog => "the product role admin",
        Action::ReadPolicy => "the product role admin or auditor",
        Action::ReadPeople
        | Action::ReadAudit
        | Action::ReadAll
        | Action::ReadLocks
        | Action::ReadStanding => "the product role auditor, reviewer or admin",
        _ => "the product role reviewer",
    };
    Err(Refusal::NotAllowed {
        action: action.phrase(),
        needs,
    })
}

/// The table as text, one line an action: what a reviewer of this product reads, and what a test pins down.
pub fn table() -> String {
    let mut out = String::new();
    for action in Action::ALL {
        out.push_str(&format!("{:<40}", action.phrase()));
        for role in ProductRole::ALL {
            out.push_str(if action.roles().contains(&role) {
                " yes"
            } else {
                "  - "
            });
        }
        if !action.has_place() {
            out.push_str("  for every target only");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::extent::Tags;
    use crate::domain::ids::PrincipalId;
    use crate::domain::principal::PrincipalRef;
    use crate::domain::roles::GivenRole;
    use crate::domain::service::Service;

    /// Whatever roles it has and whatever scopes: each action that decides stays with people.
    #[test]
    fn a_service_account_never_decides() {
        let scopes = ["read", "metrics", "request:*/*", "report:web-1"];
        let scopes = scopes.map(|text| text.parse().unwrap());
        let machine = Principal {
            id: PrincipalId::from_bits(1),
            name: "bot".parse().unwrap(),
            roles: ProductRole::ALL.into(),
            groups: ["reviewers".parse().unwrap()].into(),
            service: Some(Service {
                owner: PrincipalRef {
                    id: PrincipalId::from_bits(2),
                    name: "ada".parse().unwrap(),
                },
                scopes: scopes.into(),
                maker: None,
            }),
        };
        let reads = [
            Action::Submit,
            Action::UseGrant,
            Action::ReadCatalog,
            Action::ReadOwn,
            Action::ReadAll,
            Action::ReadLocks,
            Action::ReadAudit,
            Action::ReadMetrics,
            Action::ReportStanding,
        ];
        for action in Action::ALL {
            let allowed = permit(&machine, *action).is_ok();
            assert_eq!(allowed, reads.contains(action), "{action:?}");
        }
    }

    fn person(words: &[&str]) -> Principal {
        let given = words.iter().map(|word| word.parse::<GivenRole>().unwrap());
        Principal {
            id: PrincipalId::from_bits(1),
            name: "rita".parse().unwrap(),
            roles: given.collect(),
            groups: [].into(),
            service: None,
        }
    }

    #[test]
    fn a_role_for_some_targets_allows_nothing_elsewhere() {
        let rita = person(&["reviewer@env:staging", "auditor@team:payments"]);
        let tags = |text: &str| {
            Tags::from([text.split_once(':').unwrap()].map(|(a, b)| (a.into(), b.into())))
        };
        let (staging, payments, prod) =
            (tags("env:staging"), tags("team:payments"), tags("env:prod"));
        let may = |action, on: &Tags| permit_at(&rita, action, Place::On(Some(on))).is_ok();
        assert!(may(Action::Review, &staging));
        assert!(!may(Action::Review, &payments) && !may(Action::Review, &prod));
        // Both roles read, so both places are seen.
        assert!(may(Action::ReadAll, &staging) && may(Action::ReadAll, &payments));
        assert!(!may(Action::ReadAll, &prod));
        assert!(permit(&rita, Action::ReadAll).is_err());
        assert!(permit_at(&rita, Action::Review, Place::Somewhere).is_ok());
        assert!(permit_at(&rita, Action::Review, Place::On(None)).is_err());
        let text = permit_at(&rita, Action::Review, Place::On(Some(&prod)))
            .unwrap_err()
            .text();
        assert_eq!(
            text,
            "you may not review requests on this target: you may on targets with `env:staging` only"
        );
    }

    /// Nothing that is about no target is allowed by a role that holds for some.
    #[test]
    fn what_is_about_no_target_needs_a_role_for_all() {
        let words =
            ["requester", "reviewer", "admin", "auditor"].map(|role| format!("{role}@env:staging"));
        let scoped = person(&words.each_ref().map(String::as_str));
        let tags = Tags::from([("env".to_owned(), "staging".to_owned())]);
        for action in Action::ALL {
            let here = permit_at(&scoped, *action, Place::On(Some(&tags))).is_ok();
            assert_eq!(here, action.has_place(), "{action:?}");
            assert!(permit(&scoped, *action).is_err(), "{action:?}");
        }
    }
}
