//! The tokens that there are, by their ids.

use std::collections::HashMap;
use std::sync::Arc;

use super::token::{Token, TokenDigest};
use super::token_file::{TokenEntry, TokenFile};
use super::{Denied, Principal};

/// The tokens by their ids.
pub struct TokenTable(HashMap<String, Known>);

struct Known {
    digest: TokenDigest,
    is_revoked: bool,
    principal: Arc<Principal>,
}

impl TokenTable {
    /// Of a file.
    pub fn new(file: TokenFile) -> Self {
        let known = |entry: TokenEntry| {
            let principal = Arc::new(entry.principal());
            let is_revoked = entry.revoked.is_some();
            (entry.id, Known { digest: entry.sha256, is_revoked, principal })
        };
        Self(file.tokens.into_iter().map(known).collect())
    }

    /// Whose token it is. That it was taken back, or is expired, is told only to a client that has its
    /// secret.
    pub fn find(&self, token: &Token) -> Result<Arc<Principal>, Denied> {
        let known = self.0.get(token.id()).ok_or(Denied::Invalid)?;
        if !known.digest.is(&token.digest()) {
            return Err(Denied::Invalid);
        }
        if known.is_revoked {
            return Err(Denied::Revoked);
        }
        known.principal.clone().in_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token_file::tests::entry;

    #[test]
    fn a_token_is_found_by_its_id_and_its_secret() {
        let tokens: Vec<Token> = (0..3).map(|_| Token::random()).collect();
        let mut entries: Vec<_> = tokens.iter().map(entry).collect();
        entries[1]["expires"] = "2026-01-02T00:00:00Z".into();
        entries[2]["revoked"] = "2026-01-02T00:00:00Z".into();
        let file = serde_json::json!({ "tokens": entries }).to_string();
        let file = TokenFile::parse(file.as_bytes()).unwrap();
        let table = TokenTable::new(file);
        let found = |token: &Token| table.find(token).map(|principal| principal.name.clone());
        assert_eq!(found(&tokens[0]), Ok("shop".to_owned()));
        assert_eq!(found(&tokens[1]), Err(Denied::Expired));
        assert_eq!(found(&tokens[2]), Err(Denied::Revoked));
        assert_eq!(found(&Token::random()), Err(Denied::Invalid));
        for token in &tokens {
            let other = Token::random().expose();
            let secret = other.rsplit('_').next().unwrap();
            let forged = Token::parse(&format!("wb_{}_{secret}", token.id())).unwrap();
            assert_eq!(found(&forged), Err(Denied::Invalid));
        }
    }
}
