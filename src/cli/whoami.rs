//! `portcullis whoami`: who is signed in, where, and as what.

use crate::cli::{Context, Exit, Failure, words};
use crate::domain::second_factor::{ADD_ONE, PROVIDER_SERVES};
use crate::wire::Factors;

/// Show who you are to the server
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context<'_>, _: Arguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let me = client.me().await?;
    // A machine has none, and a server that does not say is no reason to say nothing of the rest.
    let own = match &me.how {
        Some(how) if how.owner.is_none() && !context.printer.json => client.factors().await.ok(),
        _ => None,
    };
    let key = client.session().key_kept_in().await?;
    context.printer.answer(&me, |printer| {
        let mut facts = vec![
            ("name", me.name.clone()),
            ("roles", me.roles.join(", ")),
            ("groups", me.groups.join(", ")),
            ("id", me.id.clone()),
            ("sign-in", me.sign_in.clone()),
        ];
        if let Some(how) = &me.how {
            let bound = if how.bound { "this device" } else { "nothing" };
            let factor = match how.amr.as_slice() {
                [] => "none".to_owned(),
                words => words.join(", "),
            };
            facts.push(("signed in by", how.method.clone()));
            facts.push(("signed in at", words::moment(how.authenticated_at)));
            facts.push(("proved with", factor));
            facts.push(("bound to", bound.to_owned()));
            facts.push(("ends at the latest", words::moment(how.ends_at)));
            if let Some(owner) = &how.owner {
                facts.push(("owner", owner.clone()));
            }
        }
        if let Some(own) = &own {
            facts.push(("second factors", second_factors(own)));
        }
        if let Some(place) = key {
            facts.push(("key of this device", place.words().to_owned()));
        }
        facts.push(("server", client.server().to_string()));
        printer.facts(&facts)
    })?;
    Ok(Exit::DONE)
}

fn second_factors(own: &Factors) -> String {
    let confirmed = own.factors.iter().filter(|factor| factor.confirmed);
    let mut words: Vec<String> = confirmed
        .map(|factor| format!("{} `{}`", factor.kind, factor.name))
        .collect();
    if own.at_provider {
        words.push(PROVIDER_SERVES.to_owned());
    }
    if words.is_empty() {
        return format!("none; {ADD_ONE}");
    }
    words.join(", ")
}
