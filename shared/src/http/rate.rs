//! How many requests each of many callers may send.

use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use lru::LruCache;

/// Callers that are known at a time; the one that was not seen for longest is forgotten first.
const CALLERS: usize = 65_536;

/// So many in a time; as many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    quota: Quota,
    unit: &'static str,
}

impl Rate {
    /// So many in a minute.
    pub const fn per_minute(requests: NonZeroU32) -> Self {
        Self { quota: Quota::per_minute(requests), unit: "minute" }
    }

    /// Reads `100/s` or `600/m`: up to 1,000,000.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("expected requests per second or minute, such as 100/s or 600/m, got {text:?}")
        };
        let (requests, unit) = text.split_once('/').ok_or_else(expected)?;
        let digits = requests.bytes().all(|byte| byte.is_ascii_digit());
        let requests: NonZeroU32 = requests.parse().map_err(|_| expected())?;
        let (quota, unit) = match unit {
            "s" => (Quota::per_second(requests), "second"),
            "m" => (Quota::per_minute(requests), "minute"),
            _ => return Err(expected()),
        };
        (digits && requests.get() <= 1_000_000).then_some(Self { quota, unit }).ok_or_else(expected)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.quota.burst_size();
        let noun = if requests.get() == 1 { "request" } else { "requests" };
        write!(f, "{requests} {noun} per {}", self.unit)
    }
}

/// Counts the requests of each key, such as an address or a principal. Takes memory for 65,536 keys at
/// most; a key that was forgotten starts afresh.
pub struct RateLimit<K: Hash + Eq + Clone> {
    rate: Rate,
    counting: Limiter<K>,
    /// Over the same states, which it does not change.
    looking: Limiter<K>,
    clock: DefaultClock,
}

type Limiter<K> = RateLimiter<K, States<K>, DefaultClock, NoOpMiddleware>;

struct States<K: Hash + Eq> {
    table: Arc<Mutex<LruCache<K, InMemoryState>>>,
    counts: bool,
}

impl<K: Hash + Eq + Clone> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.counts {
            let look = |at| decide(at).map(|(allowed, _)| allowed);
            let Some(state) = states.get(key) else { return look(None) };
            // An error leaves the state as it is.
            let looked = |at| Err::<(Infallible, Nanos), _>(look(at));
            let Err(decided) = state.measure_and_replace(&NotKeyed::NonKey, looked);
            return decided;
        }
        if !states.contains(key) && states.len() >= CALLERS {
            states.pop_lru();
        }
        let state = states.get_or_insert_ref(key, InMemoryState::default);
        state.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    /// No request counted yet.
    pub fn new(rate: Rate) -> Self {
        let table = Arc::new(Mutex::new(LruCache::unbounded()));
        let clock = DefaultClock::default();
        let limiter = |counts| {
            let states = States { table: table.clone(), counts };
            RateLimiter::new(rate.quota, states, clock.clone())
        };
        // The later one counts from a later start: to look is never stricter than to take.
        let looking = limiter(false);
        Self { rate, counting: limiter(true), looking, clock }
    }

    /// Counts a request; where there are too many it says how long to wait.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        let taken = self.counting.check_key(key);
        taken.map_err(|early| early.wait_time_from(self.clock.now()))
    }

    /// Says what `take` would, and counts nothing.
    pub fn look(&self, key: &K) -> Result<(), Duration> {
        let looked = self.looking.check_key(key);
        looked.map_err(|early| early.wait_time_from(self.clock.now()))
    }

    /// What is allowed.
    pub fn rate(&self) -> Rate {
        self.rate
    }
}

/// Those who have an address of IPv6 usually have a whole /64 of them, which counts as one.
pub fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_time() {
        for (text, written) in [
            ("1/s", "1 request per second"),
            ("100/s", "100 requests per second"),
            ("600/m", "600 requests per minute"),
            ("1000000/s", "1000000 requests per second"),
        ] {
            assert_eq!(Rate::parse(text).map(|rate| rate.to_string()).as_deref(), Ok(written));
        }
        for bad in ["", "100", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "1/h", "1/ s", "1000001/s"] {
            assert!(Rate::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_caller_has_a_rate_of_its_own() {
        let limit = RateLimit::new(Rate::parse("3/m").unwrap());
        let taken = |caller: &str| limit.take(&caller.to_owned());
        for caller in ["a", "b"] {
            assert!((0..3).all(|_| taken(caller).is_ok()));
            let wait = taken(caller).unwrap_err();
            assert!(wait > Duration::from_secs(10) && wait <= Duration::from_secs(20), "{wait:?}");
        }
    }

    #[test]
    fn as_many_callers_are_kept_as_there_is_memory_for() {
        let limit = RateLimit::new(Rate::parse("1/m").unwrap());
        let flood = u32::try_from(CALLERS).unwrap() * 2;
        for caller in 0..flood {
            assert_eq!(limit.take(&caller), Ok(()));
        }
        assert!(limit.look(&0).is_ok() && limit.look(&(flood - 1)).is_err());
        let States { table, .. } = limit.counting.into_state_store();
        assert_eq!(table.lock().unwrap().len(), CALLERS);
    }

    #[test]
    fn to_look_counts_nothing() {
        let limit = RateLimit::new(Rate::parse("2/m").unwrap());
        for allowed in [true, true, false] {
            for _ in 0..10 {
                assert_eq!(limit.look(&"a").is_ok(), allowed);
            }
            assert_eq!(limit.take(&"a").is_ok(), allowed);
        }
        let wait = limit.look(&"a").unwrap_err();
        assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
        assert!(limit.look(&"b").is_ok());
    }

    #[test]
    fn addresses_that_one_caller_has_count_as_one() {
        let of = |text: &str| caller(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }
}
