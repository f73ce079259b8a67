//! JSON Web Tokens of an identity provider (RFC 7519, RFC 9068): signed by a key of a set (RFC 7517) that
//! a file or the provider's own URL holds, with an algorithm that is configured and that fits the key.
//! What is read of the token's own header is which of the keys it names, and nothing else that decides
//! (RFC 8725).

mod claims;
mod config;
mod fetch;
mod keys;
mod remote;
mod verifier;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Failure, Result};
use tokio::sync::Semaphore;

pub use self::claims::Claims;
pub use self::config::Config;
use self::remote::Remote;
pub use self::verifier::Verifier;
use super::watched::Watched;
use super::{Denied, Found, JWKS_FILE, KEYS, KEYS_READABLE, KeySource, Turn};
use crate::service::health::Health;

/// Tells how many keys are in use from now on.
fn count(verifier: &Verifier) {
    KEYS.set(f64::from(u32::try_from(verifier.number_of_keys()).unwrap_or(u32::MAX)));
}

/// For how long a token waits for its turn to be checked.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Finds out whose a token is, by the keys that the provider has at the moment.
pub struct Keyring {
    source: Source,
    /// For the signatures that are checked at a time: on half of the processors.
    checks: Arc<Semaphore>,
}

enum Source {
    /// A file, which is read again when it changes.
    File(Watched<Verifier>),
    /// A URL, which is asked again now and then.
    Url(Box<Remote>),
}

impl Keyring {
    /// Reads the file, which has to be there. A URL is asked later: `health` says that its keys are
    /// waited for.
    pub fn new(config: &Config, health: &Health) -> Result<Self> {
        let source = match &config.keys {
            KeySource::File(path) => {
                let config = config.clone();
                let read = move |path: &Path| Verifier::read(&config, path).inspect(count);
                let file = Watched::read(path, Arc::new(read), &KEYS_READABLE);
                let what = format!("reading {JWKS_FILE}");
                Source::File(file.map_err(|why| Failure::permanent(&what, why))?)
            }
            KeySource::Url(url) => Source::Url(Remote::new(config, url, health)?.into()),
        };
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self { source, checks: Arc::new(Semaphore::new((processors / 2).max(1))) })
    }

    /// Keeps the keys as the provider has them.
    pub async fn follow(&self) {
        match &self.source {
            Source::File(file) => file.follow().await,
            Source::Url(url) => url.follow().await,
        }
    }

    fn verifier(&self) -> std::result::Result<Arc<Verifier>, Denied> {
        match &self.source {
            Source::File(file) => Ok(file.current()),
            Source::Url(url) => url.verifier().ok_or(Denied::Unavailable),
        }
    }

    /// Whose token it is, where that takes no check of its signature; else none. One that names a key that
    /// is not known is refused, and makes the next fetch of a URL come early.
    pub fn look(&self, token: &str) -> Option<Found> {
        let verifier = match self.verifier() {
            Ok(verifier) => verifier,
            Err(denied) => return Some(Err(denied)),
        };
        let looked = verifier.look(token);
        if let Source::Url(url) = &self.source
            && looked == Some(Err(Denied::Invalid))
            && verifier.lacks_key_of(token)
        {
            url.want_other_keys();
        }
        looked
    }

    /// A turn for the check of a signature: strangers can cause no more of that work at a time.
    pub async fn turn(&self) -> std::result::Result<Turn, Denied> {
        let turn = self.checks.clone().acquire_owned();
        match tokio::time::timeout(TURN_TIMEOUT, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Denied::Busy),
        }
    }

    /// Whose token it is. The signature of one that is not known is checked by another thread. `in_vain` is
    /// called where it is none that is taken, before the turn is over, and also where the caller does not
    /// wait for the outcome.
    pub async fn check(
        &self,
        token: &str,
        turn: Turn,
        in_vain: impl FnOnce() + Send + 'static,
    ) -> Found {
        let (verifier, token) = (self.verifier()?, token.to_owned());
        let check = move || {
            let found = verifier.find(&token);
            if found == Err(Denied::Invalid) {
                in_vain();
            }
            drop(turn);
            found
        };
        tokio::task::spawn_blocking(check).await.unwrap_or(Err(Denied::Busy))
    }

    /// The number of the keys that are in use; none before there are any.
    pub fn number(&self) -> Option<u64> {
        self.verifier().ok().map(|verifier| verifier.number())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures::future::join_all;
    use jsonwebtoken::Algorithm;

    use super::*;
    use crate::auth::{Authenticator, Caller};
    use crate::http::Guard;
    use crate::http::access::AccessTable;
    use crate::http::rate::Rate;

    const KEYS: &str = concat!(
        r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"ec","#,
        r#""x":"m5O1rm_M9-fkI1OgCnsAXeKooD4swMDSsivpzrr43F0","#,
        r#""y":"rEWONvYSr-YlxwsxuJoj0BEku7wgKV7NcrNhQmsjbH8"}]}"#,
    );
    /// Signed by that key. It ends in the year 2100.
    const GOOD: &str = concat!(
        "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIn0.",
        "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFubiIsImV4cCI6NDEwMjQ0NDgwMCwicm9sZXMiOiJxdWVyeSJ9.",
        "I0Dd45ffLv8rvDHgDGe1Gz_0ihobHUMYtc0OI3M3gJeXU3NlagTAn_YayMRglvJtX3FIPT-OP13wRJVjN86NWQ",
    );
    /// The same, but it has ended in 1970.
    const EXPIRED: &str = concat!(
        "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIn0.",
        "eyJpc3MiOiJpIiwiYXVkIjoiYSIsInN1YiI6ImFubiIsImV4cCI6MSwicm9sZXMiOiJxdWVyeSJ9.",
        "YbDq1chsYytxxr0ix2giVPMAo-4zDVIKpC7qNiDrRMRj4CYsgUc8Fo75dtKlEx2GlFWEp4GvA1jc2PCy4_DRYQ",
    );

    fn keyring() -> Keyring {
        let config = Config {
            keys: KeySource::File("jwks.json".into()),
            issuer: "i".to_owned(),
            audience: "a".to_owned(),
            algorithms: vec![Algorithm::ES256],
            leeway: Duration::ZERO,
            claims: Claims { roles: "roles".to_owned(), prefix: String::new(), owner: None },
        };
        let read = move |_: &Path| Verifier::new(&config, KEYS.as_bytes());
        let file = Watched::read(Path::new("jwks.json"), Arc::new(read), &KEYS_READABLE).unwrap();
        Keyring { source: Source::File(file), checks: Arc::new(Semaphore::new(1)) }
    }

    fn forged() -> String {
        let (signed, _) = GOOD.rsplit_once('.').unwrap();
        format!("{signed}.{}", "A".repeat(86))
    }

    async fn checked(keyring: &Keyring, token: &str) -> Found {
        keyring.check(token, keyring.turn().await?, || {}).await
    }

    /// Takes JWTs by this keyring. One credential of an address may fail.
    fn authenticator(keyring: Keyring) -> Arc<Authenticator> {
        let sign_in_failures = Some(Rate::parse("1/m").unwrap());
        let jwt = Some(keyring);
        Arc::new(Authenticator { tokens: None, jwt, rate: None, sign_in_failures })
    }

    fn guard(keyring: Keyring) -> Guard {
        Guard::new(authenticator(keyring), Arc::new(AccessTable::new(&[])))
    }

    /// The type of the problem that a sign-in with this token has.
    async fn problem_of(guard: &Guard, token: &str) -> String {
        let address = IpAddr::from([192, 0, 2, 1]);
        guard.sign_in(address, token).await.unwrap_err().r#type.to_string()
    }

    #[tokio::test]
    async fn a_signature_waits_for_its_turn_and_a_token_that_is_known_does_not() {
        let keyring = keyring();
        let forged = forged();
        assert!(keyring.look(GOOD).is_none() && keyring.look(&forged).is_none());
        assert_eq!(keyring.look("no.token.at-all"), Some(Err(Denied::Invalid)));
        assert_eq!(checked(&keyring, GOOD).await.unwrap().name, "jwt:ann");
        assert_eq!(checked(&keyring, &forged).await, Err(Denied::Invalid));
        let turn = keyring.turn().await.unwrap();
        tokio::time::pause();
        assert_eq!(checked(&keyring, &forged).await, Err(Denied::Busy));
        assert!(keyring.look(GOOD).is_some_and(|known| known.is_ok()));
        drop(turn);
        assert_eq!(keyring.checks.available_permits(), 1, "it does not wait any more");
    }
    #[tokio::test]
    async fn a_token_that_has_ended_is_known_once_its_signature_was_checked() {
        let keyring = keyring();
        assert!(keyring.look(EXPIRED).is_none());
        assert_eq!(checked(&keyring, EXPIRED).await, Err(Denied::Expired));
        assert_eq!(keyring.look(EXPIRED), Some(Err(Denied::Expired)));
    }
    #[tokio::test]
    async fn of_tokens_that_wait_none_is_checked_once_their_address_has_failed_too_often() {
        let (keyring, forged) = (keyring(), forged());
        let turn = keyring.turn().await.unwrap();
        let guard = guard(keyring);
        let mut all = std::pin::pin!(join_all((0..50).map(|_| problem_of(&guard, &forged))));
        assert!(futures::poll!(&mut all).is_pending(), "all of them wait");
        drop(turn);
        let problems = all.await;
        let of = |name: &str| problems.iter().filter(|it| it.ends_with(name)).count();
        assert_eq!((of("/unauthorized"), of("/too-many-requests")), (1, 49), "{problems:?}");
    }

    #[tokio::test]
    async fn a_token_that_fails_counts_also_where_its_client_has_left() {
        let (keyring, forged) = (keyring(), forged());
        let (checks, guard) = (keyring.checks.clone(), guard(keyring));
        {
            let mut left = std::pin::pin!(problem_of(&guard, &forged));
            drop(futures::poll!(&mut left)); // It has its turn.
        }
        drop(checks.acquire().await.unwrap()); // That is over.
        assert!(problem_of(&guard, &forged).await.ends_with("/too-many-requests"));
    }
    #[tokio::test]
    async fn the_signature_of_a_client_that_goes_on_is_checked_once_for_the_same_keys() {
        let keyring = keyring();
        let (verifier, checks) = (keyring.verifier().unwrap(), keyring.checks.clone());
        let authenticator = authenticator(keyring);
        let principal = authenticator.find(GOOD).await.unwrap();
        let caller = Caller::known(principal, GOOD.into(), &authenticator);
        assert_eq!(caller.is_still_known(), Some(true));
        verifier.forget();
        assert_eq!(caller.is_still_known(), None, "it may be of other keys");
        let again = caller.clone().again().await.unwrap();
        verifier.forget();
        assert_eq!(again.is_still_known(), Some(true));
        // Another one waits for its turn, which does not come.
        let turn = checks.acquire().await.unwrap();
        tokio::time::pause();
        assert!(caller.again().await.is_none());
        assert_eq!(again.is_still_known(), Some(true));
        drop(turn);
    }
}
