//! Every refusal as people read it. A new one does not compile until it is listed, and its text is read in review.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis::domain::break_glass::{BreakGlassRefusal, Verdict};
use portcullis::domain::grant::{GrantState, OverrideRefusal};
use portcullis::domain::lock::LockState;
use portcullis::domain::provider::{IdentityRefusal, ProviderFault};
use portcullis::domain::refusal::Refusal;
use portcullis::domain::request::RequestState;
use portcullis::domain::second_factor::{SecondFactorRefusal, Way};
use portcullis::domain::span::Span;
use portcullis::server::error::status;

/// How many refusals there are. The match has no catch-all: a new one belongs into `every_refusal` and into this number.
fn known(refusal: &Refusal) -> usize {
    use Refusal as R;
    match refusal {
        R::NotSignedIn
        | R::TokenExpired
        | R::SignInUnbound
        | R::ProofRequired
        | R::ProofNotValid { .. }
        | R::ProofOutOfTime { .. }
        | R::CodeNotValid
        | R::NotAllowed { .. }
        | R::OutOfScope { .. }
        | R::NotFound { .. }
        | R::UnknownTarget { .. }
        | R::UnknownRole { .. }
        | R::PolicyDenied { .. }
        | R::NobodyCanReview { .. }
        | R::DuplicatePending { .. }
        | R::TooManyPending { .. }
        | R::BadReason { .. }
        | R::BadTicket
        | R::StartTooFar { .. }
        | R::StartInPast
        | R::CommentRequired
        | R::SelfReview { .. }
        | R::OwnService { .. }
        | R::AlreadyReviewed { .. }
        | R::NotAReviewer { .. }
        | R::RequestDecided { .. }
        | R::DeadlinePassed { .. }
        | R::NotClaimed { .. }
        | R::NotNarrower { .. }
        | R::NotTheRequester { .. }
        | R::NotTheHolder { .. }
        | R::GrantNotActive { .. }
        | R::OverTotalCap { .. }
        | R::Locked { .. }
        | R::SelfLock
        | R::LockOver { .. }
        | R::StandingGone { .. }
        | R::StandingOpen { .. }
        | R::PreviewNotValid { .. }
        | R::TooManyItems { .. }
        | R::PolicyInUse { .. }
        | R::Conflict { .. }
        | R::VersionRequired
        | R::IdempotencyKeyRequired
        | R::IdempotencyKeyReused
        | R::BadInput { .. }
        | R::Unsupported { .. }
        | R::TargetFailed { .. }
        | R::TooManyStreams { .. }
        | R::Identity(_)
        | R::SecondFactor(_)
        | R::BreakGlass(_)
        | R::Override(_)
        | R::NothingToRecover
        | R::LogRewritten { .. }
        | R::DatabaseRestored { .. }
        | R::NodeTooOld { .. }
        | R::LogStuck { .. }
        | R::Busy
        | R::ClocksDiffer { .. }
        | R::NoWritableStore { .. }
        | R::OutcomeUnknown => 62,
    }
}

/// One of each, and two where there is more than one sentence or hint.
fn every_refusal() -> Vec<Refusal> {
    use Refusal as R;
    let request = || "R-7k3qm2xd0v".parse().unwrap();
    let grant = || "G-7k3qm2xd0v".parse().unwrap();
    let target = || "orders-db".parse().unwrap();
    let lock = || "L-7k3qm2xd0v".parse().unwrap();
    let standing = || "A-7k3qm2xd0v".parse().unwrap();
    vec![
        R::NotSignedIn,
        R::TokenExpired,
        R::SignInUnbound,
        R::ProofRequired,
        R::ProofNotValid {
            why: "it is for another address",
        },
        R::ProofOutOfTime { ahead: 130 },
        R::ProofOutOfTime { ahead: -130 },
        R::CodeNotValid,
        R::NotAllowed {
            action: "revoke grants",
            needs: "the product role reviewer",
        },
        R::OutOfScope {
            action: "review requests",
            scope: "targets with `env:staging`".to_owned(),
            wide: false,
        },
        R::OutOfScope {
            action: "place or lift locks",
            scope: "targets with `env:staging` or `team:payments`".to_owned(),
            wide: true,
        },
        R::NotFound {
            what: "request",
            name: "R-7k3qm2xd0v".to_owned(),
        },
        R::UnknownTarget {
            target: target(),
            nearest: Some("orders-db-2".to_owned()),
        },
        R::UnknownTarget {
            target: target(),
            nearest: None,
        },
        R::UnknownRole {
            target: target(),
            role: "write".parse().unwrap(),
            known: "`admin`, `readonly`".to_owned(),
        },
        R::PolicyDenied {
            cause: Box::default(),
            why: "no policy lets `ada` ask for `admin` on `orders-db`".to_owned(),
        },
        R::NobodyCanReview {
            groups: "`dba`".to_owned(),
        },
        R::DuplicatePending { request: request() },
        R::TooManyPending { limit: 10 },
        R::BadReason {
            why: "the reason is missing",
        },
        R::BadTicket,
        R::StartTooFar { latest: Span::MAX },
        R::StartInPast,
        R::CommentRequired,
        R::SelfReview { request: request() },
        R::OwnService { request: request() },
        R::AlreadyReviewed { request: request() },
        R::NotAReviewer {
            groups: "`dba` or `leads`".to_owned(),
        },
        R::RequestDecided {
            request: request(),
            state: RequestState::Approved,
            by: Some("bob".to_owned()),
        },
        R::RequestDecided {
            request: request(),
            state: RequestState::Withdrawn,
            by: None,
        },
        R::DeadlinePassed { request: request() },
        R::NotClaimed {
            request: request(),
            by: Some("bob".to_owned()),
        },
        R::NotClaimed {
            request: request(),
            by: None,
        },
        R::NotNarrower {
            why: "an approval can only shorten: 2h is longer than 1h".to_owned(),
        },
        R::NotTheRequester { request: request() },
        R::NotTheHolder { grant: grant() },
        R::GrantNotActive {
            grant: grant(),
            state: GrantState::Closing,
        },
        R::GrantNotActive {
            grant: grant(),
            state: GrantState::ActivationFailed,
        },
        R::OverTotalCap {
            cap: Span::HOUR,
            left: Some(Span::MINUTE),
        },
        R::OverTotalCap {
            cap: Span::HOUR,
            left: None,
        },
        R::Locked {
            lock: lock(),
            on: "target `orders-db`".to_owned(),
            by: "rita".parse().unwrap(),
            lifted_by: "a reviewer or an admin",
        },
        R::SelfLock,
        R::LockOver {
            lock: lock(),
            state: LockState::Lifted,
        },
        R::LockOver {
            lock: lock(),
            state: LockState::Over,
        },
        R::StandingGone {
            standing: standing(),
        },
        R::StandingOpen {
            standing: standing(),
        },
        R::PreviewNotValid {
            why: "it is older than 5 minutes",
        },
        R::PolicyInUse {
            version: "0123456789ab".to_owned(),
        },
        R::TooManyItems {
            count: 7_000,
            most: 5_000,
        },
        R::Conflict {
            what: "request",
            name: "R-7k3qm2xd0v".to_owned(),
        },
        R::VersionRequired,
        R::IdempotencyKeyRequired,
        R::IdempotencyKeyReused,
        R::BadInput {
            field: "duration".to_owned(),
            why: "`4` is not a length of time".to_owned(),
        },
        R::Unsupported {
            why: "this host wants a certificate: send a public key".to_owned(),
        },
        R::TargetFailed {
            target: target(),
            why: "connection refused".to_owned(),
        },
        R::TooManyStreams { limit: 16 },
        R::Identity(IdentityRefusal::NotOffered),
        R::NothingToRecover,
        R::LogRewritten {
            why: "3 of 12 events that were signed are gone".to_owned(),
        },
        R::DatabaseRestored {
            why: "3 of 12 events that were signed are gone".to_owned(),
        },
        R::NodeTooOld {
            needs: 21,
            knows: 19,
        },
        R::LogStuck { minutes: 7 },
        R::Busy,
        R::ClocksDiffer { seconds: -3_600 },
        R::NoWritableStore {
            why: "`db-a:5432` did not answer within 2 s".to_owned(),
            is_readable: true,
        },
        R::NoWritableStore {
            why: "`db-a:5432` did not answer within 2 s".to_owned(),
            is_readable: false,
        },
        R::OutcomeUnknown,
    ]
    .into_iter()
    .chain(every_second_factor().into_iter().map(R::SecondFactor))
    .chain(every_break_glass().into_iter().map(R::BreakGlass))
    .chain(every_override().into_iter().map(R::Override))
    .collect()
}

/// One of each about second factors and passwords.
fn every_second_factor() -> Vec<SecondFactorRefusal> {
    use SecondFactorRefusal as R;
    let required = |ways: &[Way], proof_refused| R::StepUpRequired {
        digest: "d".repeat(64),
        ways: ways.to_vec(),
        max_age: Span::from_seconds(300).unwrap(),
        proof_refused,
    };
    vec![
        required(&[], false),
        required(&[Way::Totp], false),
        required(&[Way::Totp], true),
        R::CodeNotAccepted,
        R::TriedTooOften {
            wait: chrono::TimeDelta::seconds(61),
        },
        R::TooManyFactors { most: 10 },
        R::AlreadyConfirmed,
        R::SignInRefused,
        R::BadPassword {
            why: "the password is too short: it needs 12 characters",
        },
        R::NoLocalAccounts,
    ]
}

/// One of each about break-glass and sealed codes.
fn every_break_glass() -> Vec<BreakGlassRefusal> {
    use BreakGlassRefusal as R;
    let request = || "R-7k3qm2xd0v".parse().unwrap();
    let reviewed = |verdict, by: Option<&str>| R::Reviewed {
        request: request(),
        verdict,
        by: by.map(|by| by.parse().unwrap()),
    };
    vec![
        R::Unreviewed { request: request() },
        R::TooLong { max: Span::HOUR },
        R::OwnCode { request: request() },
        reviewed(Verdict::Justified, Some("rita")),
        reviewed(Verdict::NotJustified, None),
        R::CommentRequired,
        R::CodeNotValid,
        R::CodeSpent,
        R::SealedSignIn {
            action: "review requests",
        },
    ]
}

/// One of each about ends that are not overridden.
fn every_override() -> Vec<OverrideRefusal> {
    use OverrideRefusal as R;
    let grant = || "G-7k3qm2xd0v".parse().unwrap();
    vec![
        R::NotOverdue { grant: grant() },
        R::OwnAccess { grant: grant() },
        R::Proposed {
            grant: grant(),
            by: "kim".parse().unwrap(),
        },
        R::NotProposed { grant: grant() },
        R::OwnProposal { grant: grant() },
    ]
}

#[test]
fn every_refusal_says_what_is_wrong_and_what_to_do() {
    let mut told = String::new();
    for refusal in every_refusal() {
        let audit = if refusal.is_denial() {
            " (on record)"
        } else {
            ""
        };
        writeln!(
            told,
            "{} {}{audit}\n  {}",
            status(&refusal).as_u16(),
            refusal.code(),
            refusal.text()
        )
        .unwrap();
        if let Some(hint) = refusal.hint() {
            writeln!(told, "  hint: {hint}").unwrap();
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let all = every_refusal();
    let kinds: BTreeSet<_> = all
        .iter()
        .map(|refusal| format!("{:?}", std::mem::discriminant(refusal)))
        .collect();
    let codes: BTreeSet<_> = all.iter().map(Refusal::code).collect();
    assert_eq!(
        kinds.len(),
        known(&all[0]),
        "a refusal is missing in `every_refusal`"
    );
    let second: BTreeSet<_> = every_second_factor()
        .iter()
        .map(SecondFactorRefusal::code)
        .collect();
    assert_eq!(
        second.len(),
        8,
        "a refusal is missing in `every_second_factor`"
    );
    let glass: BTreeSet<_> = every_break_glass()
        .iter()
        .map(BreakGlassRefusal::code)
        .collect();
    assert_eq!(
        glass.len(),
        8,
        "a refusal is missing in `every_break_glass`"
    );
    let overriding: BTreeSet<_> = every_override().iter().map(OverrideRefusal::code).collect();
    assert_eq!(
        overriding.len(),
        5,
        "a refusal is missing in `every_override`"
    );
    assert_eq!(
        codes.len(),
        kinds.len() - 3 + second.len() + glass.len() + overriding.len(),
        "two refusals share a code"
    );
    for code in codes {
        assert!(
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{code}"
        );
    }
}

#[test]
fn every_word_about_the_identity_provider_is_as_reviewed() {
    use IdentityRefusal as I;
    let own = [
        I::NotOffered,
        I::NotBegun,
        I::NotTheBeginner,
        I::Declined {
            error: "access_denied".to_owned(),
        },
        I::SubjectAlike,
        I::NameTaken {
            name: "ada".to_owned(),
        },
        I::NoRole,
        I::Gone,
        I::NoDeviceFlow,
        I::DeviceNotEnrolled,
        I::DeviceKeyTaken,
        I::DeviceOfAnother,
        I::DeviceOver,
        I::Lapsed,
        I::Stale,
        I::NoStepUp,
        I::StepUpNotBegun,
        I::StepUpForAnother,
    ];
    let faults = ProviderFault::ALL.iter().map(|fault| I::Fault(*fault));
    let mut told = String::new();
    let mut codes = BTreeSet::new();
    for refusal in own.into_iter().chain(faults).map(Refusal::Identity) {
        assert!(codes.insert(refusal.code()), "{}", refusal.code());
        writeln!(
            told,
            "{} {}\n  {}\n  hint: {}",
            status(&refusal).as_u16(),
            refusal.code(),
            refusal.text(),
            refusal.hint().unwrap()
        )
        .unwrap();
    }
    insta::assert_snapshot!(told);
}

#[test]
fn every_refusal_is_worded_for_people() {
    for refusal in every_refusal() {
        for text in [Some(refusal.text()), refusal.hint()].into_iter().flatten() {
            let first = text.chars().next().unwrap();
            assert!(
                !first.is_uppercase() && !text.ends_with('.') && !text.contains('\n'),
                "{text}"
            );
            assert!(!text.contains("::") && !text.contains("Some("), "{text}");
        }
    }
}
