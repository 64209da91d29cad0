//! Addresses of people: numbers that can be texted or rung, and mail addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A telephone number in E.164 form, such as `+447700900123`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Phone(String);

/// A mail address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Email(String);

/// Why an address was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not a number that can be rung.
    #[error("“{0}” is not a telephone number: write it like 07700 900123 or +447700900123")]
    Phone(String),
    /// Emergency numbers are rung by people.
    #[error("“{0}” is an emergency number: Homeward never texts or rings it")]
    Emergency(String),
    /// Not a mail address.
    #[error("“{0}” is not a mail address: write it like name@example.org")]
    Email(String),
}

/// Ofcom's numbers for drama and tests are never assigned, so the numbering plan calls them invalid.
const TEST_NUMBERS: &str = "+447700900";

impl Phone {
    /// Reads a number as people write it; a number without `+` is read as a British one.
    pub fn parse(written: &str) -> Result<Self, BadAddress> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        if matches!(digits.as_str(), "999" | "112" | "911" | "101" | "111") {
            return Err(BadAddress::Emergency(written.into()));
        }
        let number = phonenumber::parse(Some(phonenumber::country::GB), written)
            .map_err(|_| BadAddress::Phone(written.into()))?;
        let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
        let test_number = e164.starts_with(TEST_NUMBERS) && e164.len() == TEST_NUMBERS.len() + 3;
        if test_number || phonenumber::is_valid(&number) {
            Ok(Self(e164))
        } else {
            Err(BadAddress::Phone(written.into()))
        }
    }

    /// The number in E.164 form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is dialled at home: `07700900123` for a British number, else the E.164 form.
    pub fn dialled(&self) -> String {
        self.0.strip_prefix("+44").map_or_else(|| self.0.clone(), |rest| format!("0{rest}"))
    }
}

impl Email {
    /// Takes an address that a mail server can be handed.
    pub fn parse(written: &str) -> Result<Self, BadAddress> {
        let trimmed = written.trim();
        match trimmed.parse::<lettre::Address>() {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) => Err(BadAddress::Email(written.into())),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = BadAddress;
            fn try_from(written: String) -> Result<Self, BadAddress> {
                Self::parse(&written)
            }
        }
        impl From<$name> for String {
            fn from(address: $name) -> Self {
                address.0
            }
        }
        /// Debug output goes to logs, and addresses do not.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    };
}
text_conversions!(Phone);
text_conversions!(Email);

/// A way to reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum Channel {
    /// A text message.
    Sms,
    /// Mail.
    Email,
}

impl Channel {
    /// Every channel, the quickest first.
    pub const ALL: [Self; 2] = [Self::Sms, Self::Email];

    /// Its name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for written in ["07700 900123", "+44 7700 900123", "+447700900123", "(07700) 900-123"] {
            assert_eq!(Phone::parse(written).unwrap().as_str(), "+447700900123", "{written}");
        }
        assert_eq!(Phone::parse("+1 212 555 2368").unwrap().as_str(), "+12125552368");
        assert_eq!(Phone::parse("07700900123").unwrap().dialled(), "07700900123");
    }

    #[test]
    fn what_cannot_be_texted_is_refused() {
        assert!(matches!(Phone::parse("999"), Err(BadAddress::Emergency(_))));
        for written in ["", "80818", "12", "Ann", "0770090012345678"] {
            assert!(Phone::parse(written).is_err(), "{written}");
        }
        for written in ["", "ann", "ann@", "a b@example.org"] {
            assert!(Email::parse(written).is_err(), "{written}");
        }
    }

    #[test]
    fn addresses_do_not_reach_a_log() {
        let phone = Phone::parse("07700900123").unwrap();
        assert_eq!(format!("{phone:?}"), "Phone(hidden)");
    }
}
