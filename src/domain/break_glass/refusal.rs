//! What is said when glass cannot be broken, or a use or a sealed code is not what it should be.

use super::Verdict;
use crate::domain::ids::{PrincipalName, RequestId};
use crate::domain::span::Span;

/// Why a break-glass, a sign-off or a sealed code was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakGlassRefusal {
    /// The last use of this person waits for its sign-off.
    Unreviewed { request: RequestId },
    /// Longer than the server lets any use be.
    TooLong { max: Span },
    /// The reviewer made the sealed code with which it was done.
    OwnCode { request: RequestId },
    /// Others were faster.
    Reviewed {
        request: RequestId,
        verdict: Verdict,
        by: Option<PrincipalName>,
    },
    /// A sign-off says in words what was looked at.
    CommentRequired,
    /// A sealed code that is unknown, used, revoked or too old. Which of them is told to nobody.
    CodeNotValid,
    /// The sealed code proved a break-glass before, or is too old to prove one.
    CodeSpent,
    /// Signed in by a sealed code, which is good for little.
    SealedSignIn { action: &'static str },
}

impl BreakGlassRefusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreviewed { .. } => "break-glass-unreviewed",
            Self::TooLong { .. } => "break-glass-too-long",
            Self::OwnCode { .. } => "own-code",
            Self::Reviewed { .. } => "break-glass-reviewed",
            Self::CommentRequired => "sign-off-without-comment",
            Self::CodeNotValid => "sealed-code-not-valid",
            Self::CodeSpent => "sealed-code-spent",
            Self::SealedSignIn { .. } => "sealed-sign-in",
        }
    }

    /// What is wrong, in the reader's words.
    pub fn text(&self) -> String {
        match self {
            Self::Unreviewed { request } => {
                format!("your last break-glass `{request}` waits for its sign-off")
            }
            Self::TooLong { max } => format!("the longest that break-glass gives is `{max}`"),
            Self::OwnCode { request } => {
                format!("you cannot sign off `{request}`: it was done with a code that you made")
            }
            Self::Reviewed {
                request,
                verdict,
                by,
            } => {
                let by = by.as_ref().map_or_else(String::new, |by| format!(" by `{by}`"));
                format!(
                    "break-glass `{request}` was already found {}{by}",
                    verdict.words()
                )
            }
            Self::CommentRequired => "a sign-off needs a comment".to_owned(),
            Self::CodeNotValid => {
                "this sealed code is unknown, already used, revoked or too old".to_owned()
            }
            Self::CodeSpent => {
                "your sealed code was the second factor of a break-glass before, or is too old for one".to_owned()
            }
            Self::SealedSignIn { action } => {
                format!("you may not {action}: you are signed in with a sealed code")
            }
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreviewed { request } => {
                return Some(format!(
                    "ask a reviewer to look at it: `portcullis break-glass show {request}`"
                ));
            }
            Self::TooLong { .. } => "ask for less, and for more with `portcullis request`",
            Self::OwnCode { .. } => "ask another reviewer; this holds for admins too",
            Self::CommentRequired => "say in a sentence what you looked at",
            Self::CodeNotValid => {
                "use your next one; an admin makes more with `portcullis break-glass seal NAME`"
            }
            Self::CodeSpent => "sign in with your next one: `portcullis login --sealed`",
            Self::SealedSignIn { .. } => {
                "such a sign-in breaks glass, connects and gives back; sign in with `portcullis login` for more"
            }
            Self::Reviewed { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether an auditor will want to know.
    pub fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::Unreviewed { .. }
                | Self::TooLong { .. }
                | Self::OwnCode { .. }
                | Self::SealedSignIn { .. }
        )
    }
}
