//! `waybill token`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kernel::{Failure, Timestamp};
use serde_json::{Value, json};
use shared::auth::token::Token;
use shared::auth::token_file::{TokenEntry, TokenFile};
use shared::auth::{Role, Roles};

use super::actor::Actor;
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

  # Who made and revoked them stays in the file, and can be forgotten after a year
  waybill audit --operations
  waybill token purge --changes-before 365d --actor alice

The token is shown once, and is not kept anywhere. docs/security.md has more.";

const NEW: &str = "\
Examples:
  waybill token new --tokens-file tokens.json --principal shop --role command --role query

  # For one customer alone, for an hour
  waybill token new --principal web --role query --customer C-00042 --expires 1h";

const LIST: &str = "\
Examples:
  waybill token list --tokens-file tokens.json";

const REVOKE: &str = "\
Examples:
  waybill token revoke 0123456789ab --tokens-file tokens.json";

const PURGE: &str = "\
Examples:
  waybill token purge --tokens-file tokens.json

  # And what is kept of changes that are older than a year
  waybill token purge --changes-before 365d --actor alice";

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The file of tokens [default: WAYBILL_TOKENS_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    #[command(flatten)]
    actor: Actor,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes a token and prints it: this once
    #[command(after_help = NEW)]
    New(New),
    /// Lists all tokens, without their secrets
    #[command(after_help = LIST)]
    List,
    /// Takes a token back
    #[command(after_help = REVOKE)]
    Revoke {
        /// The second part of the token, as `list` shows it
        id: String,
    },
    /// Removes the tokens that were revoked or are expired from the file; who made and revoked them stays
    #[command(after_help = PURGE)]
    Purge {
        /// Removes also what is kept of changes before a time: RFC 3339, or how long ago, such as 365d
        #[arg(long, value_name = "TIME", value_parser = past)]
        changes_before: Option<Timestamp>,
    },
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
    let now = Timestamp::now();
    let found = time(text, |millis| now.as_millis().saturating_add(millis));
    found.filter(|end| *end > now).ok_or_else(|| {
        format!("expected a time to come such as 12h, 90d or 2027-01-31T12:00:00Z, got {text:?}")
    })
}

/// A time that is over, or how long ago it was.
fn past(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    let found = time(text, |millis| now.as_millis().saturating_sub(millis));
    found.filter(|past| *past <= now).ok_or_else(|| {
        format!("expected a time in the past such as 365d or 2026-01-31T12:00:00Z, got {text:?}")
    })
}

/// Reads RFC 3339, or a number with a unit, which `from_now` makes a time of.
fn time(text: &str, from_now: impl FnOnce(i64) -> i64) -> Option<Timestamp> {
    let unit = |unit| match unit {
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number = text.find(|character: char| !character.is_ascii_digit()).unwrap_or_default();
    match unit(&text[number..]) {
        Some(unit) => {
            let number: i64 = text[..number].parse().ok()?;
            Some(Timestamp::from_millis(from_now(number.saturating_mul(unit))))
        }
        None => Timestamp::parse(text).ok(),
    }
}

impl Arguments {
    pub fn run(self) -> outcome::Result {
        let from_environment = || std::env::var_os("WAYBILL_TOKENS_FILE").map(PathBuf::from);
        let file = self.tokens_file.or_else(from_environment);
        let missing = || Error::Usage("expected --tokens-file, or WAYBILL_TOKENS_FILE".to_owned());
        let (file, mut output) = (file.ok_or_else(missing)?, self.format.output());
        let actor = self.actor.name();
        match self.what {
            What::New(new) => {
                let (token, entry) = new.make();
                entry.check().map_err(Error::Usage)?;
                let shown = shown(&entry);
                change(&file, |file| file.add(entry, &actor))?;
                tell(&token, shown, &mut output)
            }
            What::List => {
                let found = TokenFile::read(&file).map_err(broken)?;
                list(&found, &mut output)
            }
            What::Revoke { id } => {
                let revoked = change(&file, |file| file.revoke(&id, &actor))?;
                changed(revoked, &id, &mut output)
            }
            What::Purge { changes_before } => {
                let purge = |file: &mut TokenFile| {
                    let forget = |before| file.forget_changes(before, &actor);
                    let forgotten = changes_before.map_or(0, forget);
                    (file.purge(&actor), forgotten)
                };
                let (purged, forgotten) = change(&file, purge)?;
                told_purged(purged, forgotten, &mut output)
            }
        }
    }
}

fn broken(why: String) -> Error {
    Error::Failed(Failure::permanent("the file of tokens", why))
}

fn change<T>(file: &Path, change: impl FnOnce(&mut TokenFile) -> T) -> Result<T, Error> {
    TokenFile::change(file, |file| Ok(change(file))).map_err(broken)
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

fn changed(revoked: bool, id: &str, output: &mut Output) -> outcome::Result {
    match output.is_json() {
        true => output.document(&json!({ "id": id, "revoked": revoked }))?,
        false if revoked => output.line(format_args!("{} is revoked", plain(id)))?,
        false => output.line(format_args!("No token has the id {}", plain(id)))?,
    }
    Ok(Outcome::well_if(revoked))
}

fn told_purged(purged: usize, forgotten: usize, output: &mut Output) -> outcome::Result {
    match output.is_json() {
        true => output.document(&json!({ "purged": purged, "changes_forgotten": forgotten }))?,
        false if forgotten == 0 => output.line(format_args!("{purged} purged"))?,
        false => output.line(format_args!("{purged} purged, {forgotten} changes forgotten"))?,
    }
    Ok(Outcome::Well)
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
        assert!(past("90m").is_ok() && past("2020-01-01T00:00:00Z").is_ok());
        for bad in ["", "d", "1", "-1d", "9000-01-01T00:00:00Z"] {
            assert!(past(bad).is_err(), "{bad}");
        }
    }
}
