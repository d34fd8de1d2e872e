//! `portcullis config prepare`: what the owner of a target does once, before access can be made there.

use std::path::Path;

use serde_json::json;

use crate::catalog;
use crate::cli::context::environment;
use crate::cli::{Context, Exit, Failure};
use crate::config;
use crate::domain::ids::TargetName;
use crate::secret::Key;
use crate::targets::{Environment, Installation};

pub(super) fn run(
    context: &Context<'_>,
    folder: &Path,
    target: &TargetName,
) -> Result<Exit, Failure> {
    let check = "run `portcullis config check` to see every problem";
    let server = config::server(folder, &environment, &[])
        .map_err(|_| Failure::refused("the settings cannot be used", check))?;
    // The authority of SSH hosts is derived from the key, so another one would prepare them for nobody.
    let path = server.settings.data_dir.join("key");
    if !path.exists() {
        return Err(Failure::here(
            format!("there is no key at `{}`", path.display()),
            "run this where the server runs, as its account, after its first start",
        ));
    }
    let key =
        Key::open_or_create(&path).map_err(|error| Failure::here(format!("{error:#}"), ""))?;
    let installation = Installation::of(&key);
    let rulebook = catalog::load(folder, &Environment { installation, key })
        .map_err(|_| Failure::refused("the catalogue or the policy cannot be used", check))?;
    let connector = rulebook.catalog.connector(target).ok_or_else(|| {
        Failure::refused(
            format!("there is no target `{target}` in the catalogue"),
            format!("the catalogue is in `{}`", folder.display()),
        )
    })?;
    let mut steps = connector.preparation();
    steps.extend(connector.reporting(target, &server.settings.public_url));
    let json: Vec<_> = steps
        .iter()
        .map(|step| json!({ "what": step.what, "text": step.text }))
        .collect();
    context.printer.answer(&json, |printer| {
        for step in &steps {
            printer.line(&format!("{}:", step.what))?;
            printer.line("")?;
            printer.block("  ", &step.text)?;
            printer.line("")?;
        }
        Ok(())
    })?;
    Ok(Exit::DONE)
}
