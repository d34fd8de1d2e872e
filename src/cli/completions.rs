//! `portcullis completions`: the script that makes a shell complete commands, flags, targets, roles and ids.

use crate::cli::{Context, Exit, Failure};

/// Print the script that completes commands, flags, targets, roles and ids in a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis"
)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(["bash", "zsh", "fish"]))]
    shell: String,
}

/// Reads line by line, because `compgen -W` would run what is between backticks. Nothing found is left to bash, which
/// knows files.
const BASH: &str = r#"_portcullis() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(portcullis complete --shell bash --index "$COMP_CWORD" -- "${COMP_WORDS[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o default -F _portcullis portcullis
"#;

const ZSH: &str = r#"#compdef portcullis
_portcullis() {
    local -a found
    found=("${(@f)$(portcullis complete --shell zsh --index $((CURRENT - 1)) -- "${words[@]}" 2>/dev/null)}")
    if [[ -n ${found[1]} ]]; then
        _describe -V portcullis found
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _portcullis ]]; then
    _portcullis "$@"
else
    compdef _portcullis portcullis
fi
"#;

const FISH: &str = r"function __portcullis_complete
    set -l before (commandline -opc)
    portcullis complete --shell fish --index (count $before) -- $before (commandline -ct) 2>/dev/null
end
complete -c portcullis -f -k -a '(__portcullis_complete)'
";

pub(super) fn run(context: &Context<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    context.printer.script(match arguments.shell.as_str() {
        "zsh" => ZSH,
        "fish" => FISH,
        _ => BASH,
    })?;
    Ok(Exit::DONE)
}
