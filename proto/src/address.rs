//! The written form of an account's address, `name@relay`, and of a relay's, `host[:port][#fingerprint]`.
//!
//! A name is 2 to 32 characters of `a-z 0-9 . _ -`, begins with a letter or digit, and is compared after ASCII lower-casing.
//! A relay is a DNS name or IP address. `#` and the SHA-256 of its public key info (base64url, 43 characters) pin a relay
//! that has no certificate from the web's authorities (DESIGN: "never by trust on first use in silence").

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{base64url, limits::NAME_LEN};

/// Port of a relay that names none.
pub const DEFAULT_PORT: u16 = 8443;

/// Why a text is no address, in words that say what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// No `@`, or more than one.
    #[error("an address is written name@relay, for example alice@relay.example.org")]
    Form,
    /// The part before the `@`.
    #[error("a name has 2 to 32 characters of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit")]
    Name,
    /// The part after the `@`.
    #[error("a relay is written host, host:port or host:port#fingerprint")]
    Relay,
    /// The part after the `#`.
    #[error("a relay's fingerprint has 43 characters of A-Z, a-z, 0-9, '-' and '_'; copy it whole")]
    Fingerprint,
}

/// An account's name on its relay, lower-cased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let name = text.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if NAME_LEN.contains(&name.len()) && begins_well && name.chars().all(allowed) {
            Ok(Self(name))
        } else {
            Err(InvalidAddress::Name)
        }
    }
}

/// SHA-256 of a relay's SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Wraps the digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let digest = base64url::decode(text).and_then(|digest| digest.try_into().ok());
        digest.map(Self).ok_or(InvalidAddress::Fingerprint)
    }
}

/// Where a relay is and how to know it: `host[:port][#fingerprint]`, with an optional `wss://` before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayAddress {
    host: String,
    port: u16,
    fingerprint: Option<Fingerprint>,
}

impl RelayAddress {
    /// Host as written: a DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What its public key must hash to; without one, the web's certificate authorities decide.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The same relay, known by this fingerprint.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// `host` or `host:port`, without the fingerprint: what stands in an account's address.
    pub fn authority(&self) -> String {
        if self.port == DEFAULT_PORT { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl FromStr for RelayAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim().strip_prefix("wss://").unwrap_or(text.trim());
        let (authority, fingerprint) = match text.split_once('#') {
            Some((authority, fingerprint)) => (authority, Some(fingerprint.parse()?)),
            None => (text, None),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().ok().filter(|port| *port != 0).ok_or(InvalidAddress::Relay)?)
            }
            _ => (authority, DEFAULT_PORT),
        };
        let host = host.to_ascii_lowercase();
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let label = |label: &str| {
                    (1..=63).contains(&label.len())
                        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                        && !label.starts_with('-')
                        && !label.ends_with('-')
                };
                host.len() <= 253 && host.split('.').all(label)
            }
        };
        if valid { Ok(Self { host, port, fingerprint }) } else { Err(InvalidAddress::Relay) }
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())?;
        self.fingerprint.iter().try_for_each(|fingerprint| write!(f, "#{fingerprint}"))
    }
}

/// An account's address: `name@relay`. Two addresses are the same account's if name, host and port are equal; the
/// fingerprint says how to know the relay, not which one it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    name: Name,
    relay: RelayAddress,
}

impl Address {
    /// Puts the two together.
    pub fn new(name: Name, relay: RelayAddress) -> Self {
        Self { name, relay }
    }

    /// The account's name on its relay.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The account's relay.
    pub fn relay(&self) -> &RelayAddress {
        &self.relay
    }

    /// `name@host[:port]` without fingerprint: the form that manifests sign and people read.
    pub fn canonical(&self) -> String {
        format!("{}@{}", self.name.as_str(), self.relay.authority())
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (name, relay) = text.trim().split_once('@').ok_or(InvalidAddress::Form)?;
        if relay.contains('@') {
            return Err(InvalidAddress::Form);
        }
        Ok(Self { name: name.parse()?, relay: relay.parse()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name.as_str(), self.relay)
    }
}

macro_rules! as_text {
    ($($name:ident: $example:literal),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    )*};
}

as_text!(Address: "alice@relay.example.org", RelayAddress: "relay.example.org:8443", Name: "alice");

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_round_trips_with_port_and_fingerprint() {
        let fingerprint = Fingerprint::new(std::array::from_fn(|i| (i * 37) as u8));
        for text in [
            "alice@relay.example.org".to_owned(),
            "alice@127.0.0.1:9000".to_owned(),
            format!("b.o-b_2@[::1]:9000#{fingerprint}"),
            format!("bob@relay#{fingerprint}"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let address: Address = "Alice@wss://Relay.Example.org:8443/".parse().unwrap();
        assert_eq!(address.canonical(), "alice@relay.example.org");
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("alice", InvalidAddress::Form),
            ("a@b@c", InvalidAddress::Form),
            ("a@relay", InvalidAddress::Name),
            ("al ice@relay", InvalidAddress::Name),
            ("-alice@relay", InvalidAddress::Name),
            ("älice@relay", InvalidAddress::Name),
            ("alice@", InvalidAddress::Relay),
            ("alice@relay:0", InvalidAddress::Relay),
            ("alice@relay:99999", InvalidAddress::Relay),
            ("alice@re lay", InvalidAddress::Relay),
            ("alice@[::zz]", InvalidAddress::Relay),
            ("alice@relay#short", InvalidAddress::Fingerprint),
        ] {
            assert_eq!(text.parse::<Address>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_fingerprint_has_one_spelling() {
        let text = Fingerprint::new([0xff; 32]).to_string();
        assert_eq!(text.parse(), Ok(Fingerprint::new([0xff; 32])));
        let other = format!("{}9", &text[..42]);
        assert_eq!(other.parse::<Fingerprint>(), Err(InvalidAddress::Fingerprint));
    }
}
