//! What people may write into a request: the reason, a comment, a ticket.

use crate::domain::refusal::Refusal;

/// Longer reasons hide what matters and fill logs.
pub const REASON_MAX: usize = 2_000;

/// Cleans and checks the reason: a sentence, not a keystroke and not a book.
pub fn check_reason(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    if reason.chars().count() < 3 {
        return Err(Refusal::BadReason {
            why: "the reason is missing",
        });
    }
    if reason.chars().count() > REASON_MAX {
        return Err(Refusal::BadReason {
            why: "the reason is longer than 2,000 characters",
        });
    }
    if reason
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Refusal::BadReason {
            why: "the reason has control characters in it",
        });
    }
    Ok(reason.to_owned())
}

/// Cleans and checks a reviewer's comment. A denial without one is refused elsewhere.
pub(in crate::domain) fn check_comment(comment: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(comment) = comment.map(str::trim).filter(|comment| !comment.is_empty()) else {
        return Ok(None);
    };
    if comment.chars().count() > REASON_MAX {
        return Err(Refusal::BadReason {
            why: "the comment is longer than 2,000 characters",
        });
    }
    if comment
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Refusal::BadReason {
            why: "the comment has control characters in it",
        });
    }
    Ok(Some(comment.to_owned()))
}

pub(super) fn check_ticket(ticket: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(ticket) = ticket.map(str::trim).filter(|ticket| !ticket.is_empty()) else {
        return Ok(None);
    };
    let fits = ticket.len() <= 64
        && ticket
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_/#.:".contains(c));
    if fits {
        Ok(Some(ticket.to_owned()))
    } else {
        Err(Refusal::BadTicket)
    }
}
