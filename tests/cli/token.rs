//! `waybill token`, and every command against services that ask who their clients are.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use shared::auth::Role;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::program::CommandLine;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tests::until;
use waybill::client::Client;

fn mode(file: &std::path::Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_revoked_while_the_services_run() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let file = tokens.file();
    let waybill = CommandLine::default().with("WAYBILL_TOKENS_FILE", &file.display().to_string());
    let made = waybill.run("token new --principal shop --role command --role query --json").await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(mode(&file), 0o600);
    let (shop, shop_id) = (made.json()["token"].clone(), made.json()["id"].clone());
    let kept = std::fs::read_to_string(&file).unwrap();
    let secret = shop.as_str().unwrap().rsplit('_').next().unwrap();
    assert!(!kept.contains(secret), "the secret is kept nowhere: {kept}");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let made =
        waybill.run("token new --principal web --role query --customer c --expires 1h").await;
    assert_eq!((made.code, made.stdout.lines().count()), (Some(0), 1), "{made:?}");
    let web = made.stdout.trim().to_owned();
    assert!(made.stderr.contains("this once"), "{made:?}");
    assert_eq!(mode(&file), 0o640, "the mode is kept");

    let listed = waybill.run("token list --json").await;
    assert!(!listed.stdout.contains(secret) && !listed.stdout.contains("sha256"), "{listed:?}");
    let items = listed.json()["items"].clone();
    let of = |field: &str| [items[0][field].clone(), items[1][field].clone()];
    assert_eq!(of("principal"), ["shop", "web"]);
    assert_eq!(of("customer"), [json!(null), json!("c")]);
    assert_eq!(of("state"), ["valid", "valid"]);
    let text = waybill.run("token list").await.stdout;
    assert!(text.contains("command query") && text.contains("never"), "{text}");

    let system = Embedded::start_with(&folder, tokens.config()).await;
    let status = async |token: &str| {
        OrderClient::new(&with(&system.queries, token)).get("/orders").await.status
    };
    assert_eq!(status(&web).await, 200);
    let id = items[1]["id"].as_str().unwrap();
    let revoked = waybill.run(&format!("token revoke {id}")).await;
    assert_eq!((revoked.code, revoked.stdout), (Some(0), format!("{id} is revoked\n")));
    until("it is revoked", || async { (status(&web).await == 401).then_some(()) }).await;
    assert_eq!(status(shop.as_str().unwrap()).await, 200);
    assert_eq!(waybill.run("token purge --json").await.json()["purged"], 1);
    let left = waybill.run("token list --json").await.json()["items"].clone();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["id"]), (1, &shop_id));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_is_told_and_changes_nothing() {
    let tokens = Tokens::default();
    tokens.of("first", &[Role::Query]);
    let before = std::fs::read(tokens.file()).unwrap();
    let waybill =
        CommandLine::default().with("WAYBILL_TOKENS_FILE", &tokens.file().display().to_string());
    for (line, code, expected) in [
        ("token new --principal a/b --role query", 2, "principal"),
        ("token new --principal anonymous --role query", 2, "anonymous"),
        ("token new --principal a", 2, "--role"),
        ("token new --principal a --role admin", 2, "expected command, query or operate"),
        ("token new --principal a --role query --expires 2020-01-01T00:00:00Z", 2, "to come"),
        ("token revoke 0123456789ab", 1, ""),
        ("token list --tokens-file /nowhere/tokens.json", 3, "No such file"),
    ] {
        let done = waybill.run(line).await;
        assert_eq!(done.code, Some(code), "{line}: {done:?}");
        assert!(done.stderr.contains(expected), "{line}: {done:?}");
    }
    assert_eq!(std::fs::read(tokens.file()).unwrap(), before);
    assert_eq!(CommandLine::default().run("token list").await.code, Some(2));
    std::fs::write(tokens.file(), "{").unwrap();
    let broken = waybill.run("token new --principal a --role query").await;
    assert_eq!(broken.code, Some(3), "{broken:?}");
    assert_eq!(std::fs::read(tokens.file()).unwrap(), b"{", "what can't be read is not replaced");
}

async fn a_file_or_a_variable_has_the_token(bare: &CommandLine, token: &str) {
    let files = TempDir::default();
    let file = files.0.join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let line = format!("verify --token-file {}", file.display());
    let named = bare.clone().with("WAYBILL_TOKEN_FILE", &file.display().to_string());
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    for readable in [bare.run(&line).await, named.run("verify").await] {
        assert_eq!(readable.code, Some(2), "{readable:?}");
        assert!(readable.stderr.contains("others may use it"), "{readable:?}");
    }
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    for shown in [bare.run(&line).await, named.run("verify").await] {
        assert_eq!(shown.code, Some(0), "{shown:?}");
    }
    let without_file = bare.clone().with("WAYBILL_TOKEN", token).with("WAYBILL_TOKEN_FILE", "");
    for shown in [named.clone().with("WAYBILL_TOKEN", ""), without_file] {
        assert_eq!(shown.run("verify").await.code, Some(0), "an empty variable says nothing");
    }
    let empty = bare.clone().with("WAYBILL_TOKEN", "").with("WAYBILL_TOKEN_FILE", "");
    let without = empty.run("verify").await;
    assert!(without.stderr.contains("401"), "the services are asked without one: {without:?}");
    let both = named.with("WAYBILL_TOKEN", token);
    let refused = both.run("verify").await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("WAYBILL_TOKEN and WAYBILL_TOKEN_FILE"), "{refused:?}");
    assert!(!refused.stderr.contains(token), "it is a secret: {refused:?}");
    assert_eq!(both.run(&line).await.code, Some(0), "the option comes before both");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_shows_its_token() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("operator", &Role::ALL);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let projector = Client::new(&format!("http://{}", system.running.addresses.projector));
    let bare = CommandLine::of(&system.commands, &system.queries, &projector);
    let waybill = bare.clone().with("WAYBILL_TOKEN", &token);
    let made = with(&system.commands, &token);
    let id = OrderClient::new(&made).create_lamp(500).await.order_id();
    let lines = [
        "load --commands 50 --clients 4".to_owned(),
        "verify".to_owned(),
        format!("audit {id}"),
        format!("state {id}"),
        "parked list".to_owned(),
        "dead-letters list".to_owned(),
        "top --once".to_owned(),
        "rebuild".to_owned(),
    ];
    for line in &lines {
        let done = waybill.run(line).await;
        assert_eq!(done.code, Some(0), "{line}: {done:?}");
        let refused = bare.run(line).await;
        // `top` shows it.
        let is_told = refused.stdout.contains(": 401 Unauthorized: ");
        assert!(is_told || [Some(1), Some(3)].contains(&refused.code), "{line}: {refused:?}");
    }
    assert!(waybill.run(&format!("audit {id}")).await.stdout.contains(", by operator"));
    let told = bare.run("verify").await;
    assert!(
        told.stderr.contains("401") && told.stderr.contains("Expected `Authorization"),
        "{told:?}"
    );
    a_file_or_a_variable_has_the_token(&bare, &token).await;
    let wrong = bare.with("WAYBILL_TOKEN", "a b").run("verify").await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(!wrong.stderr.contains("a b"), "it may be a secret: {wrong:?}");
    system.stop().await;
}
