//! Witnesses outside: what one signs and what it refuses, and how the checkpoints of a server get to it.

mod independent;
mod outage;
mod protocol;
mod submission;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use portcullis::server::witness::{Witness, serve};
use portcullis::tlog::VerifyingKey;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A running witness, which stops when this is dropped.
struct Running {
    witness: Arc<Witness>,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Running {
    /// Starts a witness in a folder that knows these keys.
    async fn start(folder: &Path, logs: &[VerifyingKey]) -> Self {
        let witness = Witness::open(folder, Some("witness.example.org/w"), logs.to_vec()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::at(witness, listener, address)
    }

    /// Starts it again where it was.
    async fn again(folder: &Path, address: SocketAddr, logs: &[VerifyingKey]) -> Self {
        let witness = Witness::open(folder, None, logs.to_vec()).unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        Self::at(witness, listener, address)
    }

    fn at(witness: Witness, listener: TcpListener, address: SocketAddr) -> Self {
        let (witness, stop) = (Arc::new(witness), CancellationToken::new());
        tokio::spawn(serve(Arc::clone(&witness), listener, None, stop.clone()));
        Self {
            witness,
            address,
            stop,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it, and waits until its folder is free.
    async fn stop(self) -> SocketAddr {
        self.stop.cancel();
        let (witness, address) = (Arc::downgrade(&self.witness), self.address);
        drop(self);
        while witness.upgrade().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What `portcullis.toml` says of a witness.
fn configured(name: &str, url: &str, key: &impl std::fmt::Display) -> String {
    format!("\n[[witness]]\nname = \"{name}\"\nurl = \"{url}\"\nkey = \"{key}\"\n")
}
