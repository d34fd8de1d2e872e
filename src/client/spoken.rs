//! A call as a person would say it, for the page on which it is confirmed.

use reqwest::Method;

/// What a call does. One that has no words of its own is named by its address, which says as much.
pub(super) fn spoken(method: &Method, path: &[&str]) -> String {
    match path {
        ["v1", "requests", id, "approve"] => format!("approve request {id}"),
        ["v1", "grants", id, "extend"] => format!("extend grant {id}"),
        ["v1", "locks"] => "place a lock".to_owned(),
        ["v1", "locks", id, "lift"] => format!("lift lock {id}"),
        ["v1", "incidents"] => "revoke in bulk: one incident".to_owned(),
        ["v1", "factors"] => "add a second factor".to_owned(),
        ["v1", "factors", id] if method == Method::DELETE => format!("remove second factor {id}"),
        ["v1", "recovery-codes"] => "make new recovery codes".to_owned(),
        ["v1", "account", "password"] => "set your password".to_owned(),
        ["v1", "people", name, "reset-factors"] => {
            format!("remove every second factor of {name}")
        }
        ["v1", rest @ ..] => format!("{method} {}", rest.join("/")),
        _ => format!("{method} {}", path.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_said_in_words_with_what_it_is_about() {
        let post = |path: &[&str]| spoken(&Method::POST, path);
        assert_eq!(
            post(&["v1", "requests", "R-1", "approve"]),
            "approve request R-1"
        );
        assert_eq!(
            spoken(&Method::DELETE, &["v1", "factors", "F-1"]),
            "remove second factor F-1"
        );
        assert_eq!(post(&["v1", "new", "thing"]), "POST new/thing");
    }
}
