//! Places on a network of their own: what runs there reaches this machine over a link that can really be down. It takes
//! root to have them, and `ip`.
//!
//! They are reached at loopback addresses, so that nothing here needs certificates; these addresses have routes of their
//! own over the links, and where a link is down nothing answers in their place.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes the places and the links to them, and takes everything away when its standard input closes, which the kernel
/// sees to even when the test process is killed.
const WATCHDOG: &str = r#"
name=$1 net=$2 count=$3
clean() {
    for nth in $(seq 0 $((count - 1))); do
        ip link del "$name-$nth-h"
        ip netns del "$name-$nth"
    done
    ip route del unreachable "$net.0/24" table local
    ip addr del "$net.1/32" dev lo
} 2>/dev/null
make() {
    set -e
    ip addr add "$net.1/32" dev lo
    ip route add unreachable "$net.0/24" table local
    for nth in $(seq 0 $((count - 1))); do
        there="$net.$((nth + 10))" space="$name-$nth"
        ip netns add "$space"
        ip link add "$space-h" type veth peer name "$space-e"
        ip link set "$space-e" netns "$space"
        echo 1 >"/proc/sys/net/ipv4/conf/$space-h/route_localnet"
        ip netns exec "$space" sh -c "echo 1 >/proc/sys/net/ipv4/conf/$space-e/route_localnet"
        ip -n "$space" link set lo up
        ip -n "$space" addr add "$there/32" dev lo
        ip -n "$space" route add unreachable "$net.0/24" table local
        ip link set "$space-h" up
        ip -n "$space" link set "$space-e" up
        ip route add "$there/32" dev "$space-h" table local src "$net.1"
        ip -n "$space" route add "$net.1/32" dev "$space-e" table local src "$there"
    done
}
if (make) 2>&1; then
    echo made
    read -r word
fi
clean
"#;

/// Which end of a link goes down; nothing passes either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Here,
    There,
}

/// Several places, each with a link to this machine. Dropping it takes them away.
#[derive(Debug)]
pub(crate) struct Namespaces {
    name: String,
    net: String,
    watchdog: Child,
}

impl Namespaces {
    /// Makes so many; or says why this machine has none.
    pub(crate) fn start(count: usize) -> Result<Self, String> {
        // Each has names of its own, also beside others of this process.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err("only root can make network namespaces".to_owned());
        }
        let (process, nth) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (name, net) = (
            format!("p{}x{nth}", process % 1_000_000),
            format!(
                "127.{}.{}",
                64 + (process / 256 + nth * 37) % 128,
                process % 256
            ),
        );
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &name, &net])
            .arg(count.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        let mut said = BufReader::new(watchdog.stdout.take().unwrap());
        let mut first = String::new();
        said.read_line(&mut first).unwrap();
        let made = Self {
            name,
            net,
            watchdog,
        };
        if first.trim() == "made" {
            return Ok(made);
        }
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        let why = first.trim();
        Err(if why.contains("not found") {
            "`ip` is missing: install iproute2".to_owned()
        } else {
            format!("network namespaces cannot be made: {why}")
        })
    }

    /// Where this machine is for whoever is in one of them.
    pub(crate) fn here(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// Where one of them is.
    pub(crate) fn there(&self, nth: usize) -> Ipv4Addr {
        self.address(nth + 10)
    }

    fn address(&self, last: usize) -> Ipv4Addr {
        format!("{}.{last}", self.net).parse().unwrap()
    }

    /// What a program is started with to run in one of them.
    pub(crate) fn inside(&self, nth: usize) -> Vec<String> {
        let space = format!("{}-{nth}", self.name);
        ["ip", "netns", "exec", &space].map(str::to_owned).to_vec()
    }

    /// Takes the link down.
    pub(crate) fn down(&self, nth: usize, end: End) {
        self.ip(nth, end, "link set $link down");
    }

    /// Takes the link up again. Its routes went with it.
    pub(crate) fn up(&self, nth: usize, end: End) {
        let (here, there) = (self.here(), self.there(nth));
        let (from, to) = match end {
            End::Here => (here, there),
            End::There => (there, here),
        };
        self.ip(nth, end, "link set $link up");
        let route = format!("route replace {to}/32 dev $link table local src {from}");
        self.ip(nth, end, &route);
    }

    fn ip(&self, nth: usize, end: End, what: &str) {
        let space = format!("{}-{nth}", self.name);
        let (link, at) = match end {
            End::Here => (format!("{space}-h"), vec![]),
            End::There => (format!("{space}-e"), vec!["-n", &space]),
        };
        let what = what.replace("$link", &link);
        let done = Command::new("ip")
            .args(at)
            .args(what.split(' '))
            .output()
            .expect("ip is there");
        assert!(done.status.success(), "{what}: {done:?}");
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        drop(self.watchdog.wait());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// Says what it hears to whoever is connected to it.
    const ECHO: &str = "import socket,sys\n\
        s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n\
        while True:\n d=s.recv(1)\n if not d: break\n s.send(d)\n";

    #[test]
    fn nothing_passes_a_link_that_is_down_and_what_was_sent_arrives_when_it_is_up() {
        let spaces = match Namespaces::start(2) {
            Ok(spaces) => spaces,
            Err(why) => {
                eprintln!("not tried: {why}");
                return;
            }
        };
        let listener = TcpListener::bind(SocketAddr::from((spaces.here(), 0))).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let inside = spaces.inside(1);
        let mut echo = Command::new(&inside[0])
            .args(&inside[1..])
            .args(["python3", "-c", ECHO, &spaces.here().to_string(), &port])
            .spawn()
            .unwrap();
        let (mut stream, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), spaces.there(1));
        let patience = |stream: &TcpStream, millis| {
            let time = Some(Duration::from_millis(millis));
            stream.set_read_timeout(time).unwrap();
        };
        let mut letter = [0];
        for end in [End::Here, End::There] {
            spaces.down(1, end);
            patience(&stream, 300);
            stream.write_all(b"x").unwrap();
            assert!(stream.read(&mut letter).is_err(), "{end:?}");
            spaces.up(1, end);
            patience(&stream, 30_000);
            assert_eq!(stream.read(&mut letter).unwrap(), 1, "{end:?}");
        }
        drop(stream);
        echo.wait().unwrap();
        let name = spaces.name.clone();
        drop(spaces);
        let left = Command::new("ip").args(["netns", "list"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&left.stdout).contains(&name));
    }
}
