//! A file of tokens, and the tokens in it.

use std::path::PathBuf;

use kernel::Timestamp;
use shared::auth::token::Token;
use shared::auth::token_file::{TokenEntry, TokenFile};
use shared::auth::{self, Role, Roles};
use waybill::client::{BearerToken, Client};

use crate::stores::TempDir;

/// The owner that bound tokens have, unless a test names another: the customer of the examples.
pub const OWNER: &str = "C-00042";

/// A file in a folder of its own.
#[derive(Default)]
pub struct Tokens(TempDir);

/// What a token may do.
pub struct Grant<'a> {
    pub principal: &'a str,
    pub roles: &'a [Role],
    pub owner: Option<&'a str>,
    pub expires: Option<Timestamp>,
}

impl Tokens {
    pub fn file(&self) -> PathBuf {
        self.0.0.join("tokens.json")
    }

    pub fn config(&self) -> auth::Config {
        auth::Config { tokens: Some(self.file()), jwt: None }
    }

    /// Adds a token, and returns it.
    pub fn add(&self, grant: Grant<'_>) -> String {
        let token = Token::random();
        let entry = TokenEntry {
            id: token.id().to_owned(),
            principal: grant.principal.to_owned(),
            roles: Roles::of(grant.roles),
            owner: grant.owner.map(str::to_owned),
            sha256: token.digest(),
            created: Timestamp::now(),
            expires: grant.expires,
            revoked: None,
        };
        let add = |file: &mut TokenFile| {
            file.add(entry, "tester");
            Ok(())
        };
        TokenFile::change(&self.file(), add).unwrap();
        token.expose()
    }

    /// A token of a principal that may see everything.
    pub fn of(&self, principal: &str, roles: &[Role]) -> String {
        self.add(Grant { principal, roles, owner: None, expires: None })
    }

    /// A token that is bound to an owner.
    pub fn bound(&self, owner: &str, roles: &[Role]) -> String {
        self.add(Grant { principal: "bound", roles, owner: Some(owner), expires: None })
    }

    pub fn revoke(&self, token: &str) {
        let id = Token::parse(token).unwrap().id().to_owned();
        assert!(TokenFile::change(&self.file(), |file| Ok(file.revoke(&id, "tester"))).unwrap());
    }
}

/// A client that shows this token.
pub fn with(client: &Client, token: &str) -> Client {
    client.clone().with_token(&BearerToken::parse(token).unwrap())
}
