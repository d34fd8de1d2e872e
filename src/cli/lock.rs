//! `portcullis lock`: blocks a person, a target, a role, a tag or everything, and takes away what is open.

use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::ids::{PrincipalName, RoleName, TargetName};
use crate::domain::span::Span;
use crate::wire::{LockOn, NewLock};

/// Block a person, a target, a role, a tag or everything, and revoke what is open
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    on: On,
}

#[derive(Debug, clap::Subcommand)]
enum On {
    /// Block one person on every target; reading stays possible
    Principal {
        /// Who
        #[arg(value_name = "NAME")]
        name: PrincipalName,
        #[command(flatten)]
        why: Why,
    },
    /// Block one target for everybody
    Target {
        /// Which target
        #[arg(value_name = "TARGET")]
        name: TargetName,
        #[command(flatten)]
        why: Why,
    },
    /// Block one role of one target for everybody
    Role {
        /// Which target
        #[arg(value_name = "TARGET")]
        target: TargetName,
        /// Which of its roles
        #[arg(value_name = "ROLE")]
        role: RoleName,
        #[command(flatten)]
        why: Why,
    },
    /// Block every target with this tag, now and later
    Tag {
        /// The tag
        #[arg(value_name = "NAME=VALUE")]
        tag: Tag,
        #[command(flatten)]
        why: Why,
    },
    /// Block every target for everybody; only admins can
    Everything {
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, clap::Args)]
struct Why {
    /// Why; it goes on the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long; without it until somebody lifts the lock
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Span>,
}

/// A tag of targets, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) value: String,
}

impl std::str::FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!(
                "`{}` is not a tag: write it like `env=prod`",
                text.escape_debug()
            )),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let (on, why) = match arguments.on {
        On::Principal { name, why } => (
            LockOn::Principal {
                principal: name.to_string(),
            },
            why,
        ),
        On::Target { name, why } => (
            LockOn::Target {
                target: name.to_string(),
            },
            why,
        ),
        On::Role { target, role, why } => (
            LockOn::Role {
                target: target.to_string(),
                role: role.to_string(),
            },
            why,
        ),
        On::Tag { tag, why } => (
            LockOn::Tag {
                name: tag.name,
                value: tag.value,
            },
            why,
        ),
        On::Everything { why } => (LockOn::Everything, why),
    };
    let new = NewLock {
        on,
        reason: why.reason,
        duration: why.length.map(|length| length.to_string()),
    };
    let client = context.client()?;
    let lock = client.place_lock(&new, &IdempotencyKey::new()?).await?;
    context.printer.answer(&lock, |printer| {
        let until = lock.ends_at.map_or_else(
            || "until it is lifted".to_owned(),
            |end| format!("until {}", words::moment(end)),
        );
        printer.line(&format!(
            "{}: {} is locked {until}",
            lock.id,
            words::locked(&lock.on)
        ))?;
        match lock.grants_closed {
            0 => Ok(()),
            1 => printer.line("1 open grant is going: see `portcullis grants`"),
            more => printer.line(&format!(
                "{more} open grants are going: see `portcullis grants`"
            )),
        }
    })?;
    Ok(Exit::DONE)
}
