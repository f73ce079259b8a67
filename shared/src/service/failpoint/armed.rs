//! The places that `FAILPOINTS` names.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static PLACES: OnceLock<Vec<Place>> = OnceLock::new();

/// A place, and how many more passes the process survives.
#[derive(Debug)]
struct Place {
    name: String,
    survived: AtomicU64,
}

impl Place {
    /// Reads `<name>=return` or `<name>=<passes>*off->return`.
    fn parse(text: &str) -> Option<Self> {
        let (name, action) = text.trim().split_once('=')?;
        let survived = match action {
            "return" => 0,
            _ => action.strip_suffix("*off->return")?.parse().ok()?,
        };
        Some(Self { name: name.to_owned(), survived: AtomicU64::new(survived) })
    }

    /// Counts a pass; true when the process does not survive it.
    fn is_last(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        self.survived.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_err()
    }
}

/// Panics on a setting that it can't read: the test that made it would wait in vain.
pub(super) fn set_up() {
    let setting = std::env::var("FAILPOINTS").unwrap_or_default();
    let places = setting.split(';').filter(|place| !place.trim().is_empty());
    let parsed =
        places.map(|it| Place::parse(it).unwrap_or_else(|| panic!("FAILPOINTS: {it:?}"))).collect();
    PLACES.get_or_init(|| parsed);
}

/// Aborts the process when `FAILPOINTS` names this place and the passes that it allows are over.
pub fn hit(name: &str) {
    let places = PLACES.get().into_iter().flatten();
    if places.filter(|place| place.name == name).any(Place::is_last) {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str) -> Option<usize> {
        let place = Place::parse(text)?;
        Some((1..).find(|_| place.is_last()).unwrap())
    }

    #[test]
    fn a_place_is_survived_as_often_as_it_says() {
        assert_eq!(passes("publish.after=20*off->return"), Some(21));
        assert_eq!(passes("publish.after=return"), Some(1));
        for bad in ["", "publish.after", "a=off", "a=x*off->return", "a=2*off", "a=2*off->panic"] {
            assert_eq!(passes(bad), None, "{bad}");
        }
    }
}
