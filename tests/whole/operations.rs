//! What operators do is kept with who they are.

use http::Method;
use serde_json::{Value, json};
use shared::auth::Role::{Operate, Query};
use tests::embedded::Embedded;
use tests::operators::{acts, ask, status, told};
use tests::program::CommandLine;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tests::until;
use uuid::Uuid;
use waybill::client::Client;

/// Two operators act on a system that asks for tokens.
async fn acts_are_listed_with_their_actors(projector: &Client, tokens: &Tokens) {
    let [alice, bob] = ["alice", "bob"].map(|name| with(projector, &tokens.of(name, &[Operate])));
    let reader = with(projector, &tokens.of("reader", &[Query]));
    until("the tokens are known", || async {
        (status(&reader, Method::GET, "/operations").await == 403).then_some(())
    })
    .await;
    let before = acts(&alice, 50).await;
    let nothing = Uuid::now_v7();
    let begun = ask(&alice, Method::POST, "/rebuild").await;
    assert_eq!(begun.status.as_u16(), 202);
    let generation = begun.json().unwrap()["id"].clone();
    assert_eq!(status(&bob, Method::POST, "/parked/order-x/retry").await, 404);
    assert_eq!(status(&alice, Method::DELETE, &format!("/dead-letters/{nothing}")).await, 404);
    // Neither what a role does not allow, nor what can't be an act.
    assert_eq!(status(&reader, Method::POST, "/rebuild").await, 403);
    assert_eq!(status(&bob, Method::DELETE, "/dead-letters/x").await, 400);
    let elsewhere = [("origin", "https://elsewhere.example")];
    let refused = bob.send(Method::POST, "/log/renew", &elsewhere, "").await.unwrap();
    assert_eq!(refused.status.as_u16(), 403);
    let renewed = ask(&bob, Method::POST, "/log/renew").await.json().unwrap();
    let found = acts(&bob, 1).await;
    assert_eq!(found, acts(&bob, 1_000).await);
    let new = &found[..found.len() - before.len()];
    let expected = [
        ["bob", "log-renew", "done"],
        ["alice", "dead-letters-discard", "refused"],
        ["bob", "parked-retry", "refused"],
        ["alice", "rebuild", "done"],
    ];
    assert_eq!(json!(told(new)), json!(expected));
    let subjects: Vec<&Value> = new[1..].iter().map(|act| &act["subject"]).collect();
    assert_eq!(subjects, [&json!(nothing), &json!("order-x"), &generation]);
    let log = renewed["log"].as_str().unwrap();
    assert!(new[0]["outcome"]["detail"].as_str().unwrap().contains(log), "{}", new[0]);
    for act in new {
        assert_eq!(act["service"], "projector");
        let [begun, ended] = [&act["at"], &act["outcome"]["at"]].map(|at| at.as_str().unwrap());
        assert!(begun <= ended, "{act}");
    }
    for bad in ["limit=0", "limit=1001", "cursor=x", "after=1"] {
        assert_eq!(status(&bob, Method::GET, &format!("/operations?{bad}")).await, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_on_the_embedded_mode_are_listed_with_their_actors_also_after_a_restart() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("first", &[Operate]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    acts_are_listed_with_their_actors(&system.operations, &tokens).await;
    let before = acts(&with(&system.operations, &token), 50).await;
    system.stop().await;
    let system = Embedded::start_with(&folder, tokens.config()).await;
    assert_eq!(acts(&with(&system.operations, &token), 50).await, before);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_on_the_services_are_listed_with_their_actors_by_each_projector() {
    let tokens = Tokens::default();
    let token = tokens.of("first", &[Operate]);
    let file = tokens.file().display().to_string();
    let more = [("WAYBILL_TOKENS_FILE".to_owned(), file)];
    let system = System::start_with(&Urls::of_the_run(), &more, 1, 2).await;
    acts_are_listed_with_their_actors(&system.projectors[0].client, &tokens).await;
    let [one, two] = [0, 1].map(|index| with(&system.projectors[index].client, &token));
    assert_eq!(acts(&one, 50).await, acts(&two, 3).await);
    system.until_relayed().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_lists_acts_and_changes_of_tokens_together_newest_first() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("alice", &[Operate]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let bare = CommandLine::of(&system.commands, &system.queries, &system.operations)
        .with("WAYBILL_TOKEN", &token);
    let waybill = bare.clone().with("WAYBILL_TOKENS_FILE", &tokens.file().display().to_string());
    assert_eq!(waybill.run("rebuild").await.code, Some(0));
    let made = waybill.run("token new --principal web --role query --actor carol --json").await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(waybill.run(&format!("token revoke {id}")).await.code, Some(0));
    assert_eq!(waybill.run("parked retry order-x").await.code, Some(1));
    assert_eq!(waybill.run("token purge --actor carol").await.code, Some(0));
    let listed = waybill.run("audit --operations --json").await.json_lines();
    let acts: Vec<_> = listed.iter().map(|act| act["act"].as_str().unwrap()).collect();
    let expected =
        ["token-purge", "parked-retry", "token-revoke", "token-new", "rebuild", "token-new"];
    assert_eq!(acts, expected);
    let user = listed[2]["actor"].as_str().unwrap();
    assert!(user.starts_with("user:") && user.len() > 5, "{user}");
    let actors = [0, 1, 3, 4, 5].map(|index| listed[index]["actor"].as_str().unwrap());
    assert_eq!(actors, ["carol", "alice", "carol", "alice", "tester"]);
    for index in [0, 2, 3] {
        assert_eq!(listed[index]["subject"], *id);
        assert_eq!(listed[index]["outcome"]["detail"], "web: query");
    }
    let text = waybill.run("audit --operations --limit 2").await.stdout;
    assert!(text.contains("token-purge") && text.contains("it is not parked"), "{text}");
    assert!(!text.contains("rebuild") && text.contains("the newest 2 acts"), "{text}");
    let without = bare.run("audit --operations").await;
    assert!(without.stdout.ends_with("2 acts\n"), "{without:?}");
    assert!(without.stderr.contains("--tokens-file"), "{without:?}");
    let forgotten = waybill.run("token purge --changes-before 0m --json").await.json();
    assert_eq!(forgotten, json!({ "purged": 0, "changes_forgotten": 4 }));
    let listed = waybill.run("audit --operations --json --limit 1").await.json();
    assert!(listed["outcome"]["detail"].as_str().unwrap().starts_with("4 changes before"));
    for (line, code) in [
        ("audit", 2),
        ("audit x --operations", 2),
        ("audit x --limit 3", 2),
        ("audit --operations --limit 0", 2),
        ("audit --operations --tokens-file /nowhere/tokens.json", 3),
        ("token purge --actor a:b", 2),
    ] {
        assert_eq!(waybill.run(line).await.code, Some(code), "{line}");
    }
    system.stop().await;
}
