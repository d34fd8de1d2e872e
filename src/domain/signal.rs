//! What is unusual about a request, for the person who decides it. Signals explain themselves and decide nothing.

use chrono::{DateTime, TimeDelta, Utc};

use super::hours::WorkingHours;
use super::request::{Request, RequestKind, RequestState};
use super::span::Span;

/// How far back the longest grant is looked for.
pub const LONGEST_WITHIN: TimeDelta = TimeDelta::days(90);
/// How far back a reason counts as used before.
pub const REUSED_WITHIN: TimeDelta = TimeDelta::days(30);
/// How far back requests count as often.
pub const OFTEN_WITHIN: TimeDelta = TimeDelta::days(7);
/// From this request within [`OFTEN_WITHIN`] on, a grant of its own kind may be what is missing.
const OFTEN: u32 = 3;
/// So many times the longest grant is longer than usual.
const LONGER: u32 = 2;

/// Where counting stops: the hundredth tells no more than the thousandth.
pub const COUNTED: u32 = 100;

/// What the store knows about a request's past, all of it before the request was filed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether the requester ever had a grant on the target.
    pub had_grant: bool,
    /// The longest grant of the requester on the target in [`LONGEST_WITHIN`].
    pub longest: Option<Span>,
    /// How often the requester gave the same reason in [`REUSED_WITHIN`], up to [`COUNTED`], and when last.
    pub same_reason: u32,
    pub same_reason_last: Option<DateTime<Utc>>,
    /// Requests of the requester for the target in [`OFTEN_WITHIN`], not counting this one, up to [`COUNTED`].
    pub requests_before: u32,
}

/// Something unusual, with the facts that it was concluded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Stable: clients and filters branch on it.
    pub code: &'static str,
    /// Two or three words for a column.
    pub word: String,
    /// One sentence.
    pub why: String,
}

/// The signals of a pending request, most telling first. A decided one has none.
pub fn signals(request: &Request, facts: &Facts, hours: &WorkingHours) -> Vec<Signal> {
    if request.state != RequestState::Pending {
        return Vec::new();
    }
    let access = request.kind == RequestKind::Access;
    [
        first_on_target(request, facts).filter(|_| access),
        longer_than_usual(request, facts).filter(|_| access),
        off_hours(request, hours),
        reason_reused(request, facts),
        often_this_week(request, facts).filter(|_| access),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn first_on_target(request: &Request, facts: &Facts) -> Option<Signal> {
    (!facts.had_grant).then(|| Signal {
        code: "first_on_target",
        word: "first time here".to_owned(),
        why: format!(
            "{} had no grant on `{}` before this one",
            request.requester.name, request.target
        ),
    })
}

fn longer_than_usual(request: &Request, facts: &Facts) -> Option<Signal> {
    let longest = facts.longest?;
    let usual = longest.seconds().saturating_mul(LONGER);
    (request.duration.seconds() > usual).then(|| Signal {
        code: "longer_than_usual",
        word: "longer than usual".to_owned(),
        why: format!(
            "asks for {}; the longest grant of {} on `{}` in 90 days was {longest}",
            request.duration, request.requester.name, request.target
        ),
    })
}

fn off_hours(request: &Request, hours: &WorkingHours) -> Option<Signal> {
    let asked = request.created_at;
    (!hours.contains(asked)).then(|| Signal {
        code: "off_hours",
        word: "off hours".to_owned(),
        why: format!(
            "asked on {}, outside of the working hours {hours}",
            hours.local(asked).format("%A at %H:%M")
        ),
    })
}

fn reason_reused(request: &Request, facts: &Facts) -> Option<Signal> {
    let last = facts.same_reason_last?;
    let times = match facts.same_reason {
        0 => return None,
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        COUNTED.. => format!("at least {COUNTED} times"),
        many => format!("{many} times"),
    };
    Some(Signal {
        code: "reason_reused",
        word: "reason reused".to_owned(),
        why: format!(
            "{} gave the same reason {times} in the 30 days before, last on {}",
            request.requester.name,
            last.format("%Y-%m-%d at %H:%M UTC")
        ),
    })
}

fn often_this_week(request: &Request, facts: &Facts) -> Option<Signal> {
    let nth = facts.requests_before.saturating_add(1);
    if nth > COUNTED {
        return Some(Signal {
            code: "often_this_week",
            word: format!("{COUNTED}+ this week"),
            why: format!(
                "{} asked for `{}` at least {COUNTED} times within 7 days before this one",
                request.requester.name, request.target
            ),
        });
    }
    (nth >= OFTEN).then(|| Signal {
        code: "often_this_week",
        word: format!("{} this week", ordinal(nth)),
        why: format!(
            "the {} request of {} for `{}` within 7 days",
            ordinal(nth),
            request.requester.name,
            request.target
        ),
    })
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// A reason as it is compared: neither case nor spacing nor punctuation makes it another one.
pub fn normalised(reason: &str) -> String {
    let words: Vec<String> = reason
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        // Nothing but signs: they are all there is to compare.
        reason.split_whitespace().collect()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_the_same_whatever_their_spelling() {
        let same = [
            "INC-4127 stuck orders",
            "inc 4127:  Stuck\torders!",
            "Inc-4127 stuck, orders",
        ];
        for reason in same {
            assert_eq!(normalised(reason), "inc 4127 stuck orders");
        }
        assert_ne!(normalised("INC-4128 stuck orders"), normalised(same[0]));
        assert_ne!(normalised("???"), normalised("!!!"));
    }

    #[test]
    fn ordinals_are_english() {
        let words = [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 111, 112].map(ordinal);
        assert_eq!(
            words.join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 111th 112th"
        );
    }
}
