//! How a sign-in came to be.

use std::fmt;

use super::break_glass::BreakGlassRefusal;
use super::permit::Action;
use super::principal::{Principal, ProductRole};
use super::refusal::Refusal;
use super::roles::GivenRole;

/// By what a person, or a service account, has proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A one-time code: the bootstrap code of a new server, or an admin's invitation.
    Code,
    /// A local password.
    Password,
    /// An identity provider, in a browser on this machine.
    Oidc,
    /// An identity provider, in a browser on another machine.
    Device,
    /// A service token.
    Service,
    /// A sealed code, for the day when nobody can sign in otherwise.
    Sealed,
}

impl Method {
    /// Every method, in the order of help and tables.
    pub const ALL: [Self; 6] = [
        Self::Code,
        Self::Password,
        Self::Oidc,
        Self::Device,
        Self::Service,
        Self::Sealed,
    ];

    /// Whether a sign-in by this method is good for the action, whoever is signed in. INVARIANT: a sealed code opens
    /// nothing but break-glass and what follows from it (`a_sealed_sign_in_is_good_for_break_glass_only`).
    pub fn allows(self, action: Action) -> Result<(), Refusal> {
        let little = matches!(
            action,
            Action::BreakGlass | Action::UseGrant | Action::ReadCatalog | Action::ReadOwn
        );
        if self == Self::Sealed && !little {
            let action = action.phrase();
            return Err(BreakGlassRefusal::SealedSignIn { action }.into());
        }
        Ok(())
    }

    /// Whoever signed in by this method, with no more product roles than the method is good for.
    pub fn reduced(self, who: Principal) -> Principal {
        if self != Self::Sealed {
            return who;
        }
        // Where one of the roles that may break glass holds, the requester's does.
        let given = who.roles.given();
        let given = given.filter(|given| Action::BreakGlass.roles().contains(&given.role));
        let roles = given.map(|given| GivenRole {
            role: ProductRole::Requester,
            ..given
        });
        Principal {
            roles: roles.collect(),
            ..who
        }
    }

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Password => "password",
            Self::Oidc => "oidc",
            Self::Device => "device",
            Self::Service => "service",
            Self::Sealed => "sealed",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str() == text)
            .ok_or_else(|| {
                "sign-ins are by code, password, oidc, device, service or sealed".to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PrincipalId;
    use crate::domain::permit::permit;

    #[test]
    fn a_sealed_sign_in_is_good_for_break_glass_only() {
        let who = Principal {
            id: PrincipalId::from_bits(1),
            name: "ada".parse().unwrap(),
            roles: ProductRole::ALL.into(),
            groups: ["reviewers".parse().unwrap()].into(),
            service: None,
        };
        let reduced = Method::Sealed.reduced(who.clone());
        let good = [
            Action::BreakGlass,
            Action::UseGrant,
            Action::ReadCatalog,
            Action::ReadOwn,
        ];
        for action in Action::ALL {
            let both = permit(&reduced, *action).and(Method::Sealed.allows(*action));
            assert_eq!(both.is_ok(), good.contains(action), "{action:?}");
            assert_eq!(Method::Oidc.allows(*action), Ok(()));
        }
        assert_eq!(reduced.groups, who.groups);
        assert_eq!(Method::Oidc.reduced(who.clone()), who);
        let nobody = Principal {
            roles: [ProductRole::Auditor].into(),
            ..who
        };
        assert!(Method::Sealed.reduced(nobody).roles.is_empty());
    }
}
