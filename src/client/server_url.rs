//! The address of a server: https, or plain http to this machine only.

use std::fmt;
use std::str::FromStr;

use crate::client::ClientError;

/// Where a server is; plain http is refused unless it stays on this machine, because tokens travel in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(reqwest::Url);

impl ServerUrl {
    /// The address with the path segments appended, each escaped.
    pub(super) fn join(&self, segments: &[&str]) -> reqwest::Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Whether the connection is not encrypted, which is allowed to this machine only.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// A file name for what belongs to this server. Two servers never share one unless they differ in odd characters
    /// alone; the file says which server it is for.
    pub fn file_stem(&self) -> String {
        let shown = self.to_string();
        let rest = shown
            .split_once("://")
            .map_or(shown.as_str(), |(_, rest)| rest);
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        };
        rest.chars().map(plain).take(150).collect()
    }
}

impl FromStr for ServerUrl {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let shown = text.escape_debug().to_string();
        let wrong = |text: String, hint: &str| ClientError::Local {
            text,
            hint: hint.to_owned(),
        };
        let url = reqwest::Url::parse(text.trim()).map_err(|_| {
            wrong(
                format!("`{shown}` is not the address of a server"),
                "write it like `https://portcullis.example.com`",
            )
        })?;
        if url.host_str().is_none_or(str::is_empty)
            || !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(wrong(
                format!("`{shown}` is not the address of a server"),
                "write only the scheme, the host and perhaps a port, like `https://portcullis.example.com:7700`",
            ));
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(wrong(
                format!("`{shown}` is not encrypted, so your sign-in could be read on the way"),
                "use `https://`; plain `http://` is only for a server on this machine",
            )),
            other => Err(wrong(
                format!("`{other}` is not a way to reach a server"),
                "use `https://`",
            )),
        }
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_never_travel_unencrypted_to_another_machine() {
        for good in [
            "https://portcullis.example.com",
            "http://127.0.0.1:7700",
            "http://localhost:7700/",
            "http://[::1]:7700",
            "https://a.example/portcullis/",
        ] {
            assert!(good.parse::<ServerUrl>().is_ok(), "{good}");
        }
        for bad in [
            "http://portcullis.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "localhost:7700",
            "",
            "https://a:b@host",
            "https://host/?x=1",
            "http://127.0.0.1.example.com",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_escaped_and_keep_a_prefix() {
        let url: ServerUrl = "https://a.example/portcullis/".parse().unwrap();
        assert_eq!(
            url.join(&["v1", "requests", "a/b?c"]).as_str(),
            "https://a.example/portcullis/v1/requests/a%2Fb%3Fc"
        );
        assert_eq!(url.to_string(), "https://a.example/portcullis");
        assert_eq!(url.file_stem(), "a.example_portcullis");
    }
}
