//! `Prefer: wait=<seconds>` (RFC 7240, section 4.3).

use std::time::Duration;

/// The longest wait that a client may ask for.
const MAX: Duration = Duration::from_secs(30);

/// The seconds asked for, cut to the maximum; `None` without a readable preference.
pub fn preferred(prefer: Option<&str>) -> Option<Duration> {
    let seconds = prefer?.split([',', ';']).find_map(|one| one.trim().strip_prefix("wait="))?;
    let seconds: u64 = seconds.trim().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preference_is_found_among_others_and_cut() {
        assert_eq!(preferred(Some("respond-async, wait=5")), Some(Duration::from_secs(5)));
        assert_eq!(preferred(Some("wait=3600")), Some(MAX));
        assert_eq!(preferred(Some("wait=soon")), None);
        assert_eq!(preferred(None), None);
    }
}
