//! Proofs of a device key as HTTP carries them: one `DPoP` header, made for this method and this address.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::domain::refusal::Refusal;
use crate::gate::people::Purpose;
use crate::secret::Proof;

use super::App;

/// What a call carries to prove who calls.
pub(super) struct Carried<'a> {
    pub token: &'a str,
    pub proof: Option<Proof>,
}

/// Reads the token of a call, and the proof without which it is worth nothing where it is bound to a device.
pub(super) fn carried<'a>(parts: &'a Parts, app: &App) -> Result<Carried<'a>, Refusal> {
    let (scheme, token) = authorization(&parts.headers).ok_or(Refusal::NotSignedIn)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        // A bound token is refused as a bearer's by the gate, whatever else comes with it.
        return Ok(Carried { token, proof: None });
    }
    if !scheme.eq_ignore_ascii_case("dpop") {
        return Err(Refusal::NotSignedIn);
    }
    let proof = proof(parts, app)?.ok_or(Refusal::ProofRequired)?;
    Ok(Carried {
        token,
        proof: Some(proof),
    })
}

fn authorization(headers: &HeaderMap) -> Option<(&str, &str)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    Some((scheme, token.trim()))
}

/// The proof of a call, if it has one.
///
/// A proof names the address that was called (RFC 9449, 4.3), also where that is one node of several. So a node takes
/// the addresses of the whole installation, which its settings list, and never what a call says in its `Host` header.
/// A proof that was caught on the way to one node is worth nothing on another: each works once, and all nodes look
/// into one database for that.
pub(super) fn proof(parts: &Parts, app: &App) -> Result<Option<Proof>, Refusal> {
    let not_valid = |why| Refusal::ProofNotValid { why };
    let mut values = parts.headers.get_all("dpop").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(not_valid("there are two of them"));
    }
    let text = value
        .to_str()
        .map_err(|_| not_valid("it is not a signed token"))?;
    let proof = Proof::read(text).map_err(not_valid)?;
    if proof.method != parts.method.as_str() {
        return Err(not_valid("it is for another method"));
    }
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let path = parts.uri.path();
    if !app
        .names()
        .any(|name| is_here(&proof.address, path, host, name))
    {
        return Err(not_valid(
            "it is for another address than `public_url` and `node_urls` of this server",
        ));
    }
    Ok(Some(proof))
}

/// Whether this is an address by which people reach this server: one of its names, or a loopback address where the call came.
pub(super) fn is_this_server(address: &str, headers: &HeaderMap, app: &App) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let bare = address
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.contains(['/', '?', '#']));
    bare && app.names().any(|name| is_here(address, "/", host, name))
}

/// Whether a call changes something, as far as its method tells.
pub(super) fn purpose(parts: &Parts) -> Purpose {
    if parts.method.is_safe() {
        Purpose::Read
    } else {
        Purpose::Change
    }
}

/// Whether an address is that of this call. People reach the server by its name; through a tunnel or on the same
/// machine by a loopback address, which is what the call itself then says.
fn is_here(address: &str, path: &str, host: Option<&str>, name: &str) -> bool {
    let whole = address.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = whole.split_once("://") else {
        return false;
    };
    let (authority, of) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let named = match name.split_once("://") {
        Some((of, authority)) => (of, authority),
        None => ("http", name),
    };
    let by_name = scheme.eq_ignore_ascii_case(named.0) && authority.eq_ignore_ascii_case(named.1);
    // Whoever reaches a server that speaks TLS through a tunnel speaks TLS through that tunnel.
    let local = scheme == "http" || (scheme == "https" && named.0 == "https");
    let by_loopback = local && is_loopback(authority) && host == Some(authority);
    of == path && (by_name || by_loopback)
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "[::1]")
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_for_one_address() {
        let name = "https://pc.example.com";
        for (address, host, here) in [
            ("https://pc.example.com/v1/me", "pc.example.com", true),
            ("https://PC.example.com/v1/me?q=1", "127.0.0.1:7700", true),
            ("https://pc.example.com/v1/me#x", "pc.example.com", true),
            ("http://pc.example.com/v1/me", "pc.example.com", false),
            ("https://pc.example.com/v1/ME", "pc.example.com", false),
            ("https://pc.example.com/v1/me/", "pc.example.com", false),
            (
                "https://pc.example.com:8443/v1/me",
                "pc.example.com:8443",
                false,
            ),
            ("https://evil.example.com/v1/me", "evil.example.com", false),
            ("http://localhost:17700/v1/me", "localhost:17700", true),
            ("http://127.0.0.1:7700/v1/me", "127.0.0.1:7700", true),
            ("http://[::1]:7700/v1/me", "[::1]:7700", true),
            ("http://127.0.0.1:7700/v1/me", "127.0.0.1:7701", false),
            ("https://localhost:7700/v1/me", "localhost:7700", true),
            ("https://localhost:7700/v1/me", "localhost:7701", false),
            ("http://10.0.0.1:7700/v1/me", "10.0.0.1:7700", false),
            ("http://localhost.evil/v1/me", "localhost.evil", false),
            ("/v1/me", "pc.example.com", false),
            ("", "", false),
        ] {
            assert_eq!(
                is_here(address, "/v1/me", Some(host), name),
                here,
                "{address} at {host}"
            );
        }
        assert!(is_here(
            "http://127.0.0.1:7700/v1/me",
            "/v1/me",
            None,
            "127.0.0.1:7700"
        ));
    }
}
