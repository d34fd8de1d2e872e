//! What a letter says: each notice through the channel's template, several of them below each other.

use serde_json::{Value, json};

use crate::config::notices::{Channel, Way};
use crate::domain::notice::{Happened, Notice};
use crate::domain::review::Review;
use crate::gate::{Error, Gate};
use crate::store::notices::Letter;
use crate::text::clean;

use super::harmless::{harmless, slack};

/// A subject that is longer is cut: programs show less.
const SUBJECT_MAX: usize = 160;

/// A letter as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The same at each attempt: whoever has seen it need not look again.
    pub id: String,
    /// One line.
    pub subject: String,
    pub text: String,
    /// For programs: each notice with its fields.
    pub notices: Vec<Value>,
}

impl Gate {
    /// Writes a letter as its channel says it.
    pub(super) async fn compose(
        &self,
        channel: &Channel,
        letter: &Letter,
    ) -> anyhow::Result<Message> {
        let to_room = channel.is_room();
        let shows_reason = channel.text.shows_reason() || channel.subject.shows_reason();
        let escape = |text: &str| match channel.to {
            Way::Slack { .. } => slack(text),
            Way::Email(_) | Way::Webhook { .. } => text.to_owned(),
        };
        let (mut texts, mut subjects, mut notices) = (Vec::new(), Vec::new(), Vec::new());
        for notice in &letter.notices {
            let reason = if shows_reason {
                harmless(&self.typed(notice).await?)
            } else {
                String::new()
            };
            let fields = notice.fields(to_room, &self.settings.server, &reason);
            let text = channel.text.fill(&fields, escape);
            subjects.push(channel.subject.fill(&fields, escape));
            let mut told: serde_json::Map<String, Value> = fields
                .iter()
                .filter(|(name, value)| *name != "reason" && !value.is_empty())
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            told.insert("happened".to_owned(), json!(notice.happened));
            told.insert("at".to_owned(), json!(notice.at));
            told.insert("text".to_owned(), text.trim().into());
            notices.push(Value::Object(told));
            texts.push(text.trim().to_owned());
        }
        let subject = match subjects.as_slice() {
            [only] => only.clone(),
            several => format!("Portcullis: {} notices", several.len()),
        };
        Ok(Message {
            id: letter.message.clone(),
            subject: clean(&subject).cut_end(SUBJECT_MAX, "…").into_string(),
            text: texts.join("\n\n"),
            notices,
        })
    }

    /// What somebody typed about it. It is looked up each time: what is erased is in no letter.
    async fn typed(&self, notice: &Notice) -> anyhow::Result<String> {
        let fault = |error: Error| match error {
            Error::Fault(fault) => fault,
            Error::Refused(refusal) => refusal.into(),
        };
        let (mut tx, _) = self.look().await.map_err(fault)?;
        let request = match &notice.request {
            Some(id) => tx.request(id).await?,
            None => None,
        };
        let comment = |reviews: &[Review]| reviews.last().and_then(|last| last.comment.clone());
        Ok(match (notice.happened, request, &notice.grant) {
            (Happened::Waits | Happened::BrokeGlass, Some(request), _) => request.reason,
            (Happened::Approved | Happened::Denied, Some(request), _) => {
                comment(&request.reviews).unwrap_or_default()
            }
            (Happened::Revoked, _, Some(id)) => {
                let grant = tx.grant(id).await?;
                grant
                    .and_then(|grant| grant.close_reason)
                    .unwrap_or_default()
            }
            _ => String::new(),
        })
    }
}
