//! A way over the network that can be broken: cut, silent in one direction or in both, or slow.
//!
//! What was sent into silence is not lost: as with TCP over a network that comes back, it arrives late.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Every connection is reset, and so is each new one.
    Cut,
    /// Everything stays open and nothing arrives.
    Silent,
    /// What the caller says does not arrive.
    Mute,
    /// What the callee says does not arrive.
    Deaf,
    /// Everything takes this much longer.
    Slow(Duration),
}

/// One way to one address. It has an address of its own, and ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) port: u16,
    to: watch::Sender<SocketAddr>,
    way: watch::Sender<Way>,
    resets: watch::Sender<()>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Link {
    /// A way to this address.
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, address).await
    }

    /// A way to this address that begins at another address of this machine.
    pub(crate) async fn at(here: Ipv4Addr, address: SocketAddr) -> Self {
        let listener = TcpListener::bind((here, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, leads) = watch::channel(address);
        let (way, state) = watch::channel(Way::Open);
        let (resets, reset) = watch::channel(());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (address, state) = (*leads.borrow(), state.clone());
                let mut reset = reset.clone();
                reset.mark_unchanged();
                let carry = carry(near, address, state);
                tokio::spawn(async move {
                    tokio::select! {
                        _ = reset.changed() => {}
                        () = carry => {}
                    }
                });
            }
        });
        Self {
            port,
            to,
            way,
            resets,
            accepting,
        }
    }

    /// Connections from now on go to this address, and those to the one before are reset.
    pub(crate) fn lead_to(&self, address: SocketAddr) {
        self.to.send_replace(address);
        self.resets.send_replace(());
    }

    /// From now on the way is like this.
    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
        self.way.send_replace(Way::Cut);
    }
}

/// Who speaks on one half of a connection.
#[derive(Clone, Copy)]
enum Speaker {
    Near,
    Far,
}

impl Way {
    fn stops(self, speaker: Speaker) -> bool {
        matches!(
            (self, speaker),
            (Self::Silent, _) | (Self::Mute, Speaker::Near) | (Self::Deaf, Speaker::Far)
        )
    }
}

async fn carry(near: TcpStream, address: SocketAddr, mut way: watch::Receiver<Way>) {
    // A reset, not a polite end: dropping the socket throws away what was not delivered.
    let abrupt = |stream: &TcpStream| stream.set_zero_linger().unwrap_or_default();
    abrupt(&near);
    // Behind a wall nobody answers, not even with a refusal.
    let answered = way
        .wait_for(|way| !way.stops(Speaker::Near))
        .await
        .map(|way| *way);
    if answered.is_err() || answered.is_ok_and(|way| way == Way::Cut) {
        return;
    }
    let Ok(far) = TcpStream::connect(address).await else {
        return;
    };
    abrupt(&far);
    drop(near.set_nodelay(true));
    drop(far.set_nodelay(true));
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let mut state = way.clone();
    tokio::select! {
        _ = state.wait_for(|way| *way == Way::Cut) => {}
        () = async {
            tokio::join!(
                pass(from_near, to_far, Speaker::Near, way.clone()),
                pass(from_far, to_near, Speaker::Far, way.clone()),
            );
        } => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    speaker: Speaker,
    mut way: watch::Receiver<Way>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes).await {
        // Also the end of what is said does not arrive while nothing does.
        let Ok(now) = way
            .wait_for(|way| !way.stops(speaker))
            .await
            .map(|way| *way)
        else {
            break;
        };
        if let Way::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who repeats what is said.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn heard(stream: &mut TcpStream) -> Option<u8> {
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read_u8());
        read.await.ok()?.ok()
    }

    #[tokio::test]
    async fn silence_holds_back_and_a_cut_resets() {
        let link = Link::to(echo().await).await;
        let mut stream = TcpStream::connect(("127.0.0.1", link.port)).await.unwrap();
        stream.write_u8(1).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 1);
        for way in [Way::Silent, Way::Mute, Way::Deaf] {
            link.set(way);
            stream.write_u8(2).await.unwrap();
            assert_eq!(heard(&mut stream).await, None, "{way:?}");
            link.set(Way::Open);
            assert_eq!(stream.read_u8().await.unwrap(), 2);
        }
        link.set(Way::Cut);
        assert!(stream.read_u8().await.is_err());
        let mut another = TcpStream::connect(("127.0.0.1", link.port)).await.unwrap();
        assert!(another.read_u8().await.is_err());
        link.set(Way::Open);
        let mut another = TcpStream::connect(("127.0.0.1", link.port)).await.unwrap();
        another.write_u8(3).await.unwrap();
        assert_eq!(another.read_u8().await.unwrap(), 3);
    }
}
