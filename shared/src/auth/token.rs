//! Tokens: `wb_<id>_<secret>`. The prefix lets scanners of leaked secrets find one, and the id names it
//! in files, lists and logs.

use std::fmt;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// In front of every token.
pub const PREFIX: &str = "wb";
/// Characters of an id.
const ID: usize = 12;
/// Hexadecimal digits of a secret: 256 bits.
const SECRET: usize = 64;

/// A token, as a client shows it. (No `Debug`: it holds the secret.)
pub struct Token {
    id: String,
    secret: String,
}

impl Token {
    /// A new one, by a cryptographic generator that the operating system seeds.
    pub fn random() -> Self {
        let mut bytes = [0; ID / 2 + SECRET / 2];
        rand::rng().fill(&mut bytes);
        let text = hex(&bytes);
        let (id, secret) = text.split_at(ID);
        Self { id: id.to_owned(), secret: secret.to_owned() }
    }

    /// Reads what `expose` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')?;
        let fits = is_id(id) && secret.len() == SECRET && is_hex(secret);
        fits.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Its name, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole token, for the client.
    pub fn expose(&self) -> String {
        format!("{PREFIX}_{}_{}", self.id, self.secret)
    }

    /// What is kept of its secret. A secret of 256 random bits can't be guessed, so a slow hash, as for
    /// passwords, would add nothing but work for each request.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.secret.as_bytes()).into())
    }
}

/// Whether it can be the id of a token.
pub fn is_id(text: &str) -> bool {
    text.len() == ID && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of the secret of a token.
#[derive(Clone)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Reads 64 hexadecimal digits, in small letters.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if text.len() != 64 || !is_hex(text) {
            return None;
        }
        for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }

    /// Takes the same time wherever they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made_and_no_other_way() {
        let token = Token::random();
        let text = token.expose();
        assert_eq!(text.len(), 2 + 1 + ID + 1 + SECRET);
        let read = Token::parse(&text).unwrap();
        assert_eq!(read.id(), token.id());
        assert!(read.digest().is(&token.digest()));
        assert!(!Token::random().digest().is(&token.digest()));
        for bad in [
            "",
            "wb",
            "wb__",
            &text[1..],
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &format!("{text}0"),
            &format!(" {text}"),
            &text.replace("wb_", "wx_"),
            &text.replace('_', "-"),
        ] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_that_of_fips_180() {
        // `printf %064d 0 | sha256sum`.
        let token = Token { id: "0".repeat(ID), secret: "0".repeat(SECRET) };
        let known = "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55";
        assert_eq!(token.digest().to_string(), known);
        assert!(TokenDigest::parse(known).unwrap().is(&token.digest()));
        assert!(TokenDigest::parse(&known[1..]).is_none());
        assert!(TokenDigest::parse(&known.to_uppercase()).is_none());
    }
}
