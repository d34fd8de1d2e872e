//! What a target acknowledged of an ending, as it stands in the record: each step with its time, also of attempts that
//! failed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use crate::domain::event::Event;

/// More steps of one attempt are not kept: a target that makes up more must not fill the record.
const MOST: usize = 60;

/// One thing that a target has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// In words of the connector, which may repeat names that others gave.
    pub what: String,
    /// How long after the target was asked.
    pub after: TimeDelta,
}

/// What one attempt at an ending came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// When the target was asked, by the database's clock.
    pub asked_at: DateTime<Utc>,
    pub steps: Vec<Acknowledged>,
    pub sessions_ended: u32,
    /// What this kind of target cannot prove, as a sentence.
    pub unproved: Option<String>,
}

impl Attempt {
    /// Says it in an event. The times are numbers beside the sentences: few bytes, for there are many endings.
    pub(super) fn told_in(&self, event: Event) -> Event {
        let steps = || self.steps.iter().take(MOST);
        if self.steps.is_empty() && self.unproved.is_none() {
            return event;
        }
        let mut sentences: Vec<String> = steps()
            .map(|step| format!("{}{}", step.what, suffix(step.after.num_milliseconds())))
            .collect();
        sentences.extend(self.unproved.clone());
        let after: Vec<i64> = steps().map(|step| step.after.num_milliseconds()).collect();
        event
            .moment("asked_at", self.asked_at)
            .detail("receipt", sentences)
            .detail("step_ms", after)
    }

    /// Reads it from the details of an event; what was written by a version that kept no times has none, and counts as acknowledged at
    /// the time of the event.
    pub fn told_by(details: &Map<String, Value>, at: DateTime<Utc>) -> Self {
        let asked_at = details.get("asked_at").and_then(Value::as_str);
        let asked_at = asked_at.and_then(|text| text.parse::<DateTime<Utc>>().ok());
        let list = |name: &str| details.get(name).and_then(Value::as_array);
        let sentences = list("receipt").into_iter().flatten();
        let mut sentences = sentences.filter_map(Value::as_str);
        let sessions_ended = details.get("sessions_ended").and_then(Value::as_u64);
        let mut attempt = Self {
            asked_at: asked_at.unwrap_or(at),
            sessions_ended: sessions_ended
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(0),
            ..Self::default()
        };
        let Some(times) = list("step_ms") else {
            attempt.steps = sentences
                .map(|what| Acknowledged {
                    what: what.to_owned(),
                    after: TimeDelta::zero(),
                })
                .collect();
            return attempt;
        };
        for after in times.iter().filter_map(Value::as_i64) {
            let Some(sentence) = sentences.next() else {
                break;
            };
            let what = sentence.strip_suffix(&suffix(after)).unwrap_or(sentence);
            attempt.steps.push(Acknowledged {
                what: what.to_owned(),
                after: TimeDelta::milliseconds(after.clamp(0, 86_400_000)),
            });
        }
        attempt.unproved = sentences.next().map(str::to_owned);
        attempt
    }
}

fn suffix(after: i64) -> String {
    format!(" ({after} ms)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Actor, EventCode};

    fn attempt() -> Attempt {
        let step = |what: &str, after| Acknowledged {
            what: what.to_owned(),
            after: TimeDelta::milliseconds(after),
        };
        Attempt {
            asked_at: "2026-11-24T03:00:00.250Z".parse().unwrap(),
            steps: vec![
                step("closed the login of `pcl_x` (5 ms)", 12),
                step("ended 2 sessions", 40),
            ],
            sessions_ended: 0,
            unproved: Some("what was open may stay open".to_owned()),
        }
    }

    fn event() -> Event {
        Event::new(EventCode::GrantCloseFailed, Actor::System)
    }

    #[test]
    fn what_was_acknowledged_is_read_back_as_it_was_told() {
        let told = attempt().told_in(event());
        assert_eq!(told.details["step_ms"], serde_json::json!([12, 40]));
        let later = attempt().asked_at + TimeDelta::seconds(9);
        assert_eq!(Attempt::told_by(&told.details, later), attempt());
        let nothing = Attempt {
            asked_at: later,
            ..Attempt::default()
        };
        assert_eq!(nothing.told_in(event()), event());
        assert_eq!(Attempt::told_by(&event().details, later), nothing);
    }

    #[test]
    fn a_receipt_without_times_was_acknowledged_when_its_event_was_written() {
        let at = attempt().asked_at;
        let told = event().detail("receipt", vec!["read back: no role (9 ms)".to_owned()]);
        let read = Attempt::told_by(&told.details, at);
        assert_eq!((read.asked_at, read.steps.len()), (at, 1));
        assert_eq!(read.steps[0].what, "read back: no role (9 ms)");
    }

    #[test]
    fn a_target_that_acknowledges_without_end_does_not_fill_the_record() {
        let mut many = attempt();
        many.steps = vec![many.steps[0].clone(); 1_000];
        let told = many.told_in(event());
        let read = Attempt::told_by(&told.details, many.asked_at);
        assert_eq!((read.steps.len(), read.unproved), (MOST, many.unproved));
    }
}
