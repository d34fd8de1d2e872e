//! Which addresses may be called: what is on the internet, and the networks that the operator has named.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Deserializer};

/// Longer addresses are cut by what lies on the way.
const LONGEST_ADDRESS: usize = 2048;

/// One network, as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    length: u32,
}

impl Network {
    const fn v4(a: u8, b: u8, c: u8, length: u32) -> Self {
        Self {
            first: IpAddr::V4(Ipv4Addr::new(a, b, c, 0)),
            length,
        }
    }

    const fn v6(a: u16, b: u16, c: u16, length: u32) -> Self {
        Self {
            first: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)),
            length,
        }
    }

    /// Whether an address lies in it.
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                let (width, first) = bits(self.first);
                let shift = width.saturating_sub(self.length);
                let above = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                above(first) == above(bits(address).1)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a network", text.escape_debug());
        let (first, length) = text.split_once('/').ok_or_else(wrong)?;
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let (width, _) = bits(first);
        if length > width {
            return Err(wrong());
        }
        // With these a slip would open everything that is closed.
        let shortest = if first.is_ipv4() { 8 } else { 7 };
        if length < shortest {
            return Err(format!("`{text}` is too much to be a network of yours"));
        }
        let network = Self { first, length };
        let (_, bits) = bits(first);
        let below = width - length;
        if bits & 1_u128.checked_shl(below).map_or(u128::MAX, |bit| bit - 1) != 0 {
            return Err(format!(
                "`{text}` names an address and not where its network begins"
            ));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|problem| {
            serde::de::Error::custom(format!("{problem}: write it as in `10.0.0.0/8`"))
        })
    }
}

fn bits(address: IpAddr) -> (u32, u128) {
    match address {
        IpAddr::V4(address) => (32, address.to_bits().into()),
        IpAddr::V6(address) => (128, address.to_bits()),
    }
}

/// Nothing in here is a host on the internet (IANA's special-purpose registries, RFC 6890, and multicast).
const CLOSED_V4: [Network; 15] = [
    Network::v4(0, 0, 0, 8),
    Network::v4(10, 0, 0, 8),
    Network::v4(100, 64, 0, 10),
    Network::v4(127, 0, 0, 8),
    Network::v4(169, 254, 0, 16),
    Network::v4(172, 16, 0, 12),
    Network::v4(192, 0, 0, 24),
    Network::v4(192, 0, 2, 24),
    Network::v4(192, 88, 99, 24),
    Network::v4(192, 168, 0, 16),
    Network::v4(198, 18, 0, 15),
    Network::v4(198, 51, 100, 24),
    Network::v4(203, 0, 113, 24),
    Network::v4(224, 0, 0, 4),
    Network::v4(240, 0, 0, 4),
];
/// The only part of IPv6 that is handed out to the world, and what is special within it.
const OPEN_V6: Network = Network::v6(0x2000, 0, 0, 3);
const CLOSED_V6: [Network; 3] = [
    Network::v6(0x2001, 0, 0, 23),
    Network::v6(0x2001, 0xdb8, 0, 32),
    Network::v6(0x3fff, 0, 0, 20),
];

/// The address that is reached in the end: some of IPv6 are another way to write, or to get to, one of IPv4.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let embedded = match v6.segments() {
        // IPv4-compatible, but not `::` and `::1`.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        // IPv4-mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return address,
    };
    let bits = (u32::from(embedded.0) << 16) | u32::from(embedded.1);
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

fn is_on_the_internet(address: IpAddr) -> bool {
    let closed: &[Network] = match address {
        IpAddr::V4(_) => &CLOSED_V4,
        IpAddr::V6(_) if !OPEN_V6.has(address) => return false,
        IpAddr::V6(_) => &CLOSED_V6,
    };
    !closed.iter().any(|network| network.has(address))
}

/// How far calls may go: the internet, encrypted, and what the operator has named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// What may be called although it is not on the internet.
    pub allow_networks: Vec<Network>,
    /// Whether those, and only those, may be called without encryption, too.
    pub allow_plain_http: bool,
}

impl Reach {
    /// Whether this address may be connected to.
    pub fn permits(&self, address: IpAddr, plain: bool) -> bool {
        let meant = meant(address);
        let named = self.allow_networks.iter().any(|network| network.has(meant));
        if plain {
            self.allow_plain_http && named
        } else {
            named || is_on_the_internet(meant)
        }
    }

    /// Reads an address from the settings, or says in a message and a hint what is wrong with it.
    pub fn address(&self, text: &str) -> Result<Url, (String, String)> {
        let shown = text.escape_debug();
        let no = |message: String, hint: &str| Err((message, hint.to_owned()));
        let example = "write it as in `https://hooks.example.com/portcullis`";
        // What reads it drops some of these letters, and takes `\` for `/`: others would read it another way.
        let odd = |letter: char| letter.is_control() || letter.is_whitespace() || letter == '\\';
        let authority = text
            .split_once("://")
            .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
            .filter(|authority| !authority.is_empty());
        let url = Url::parse(text).ok().filter(Url::has_host);
        let (Some(url), Some(authority)) = (url, authority) else {
            return no(format!("`{shown}` is not an address"), example);
        };
        if text.chars().any(odd) || text.len() > LONGEST_ADDRESS {
            return no(format!("`{shown}` is not an address"), example);
        }
        if authority.contains('@') {
            let message = "there is a name or a password in the address".to_owned();
            let hint = "an address is shown and logged; put the secret into a file of its own";
            return no(message, hint);
        }
        if url.fragment().is_some() {
            return no(
                format!("`{shown}` has a `#`, which nobody is told"),
                "leave out what begins there",
            );
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_plain_http => {}
            "http" => {
                let hint =
                    "use `https`; within `allow_networks` there is `allow_plain_http = true`";
                return no(format!("`{shown}` is not encrypted"), hint);
            }
            _ => return no(format!("`{shown}` is not an `https` address"), example),
        }
        self.literal(&url)
            .map_err(|denied| (denied.to_string(), denied.hint(&url).to_owned()))?;
        Ok(url)
    }

    /// Checks an address that is no name: nothing is looked up for it.
    pub(super) fn literal(&self, url: &Url) -> Result<(), Denied> {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(address) if !self.permits(address, is_plain(url)) => Err(Denied {
                host: host.to_owned(),
                address,
            }),
            _ => Ok(()),
        }
    }
}

pub(super) fn is_plain(url: &Url) -> bool {
    url.scheme() != "https"
}

/// An address that may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

impl Denied {
    fn hint(&self, url: &Url) -> &'static str {
        if is_plain(url) && is_on_the_internet(meant(self.address)) {
            "use `https`, or name its network in `allow_networks`"
        } else {
            "name its network in `allow_networks` if it is one of yours"
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        if host.trim_matches(['[', ']']) == address.to_string() {
            write!(f, "`{host}` is in no network that may be called")
        } else {
            write!(
                f,
                "`{host}` is {address}, which is in no network that may be called"
            )
        }
    }
}

impl Error for Denied {}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(networks: &[&str], plain: bool) -> Reach {
        Reach {
            allow_networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
            allow_plain_http: plain,
        }
    }

    #[test]
    fn what_is_not_on_the_internet_is_closed_however_it_is_written() {
        let closed = "
            0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 100.100.100.200
            127.0.0.1 127.255.255.254 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
            192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1
            239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1
            ff02::1 2001:db8::1 2001::1 2001:10::1 3fff::1 100::1 5f00::1 64:ff9b:1::a9fe:a9fe
            ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 ::127.0.0.1 ::169.254.169.254
            64:ff9b::169.254.169.254 64:ff9b::10.1.2.3 2002:7f00:1:: 2002:a9fe:a9fe::1 2002:c0a8:101::1
        ";
        for text in closed.split_whitespace() {
            let address: IpAddr = text.parse().unwrap();
            assert!(!Reach::default().permits(address, false), "{text}");
        }
        let open = "
            1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
            169.253.0.1 172.15.255.255 172.32.0.0 192.167.255.255 198.17.0.1 198.20.0.0 223.255.255.255
            2606:4700::1111 2a00:1450:4001::1 ::ffff:1.1.1.1 64:ff9b::8.8.8.8 2001:200::1
        ";
        for text in open.split_whitespace() {
            let address: IpAddr = text.parse().unwrap();
            assert!(Reach::default().permits(address, false), "{text}");
            assert!(!Reach::default().permits(address, true), "{text}");
        }
    }

    #[test]
    fn a_network_that_is_named_is_open_and_its_neighbours_are_not() {
        let named = reach(&["10.1.0.0/16", "fd12::/16", "127.0.0.1/32"], true);
        for text in [
            "10.1.0.0",
            "10.1.255.255",
            "fd12::7",
            "127.0.0.1",
            "::ffff:10.1.2.3",
        ] {
            for plain in [false, true] {
                assert!(named.permits(text.parse().unwrap(), plain), "{text}");
            }
        }
        for text in [
            "10.0.255.255",
            "10.2.0.0",
            "fd13::1",
            "127.0.0.2",
            "::1",
            "169.254.169.254",
        ] {
            assert!(!named.permits(text.parse().unwrap(), false), "{text}");
        }
        assert!(
            !named.permits("1.1.1.1".parse().unwrap(), true),
            "not encrypted"
        );
        let encrypted = reach(&["10.1.0.0/16"], false);
        assert!(!encrypted.permits("10.1.0.1".parse().unwrap(), true));
    }

    #[test]
    fn a_network_begins_where_it_says_and_is_no_larger_than_one_can_own() {
        for good in [
            "10.0.0.0/8",
            "192.168.7.0/24",
            "10.1.2.3/32",
            "fd00::/8",
            "fc00::/7",
            "::1/128",
        ] {
            assert_eq!(good.parse::<Network>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.1/8",
            "fd00::1/8",
            "0.0.0.0/0",
            "128.0.0.0/1",
            "::/0",
            "2000::/3",
            "10/8",
            "10.0.0.0/-1",
            "localhost/8",
            "010.0.0.0/8",
            "10.0.0.0/8 ",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_read_as_everybody_reads_it_or_not_at_all() {
        let named = reach(&["10.0.0.0/8"], true);
        for good in [
            "https://hooks.example.com",
            "https://hooks.example.com:8443/a/b?c=d%20e",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
            "https://10.0.0.1/",
            "http://10.0.0.1/",
            "http://hooks.internal/",
            "https://bücher.example/",
        ] {
            assert!(
                named.address(good).is_ok(),
                "{good}: {:?}",
                named.address(good)
            );
        }
        for bad in [
            "",
            "hooks.example.com",
            "//hooks.example.com",
            "https://",
            "https:///",
            "https:///a",
            "https:/a",
            "https:a",
            "ftp://hooks.example.com",
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_x",
            "unix:/run/x",
            "https://a b/",
            "https://a\r\nX: y/",
            "https://a/\r\nHost: b",
            "https://a\tb/",
            "https://a\\@b/",
            "https:\\\\a/",
            "https://user@a/",
            "https://user:word@a/",
            "https://:word@a/",
            "https://a#@b/",
            "https://a/#x",
            "https://@a/",
            "https://:@a/",
            "https://a@127.0.0.1/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://①②⑦.⓪.⓪.①/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[fe80::1%25eth0]/",
            "https://0/",
            "https://192.168.0.1/",
            "http://1.1.1.1/",
            "https://a:99999/",
        ] {
            assert!(
                named.address(bad).is_err(),
                "{bad:?}: {:?}",
                named.address(bad)
            );
        }
        let (message, hint) = named.address("https://127.1/").unwrap_err();
        assert_eq!(message, "`127.0.0.1` is in no network that may be called");
        assert!(hint.contains("allow_networks"), "{hint}");
        let (message, hint) = Reach::default().address("http://a/").unwrap_err();
        assert_eq!(message, "`http://a/` is not encrypted");
        assert!(hint.contains("allow_plain_http"), "{hint}");
    }
}
