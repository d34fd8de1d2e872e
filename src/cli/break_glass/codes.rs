//! `portcullis break-glass seal`, `codes` and `unseal`: sealed codes.

use crate::cli::table::{Cut, Table};
use crate::cli::{Context, Exit, Failure, words};
use crate::client::IdempotencyKey;
use crate::domain::break_glass::Days;
use crate::domain::ids::{CodeId, PrincipalName};
use crate::wire::NewSealedCodes;

pub(super) async fn seal(
    context: &Context<'_>,
    name: &PrincipalName,
    count: u32,
    expires: Days,
) -> Result<Exit, Failure> {
    let new = NewSealedCodes {
        name: name.to_string(),
        count,
        expires: expires.to_string(),
    };
    let made = context
        .client()?
        .seal(&new, &IdempotencyKey::new()?)
        .await?;
    context.printer.answer(&made, |printer| {
        for code in &made.codes {
            printer.line(&format!("{}  {}", code.id, code.code))?;
        }
        printer.note(&format!(
            "these are shown once and are good until {}; seal them away from the machines of {}, who uses one with `portcullis login --sealed`",
            words::moment(made.expires_at),
            made.name
        ));
        Ok(())
    })?;
    Ok(Exit::DONE)
}

pub(super) async fn list(
    context: &Context<'_>,
    name: Option<&PrincipalName>,
) -> Result<Exit, Failure> {
    let name = name.map(PrincipalName::as_str);
    let page = context.client()?.sealed_codes(name).await?;
    context.printer.answer(&page, |printer| {
        let mut table = Table::new(&[
            ("ID", Cut::Never),
            ("STATE", Cut::Never),
            ("FOR", Cut::Middle),
            ("MADE BY", Cut::Middle),
            ("MADE", Cut::Never),
            ("GOOD UNTIL", Cut::Never),
            ("USED", Cut::Never),
        ]);
        for code in &page.items {
            table.row([
                code.id.clone(),
                code.state.clone(),
                code.name.clone(),
                code.made_by.clone(),
                words::moment(code.created_at),
                words::moment(code.expires_at),
                code.used_at.map(words::moment).unwrap_or_default(),
            ]);
        }
        printer.table(&table, "no sealed codes")
    })?;
    Ok(Exit::DONE)
}

pub(super) async fn unseal(context: &Context<'_>, id: &CodeId) -> Result<Exit, Failure> {
    let key = IdempotencyKey::new()?;
    context.client()?.unseal(id.as_str(), &key).await?;
    let said = serde_json::json!({ "id": id.as_str(), "revoked": true });
    context
        .printer
        .answer(&said, |printer| printer.line(&format!("{id} is revoked")))?;
    Ok(Exit::DONE)
}
