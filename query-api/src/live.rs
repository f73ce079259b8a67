//! Changes of the views as they happen, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! The reader hands the hub what it reads. The hub collects for a moment, loads each view that has
//! changed once, and hands every stream of events what fits its filter.

mod allowance;
mod body;
mod budget;
mod catch_up;
mod event;
mod event_id;
mod hub;
mod pending;
mod queue;
mod share;
mod subscriber;
mod subscribers;
mod traced;
mod turns;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use kernel::live::Filter;
use kernel::parameters::{Parameters, bad, number};
use shared::auth::Caller;
use shared::http::problem::Problem;
use shared::http::{Answer, Client};
use warp::Reply as _;

use self::allowance::{Allowance, MAX_PER_SECOND};
pub use self::body::Body;
pub(crate) use self::event::events;
pub use self::event_id::EventId;
pub(crate) use self::hub::Hub;
pub use self::subscribers::Bounds;
use crate::Service;

/// For the reader to begin, and for reading what the client has missed.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that was cut off comes back after so many milliseconds.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// What a client asks for.
pub struct Wanted {
    /// Which views it is about.
    pub filter: Filter,
    /// Whether events show the views, or their versions alone.
    pub with_views: bool,
    /// The last event that it has seen.
    pub after: Option<EventId>,
    /// How many views a second it takes, where it does not take all.
    pub max_per_second: Option<u32>,
    /// Who asks; without it the stream is counted among all alone.
    pub client: Option<Client>,
}

impl Wanted {
    /// Narrows it to what belongs to the only owner that the client may see, and counts it as the
    /// client's.
    fn of(
        self,
        (caller, address): (&Caller, Option<IpAddr>),
        live: &dyn kernel::query::Queries,
    ) -> Self {
        let filter = match caller.owner() {
            Some(owner) => live.owned(self.filter, owner),
            None => self.filter,
        };
        Self { filter, client: Client::of(caller, address), ..self }
    }

    /// Reads the parameters and the header `Last-Event-ID`, which counts more than `after`: a browser
    /// that connects again asks at the same address.
    pub fn read(
        given: &BTreeMap<String, String>,
        last: Option<&str>,
        live: &dyn kernel::query::Queries,
    ) -> Result<Self, Problem> {
        let mut parameters = Parameters::new(given);
        let expected = "`none`, or no such parameter for the views themselves";
        let data = parameters.read("data", expected, |text| (text == "none").then_some(()))?;
        let expected = "a number from 1 to 10000";
        let fits = |number: &u32| (1..=MAX_PER_SECOND).contains(number);
        let max_per_second =
            parameters.read("max_per_second", expected, |text| number(text).filter(fits))?;
        let after = parameters.text("after");
        let filter = live.filter(&mut parameters)?;
        parameters.finish()?;
        let id = |text: &str| {
            EventId::parse(text).ok_or_else(|| bad("after", "the `id` of an event", text))
        };
        let after = after.map(id).transpose()?;
        let last = last.filter(|last| !last.is_empty()).map(id).transpose()?;
        let after = last.or(after);
        Ok(Self { filter, with_views: data.is_none(), after, max_per_second, client: None })
    }
}

/// Opens a stream. `begin_reading` sees to it that the updates are read.
pub(crate) async fn open(
    hub: &Arc<Hub>,
    wanted: Wanted,
    begin_reading: impl FnOnce(),
) -> Result<Body, Problem> {
    let Wanted { filter, with_views, after, max_per_second, client } = wanted;
    let allowance = max_per_second.map(Allowance::new);
    let (subscriber, inbox) =
        subscriber::subscriber(filter.clone(), with_views, allowance, after.is_some());
    // Before the stream is there: the breakdown that ends it is heard of, however soon it comes.
    let reading = hub.reading();
    let subscription = hub.subscribe(subscriber, client)?;
    begin_reading();
    let unread = || Problem::unavailable("The changes can't be read now; try again.");
    let (generation, place) = hub.place(reading).await.ok_or_else(unread)?;
    let id = EventId::new(&generation, place);
    let mut first = vec![bytes::Bytes::from_static(RETRY)];
    let mut missed = None;
    if let Some(after) = after {
        let why = match after.is_of(&generation) {
            false => Err("other views are live"),
            true => {
                let most = max_per_second.map_or(catch_up::MAX_STREAMS, |views| views as usize);
                let since = hub.updates_since(&after, &subscription.share).await?;
                since
                    .and_then(|since| catch_up::latest(since, most))
                    .ok_or("too much has changed since")
                    .and_then(|since| {
                        let charge = catch_up::charge(&subscription.share, &since);
                        Ok((since, charge.ok_or("too many clients come back at once")?))
                    })
            }
        };
        match why {
            Err(why) => first.push(event::reset(why, &id)?),
            Ok(since) => {
                let told = since.0.last().map_or(after.place, |(place, _)| *place);
                let (hub, share) = (hub.clone(), subscription.share.clone());
                let sent = catch_up::send((hub, share), generation, since, filter, with_views);
                missed = Some((told, sent));
            }
        }
    }
    let checkpoint = hub.checkpoint(&id.generation, None).await?;
    let (position, checkpoint) = checkpoint.unzip();
    // A client that resumes gets no id before it is told what it missed.
    let id = missed.is_none().then_some(&id);
    first.extend(checkpoint.map(|checkpoint| event::frame(&[&checkpoint], id)));
    subscription.open(position.unwrap_or_default());
    Ok(Body::new(first, missed, inbox, subscription))
}

/// Answers with a stream that ends when the client goes, is too slow, or the service stops.
pub async fn answer(
    service: &Service,
    given: &BTreeMap<String, String>,
    last: Option<&str>,
    is_head: bool,
    (caller, address): (Caller, Option<IpAddr>),
) -> Answer {
    let wanted = Wanted::read(given, last, service.queries())?;
    let wanted = wanted.of((&caller, address), service.queries());
    let mut response = match is_head {
        true => warp::reply::Response::new(bytes::Bytes::new().into()),
        false => {
            let started = tokio::time::timeout(BEGIN_TIMEOUT, service.live(wanted)).await;
            let late = "Too many read what they missed, or it can't be read; try again.";
            let body = started.map_err(|_| Problem::unavailable(late))??.while_known(caller);
            warp::reply::stream(body).into_response()
        }
    };
    let fixed = [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"), // nginx would hold events back.
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::FutureExt as _;
    use kernel::contract::ReadContract;
    use kernel::live::{Live, Shown, unreadable};
    use kernel::parameters;
    use kernel::projection::Stored;
    use kernel::query::{self, Queries, Question, Reply, Views};
    use shared::service::liveness::Liveness;
    use shared::view_store::memory::Memory;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A domain without views.
    struct Nothing;

    impl Live for Nothing {
        fn filter(&self, _: &mut Parameters<'_>) -> Result<Filter, parameters::Error> {
            Ok(Filter::default())
        }

        fn show(&self, _: Stored) -> kernel::Result<Shown> {
            Err(unreadable("there is none"))
        }

        fn owned(&self, filter: Filter, _: &str) -> Filter {
            filter
        }
    }

    #[async_trait]
    impl Queries for Nothing {
        fn contract(&self) -> ReadContract {
            ReadContract::default()
        }

        async fn answer(&self, _: &dyn Views, _: &Question) -> Result<Option<Reply>, query::Error> {
            Ok(None)
        }
    }

    /// The task of the reader runs beside the one that opens the stream.
    #[tokio::test]
    async fn a_reading_that_breaks_down_before_it_is_waited_for_is_heard_of() {
        let (views, stop) = (Arc::new(Memory::default()), CancellationToken::new());
        let bounds = (Bounds::default(), Liveness::default().work("live"));
        let hub = Arc::new(Hub::new(views, Arc::new(Nothing), stop, bounds));
        let wanted = Wanted::read(&BTreeMap::new(), None, &Nothing).unwrap();
        let opened = open(&hub, wanted, || hub.end_all()).now_or_never();
        let problem = opened.expect("it does not wait for the next reading").err();
        assert_eq!(problem.map(|problem| problem.status), Some(503));
    }
}
