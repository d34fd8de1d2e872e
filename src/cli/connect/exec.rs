//! `portcullis exec`: runs any command with the credentials of an active grant in its environment, and removes them
//! afterwards.

use std::ffi::OsString;

use crate::cli::connect::{credential_of, explain, postgres, ssh};
use crate::cli::find::{self, GrantOrTarget};
use crate::cli::{Context, Exit, Failure, keep};
use crate::domain::ids::RoleName;
use crate::wire::CredentialView;

/// Run a command that uses your active grant, with what it needs in its environment
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portcullis exec orders-db -- pg_dump -t orders -f orders.sql\n  portcullis exec orders-db -- ./manage.py dbshell\n  portcullis exec web-1 -- sh -c 'scp -F \"$PORTCULLIS_SSH_CONFIG\" web-1:/var/log/app.log .'",
    after_long_help = HELP
)]
pub(in crate::cli) struct Arguments {
    /// The target, or one grant of yours
    #[arg(value_name = "TARGET|GRANT")]
    which: GrantOrTarget,
    /// Only with this role
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const HELP: &str = "\
Examples:
  portcullis exec orders-db -- pg_dump -t orders -f orders.sql
  portcullis exec orders-db -- ./manage.py dbshell
  portcullis exec web-1 -- sh -c 'scp -F \"$PORTCULLIS_SSH_CONFIG\" web-1:/var/log/app.log .'

The command finds in its environment:
  every target    PORTCULLIS_TARGET, PORTCULLIS_GRANT
  PostgreSQL      PGHOST, PGPORT, PGDATABASE, PGUSER, PGSSLMODE, PGSSLROOTCERT where it is needed, and PGPASSFILE: a
                  private file with the password, which is in no variable and no argument
  SSH             PORTCULLIS_SSH_CONFIG, a file for `ssh -F` in which the host has the name of the target, and
                  GIT_SSH_COMMAND and RSYNC_RSH, which use it

The files are gone when the command is, also after a signal. Over SSH the certificate is renewed meanwhile, and the
command ends with the grant; a database ends the sessions by itself.";

pub(in crate::cli) async fn run(
    context: &Context<'_>,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let role = arguments.role.as_ref().map(RoleName::as_str);
    let grant = find::grant(&client, &arguments.which, role).await?;
    keep::grants(context, &client, std::slice::from_ref(&grant));
    let [program, rest @ ..] = arguments.command.as_slice() else {
        return Err(Failure::usage("there is no command to run", ""));
    };
    if grant.target_kind.as_deref() == Some("ssh") {
        return ssh::Ssh::new(context, client, grant)
            .exec(program, rest)
            .await;
    }
    match credential_of(&client, &grant).await? {
        credential @ CredentialView::Postgres { .. } => {
            let exit = postgres::exec(&grant, &credential, program, rest).await?;
            explain(context, &client, &grant.id, exit).await;
            Ok(exit)
        }
        CredentialView::Ssh { .. } => Err(ssh::not_a_host(&grant.target)),
        CredentialView::OwnAccount { what, .. } => Err(Failure::usage(
            format!("`{}` hands nothing out: {what}", grant.target),
            "run the command by itself, with your own account",
        )),
    }
}
