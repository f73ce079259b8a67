//! What a client has is not sent again, in whatever way it names the `ETag` of that; what it does not expect
//! is not sent at all.

use http::Method;
use tests::client::OrderClient;

/// A client that names these tags, on a line for each text.
fn naming(client: &OrderClient, lines: &[&str]) -> OrderClient {
    lines.iter().fold(client.clone(), |client, line| client.with("if-none-match", line))
}

/// Asks for an answer with an `ETag` and then for it again; what it shows does not change meanwhile.
pub async fn is_not_sent_again(client: &OrderClient, path: &str) {
    let first = client.get(path).await;
    assert_eq!(first.status, 200, "{path}: {:?}", first.body);
    let tag = first.etag();
    let [weak, long, coded] =
        [format!("W/{tag}"), format!("\"x\" , W/{tag} ,\"y,z\""), format!("\"x-gzip\", {tag}")];
    for lines in
        [&[tag][..], &[weak.as_str()], &["*"], &[long.as_str()], &["\"x\"", tag], &[coded.as_str()]]
    {
        let asking = naming(client, lines);
        for method in [Method::GET, Method::HEAD] {
            let again = asking.send(method.clone(), path, "").await;
            let told = (again.status, again.body.len(), again.header("etag"));
            assert_eq!(told, (304, 0, Some(tag)), "{method} {path} {lines:?}");
            for name in ["cache-control", "consistency-token", "content-security-policy"] {
                assert_eq!(again.header(name), first.header(name), "{method} {path} {lines:?}");
            }
        }
    }
    for other in ["\"x\"", tag.trim_matches('"'), "\"*\"", "\"x,*\"", ""] {
        let again = naming(client, &[other]).get(path).await;
        assert_eq!((again.status, again.header("etag")), (200, Some(tag)), "{path} {other}");
        assert_eq!(again.body, first.body, "{path} {other}");
    }
    where_it_is_expected(client, path, tag).await;
    in_a_coding(client, path, tag).await;
}

/// `If-Match` counts before `If-None-Match`.
async fn where_it_is_expected(client: &OrderClient, path: &str, tag: &str) {
    let list = format!("\"x\" , {tag}");
    for expected in [tag, "*", &list] {
        let client = client.expecting(expected);
        for (known, status) in [("\"x\"", 200), (tag, 304)] {
            let read = naming(&client, &[known]).get(path).await;
            let told = (read.status, read.header("etag"));
            assert_eq!(told, (status, Some(tag)), "{path} {expected} {known}");
        }
    }
    let weak = format!("W/{tag}");
    for other in ["\"x\"", &weak, tag.trim_matches('"'), ""] {
        let client = naming(&client.expecting(other), &[tag]);
        for method in [Method::GET, Method::HEAD] {
            let read = client.send(method.clone(), path, "").await;
            assert_eq!((read.status, read.header("etag")), (412, None), "{method} {path} {other}");
        }
    }
}

/// The same of an answer that is compressed, whose tag is another one.
async fn in_a_coding(client: &OrderClient, path: &str, plain: &str) {
    let client = client.with("accept-encoding", "gzip");
    let first = client.get(path).await;
    if first.header("content-encoding").is_none() {
        return;
    }
    let tag = first.etag();
    assert_ne!(tag, plain, "{path}");
    assert_eq!(client.expecting(tag).get(path).await.status, 200, "{path}");
    let weak = format!("W/{tag}");
    for lines in [&[tag][..], &["\"x-zstd\", \"y\"", weak.as_str()]] {
        let again = naming(&client, lines).get(path).await;
        let told = (again.status, again.body.len(), again.header("etag"));
        assert_eq!(told, (304, 0, Some(tag)), "{path} {lines:?}");
    }
}
