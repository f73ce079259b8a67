//! What a domain tells query-api about its views as they change: what clients can filter them by, and
//! what an event shows.

use std::collections::HashSet;

use crate::parameters::{self, Parameters};
use crate::projection::Stored;
use crate::{Failure, Result, Timestamp};

/// A domain whose views can be followed as they change.
pub trait Live: Send + Sync + 'static {
    /// Reads the parameters that narrow what a client is told. The caller refuses what is left over.
    fn filter(
        &self,
        parameters: &mut Parameters<'_>,
    ) -> std::result::Result<Filter, parameters::Error>;

    /// What is told of a view that has changed.
    fn show(&self, view: Stored) -> Result<Shown>;

    /// Narrows a filter to the views that belong to this owner, by a facet that all of them have.
    fn owned(&self, filter: Filter, owner: &str) -> Filter;

    /// Whether a view belongs to this owner.
    fn belongs_to(&self, view: Stored, owner: &str) -> Result<bool> {
        let shown = self.show(view)?;
        Ok(self.owned(Filter::default(), owner).fits(&shown.facets))
    }
}

/// What a view can be filtered by: a name and a value.
pub type Facet = (&'static str, String);

/// A view as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// JSON, on one line.
    pub document: Vec<u8>,
    /// When its latest event was recorded.
    pub at: Timestamp,
    /// What it can be filtered by.
    pub facets: Vec<Facet>,
}

/// Facets that a view must have, each with its value. An empty filter fits every view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter(Vec<Facet>);

impl Filter {
    /// Narrows the filter, where a value is given.
    pub fn with(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        self.0.extend(value.map(|value| (name, value.into())));
        self
    }

    /// Whether it fits every view.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it may fit one of several views, which have these facets together. Where it is false, it
    /// fits none.
    pub fn may_fit(&self, facets: &HashSet<&Facet>) -> bool {
        self.0.iter().all(|wanted| facets.contains(wanted))
    }

    /// Whether it fits a view with these facets.
    pub fn fits(&self, facets: &[Facet]) -> bool {
        self.0.iter().all(|wanted| facets.contains(wanted))
    }
}

/// A stored view that can't be read.
pub fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::permanent("telling of a view", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_fits_views_that_have_all_that_it_names() {
        let facets = [("colour", "red".to_owned()), ("size", "3".to_owned())];
        let none: Option<&str> = None;
        assert!(Filter::default().fits(&facets));
        assert_eq!(Filter::default().with("size", none), Filter::default());
        assert!(Filter::default().is_empty());
        assert!(!Filter::default().with("size", Some("3")).is_empty());
        assert!(Filter::default().with("size", Some("3")).fits(&facets));
        assert!(
            Filter::default().with("size", Some("3")).with("colour", Some("red")).fits(&facets)
        );
        assert!(
            !Filter::default().with("size", Some("3")).with("colour", Some("blue")).fits(&facets)
        );
        assert!(!Filter::default().with("weight", Some("3")).fits(&facets));
        let facets = facets.iter().collect();
        for (filter, may) in [
            (Filter::default(), true),
            (Filter::default().with("size", Some("3")), true),
            (Filter::default().with("size", Some("4")), false),
            (Filter::default().with("size", Some("3")).with("colour", Some("blue")), false),
        ] {
            assert_eq!(filter.may_fit(&facets), may, "{filter:?}");
        }
    }
}
