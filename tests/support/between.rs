//! Somebody between a program and its PostgreSQL server, who listens, strips the encryption or ends it himself.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The question whether the server speaks TLS, which is all that may be said before it does.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// A server's demand for the password in clear text.
const CLEARTEXT_PASSWORD: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];

/// What he does.
#[derive(Clone)]
pub(crate) enum Trick {
    /// Passes everything on and listens.
    Relay,
    /// Says that the server speaks no TLS, and passes what follows on to one that does not.
    Strip,
    /// Answers with an error, as servers do that know nothing of TLS, and passes what follows on.
    Error,
    /// Speaks TLS with a certificate of his own, and passes on what he reads.
    Terminate(Arc<rustls::ServerConfig>),
    /// As that, after asking for the password in clear text before the encryption begins.
    Stuff(Arc<rustls::ServerConfig>),
}

/// He sits on the loopback address, which is also reached as `0.0.0.0`: an address that is not this machine's own.
pub(crate) struct Between {
    pub(crate) port: u16,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    clear: Vec<u8>,
    inside: Vec<u8>,
}

impl Between {
    pub(crate) async fn start(server: u16, trick: Trick) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (trick, heard) = (trick.clone(), Arc::clone(&shared));
                // Whoever hangs up on him ends it.
                tokio::spawn(async move { deceive(client, server, trick, &heard).await.ok() });
            }
        });
        Self { port, heard }
    }

    /// That he was asked whether there is encryption, and told nothing else.
    pub(crate) fn heard_nothing(&self) {
        let heard = self.heard.lock().unwrap();
        assert!(!heard.clear.is_empty(), "nobody came");
        let said = heard.clear.chunks(8).all(|words| words == SSL_REQUEST);
        assert!(said, "{:?}", String::from_utf8_lossy(&heard.clear));
        assert!(
            heard.inside.is_empty(),
            "{:?}",
            String::from_utf8_lossy(&heard.inside)
        );
    }

    /// Everything that he could read, whether or not it came through encryption that he ended.
    pub(crate) fn read(&self) -> String {
        let heard = self.heard.lock().unwrap();
        String::from_utf8_lossy(&[&heard.clear[..], &heard.inside].concat()).into_owned()
    }
}

async fn deceive(
    mut client: TcpStream,
    server: u16,
    trick: Trick,
    heard: &Mutex<Heard>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    let clear = |bytes: &[u8]| heard.lock().unwrap().clear.extend(bytes);
    let mut first = [0; 8];
    client.read_exact(&mut first).await?;
    clear(&first);
    let config = match trick {
        Trick::Terminate(config) | Trick::Stuff(config) if first != SSL_REQUEST => {
            drop(config);
            server.write_all(&first).await?;
            return relay(client, server, clear).await;
        }
        Trick::Strip if first == SSL_REQUEST => {
            client.write_all(b"N").await?;
            return relay(client, server, clear).await;
        }
        Trick::Error if first == SSL_REQUEST => {
            client.write_all(b"E\0\0\0\x0bSFATAL\0\0").await?;
            return relay(client, server, clear).await;
        }
        Trick::Relay | Trick::Strip | Trick::Error => {
            server.write_all(&first).await?;
            return relay(client, server, clear).await;
        }
        Trick::Terminate(config) => {
            client.write_all(b"S").await?;
            config
        }
        Trick::Stuff(config) => {
            client
                .write_all(&[b"S", &CLEARTEXT_PASSWORD[..]].concat())
                .await?;
            config
        }
    };
    let client = TlsAcceptor::from(config).accept(client).await?;
    relay(client, server, |bytes| {
        heard.lock().unwrap().inside.extend(bytes);
    })
    .await
}

/// Passes bytes on in both directions, and notes what the client says.
async fn relay(
    client: impl AsyncRead + AsyncWrite,
    server: TcpStream,
    note: impl Fn(&[u8]),
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let count = from_client.read(&mut bytes).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
            note(&bytes[..count]);
            to_server.write_all(&bytes[..count]).await?;
        }
    };
    let down = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down).map(drop)
}
