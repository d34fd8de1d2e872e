//! The files that `portcullis config init` writes, and the reference that the README shows. Both come from the one
//! list of keys, so they cannot disagree with what is read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::config::keys::{
    AUDIT, BREAK_GLASS, CONSOLE, IDENTITY, Key, LOCAL_ACCOUNTS, NOTICES, POLICY as POLICY_KEYS,
    SERVER, SIGNALS, STEP_UP, TOKENS,
};
use crate::config::paths::{CONSOLE_FILE, POLICY_FILE, SERVER_FILE};
use crate::config::problem::Problem;
use crate::config::{backend, files, notices, siem, witness};
use crate::domain::policy::ANNOTATIONS;

const TARGETS: &str = include_str!("starter/targets.toml");
const SIEM: &str = include_str!("starter/siem.toml");
const CHANNELS: &str = include_str!("starter/notices.toml");
const WITNESS: &str = include_str!("starter/witness.toml");
const NAMED: &str = include_str!("starter/console.toml");
const POLICY: &str = include_str!("starter/policy.cedar");

const IDENTITY_INTRO: &str = "\n# Where people sign in. Without it they do so with one-time codes. The table begins with its first line that is no\n# comment: take the `#` off `[identity]` first.\n# [identity]\n";
const IDENTITY_TABLES: &str = "\n# What product roles a group of the provider has here. Nobody who signs in there has a role in another way.\n# [identity.roles]\n# engineers = [\"requester\"]\n# sre-leads = [\"requester\", \"reviewer\"]\n# payments-leads = [\"reviewer@team:payments\"]   # only for targets with this tag\n\n# What its groups are called in policies here. Without the table a group keeps its name; with it no other counts.\n# [identity.groups]\n# \"/company/eng\" = \"engineers\"\n";

/// The commented `portcullis.toml`; valid as it is, and a server that starts with it listens on the loopback only.
pub fn default_toml() -> String {
    let mut out = String::from(
        "# Portcullis: the server's settings, and the catalogue of targets.\n\
         # `portcullis config check` looks for mistakes. A running server takes over a changed catalogue by itself;\n\
         # settings of the server itself hold from its next start.\n\n[server]\n",
    );
    for key in SERVER {
        commented(&mut out, &key);
    }
    out.push_str("\n# What reviewers are told is unusual about a request.\n[signals]\n");
    for key in SIGNALS {
        commented(&mut out, &key);
    }
    out.push_str("\n# When a second factor has to be proved.\n[step_up]\n");
    for key in STEP_UP {
        commented(&mut out, &key);
    }
    out.push_str("\n# Who may sign in with a password of this server.\n[local_accounts]\n");
    for key in LOCAL_ACCOUNTS {
        commented(&mut out, &key);
    }
    out.push_str(
        "\n# What holds for access that is taken before anybody has reviewed it.\n[break_glass]\n",
    );
    for key in BREAK_GLASS {
        commented(&mut out, &key);
    }
    out.push_str("\n# What holds for the history.\n[audit]\n");
    for key in AUDIT {
        commented(&mut out, &key);
    }
    out.push_str(SIEM);
    out.push_str(WITNESS);
    out.push_str("\n# Who is told of what.\n[notices]\n");
    for key in NOTICES {
        commented(&mut out, &key);
    }
    out.push_str(CHANNELS);
    out.push_str("\n# What policy.cedar cannot say about itself.\n[policy]\n");
    for key in POLICY_KEYS {
        commented(&mut out, &key);
    }
    out.push_str("\n# How long people stay signed in.\n[tokens]\n");
    for key in TOKENS {
        commented(&mut out, &key);
    }
    out.push_str(IDENTITY_INTRO);
    for key in IDENTITY {
        commented(&mut out, &key);
    }
    out.push_str(IDENTITY_TABLES);
    out.push('\n');
    out.push_str(TARGETS);
    out
}

/// The commented `policy.cedar`; valid as it is, and useful as soon as people are in its groups.
pub fn default_policy() -> String {
    POLICY.to_owned()
}

/// The commented `console.toml`; valid as it is.
pub fn default_console() -> String {
    let mut out = String::from("# Portcullis: the console and the commands.\n");
    for key in CONSOLE {
        commented(&mut out, &key);
    }
    out.push_str(NAMED);
    out
}

/// Writes the server's two files where they are missing, and says which ones it wrote. It never overwrites.
pub fn config_init(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    files::write_missing(
        folder,
        &[
            (SERVER_FILE, default_toml()),
            (POLICY_FILE, default_policy()),
        ],
    )
}

/// As `config_init`, for `console.toml`.
pub fn console_init(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    files::write_missing(folder, &[(CONSOLE_FILE, default_console())])
}

/// Every key and annotation as Markdown tables, for the README.
pub fn reference() -> String {
    let mut out = String::from("#### The server: `[server]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &SERVER);
    out.push_str("\n#### What is unusual: `[signals]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &SIGNALS);
    out.push_str("\n#### Second factors: `[step_up]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &STEP_UP);
    out.push_str("\n#### Local accounts: `[local_accounts]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &LOCAL_ACCOUNTS);
    out.push_str("\n#### Break-glass: `[break_glass]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &BREAK_GLASS);
    out.push_str("\n#### The history: `[audit]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &AUDIT);
    out.push_str("\n#### Where the history goes: `[[siem]]` in `portcullis.toml`\n\n");
    out.push_str("| key | meaning |\n|---|---|\n");
    for (name, about) in siem::ABOUT {
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    out.push_str("\n#### Who outside watches the record: `[[witness]]` in `portcullis.toml`\n\n");
    out.push_str("| key | meaning |\n|---|---|\n");
    for (name, about) in witness::ABOUT {
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    out.push_str("\n#### Notices: `[notices]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &NOTICES);
    out.push_str(
        "\n#### By which ways people are told: `[[notices.channel]]` in `portcullis.toml`\n\n",
    );
    out.push_str("| key | meaning |\n|---|---|\n");
    for (name, about) in notices::ABOUT {
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    out.push_str("\n#### What policies are read with: `[policy]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &POLICY_KEYS);
    out.push_str("\n#### Sign-ins: `[tokens]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &TOKENS);
    out.push_str("\n#### Where people sign in: `[identity]` in `portcullis.toml`\n\n");
    keys_table(&mut out, &IDENTITY);
    out.push_str("\n#### The console and the commands: `console.toml`\n\n");
    keys_table(&mut out, &CONSOLE);
    out.push_str("\n#### Servers with a name: `[[backend]]` in `console.toml`\n\n");
    out.push_str("| key | meaning |\n|---|---|\n");
    for (name, about) in backend::ABOUT {
        let _ = writeln!(out, "| `{name}` | {about} |");
    }
    out.push_str("\n#### Annotations of a policy in `policy.cedar`\n\n");
    out.push_str("| annotation | on | without it | meaning |\n|---|---|---|---|\n");
    for annotation in ANNOTATIONS {
        let (name, sample, on) = (annotation.name, annotation.sample, annotation.on());
        let _ = writeln!(
            out,
            "| `@{name}(\"{sample}\")` | {on} | {} | {} |",
            annotation.default, annotation.about
        );
    }
    out
}

fn commented(out: &mut String, key: &Key) {
    let _ = write!(out, "\n# {}\n# {} = {}\n", key.about, key.name, key.sample);
}

fn keys_table(out: &mut String, keys: &[Key]) {
    out.push_str("| key | environment | flag | default | meaning |\n|---|---|---|---|---|\n");
    for key in keys {
        let flag = if key.flag.is_empty() {
            String::new()
        } else {
            format!("`--{}` ", key.flag)
        };
        let env = if key.env.is_empty() {
            String::new()
        } else {
            format!("`{}` ", key.env)
        };
        let _ = writeln!(
            out,
            "| `{}` | {env}| {flag}| {} | {} |",
            key.name, key.default, key.about
        );
    }
}
