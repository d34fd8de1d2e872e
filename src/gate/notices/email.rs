//! Delivery by mail: plain text, to one person, over a connection that is encrypted or stays on this machine.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls as Layer, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::config::notices::{Smtp, Tls, address_in, secret_in};
use crate::domain::notice::check_address;

use super::Reader;
use super::letter::Message;

/// One step of the conversation takes no longer.
const STEP: Duration = Duration::from_secs(10);

/// Where mail to this person goes: where they said, if that is in the domain, and otherwise by their name.
pub(super) fn address_of(smtp: &Smtp, reader: &Reader) -> String {
    let domain = format!("@{}", smtp.domain);
    let said = reader.wishes.address.as_ref();
    let said = said.filter(|address| address.to_ascii_lowercase().ends_with(&domain));
    said.cloned()
        .unwrap_or_else(|| format!("{}{domain}", reader.who.name))
}

/// INVARIANT: a header is never made of text that could end it: addresses are of plain letters, and the subject is one
/// line (`no_name_and_no_reason_writes_a_header`).
fn written(smtp: &Smtp, to: &str, message: &Message) -> anyhow::Result<Mail> {
    let address = |text: &str| -> anyhow::Result<Address> {
        check_address(text)?;
        text.parse().context("reading an address")
    };
    ensure!(
        !message.subject.contains(char::is_control),
        "the subject has more than one line"
    );
    let sender = address_in(&smtp.from);
    let name = smtp
        .from
        .split_once('<')
        .map(|(name, _)| name.trim().to_owned());
    let name = name.filter(|name| !name.is_empty());
    let domain = sender
        .split_once('@')
        .map_or("localhost", |(_, domain)| domain);
    let raw = |name: &'static str, value: &str| {
        HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
    };
    let mail = Mail::builder()
        .from(Mailbox::new(name, address(sender)?))
        .to(Mailbox::new(None, address(to)?))
        .subject(message.subject.as_str())
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        // Nobody's answering machine answers to it.
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .header(ContentType::TEXT_PLAIN)
        .body(message.text.clone())
        .context("writing a letter")?;
    Ok(mail)
}

fn layer(smtp: &Smtp) -> anyhow::Result<Layer> {
    if smtp.tls == Tls::None {
        return Ok(Layer::None);
    }
    let mut parameters = TlsParameters::builder(smtp.host.clone());
    if let Some(path) = &smtp.ca {
        let shown = path.display();
        let pem = std::fs::read(path).with_context(|| format!("reading `{shown}`"))?;
        let certificates = Certificate::from_pem(&pem)
            .with_context(|| format!("`{shown}` holds no certificates"))?;
        parameters = parameters
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificates);
    }
    let parameters = parameters.build_rustls().context("preparing TLS")?;
    Ok(match smtp.tls {
        Tls::Implicit => Layer::Wrapper(parameters),
        Tls::Starttls | Tls::None => Layer::Required(parameters),
    })
}

pub(super) async fn send(
    smtp: &Smtp,
    reader: &Reader,
    message: &Message,
    host: &str,
) -> anyhow::Result<()> {
    let mail = written(smtp, &address_of(smtp, reader), message)?;
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
        .port(smtp.port)
        .tls(layer(smtp)?)
        .timeout(Some(STEP))
        .hello_name(ClientId::Domain(host.to_owned()));
    if let Some((user, path)) = &smtp.login {
        // Read each time, so that it can be replaced while the server runs.
        let password = secret_in(path)?;
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        transport = transport.credentials(credentials);
    }
    transport
        .build()
        .send(mail)
        .await
        .context("the mail server did not take it")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp() -> Smtp {
        Smtp {
            host: "127.0.0.1".to_owned(),
            port: 25,
            tls: Tls::None,
            login: None,
            from: "Pförtner <portcullis@example.com>".to_owned(),
            ca: None,
            domain: "example.com".to_owned(),
        }
    }

    fn message(subject: &str, text: &str) -> Message {
        Message {
            id: "a1b2".to_owned(),
            subject: subject.to_owned(),
            text: text.to_owned(),
            notices: Vec::new(),
        }
    }

    #[test]
    fn no_name_and_no_reason_writes_a_header() {
        let bad = "ada@example.com\r\nBcc: eve@example.com";
        assert!(written(&smtp(), bad, &message("x", "x")).is_err());
        let split = message("x\r\nBcc: eve@example.com", "x");
        assert!(written(&smtp(), "ada@example.com", &split).is_err());
        let body = message("Grüße", "a\r\n.\r\nBcc: eve@example.com\n\u{e4}");
        let mail = written(&smtp(), "ada@example.com", &body).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!headers.contains("Bcc"), "{headers}");
        assert!(
            headers.contains("Message-ID: <a1b2@example.com>"),
            "{headers}"
        );
        assert!(headers.is_ascii(), "{headers}");
    }

    #[test]
    fn no_line_is_longer_than_mail_servers_take() {
        let long = message("x", &"ö".repeat(5_000));
        let mail = written(&smtp(), "ada@example.com", &long).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        assert!(text.is_ascii());
        assert!(text.lines().all(|line| line.len() <= 998));
    }
}
