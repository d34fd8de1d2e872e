//! `portcullis prompt`: what one holds, in a few letters for the prompt of a shell, from what this machine saw last.

use chrono::TimeDelta;

use crate::cli::{Context, Exit, Failure};
use crate::client::SeenFile;

/// Print what you hold, like `orders-db 12m`, for the prompt of your shell; asks no server, and prints nothing where there
/// is nothing
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: PS1='$(portcullis prompt)\\$ '\n\nIt is as new as the last command that asked the server: `portcullis status` always does."
)]
pub(super) struct Arguments {
    /// What stands before it, where there is something to print
    #[arg(long, value_name = "TEXT")]
    before: Option<String>,
    /// What stands after it, where there is something to print
    #[arg(long, value_name = "TEXT")]
    after: Option<String>,
}

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let (Ok(servers), Ok(state)) = (context.servers(), context.state()) else {
        // A prompt is no place for complaints: the next command has them.
        return Ok(Exit::DONE);
    };
    let seen = SeenFile::of(&state, servers.first()).read();
    let active = seen.active();
    if let Some((grant, left)) = active.first() {
        let more = match active.len() {
            1 => String::new(),
            count => format!(" +{}", count - 1),
        };
        let text = format!("{} {}{more}", grant.target, brief(*left));
        let around = |text: &Option<String>| text.clone().unwrap_or_default();
        let (before, after) = (around(&arguments.before), around(&arguments.after));
        context.printer.line(&format!("{before}{text}{after}"))?;
    }
    Ok(Exit::DONE)
}

/// How long it lasts, in as few letters as tell it.
fn brief(left: TimeDelta) -> String {
    match left.num_minutes() {
        0 => "<1m".to_owned(),
        minutes @ 1..60 => format!("{minutes}m"),
        minutes @ 60..1_440 => format!("{}h{:02}m", minutes / 60, minutes % 60),
        minutes => format!("{}d{}h", minutes / 1_440, minutes % 1_440 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_in_as_few_letters_as_tell_it() {
        let cases = [
            (0, "<1m"),
            (59, "<1m"),
            (60, "1m"),
            (3_599, "59m"),
            (3_660, "1h01m"),
            (90_000, "1d1h"),
        ];
        for (seconds, said) in cases {
            assert_eq!(brief(TimeDelta::seconds(seconds)), said);
        }
    }
}
