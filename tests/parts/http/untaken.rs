//! Large answers that clients do not take.

use tests::memory::peak;
use tests::until;

use super::connections::{Server, patient, rest, status};
use super::floods::retry_after;

/// Asks until it is refused for want of room, and returns the answer.
async fn refused(server: &Server, header: &str) -> String {
    until("there is no room for another answer", || async {
        let request = format!("GET /large HTTP/1.1\r\nhost: localhost\r\n{header}\r\n\r\n");
        let answer = rest(server.send(&request).await).await;
        (status(&answer) == Some(503)).then_some(answer)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_taken_take_so_much_memory_in_all() {
    let server = Server::start(patient()).await;
    let large = "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut held = vec![];
    for _ in 0..3 {
        let one = server.send(large).await;
        one.readable().await.unwrap(); // It is answered: two fit, and the third is refused.
        held.push(one);
    }
    for header in ["connection: close", "accept-encoding: gzip\r\nconnection: close"] {
        let answer = refused(&server, header).await;
        assert!(answer.contains("/problems/unavailable") && answer.contains("answers"), "{answer}");
        assert_eq!(retry_after(&answer), Some(1), "{answer}");
    }
    let small = "POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\
                 connection: close\r\n\r\nx";
    assert_eq!(status(&rest(server.send(small).await).await), Some(200), "small ones are given");
    assert_eq!(status(&server.ask("GET", "/metrics", "localhost").await), Some(200));
    drop(held);
    until("there is room again", || async {
        (status(&server.ask("GET", "/large", "localhost").await) == Some(200)).then_some(())
    })
    .await;
    let peak = peak(std::process::id());
    assert!(peak < 600 << 20, "{} MiB of memory", peak >> 20);
}
