//! How often a principal may ask.

use futures::future::join_all;
use shared::auth;
use shared::auth::Role::{Operate, Query};
use shared::http::rate::Rate;
use tests::client::{Answer, OrderClient};
use tests::embedded::Embedded;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tokio::time::Instant;

/// That many at once, and one more every two seconds.
const RATE: u32 = 30;

fn config(tokens: &Tokens) -> auth::Config {
    let rate = Some(Rate::parse(&format!("{RATE}/m")).unwrap());
    auth::Config { rate, ..tokens.config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_floods_is_refused_while_others_are_served() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let (shown, other) = (tokens.of("flood", &[Query]), tokens.of("flood", &[Operate]));
    let (quiet, operator) = (tokens.of("quiet", &[Query]), tokens.of("ops", &[Operate]));
    let system = Embedded::start_with(&folder, config(&tokens)).await;
    let queries = |token: &str| OrderClient::new(&with(&system.queries, token));
    let (flood, quiet, operator) = (queries(&shown), queries(&quiet), queries(&operator));
    let started = Instant::now();
    let attack = join_all((0..300).map(|_| flood.get("/orders")));
    let service = async {
        for _ in 0..RATE {
            assert_eq!(quiet.get("/orders").await.status, 200);
        }
    };
    let (answers, ()) = tokio::join!(attack, service);
    let due = started.elapsed().as_secs() / 2 + 1;
    let served = answers.iter().filter(|answer| answer.status == 200).count() as u64;
    assert!((u64::from(RATE)..=u64::from(RATE) + due).contains(&served), "{served}");
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200).collect();
    for answer in &refused {
        assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-requests"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3).contains(&wait), "{wait}");
    }
    assert_eq!(refused[0].json()["detail"], "One principal may send 30 requests per minute.");
    // A principal is the same with each of its tokens, whatever it asks for and may do.
    let others = join_all(
        (0..4)
            .map(|_| queries(&other))
            .map(|client| async move { client.get("/orders").await.status }),
    );
    assert!(others.await.contains(&429), "another of its tokens");
    assert_eq!(flood.get("/livez").await.status, 200, "probes do not count");
    let told = operator.get("/metrics").await;
    let text = String::from_utf8(told.body.to_vec()).unwrap();
    let line = text.lines().find(|line| line.contains("\"rate_per_principal\"")).unwrap();
    let counted: usize = line.split(' ').next_back().unwrap().parse().unwrap();
    assert!(counted >= refused.len(), "{line}");
    drop((flood, quiet, operator));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_does_not_use_up_the_rate_of_another() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("victim", &[Query]);
    let system = Embedded::start_with(&folder, config(&tokens)).await;
    let client = |token: &str| OrderClient::new(&with(&system.queries, token));
    // The id of its token is right, the secret is not.
    let (id, secret) = token.rsplit_once('_').unwrap();
    let forged = client(&format!("{id}_{}", secret.chars().rev().collect::<String>()));
    let attack = join_all((0..RATE * 4).map(|_| forged.get("/orders"))).await;
    assert!(attack.iter().all(|answer| answer.status == 401));
    let victim = client(&token);
    for _ in 0..RATE {
        assert_eq!(victim.get("/orders").await.status, 200);
    }
    drop((forged, victim));
    system.stop().await;
}
