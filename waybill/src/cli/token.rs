//! `waybill token`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kernel::{Failure, Timestamp};
use serde_json::{Value, json};
use shared::auth::token::Token;
use shared::auth::token_file::{TokenEntry, TokenFile};
use shared::auth::{Role, Roles};

use crate::outcome::{self, Error, Outcome};
use crate::output::{Format, Output, Table, left, plain, say};

pub const HELP: &str = "\
Examples:
  # For the shop's backend: it sends commands and reads all views
  waybill token new --tokens-file tokens.json --principal shop --role command --role query

  # For a page of one customer, for an hour
  waybill token new --principal web --role query --customer C-00042 --expires 1h

  # What there is, and an end of one; services notice within two seconds
  waybill token list
  waybill token revoke 0123456789ab
  waybill token purge

The token is shown once, and is not kept anywhere. docs/security.md has more.";

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The file of tokens [default: WAYBILL_TOKENS_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes a token and prints it: this once
    New(New),
    /// Lists all tokens, without their secrets
    List,
    /// Takes a token back
    Revoke {
        /// The second part of the token, as `list` shows it
        id: String,
    },
    /// Removes the tokens that were revoked or are expired from the file
    Purge,
}

#[derive(Debug, Args)]
struct New {
    /// Who shows it: stands in the events of its commands
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// What it may be used for: command, query or operate; may be given several times
    #[arg(long, required = true, value_name = "ROLE", value_parser = role)]
    role: Vec<Role>,
    /// It sees and changes the orders of this customer alone
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// For how long it is valid, such as 12h or 90d, or until when: RFC 3339; for ever, without it
    #[arg(long, value_name = "TIME", value_parser = end)]
    expires: Option<Timestamp>,
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "expected command, query or operate".to_owned())
}

/// A time to come, or how long it is until then.
fn end(text: &str) -> Result<Timestamp, String> {
    let expected = || {
        format!("expected a time to come such as 12h, 90d or 2027-01-31T12:00:00Z, got {text:?}")
    };
    let unit = |unit| match unit {
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let now = Timestamp::now().as_millis();
    let number = text.find(|character: char| !character.is_ascii_digit()).unwrap_or_default();
    let end = match unit(&text[number..]) {
        Some(unit) => {
            let number: i64 = text[..number].parse().map_err(|_| expected())?;
            Timestamp::from_millis(number.saturating_mul(unit).saturating_add(now))
        }
        None => Timestamp::parse(text).map_err(|_| expected())?,
    };
    if end.as_millis() > now { Ok(end) } else { Err(expected()) }
}

impl Arguments {
    pub fn run(self) -> outcome::Result {
        let from_environment = || std::env::var_os("WAYBILL_TOKENS_FILE").map(PathBuf::from);
        let file = self.tokens_file.or_else(from_environment);
        let missing = || Error::Usage("expected --tokens-file, or WAYBILL_TOKENS_FILE".to_owned());
        let (file, mut output) = (file.ok_or_else(missing)?, self.format.output());
        let broken = |why: String| Error::Failed(Failure::permanent("the file of tokens", why));
        match self.what {
            What::New(new) => {
                let (token, entry) = new.make();
                entry.check().map_err(Error::Usage)?;
                let shown = shown(&entry);
                let add = |file: &mut TokenFile| {
                    file.tokens.push(entry);
                    Ok(())
                };
                TokenFile::change(&file, add).map_err(broken)?;
                tell(&token, shown, &mut output)
            }
            What::List => {
                let found = TokenFile::read(&file).map_err(broken)?;
                list(&found, &mut output)
            }
            What::Revoke { id } => {
                let revoked = TokenFile::change(&file, |file| Ok(revoke(file, &id)));
                changed(revoked.map_err(broken)?, &id, &mut output)
            }
            What::Purge => {
                let purged = TokenFile::change(&file, |file| Ok(purge(file))).map_err(broken)?;
                match output.is_json() {
                    true => output.document(&json!({ "purged": purged }))?,
                    false => output.line(format_args!("{purged} purged"))?,
                }
                Ok(Outcome::Well)
            }
        }
    }
}

impl New {
    fn make(self) -> (Token, TokenEntry) {
        let token = Token::random();
        let entry = TokenEntry {
            id: token.id().to_owned(),
            principal: self.principal,
            roles: Roles::of(&self.role),
            owner: self.customer,
            sha256: token.digest(),
            created: Timestamp::now(),
            expires: self.expires,
            revoked: None,
        };
        (token, entry)
    }
}

fn tell(token: &Token, mut shown: Value, output: &mut Output) -> outcome::Result {
    if output.is_json() {
        shown["token"] = token.expose().into();
        output.document(&shown)?;
        return Ok(Outcome::Well);
    }
    output.line(token.expose())?;
    say("It is shown this once. Clients send it as `Authorization: Bearer <token>`.");
    Ok(Outcome::Well)
}

/// What may be shown of a token.
fn shown(entry: &TokenEntry) -> Value {
    json!({
        "id": entry.id, "principal": entry.principal, "roles": entry.roles, "customer": entry.owner,
        "created": entry.created, "expires": entry.expires, "revoked": entry.revoked,
        "state": state(entry),
    })
}

fn state(entry: &TokenEntry) -> &'static str {
    match (entry.revoked, entry.expires) {
        (Some(_), _) => "revoked",
        (None, Some(expires)) if expires <= Timestamp::now() => "expired",
        _ => "valid",
    }
}

fn list(file: &TokenFile, output: &mut Output) -> outcome::Result {
    if output.is_json() {
        let items: Vec<Value> = file.tokens.iter().map(shown).collect();
        output.document(&json!({ "items": items }))?;
        return Ok(Outcome::Well);
    }
    let columns = ["ID", "PRINCIPAL", "ROLES", "CUSTOMER", "CREATED", "EXPIRES", "STATE"].map(left);
    let mut table = Table::new(&columns);
    for entry in &file.tokens {
        let owner = entry.owner.as_deref().unwrap_or("all");
        let expires = entry.expires.map_or_else(|| "never".to_owned(), |time| time.to_string());
        let (roles, state) = (entry.roles, state(entry));
        let TokenEntry { id, principal, created, .. } = entry;
        table.row([id, principal, &roles, &owner, created, &expires, &state]);
    }
    output.table(&table)?;
    Ok(Outcome::Well)
}

/// Whether there was one by this id.
fn revoke(file: &mut TokenFile, id: &str) -> bool {
    let found = file.tokens.iter_mut().find(|entry| entry.id == id);
    if let Some(entry) = found {
        entry.revoked = entry.revoked.or(Some(Timestamp::now()));
        return true;
    }
    false
}

fn changed(revoked: bool, id: &str, output: &mut Output) -> outcome::Result {
    match output.is_json() {
        true => output.document(&json!({ "id": id, "revoked": revoked }))?,
        false if revoked => output.line(format_args!("{} is revoked", plain(id)))?,
        false => output.line(format_args!("No token has the id {}", plain(id)))?,
    }
    Ok(Outcome::well_if(revoked))
}

fn purge(file: &mut TokenFile) -> usize {
    let before = file.tokens.len();
    file.tokens.retain(|entry| state(entry) == "valid");
    before - file.tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_to_come() {
        let now = Timestamp::now().as_millis();
        let minutes = (end("90m").unwrap().as_millis() - now) / 60_000;
        assert!((89..=91).contains(&minutes), "{minutes}");
        assert!(end("9000-01-01T00:00:00Z").is_ok());
        for bad in ["", "0d", "d", "1", "1y", "-1d", "2020-01-01T00:00:00Z", "tomorrow", "1ä"] {
            assert!(end(bad).is_err(), "{bad}");
        }
    }
}
