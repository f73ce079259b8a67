//! The file of tokens: JSON, without any secret.

mod changes;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use kernel::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::changes::TokenChange;
use super::principal::{MAX_NAME, MAX_OWNER, Principal, Roles, is_name, is_owner};
use super::token::{TokenDigest, is_id};
use crate::http::strict_json;

/// Bytes of a file at most: room for some 1,500 tokens, and that they were made and revoked.
const MAX_BYTES: u64 = 1 << 20;

/// All tokens, and who changed them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// In the order in which they were made.
    pub tokens: Vec<TokenEntry>,
    /// Oldest first. (A file that was not made by Waybill has none.)
    #[serde(default)]
    pub changes: Vec<TokenChange>,
}

/// What is known of one token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// The second part of the token.
    pub id: String,
    /// Who shows it.
    pub principal: String,
    /// What it may be used for.
    pub roles: Roles,
    /// It is bound to what belongs to this owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// SHA-256 of the third part of the token, in hexadecimal digits.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub sha256: TokenDigest,
    /// When it was made.
    pub created: Timestamp,
    /// It is valid before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256")
    }
}

fn write_digest<S: Serializer>(digest: &TokenDigest, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(digest)
}

fn read_digest<'de, D: Deserializer<'de>>(from: D) -> Result<TokenDigest, D::Error> {
    let text = String::deserialize(from)?;
    let expected = "expected 64 hexadecimal digits in small letters as `sha256`";
    TokenDigest::parse(&text).ok_or_else(|| serde::de::Error::custom(expected))
}

impl TokenEntry {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let id = &self.id;
        let expected = |what: String| Err(format!("token {id:?}: expected {what}"));
        if !is_id(id) {
            return expected("12 hexadecimal digits in small letters as `id`".to_owned());
        }
        if !is_name(&self.principal) {
            let what = format!("`principal` of up to {MAX_NAME} letters, digits and -._@+");
            return expected(format!("{what}, and not \"anonymous\""));
        }
        if self.roles.is_empty() {
            return expected("at least one role: command, query, operate".to_owned());
        }
        if self.owner.as_deref().is_some_and(|owner| !is_owner(owner)) {
            return expected(format!("`owner` of 1 to {MAX_OWNER} printable characters"));
        }
        Ok(())
    }

    /// Whether it is neither revoked nor expired.
    pub fn is_valid(&self) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| expires > Timestamp::now())
    }

    /// Who shows it.
    pub(super) fn principal(&self) -> Principal {
        Principal {
            name: self.principal.clone(),
            roles: self.roles,
            owner: self.owner.clone(),
            expires: self.expires,
        }
    }
}

impl TokenFile {
    /// Reads the file; says why it can't be used.
    pub fn read(path: &Path) -> Result<Self, String> {
        let said = |why: String| format!("{}: {why}", path.display());
        let file = File::open(path).map_err(|error| said(error.to_string()))?;
        check_mode(&file).map_err(said)?;
        let mut text = vec![];
        let read = file.take(MAX_BYTES + 1).read_to_end(&mut text);
        read.map_err(|error| said(error.to_string()))?;
        Self::parse(&text).map_err(said)
    }

    /// Reads the text of a file.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("expected up to {MAX_BYTES} bytes"));
        }
        let json = strict_json::read(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let read: Self = serde_json::from_value(json).map_err(|error| error.to_string())?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), String> {
        let mut ids = std::collections::HashSet::new();
        for token in &self.tokens {
            token.check()?;
            if !ids.insert(&token.id) {
                return Err(format!("expected each id once, and {:?} comes twice", token.id));
            }
        }
        Ok(())
    }

    /// Changes the file, which need not be there yet: other programs see the one version or the other,
    /// and one that changes it at the same time waits. `path` may not be a symbolic link.
    pub fn change<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let broken = |error: std::io::Error| format!("{}: {error}", path.display());
        let lock = beside(path, ".lock");
        let lock = options().create(true).truncate(false).open(&lock).map_err(broken)?;
        lock.lock().map_err(broken)?;
        let there = match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                return Err(format!("{} is a link: name the file itself", path.display()));
            }
            found => found.ok(),
        };
        let mut file = if there.is_some() { Self::read(path)? } else { Self::default() };
        let done = change(&mut file)?;
        file.check()?;
        let mut text = serde_json::to_vec_pretty(&file).map_err(|error| error.to_string())?;
        text.push(b'\n');
        if text.len() as u64 > MAX_BYTES {
            return Err(format!(
                "a file of tokens has up to {MAX_BYTES} bytes: purge it of old tokens and changes first"
            ));
        }
        replace(path, &text, there.map(|there| there.permissions())).map_err(broken)?;
        Ok(done)
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// For a file that only its owner can read.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes another file, on to the disk, and gives it the name.
fn replace(
    path: &Path,
    text: &[u8],
    permissions: Option<std::fs::Permissions>,
) -> std::io::Result<()> {
    let unfinished = beside(path, &format!(".{}", std::process::id()));
    let write = || {
        let mut file = options().create(true).truncate(true).open(&unfinished)?;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
}

/// Says so where others than its owner and its group may read or write a file.
#[cfg(unix)]
pub fn check_mode(file: &File) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = file.metadata().map_err(|error| error.to_string())?.mode() & 0o777;
    match mode & 0o007 {
        0 => Ok(()),
        _ => Err(format!("others may use it (mode {mode:03o}): expected mode 600 or 640")),
    }
}

/// Not known on this system.
#[cfg(not(unix))]
pub fn check_mode(_: &File) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::auth::token::Token;

    /// A token of a file, as the file has it.
    pub(in crate::auth) fn entry(token: &Token) -> serde_json::Value {
        serde_json::json!({
            "id": token.id(), "principal": "shop", "roles": ["command"],
            "sha256": token.digest().to_string(), "created": "2026-01-01T00:00:00Z",
        })
    }

    fn read(tokens: &[serde_json::Value]) -> Result<TokenFile, String> {
        TokenFile::parse(serde_json::json!({ "tokens": tokens }).to_string().as_bytes())
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        let good = entry(&Token::random());
        assert!(read(std::slice::from_ref(&good)).is_ok());
        let told = read(&[good.clone(), good.clone()]).unwrap_err();
        assert!(told.contains("comes twice"), "{told}");
        for (field, value, expected) in [
            ("id", serde_json::json!("x"), "12 hexadecimal"),
            ("principal", "anonymous".into(), "principal"),
            ("principal", "a/b".into(), "principal"),
            ("roles", serde_json::json!([]), "role"),
            ("roles", serde_json::json!(["admin"]), "admin"),
            ("owner", "".into(), "owner"),
            ("sha256", "00".into(), "64 hexadecimal"),
            ("expires", "tomorrow".into(), "RFC 3339"),
            ("secret", "x".into(), "unknown field"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let told = read(&[bad]).unwrap_err();
            assert!(told.contains(expected), "{field}: {told}");
        }
        for bad in ["", "{}", "[]", "{\"tokens\":[],\"tokens\":[]}", "{\"tokens\":{}}"] {
            assert!(TokenFile::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let large = vec![b' '; MAX_BYTES as usize + 1];
        assert!(TokenFile::parse(&large).unwrap_err().contains("up to"));
    }
}
