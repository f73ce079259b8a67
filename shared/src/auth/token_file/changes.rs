//! What was changed in a file of tokens, and by whom: kept in the file itself, so that a change and its
//! record are written at once.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

use super::{TokenEntry, TokenFile};
use crate::operation_log::Act;

/// A change of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenChange {
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What was done.
    pub act: Act,
    /// The id of the token; empty where it was no token.
    pub token: String,
    /// What was given or taken, in words.
    pub detail: String,
}

impl TokenFile {
    /// Adds a token.
    pub fn add(&mut self, entry: TokenEntry, actor: &str) {
        self.note(actor, Act::TokenNew, &entry.id, given(&entry));
        self.tokens.push(entry);
    }

    /// Takes a token back; false when there is none by this id. To take it back again changes nothing.
    pub fn revoke(&mut self, id: &str, actor: &str) -> bool {
        let Some(entry) = self.tokens.iter_mut().find(|entry| entry.id == id) else { return false };
        if entry.revoked.is_none() {
            entry.revoked = Some(Timestamp::now());
            let detail = given(entry);
            self.note(actor, Act::TokenRevoke, id, detail);
        }
        true
    }

    /// Removes the tokens that were revoked or are expired, and returns how many they were. That they
    /// were made, revoked and removed stays.
    pub fn purge(&mut self, actor: &str) -> usize {
        let all = std::mem::take(&mut self.tokens);
        let (valid, over): (Vec<_>, Vec<_>) = all.into_iter().partition(TokenEntry::is_valid);
        self.tokens = valid;
        for entry in &over {
            self.note(actor, Act::TokenPurge, &entry.id, given(entry));
        }
        over.len()
    }

    /// Removes what is kept of changes before a time, and returns how many they were. That stays.
    pub fn forget_changes(&mut self, before: Timestamp, actor: &str) -> usize {
        let all = self.changes.len();
        self.changes.retain(|change| change.at >= before);
        let forgotten = all - self.changes.len();
        if forgotten > 0 {
            let detail = format!("{forgotten} changes before {before} are forgotten");
            self.note(actor, Act::TokenPurge, "", detail);
        }
        forgotten
    }

    fn note(&mut self, actor: &str, act: Act, token: &str, detail: String) {
        self.changes.push(TokenChange {
            at: Timestamp::now(),
            actor: actor.to_owned(),
            act,
            token: token.to_owned(),
            detail,
        });
    }
}

/// Who may do what with it, as `shop: command query, of C-00042, until 2027-01-31T12:00:00.000Z`.
fn given(entry: &TokenEntry) -> String {
    let owner = entry.owner.as_ref().map_or_else(String::new, |owner| format!(", of {owner}"));
    let until = entry.expires.map_or_else(String::new, |end| format!(", until {end}"));
    format!("{}: {}{owner}{until}", entry.principal, entry.roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::Token;
    use crate::auth::token_file::tests::entry;

    fn acts(file: &TokenFile) -> Vec<(&str, Act, &str)> {
        fn act(change: &TokenChange) -> (&str, Act, &str) {
            (&change.actor, change.act, &change.token)
        }
        file.changes.iter().map(act).collect()
    }

    #[test]
    fn each_change_is_kept_with_its_actor_also_when_its_token_is_gone() {
        let mut file = TokenFile::default();
        let tokens = [Token::random(), Token::random()];
        for token in &tokens {
            file.add(serde_json::from_value(entry(token)).unwrap(), "alice");
        }
        let (one, two) = (tokens[0].id(), tokens[1].id());
        assert!(file.revoke(one, "bob") && file.revoke(one, "carol"), "once is enough");
        assert!(!file.revoke("0123456789ab", "bob"));
        assert_eq!(file.purge("carol"), 1);
        assert_eq!(file.purge("carol"), 0);
        let expected = [
            ("alice", Act::TokenNew, one),
            ("alice", Act::TokenNew, two),
            ("bob", Act::TokenRevoke, one),
            ("carol", Act::TokenPurge, one),
        ];
        assert_eq!(acts(&file), expected);
        assert_eq!(file.changes[0].detail, "shop: command");
        let read = TokenFile::parse(&serde_json::to_vec(&file).unwrap()).unwrap();
        assert_eq!(read.changes, file.changes);
        assert_eq!(file.forget_changes(Timestamp::from_millis(0), "dora"), 0);
        let later = Timestamp::from_millis(Timestamp::now().as_millis() + 1);
        assert_eq!(file.forget_changes(later, "dora"), 4);
        assert_eq!(acts(&file), [("dora", Act::TokenPurge, "")]);
    }
}
