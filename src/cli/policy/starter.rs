//! `portcullis policy starter`: policies to start from, each with cases that say what it means.

use serde_json::json;

use crate::cli::{Context, Exit, Failure};

/// A policy to start from.
struct Starter {
    name: &'static str,
    about: &'static str,
    policy: &'static str,
    /// What it answers, as `portcullis policy test` reads it.
    cases: &'static str,
}

const STARTERS: [Starter; 3] = [
    Starter {
        name: "small-team",
        about: "everybody reads, one colleague approves the rest",
        policy: include_str!("../../config/starter/policies/small-team.cedar"),
        cases: include_str!("../../config/starter/policies/small-team.toml"),
    },
    Starter {
        name: "regulated-team",
        about: "tickets, office hours, two groups for what is sensitive, a freeze",
        policy: include_str!("../../config/starter/policies/regulated-team.cedar"),
        cases: include_str!("../../config/starter/policies/regulated-team.toml"),
    },
    Starter {
        name: "oncall-team",
        about: "who is on call waits for nobody, the others do",
        policy: include_str!("../../config/starter/policies/oncall-team.cedar"),
        cases: include_str!("../../config/starter/policies/oncall-team.toml"),
    },
];

/// Print a commented policy to start from; without a name, list them
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Which
    #[arg(value_parser = STARTERS.map(|starter| starter.name))]
    name: Option<String>,
    /// Print its test cases instead
    #[arg(long, requires = "name")]
    cases: bool,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let Some(name) = &arguments.name else {
        let all = STARTERS.map(|starter| json!({"name": starter.name, "about": starter.about}));
        context.printer.answer(&all, |printer| {
            for starter in &STARTERS {
                printer.line(&format!("{:<16} {}", starter.name, starter.about))?;
            }
            Ok(())
        })?;
        return Ok(Exit::DONE);
    };
    for starter in STARTERS.iter().filter(|starter| starter.name == name) {
        let text = if arguments.cases {
            starter.cases
        } else {
            starter.policy
        };
        context
            .printer
            .answer(&json!({"name": name, "text": text}), |printer| {
                printer.script(text)
            })?;
    }
    Ok(Exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::policy::cases;
    use crate::domain::policy::Policy;

    #[test]
    fn each_starter_means_what_its_cases_say() {
        for starter in &STARTERS {
            let policy = Policy::parse(starter.policy)
                .unwrap_or_else(|problems| panic!("{}: {problems:?}", starter.name));
            let results = cases::of_text(starter.cases, &policy).unwrap();
            assert!(results.len() >= 6, "{}", starter.name);
            for result in results {
                assert_eq!(
                    result.failures,
                    Vec::<String>::new(),
                    "{}: {}",
                    starter.name,
                    result.name
                );
            }
        }
    }
}
