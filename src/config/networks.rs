//! Where events may be sent. The address is what somebody of an organisation wrote: without this, the service could be made to speak
//! to whatever stands beside it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use serde::Deserialize;

use super::{provider::is_loopback, written};

/// `[webhooks]`
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct EventWebhooks {
    #[serde(deserialize_with = "written::deserialize")]
    pub timeout: Duration,
    pub private_networks: bool,
}

impl EventWebhooks {
    /// Where they may go.
    pub fn networks(&self) -> Networks {
        if self.private_networks { Networks::All } else { Networks::Public }
    }
}

/// Which networks may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Networks {
    /// The internet.
    Public,
    /// Private ones too, and this machine.
    All,
}

/// The longest address.
const LONGEST_URL: usize = 2000;

impl Networks {
    /// Whether an address may be spoken to.
    pub fn may_reach(self, ip: IpAddr) -> bool {
        self == Self::All || is_public(ip)
    }

    /// What is wrong with the address of a webhook. It is not quoted: some hold a token.
    pub fn bad_url(self, url: &str) -> Option<&'static str> {
        let Some(parsed) = reqwest::Url::parse(url).ok().filter(|_| url.len() <= LONGEST_URL) else {
            return Some("is not an address: write it like https://example.org/path");
        };
        let Some(host) = parsed.host_str() else { return Some("must begin with https://") };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Some("holds a name or a password: what is sent is signed instead");
        }
        if literal(host).is_some_and(|ip| !self.may_reach(ip)) {
            return Some("leads into a private network: only whoever runs this service can allow that");
        }
        match parsed.scheme() {
            "https" => None,
            "http" if self == Self::All && is_loopback(host) => None,
            "http" => Some("goes in the clear: use https"),
            _ => Some("must begin with https://"),
        }
    }
}

/// An address without its path and its query, which may hold a token: `https://example.org`.
pub fn origin_of(url: &str) -> String {
    reqwest::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// The address that a host is written as, if it is no name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is one of the internet's: what RFC 6890 and its successors set aside is not.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224) // groups, what is reserved, everybody
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let v4 = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Addresses of the other kind in another dress: mapped, translated, tunnelled.
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        // Teredo, and what is for documents.
        [0x2001, 0 | 0xdb8, ..] => false,
        // Everything else that is routed begins with 001.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internet_is_public() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "198.18.0.1",
            "198.19.255.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!Networks::Public.may_reach(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(Networks::Public.may_reach(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn an_address_is_https_and_leads_outside() {
        for (url, public, all) in [
            ("https://example.org/hook?x=1", None, None),
            ("http://example.org/hook", Some("in the clear"), Some("in the clear")),
            ("http://localhost:8080/", Some("in the clear"), None),
            ("https://10.0.0.1/", Some("private network"), None),
            ("https://[::1]/", Some("private network"), None),
            ("https://0x7f000001/", Some("private network"), None),
            ("https://ann:pw@example.org/", Some("a password"), Some("a password")),
            ("ftp://example.org/", Some("https://"), Some("https://")),
            ("example.org", Some("not an address"), Some("not an address")),
        ] {
            for (networks, expected) in [(Networks::Public, public), (Networks::All, all)] {
                let wrong = networks.bad_url(url);
                assert_eq!(wrong.is_none(), expected.is_none(), "{url} {networks:?}: {wrong:?}");
                assert!(wrong.unwrap_or_default().contains(expected.unwrap_or_default()), "{url}: {wrong:?}");
            }
        }
    }
}
