//! Changes that a bound principal is told of.

use std::time::Duration;

use shared::auth::Role::{self, Query};
use tests::live::LiveClient;
use tests::tokens::Tokens;

use super::One;
use crate::whole::auth::Three;

/// The stream tells its own, and ends soon after the token is revoked.
pub(super) async fn changes_are_its_own(system: &Three, tokens: &Tokens) {
    let all = One::new(system, &tokens.of("shop", &Role::ALL));
    let token = tokens.bound("live", &[Query]);
    all.until_known().await;
    One::new(system, &token).until_known().await;
    let open = |path| LiveClient::open_with(&system.queries, path, &token, None);
    let (mut live, mut other) = (open("/live").await, open("/live?customer_id=theirs").await);
    all.create("theirs").await;
    let created = all.create("live").await;
    let told = live.next("view").await;
    assert_eq!(told.data["view"]["customer_id"], "live", "{told:?}");
    assert_eq!(told.data["stream"], format!("order-{}", created.order_id()));
    what_it_missed_is_its_own(system, &all, &token, &told.id).await;
    tokens.revoke(&token);
    let ended = async {
        while let Some(event) = live.try_next().await {
            let is_own = event.data["view"]["customer_id"] == "live";
            assert!(is_own || event.name != "view", "{event:?}");
        }
        while let Some(event) = other.try_next().await {
            assert_ne!(event.name, "view", "{event:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(40), ended).await.expect("the streams end");
}

/// A stream that resumes, by the header or by the parameter, tells what the owner missed of its own.
async fn what_it_missed_is_its_own(system: &Three, all: &One, token: &str, last: &str) {
    let theirs = all.create("theirs").await;
    let paid = all.commands.pay(theirs.order_id(), 500).await;
    let own = all.create("live").await;
    for (order, told) in [(&theirs, &paid), (&own, &own)] {
        let seen = all.queries.with_token(told.token()).waiting(30);
        assert_eq!(seen.order(order.order_id()).await.status, 200);
    }
    for (path, last) in [("/live".to_owned(), Some(last)), (format!("/live?after={last}"), None)] {
        let mut live = LiveClient::open_with(&system.queries, &path, token, last).await;
        let missed = live.next("view").await;
        assert_eq!(missed.data["stream"], format!("order-{}", own.order_id()), "{path}");
        // Changes that are told later come behind all that was missed.
        let later = all.create("live").await;
        let later = format!("order-{}", later.order_id());
        loop {
            let told = live.next("view").await;
            assert_eq!(told.data["view"]["customer_id"], "live", "{path}: {told:?}");
            if told.data["stream"] == later.as_str() {
                break;
            }
        }
    }
}
