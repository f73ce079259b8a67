//! Large bodies that do not end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use tests::fuzz::{Answer, Request, Target};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use super::connections::{LONG, status};

/// Sends it until the answer has this status, and returns the answer. Before it is sent again, `meanwhile`
/// is called.
fn until_answered(
    target: &mut Target,
    request: &Request,
    status: u16,
    mut meanwhile: impl FnMut(),
) -> Answer {
    let started = Instant::now();
    loop {
        let answer = target.send(request).unwrap();
        if answer.status == status {
            return answer;
        }
        assert!(started.elapsed() < LONG, "{answer:?}");
        meanwhile();
    }
}

/// Connections from other addresses of this machine.
struct Others<'a> {
    runtime: Runtime,
    server: &'a str,
}

impl Others<'_> {
    /// Sends this, of which the answer comes on the connection.
    fn send(&self, last: u8, request: &[u8]) -> TcpStream {
        let connection = self.runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, last], 0).into()).unwrap();
            socket.connect(self.server.parse().unwrap()).await.unwrap().into_std().unwrap()
        });
        connection.set_nonblocking(false).unwrap();
        // One that finds no room is answered before all of it is sent.
        let _sent = (&connection).write_all(request).is_ok();
        connection
    }

    fn ask(&self, last: u8, request: &[u8]) -> String {
        let mut answer = vec![];
        // A reset is an end, too.
        let _ended = self.send(last, request).read_to_end(&mut answer).is_ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// As programs: what is incomplete is counted for the whole process, and for each client.
#[test]
fn bodies_that_do_not_end_take_so_much_memory_in_all_and_keep_no_command_out() {
    const LENGTH: usize = 1 << 20;
    let mut target = Target::start();
    let request = |target: &str, body: Vec<u8>| Request {
        service: 0,
        method: "POST".to_owned(),
        target: target.as_bytes().to_vec(),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        body,
    };
    let order = request("/orders", format!("{{{}}}", " ".repeat(1_000)).into_bytes());
    let batch = request("/commands", vec![b' '; LENGTH]);
    assert_eq!(target.send(&order).unwrap().status, 422);
    assert_eq!(target.send(&batch).unwrap().status, 400);
    let head = |more: &str| {
        format!(
            "POST /commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {LENGTH}\r\n{more}\r\n"
        )
    };
    let incomplete = [head("").as_bytes(), &vec![b' '; LENGTH - 1]].concat();
    let complete = [head("connection: close\r\n").as_bytes(), &vec![b' '; LENGTH]].concat();
    let address = target.address(0).to_owned();
    let others = Others { runtime: Runtime::new().unwrap(), server: &address };
    let hold = |last: u8| others.send(last, &incomplete);
    let mut held: Vec<_> = (0..140).map(|_| hold(2)).collect();
    let started = Instant::now();
    while status(&others.ask(2, &complete)) != Some(503) {
        assert!(started.elapsed() < LONG, "one client has more than half of the room");
        held.push(hold(2));
    }
    assert_eq!(target.send(&batch).unwrap().status, 400, "there is room for other clients");
    assert_eq!(status(&others.ask(3, &complete)), Some(400), "for all of them");
    held.extend((0..140).map(|_| hold(3)));
    // Of those that come at once some are refused, and leave room for others.
    let all = || held.extend([2, 3, 4].map(hold));
    let answer = until_answered(&mut target, &batch, 503, all);
    let told = String::from_utf8_lossy(&answer.body);
    assert!(told.contains("/problems/unavailable") && told.contains("large bodies"), "{answer:?}");
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    for _ in 0..10 {
        assert_eq!(target.send(&order).unwrap().status, 422, "there is room for small ones");
    }
    drop(held);
    until_answered(&mut target, &batch, 400, || ());
    target.check(1 << 30);
}
