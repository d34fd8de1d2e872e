//! How a sign-in came to be.

use std::fmt;

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
}

impl Method {
    /// Every method, in the order of help and tables.
    pub const ALL: [Self; 5] = [
        Self::Code,
        Self::Password,
        Self::Oidc,
        Self::Device,
        Self::Service,
    ];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Password => "password",
            Self::Oidc => "oidc",
            Self::Device => "device",
            Self::Service => "service",
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
            .ok_or_else(|| "sign-ins are by code, password, oidc, device or service".to_owned())
    }
}
