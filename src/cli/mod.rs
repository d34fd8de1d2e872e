//! The commands: reads arguments, calls the server, prints. No rule lives here; what may be done the server decides.
//!
//! To add a command: one file named after the verb, one variant in `Command`, one arm in `dispatch`. The snapshot of
//! `--help` and the reference in the README follow from it.

mod account;
mod approve;
mod audit;
mod break_glass;
mod claim;
mod complete;
mod completions;
mod config;
mod connect;
mod console;
mod context;
mod copy_database;
pub mod crash;
mod demo;
mod deny;
mod device;
mod dry_run;
mod evidence;
mod exit;
mod extend;
mod factor;
mod filter;
mod find;
mod give_back;
mod grants;
mod history;
mod incident;
mod incidents;
mod keep;
mod keys;
mod lock;
mod locks;
mod login;
mod logout;
mod migrate;
mod node;
mod notices;
mod noting;
mod overriding;
mod pick;
mod policy;
mod prepare;
pub mod print;
mod prompt;
mod prove;
mod qr;
mod receipt;
mod recover;
mod reference;
mod renew;
mod request;
mod requests;

mod revoke;
mod serve;
mod service_account;
mod sessions;
mod sign_ins;
mod standing;
mod status;
pub mod table;
mod target;
mod theme;
mod token;
mod type_in;
mod unlock;
mod wait;
pub mod when;
mod whoami;
mod why;
mod withdraw;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub use context::Context;
pub use exit::{Exit, Failure};
pub use filter::filters;
pub use print::Printer;
pub use reference::reference;

/// Temporary production access: ask, use, and it is gone by itself.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100, after_long_help = exit::HELP, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The server to talk to, or the addresses of its nodes with commas between them; without it what console.toml
    /// names, else this machine
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_SERVER",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Everywhere"
    )]
    pub server: Option<String>,
    /// One of the servers that console.toml gives a name
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_BACKEND",
        hide_env_values = true,
        value_name = "NAME",
        help_heading = "Everywhere"
    )]
    pub backend: Option<String>,
    /// Print JSON as the server's API has it; errors go to standard error as JSON too
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// The code of your second factor, for scripts; at a terminal you are asked for it when it is needed
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_TOTP",
        hide_env_values = true,
        value_name = "CODE",
        help_heading = "Everywhere"
    )]
    pub totp: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Request(request::Arguments),
    Requests(requests::Arguments),
    Status(status::Arguments),
    History(history::Arguments),
    Renew(renew::Arguments),
    Why(why::Arguments),
    Withdraw(withdraw::Arguments),
    Connect(connect::Arguments),
    Exec(connect::exec::Arguments),
    SshConfig(connect::ssh_config::Arguments),
    SshMatch(connect::ssh_match::Arguments),
    Grants(grants::Arguments),
    Receipt(receipt::Arguments),
    Sessions(sessions::Arguments),
    BreakGlass(break_glass::Arguments),
    Extend(extend::Arguments),
    Return(give_back::Arguments),
    Claim(claim::Arguments),
    Approve(approve::Arguments),
    Deny(deny::Arguments),
    Revoke(revoke::Arguments),
    Override(overriding::Arguments),
    Lock(lock::Arguments),
    Unlock(unlock::Arguments),
    Locks(locks::Arguments),
    Standing(standing::Arguments),
    Incident(incident::Arguments),
    Incidents(incidents::Arguments),
    Audit(Box<audit::Arguments>),
    Evidence(evidence::Arguments),
    Console(console::Arguments),
    Keys(keys::Arguments),
    Login(login::Arguments),
    Logout(logout::Arguments),
    Whoami(whoami::Arguments),
    SignIns(sign_ins::Arguments),
    Notices(notices::Arguments),
    Factor(factor::Arguments),
    Account(account::Arguments),
    Token(token::Arguments),
    ServiceAccount(service_account::Arguments),
    Device(device::Arguments),
    Serve(serve::Arguments),
    Migrate(migrate::Arguments),
    CopyDatabase(copy_database::Arguments),
    Recover(recover::Arguments),
    Config(config::Arguments),
    Policy(policy::Arguments),
    Target(target::Arguments),
    Theme(theme::Arguments),
    Demo(demo::Arguments),
    Completions(completions::Arguments),
    Complete(complete::Arguments),
    Prompt(prompt::Arguments),
}

/// Runs one command with the process's arguments, environment and output.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return print::usage(&error),
    };
    let printer = Printer::of_process(arguments.common.json);
    crash::keep_quiet();
    if let Err(error) = crash::keep_memory() {
        printer.note(&format!(
            "what is in memory may be written to disk if this crashes: {error}"
        ));
    }
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    if !matches!(arguments.command, Command::Serve(_) | Command::Demo(_)) {
        // Whoever talks to one server is served by two, however many processors there are.
        threads.worker_threads(2);
    }
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return printer
                .failure(&Failure::here(
                    format!("no threads can be started: {error}"),
                    "try again",
                ))
                .into();
        }
    };
    let exit = runtime
        .block_on(run(arguments, &printer))
        .unwrap_or_else(|failure| printer.failure(&failure));
    // A read of standard input that still waits must not keep the process.
    runtime.shutdown_background();
    exit.into()
}

async fn run(arguments: Arguments, printer: &Printer) -> Result<Exit, Failure> {
    let context = Context::new(arguments.common, printer);
    let context = &context;
    match arguments.command {
        Command::Request(arguments) => request::run(context, arguments).await,
        Command::Requests(arguments) => requests::run(context, arguments).await,
        Command::Status(arguments) => status::run(context, arguments).await,
        Command::History(arguments) => history::run(context, arguments).await,
        Command::Renew(arguments) => renew::run(context, arguments).await,
        Command::Why(arguments) => why::run(context, arguments).await,
        Command::Withdraw(arguments) => withdraw::run(context, arguments).await,
        Command::Connect(arguments) => Box::pin(connect::run(context, arguments)).await,
        Command::Exec(arguments) => Box::pin(connect::exec::run(context, arguments)).await,
        Command::SshConfig(arguments) => connect::ssh_config::run(context, &arguments).await,
        Command::SshMatch(arguments) => Box::pin(connect::ssh_match::run(context, arguments)).await,
        Command::Grants(arguments) => grants::run(context, arguments).await,
        Command::Receipt(arguments) => receipt::run(context, arguments).await,
        Command::Sessions(arguments) => sessions::run(context, arguments).await,
        Command::BreakGlass(arguments) => break_glass::run(context, arguments).await,
        Command::Extend(arguments) => extend::run(context, arguments).await,
        Command::Return(arguments) => give_back::run(context, arguments).await,
        Command::Claim(arguments) => claim::run(context, arguments).await,
        Command::Approve(arguments) => approve::run(context, arguments).await,
        Command::Deny(arguments) => deny::run(context, arguments).await,
        Command::Revoke(arguments) => revoke::run(context, arguments).await,
        Command::Override(arguments) => overriding::run(context, arguments).await,
        Command::Lock(arguments) => lock::run(context, arguments).await,
        Command::Unlock(arguments) => unlock::run(context, arguments).await,
        Command::Locks(arguments) => locks::run(context, arguments).await,
        Command::Standing(arguments) => standing::run(context, arguments).await,
        Command::Incident(arguments) => incident::run(context, arguments).await,
        Command::Incidents(arguments) => incidents::run(context, arguments).await,
        Command::Audit(arguments) => audit::run(context, *arguments).await,
        Command::Evidence(arguments) => evidence::run(context, arguments).await,
        Command::Console(arguments) => console::run(context, arguments).await,
        Command::Keys(arguments) => keys::run(context, &arguments),
        Command::Login(arguments) => login::run(context, arguments).await,
        Command::Logout(arguments) => logout::run(context, arguments).await,
        Command::Whoami(arguments) => whoami::run(context, arguments).await,
        Command::Account(arguments) => account::run(context, arguments).await,
        Command::SignIns(arguments) => sign_ins::run(context, arguments).await,
        Command::Notices(arguments) => notices::run(context, arguments).await,
        Command::Device(arguments) => device::run(context, arguments).await,
        Command::ServiceAccount(arguments) => service_account::run(context, arguments).await,
        Command::Factor(arguments) => factor::run(context, arguments).await,
        Command::Token(arguments) => token::run(context, arguments).await,
        Command::Serve(arguments) => serve::run(context, arguments).await,
        Command::Migrate(arguments) => migrate::run(context, arguments).await,
        Command::CopyDatabase(arguments) => copy_database::run(context, arguments).await,
        Command::Recover(arguments) => recover::run(context, arguments).await,
        Command::Config(arguments) => config::run(context, &arguments),
        Command::Policy(arguments) => policy::run(context, arguments).await,
        Command::Target(arguments) => target::run(context, &arguments).await,
        Command::Theme(arguments) => theme::run(context, &arguments),
        Command::Demo(arguments) => demo::run(context, arguments).await,
        Command::Completions(arguments) => completions::run(context, &arguments),
        Command::Complete(arguments) => complete::run(context, arguments).await,
        Command::Prompt(arguments) => prompt::run(context, &arguments),
    }
}

/// Says whether a command line would be understood, without running it; the console writes some.
pub fn understands(arguments: &[String]) -> Result<(), String> {
    Arguments::try_parse_from(arguments)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// The whole command line as clap knows it, for completions and the reference.
fn command_line() -> clap::Command {
    Arguments::command()
}
