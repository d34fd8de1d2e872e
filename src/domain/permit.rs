//! The permission table: which product role may do what in Portcullis itself.
//!
//! What a principal may get on a target is policy (`domain::policy`); who may review which request is the
//! request's own rule (`Request::may_review`). An action that is not in the table cannot be asked for.

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
    /// Place and lift locks.
    Lock, "place or lift locks", [Reviewer, Admin];
    ReadLocks, "see locks", [Reviewer, Admin, Auditor];
    /// Cut live connections of somebody else.
    EndSessions, "end the sessions of others", [Reviewer, Admin];
    ReadAudit, "read the audit history of others", [Reviewer, Admin, Auditor];
    /// Ask what policy says to others, and what another policy would have said.
    ReadPolicy, "see what policy says to others", [Admin, Auditor];
    ReadPeople, "see who is signed in", [Admin, Auditor];
    Invite, "invite people and end their sign-ins", [Admin];
    /// Make service accounts, and manage those of others.
    ManageServices, "manage the service accounts of others", [Admin];
    /// Make sealed codes, see whose there are, and revoke them.
    SealCodes, "make sealed codes", [Admin];
    ReadMetrics, "read metrics", [Operator, Admin];
}

/// Whether the principal's product roles allow the action.
pub fn permit(who: &Principal, action: Action) -> Result<(), Refusal> {
    // INVARIANT: a service account does nothing that its scopes do not name, whatever its product roles
    // (`a_service_account_never_decides`).
    if let Some(service) = &who.service
        && !service.allows(action)
    {
        return Err(Refusal::NotAllowed {
            action: action.phrase(),
            needs: "a person, or a scope of the service account",
        });
    }
    if action.roles().iter().any(|role| who.is(*role)) {
        return Ok(());
    }
    let needs = match action {
        Action::Submit | Action::BreakGlass | Action::UseGrant => "the product role requester",
        Action::ReadMetrics => "the product role operator",
        Action::Invite | Action::ManageServices | Action::SealCodes => "the product role admin",
        Action::ReadPolicy => "the product role admin or auditor",
        Action::ReadPeople | Action::ReadAudit | Action::ReadAll | Action::ReadLocks => {
            "the product role auditor, reviewer or admin"
        }
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
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PrincipalId;
    use crate::domain::principal::PrincipalRef;
    use crate::domain::service::Service;

    /// Whatever roles it has and whatever scopes: each action that decides stays with people.
    #[test]
    fn a_service_account_never_decides() {
        let scopes = ["read", "metrics", "request:*/*"].map(|text| text.parse().unwrap());
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
        ];
        for action in Action::ALL {
            let allowed = permit(&machine, *action).is_ok();
            assert_eq!(allowed, reads.contains(action), "{action:?}");
        }
    }
}
