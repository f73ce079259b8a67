//! Tokens come and go while the services run.

use shared::auth::Role::{Operate, Query};
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::services::program;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tests::until;
use waybill::client::Client;

async fn status(client: &Client, token: &str) -> u16 {
    OrderClient::new(&with(client, token)).get("/orders").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_is_read_again_and_a_broken_one_is_told() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let (operator, first) = (tokens.of("ops", &[Operate]), tokens.of("first", &[Query]));
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let queries = &system.queries;
    assert_eq!(status(queries, &first).await, 200);
    let second = tokens.of("second", &[Query]);
    until("the new token is known", || async {
        (status(queries, &second).await == 200).then_some(())
    })
    .await;
    tokens.revoke(&first);
    until("the old token is revoked", || async {
        (status(queries, &first).await == 401).then_some(())
    })
    .await;
    let good = std::fs::read(tokens.file()).unwrap();
    // (Other systems of this process have files of their own, and the same metric.)
    let metrics = OrderClient::new(&with(queries, &operator));
    for broken in ["{", "", "{\"tokens\": [{}]}"] {
        std::fs::write(tokens.file(), broken).unwrap();
        until("the broken file is told", || async {
            let told = metrics.get("/metrics").await;
            let text = String::from_utf8(told.body.to_vec()).unwrap();
            assert!(text.contains("\nwaybill_tokens_file_configured 1\n"), "{text}");
            text.contains("\nwaybill_tokens_file_readable 0\n").then_some(())
        })
        .await;
        assert_eq!(status(queries, &second).await, 200, "the last good file is in use");
        assert_eq!(status(queries, &first).await, 401);
    }
    std::fs::write(tokens.file(), good).unwrap();
    let third = tokens.of("third", &[Query]);
    until("the file is good again", || async {
        (status(queries, &third).await == 200).then_some(())
    })
    .await;
    drop(metrics);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_does_not_start_with_a_file_that_cannot_be_used() {
    let tokens = Tokens::default();
    tokens.of("first", &[Query]);
    let run = |file: &std::path::Path| {
        let mut command = std::process::Command::new(program("waybill"));
        command.env_clear().env("WAYBILL_TOKENS_FILE", file);
        command.env("WAYBILL_DATA_DIR", file.with_file_name("data"));
        command.env("WAYBILL_QUERY_LISTEN", "127.0.0.1:0");
        let output = command.env("WAYBILL_COMMAND_LISTEN", "127.0.0.1:0").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run(&tokens.file().with_file_name("missing"));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("WAYBILL_TOKENS_FILE") && told.contains("No such file"), "{told}");
    std::fs::write(tokens.file(), "{}").unwrap();
    let (code, told) = run(&tokens.file());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("missing field `tokens`"), "{told}");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(tokens.file(), mode).unwrap();
    let (code, told) = run(&tokens.file());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("others may use it (mode 644)"), "{told}");
}
