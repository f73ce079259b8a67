//! Large bodies that do not end.

use std::time::Instant;

use tests::fuzz::{Answer, Request, Target};

use super::connections::LONG;

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

/// As programs: what is incomplete is counted for the whole process.
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
    let head = format!(
        "POST /commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {LENGTH}\r\n\r\n"
    );
    let incomplete = [head.as_bytes(), &vec![b' '; LENGTH - 1]].concat();
    let address = target.address(0).to_owned();
    let hold = || {
        let mut connection = std::net::TcpStream::connect(&address).unwrap();
        // One that finds no room is answered before all of it is sent.
        let _sent = std::io::Write::write_all(&mut connection, &incomplete).is_ok();
        connection
    };
    let mut held: Vec<_> = (0..250).map(|_| hold()).collect();
    // Of those that come at once some are refused, and leave room for others.
    let answer = until_answered(&mut target, &batch, 503, || held.push(hold()));
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
