//! A real mail server for the tests (`aiosmtpd`): on a free port, with STARTTLS and a password, that keeps what it takes.

use std::net::TcpStream;
use std::path::PathBuf;

use serde_json::Value;

use super::certificates::Certificates;
use super::process::{Server, folder, free_port};

/// The password of `portcullis` there.
pub(crate) const PASSWORD: &str = "s3cret mail";

/// Takes mail for everybody at `example.com`. With a file `refuse` beside it, it takes none; with `forget`, it takes it and
/// says that it did not.
const PROGRAM: &str = r#"
import asyncio, json, os, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
folder, port, kind, certificate, key = sys.argv[1:6]

class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if not address.endswith("@example.com"):
            return "550 5.1.1 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(folder + "/refuse"):
            with open(folder + "/refused", "a") as out:
                out.write(".\n")
            return "451 4.3.0 not now"
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "signed_in": bool(session.authenticated),
            "text": envelope.content.decode("latin-1"),
        }
        with open(folder + "/mail", "a") as out:
            out.write(json.dumps(mail) + "\n")
        if os.path.exists(folder + "/forget"):
            return "451 4.3.0 it is kept and you do not know"
        return "250 OK"

def sign_in(server, session, envelope, mechanism, data):
    good = data.login == b"portcullis" and data.password == b"s3cret mail"
    return AuthResult(success=good, handled=True)

async def main():
    tls = None
    if kind == "starttls":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
    def smtp():
        return SMTP(Keeper(), hostname="localhost", ident="test", tls_context=tls,
                    require_starttls=tls is not None, auth_required=tls is not None,
                    authenticator=sign_in, timeout=60)
    server = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", int(port))
    await server.serve_forever()

asyncio.run(main())
"#;

/// A running server.
pub(crate) struct Smtp {
    pub(crate) port: u16,
    pub(crate) certificates: Certificates,
    folder: PathBuf,
    _server: Server,
}

/// One message as it was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) to: String,
    pub(crate) tls: bool,
    pub(crate) signed_in: bool,
    /// As it came over the wire.
    pub(crate) raw: String,
}

impl Taken {
    /// The lines above the text.
    pub(crate) fn headers(&self) -> &str {
        self.raw.split("\r\n\r\n").next().unwrap()
    }

    /// One header, with the lines that it goes on in put together.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let whole = self.headers().replace("\r\n ", " ");
        let mut lines = whole.lines();
        lines.find_map(|line| Some(line.strip_prefix(&format!("{name}: "))?.to_owned()))
    }

    /// What is below them, with soft line ends of quoted-printable taken out.
    pub(crate) fn text(&self) -> String {
        let (_, text) = self.raw.split_once("\r\n\r\n").unwrap();
        text.replace("=\r\n", "").replace("\r\n", "\n")
    }
}

impl Smtp {
    /// Starts one that takes mail only over STARTTLS and after a password.
    pub(crate) fn start() -> Self {
        Self::start_as("starttls", "good")
    }

    /// Starts one that speaks clear text (`plain`), or has another of `Certificates::for_databases`.
    pub(crate) fn start_as(kind: &str, certificate: &str) -> Self {
        let python = "/usr/bin/python3";
        let there = std::process::Command::new(python)
            .args(["-c", "import aiosmtpd"])
            .status();
        assert!(
            there.is_ok_and(|status| status.success()),
            "aiosmtpd is missing: apt-get install python3-aiosmtpd"
        );
        let folder = folder("pcl-smtp-", None);
        let certificates = Certificates::for_databases();
        let log = folder.join("log");
        let started = (0..5).find_map(|_| {
            let port = free_port();
            let command = [
                python,
                "-c",
                PROGRAM,
                folder.to_str()?,
                &port.to_string(),
                kind,
                &certificates.name(certificate, "pem"),
                &certificates.name(certificate, "key"),
            ];
            let mut server = Server::start(&folder, &log, "TERM", None, &command);
            let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
            if server.wait_until(ready).is_none() {
                server.stop();
                return None;
            }
            Some((port, server))
        });
        let Some((port, server)) = started else {
            panic!(
                "the mail server did not start:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
        };
        Self {
            port,
            certificates,
            folder,
            _server: server,
        }
    }

    /// What it took, in the order in which it did.
    pub(crate) fn mail(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.folder.join("mail")).unwrap_or_default();
        let whole = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let read = |line: &str| {
            let mail: Value = serde_json::from_str(line).unwrap();
            assert_eq!(mail["to"].as_array().unwrap().len(), 1, "{mail}");
            Taken {
                to: mail["to"][0].as_str().unwrap().to_owned(),
                tls: mail["tls"] == true,
                signed_in: mail["signed_in"] == true,
                raw: mail["text"].as_str().unwrap().to_owned(),
            }
        };
        whole.map(read).collect()
    }

    /// What it took for one address.
    pub(crate) fn mail_to(&self, name: &str) -> Vec<Taken> {
        let mut mail = self.mail();
        mail.retain(|mail| mail.to == format!("{name}@example.com"));
        mail
    }

    /// From here on it takes nothing, or something again.
    pub(crate) fn refuse(&self, yes: bool) {
        self.set("refuse", yes);
    }

    /// From here on it takes what comes and says that it did not, or not so any more.
    pub(crate) fn forget(&self, yes: bool) {
        self.set("forget", yes);
    }

    /// How often it refused something.
    pub(crate) fn refused(&self) -> usize {
        let text = std::fs::read_to_string(self.folder.join("refused")).unwrap_or_default();
        text.lines().count()
    }

    fn set(&self, name: &str, yes: bool) {
        let path = self.folder.join(name);
        if yes {
            std::fs::write(path, "").unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}
