//! Everything that can be wrong with what an identity provider says, each with its stable code and its sentence.

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)*) => {
        /// Why an answer of the identity provider is not believed. Nothing was changed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProviderFault {
            $($(#[$doc])* $variant,)*
        }

        impl ProviderFault {
            /// Every fault, in the order in which answers are looked at.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What is wrong, in the reader's words.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

faults! {
    Unreachable = "provider-unreachable", "the identity provider does not answer";
    Certificate = "provider-certificate", "the certificate of the identity provider is not one that this server trusts";
    /// It answered with a status that is none of a working provider.
    Failed = "provider-failed", "the identity provider failed";
    Redirect = "provider-redirect", "the identity provider sent the server elsewhere, which is not followed";
    TooLarge = "provider-answer-too-large", "an answer of the identity provider is larger than any sensible one";
    NotJson = "provider-answer-malformed", "an answer of the identity provider is not the JSON that the protocol asks for";
    DiscoveryIssuer = "provider-issuer", "the identity provider calls itself differently than the configured `issuer`";
    DiscoveryEndpoint = "provider-endpoint", "an address that the identity provider names is not a plain `https` one";
    DiscoveryFlow = "provider-flow", "the identity provider has no authorization code flow with PKCE and `S256`";
    DiscoveryAlgorithms = "provider-algorithms", "the identity provider signs with none of RS256, PS256, ES256 and EdDSA";
    KeysEmpty = "provider-keys-empty", "the identity provider publishes no key that can check a signature";
    KeysPrivate = "provider-keys-private", "the identity provider publishes a private key, so its signatures prove nothing";
    KeysTwice = "provider-keys-ambiguous", "the identity provider publishes two keys under one name";
    KeysMany = "provider-keys-too-many", "the identity provider publishes more keys than any sensible one";
    ResponseIssuer = "response-issuer", "the answer in the browser comes from another provider than the one that was asked";
    ResponseIssuerMissing = "response-issuer-missing", "the answer in the browser does not say which provider it comes from";
    CodeRefused = "code-refused", "the identity provider does not accept the code that the browser brought";
    ClientRefused = "client-refused", "the identity provider does not accept `client_id` and `client_secret` of this server";
    TokenMissing = "id-token-missing", "the identity provider gave no ID token";
    TokenType = "token-type", "the identity provider gave an access token of an unknown kind";
    TokenForm = "id-token-malformed", "the ID token is not a signed token of three parts";
    TokenTooLarge = "id-token-too-large", "the ID token is larger than any sensible one";
    TokenHeader = "id-token-header", "the head of the ID token is not understood";
    TokenCritical = "id-token-critical", "the ID token demands an extension that is not known";
    TokenAlgorithm = "id-token-algorithm", "the ID token is signed with none of RS256, PS256, ES256 and EdDSA";
    TokenKey = "id-token-key", "the ID token is signed with a key that the identity provider does not publish";
    TokenKeyMismatch = "id-token-key-mismatch", "the key that the ID token names is not for its kind of signature";
    TokenSignature = "id-token-signature", "the signature of the ID token is wrong";
    TokenClaims = "id-token-claims", "the ID token lacks something that each must say, or says it in a wrong form";
    TokenIssuer = "id-token-issuer", "the ID token comes from another issuer";
    TokenSubject = "id-token-subject", "the ID token does not say who it is about in a usable form";
    TokenAudience = "id-token-audience", "the ID token is for somebody else than this server";
    TokenParty = "id-token-party", "the ID token was issued to somebody else than this server";
    TokenExpired = "id-token-expired", "the ID token is over";
    TokenTooEarly = "id-token-too-early", "the ID token is from the future: one of the clocks is wrong";
    TokenTooOld = "id-token-too-old", "the ID token is older than the sign-in that it should be for";
    TokenNonce = "id-token-nonce", "the ID token is not for this sign-in";
    TokenAccessHash = "id-token-access-hash", "the ID token does not belong to the access token that came with it";
    TokenOtherPerson = "id-token-other-person", "the ID token is about another person than before";
    StepUpOtherPerson = "step-up-other-person", "somebody else signed in at the identity provider";
    StepUpTimeMissing = "step-up-time-missing", "the identity provider does not say when you signed in, so it may have been long ago";
    StepUpTooOld = "step-up-too-old", "the identity provider did not have you sign in again for this";
    StepUpTooWeak = "step-up-too-weak", "you signed in at the identity provider without a second factor that counts here";
    DeviceUnsupported = "provider-no-device-flow", "the identity provider has no sign-in for machines without a browser";
    DeviceAnswer = "provider-device-answer", "what the identity provider says for a sign-in on another machine cannot be used";
    GroupsForm = "groups-malformed", "the identity provider does not say groups as a list of names";
    GroupsMany = "groups-too-many", "the identity provider names more groups than any sensible person is in";
    GroupsElsewhere = "groups-elsewhere", "the identity provider leaves the groups out because there are too many";
    NameMissing = "name-missing", "the identity provider does not say the name that the server is told to use";
    NameUnusable = "name-unusable", "the name at the identity provider has nothing that a name here can be made of";
}

impl ProviderFault {
    /// Whether trying again later may help without anybody doing anything.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Unreachable | Self::Failed)
    }

    /// What to do next.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Unreachable | Self::Failed => "try again in a moment",
            Self::CodeRefused
            | Self::TokenExpired
            | Self::TokenTooOld
            | Self::TokenNonce
            | Self::ResponseIssuer
            | Self::ResponseIssuerMissing => "begin the sign-in again with `portcullis login`",
            Self::StepUpOtherPerson => "sign in there with your own account",
            Self::StepUpTooOld => "confirm it again, and sign in within the next minutes",
            Self::StepUpTimeMissing | Self::StepUpTooWeak => {
                "use another second factor, or ask an operator to look at `[step_up]` and at the provider"
            }
            Self::TokenTooEarly => "ask an operator to compare the server's clock",
            Self::NameMissing | Self::NameUnusable => {
                "ask an operator to set `name_claim` in `[identity]`"
            }
            Self::GroupsForm | Self::GroupsMany | Self::GroupsElsewhere => {
                "ask an operator to look at `groups_claim` in `[identity]` and at the provider"
            }
            _ => "ask an operator to look at the identity provider and at `[identity]`",
        }
    }
}

/// Why somebody who comes from the identity provider is not let in, or not let go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityRefusal {
    /// This server has no identity provider.
    NotOffered,
    /// Never begun here, finished before, or begun too long ago.
    NotBegun,
    /// Whoever finishes it did not begin it.
    NotTheBeginner,
    /// A sign-in at the provider is no second factor here, or not for this person.
    NoStepUp,
    /// Never begun by this person in this sign-in, finished before, or begun too long ago.
    StepUpNotBegun,
    /// It was begun for other calls.
    StepUpForAnother,
    /// The provider or its person said no, by the protocol's own word.
    Declined {
        error: String,
    },
    Fault(ProviderFault),
    /// Somebody else here has the name. They are never taken for the same person.
    NameTaken {
        name: String,
    },
    /// The subject is that of somebody who is known here, but for capitals or spaces.
    SubjectAlike,
    /// None of the person's groups has a product role.
    NoRole,
    /// People sign in here with a browser on the same machine only.
    NoDeviceFlow,
    /// Nobody has enrolled the key of this device, or it was revoked.
    DeviceNotEnrolled,
    /// Somebody has enrolled this key, now or before.
    DeviceKeyTaken,
    /// Whoever approved the sign-in is not the person that the device key belongs to.
    DeviceOfAnother,
    /// Never begun from this device, finished, or begun too long ago.
    DeviceOver,
    /// The provider does not know this person any more.
    Gone,
    /// The provider takes the token no more with which it is asked about this person.
    Lapsed,
    /// What is known of the person's groups is too old to give access by.
    Stale,
}

impl IdentityRefusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOffered => "no-identity-provider",
            Self::NotBegun => "sign-in-not-begun",
            Self::NotTheBeginner => "sign-in-of-another",
            Self::NoStepUp => "no-step-up-at-provider",
            Self::StepUpNotBegun => "step-up-not-begun",
            Self::StepUpForAnother => "step-up-for-another",
            Self::Declined { .. } => "provider-declined",
            Self::Fault(fault) => fault.code(),
            Self::NameTaken { .. } => "name-taken",
            Self::SubjectAlike => "subject-alike",
            Self::NoRole => "no-product-role",
            Self::NoDeviceFlow => "no-device-flow",
            Self::DeviceNotEnrolled => "device-not-enrolled",
            Self::DeviceKeyTaken => "device-key-taken",
            Self::DeviceOfAnother => "device-of-another",
            Self::DeviceOver => "device-code-over",
            Self::Gone => "identity-gone",
            Self::Lapsed => "identity-lapsed",
            Self::Stale => "identity-stale",
        }
    }

    /// What is wrong, in the reader's words.
    pub fn text(&self) -> String {
        match self {
            Self::NotOffered => "this server has no identity provider".to_owned(),
            Self::NotBegun => {
                "this sign-in was not begun here, is finished, or took more than 10 minutes"
                    .to_owned()
            }
            Self::NotTheBeginner => "this sign-in was begun by another program".to_owned(),
            Self::NoStepUp => {
                "a sign-in at the identity provider is no second factor for you here".to_owned()
            }
            Self::StepUpNotBegun => {
                "this was not begun in this sign-in, is finished, or took more than 10 minutes"
                    .to_owned()
            }
            Self::StepUpForAnother => "this was begun to confirm something else".to_owned(),
            Self::Declined { error } => {
                format!("the identity provider did not let you in (`{error}`)")
            }
            Self::Fault(fault) => fault.text().to_owned(),
            Self::NameTaken { name } => {
                format!("`{name}` is the name of somebody else here, and names are never shared")
            }
            Self::SubjectAlike => {
                "the identity provider calls somebody else here almost the same: only capitals or spaces differ"
                    .to_owned()
            }
            Self::NoRole => "none of your groups at the identity provider has a product role here".to_owned(),
            Self::NoDeviceFlow => {
                "this server has no sign-in for machines without a browser".to_owned()
            }
            Self::DeviceNotEnrolled => "the key of this device is not enrolled".to_owned(),
            Self::DeviceKeyTaken => "this device key is enrolled already, or was".to_owned(),
            Self::DeviceOfAnother => {
                "somebody else approved this sign-in than the person whose device it is".to_owned()
            }
            Self::DeviceOver => {
                "this sign-in was not begun from this device, is finished, or took more than 5 minutes"
                    .to_owned()
            }
            Self::Gone => "the identity provider does not know this person any more".to_owned(),
            Self::Lapsed => {
                "the identity provider confirms this person no more until they sign in again".to_owned()
            }
            Self::Stale => {
                "the identity provider has not confirmed the groups of this person lately, so no access is given"
                    .to_owned()
            }
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotOffered | Self::NoDeviceFlow => {
                "sign in with a one-time code: `portcullis login --code CODE`"
            }
            Self::NotBegun | Self::NotTheBeginner | Self::Declined { .. } => {
                "begin the sign-in again with `portcullis login`"
            }
            Self::Fault(fault) => fault.hint(),
            Self::NoStepUp => "use another second factor; `portcullis factor list` shows yours",
            Self::StepUpNotBegun | Self::StepUpForAnother => "confirm it again",
            Self::NameTaken { .. } => {
                "ask an operator for another `name_claim`, or for another name at the provider"
            }
            Self::SubjectAlike => {
                "ask the people who run the identity provider which of the two is you"
            }
            Self::NoRole => {
                "ask an operator to give one of your groups a role in `[identity.roles]`"
            }
            Self::DeviceNotEnrolled => {
                "run `portcullis device show` here, and what it prints where you are signed in"
            }
            Self::DeviceKeyTaken => "`portcullis device list` shows yours",
            Self::DeviceOfAnother => "approve only what you began yourself",
            Self::DeviceOver => "begin again with `portcullis login --device`",
            Self::Gone => "ask the people who run the identity provider",
            Self::Lapsed => {
                "sign in again with `portcullis login`; without that, access ends in a few minutes"
            }
            Self::Stale => {
                "try again in a moment; if the provider works, sign in again with `portcullis login`"
            }
        }
    }
}

impl From<ProviderFault> for IdentityRefusal {
    fn from(fault: ProviderFault) -> Self {
        Self::Fault(fault)
    }
}
