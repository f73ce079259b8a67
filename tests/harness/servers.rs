//! Where the servers of this test run are.

/// The URL of a server that `cargo xtask test` started.
pub fn url(server: &str) -> String {
    let name = format!("WAYBILL_TEST_{server}_URL");
    std::env::var(&name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `cargo xtask test`, which starts the servers")
    })
}

pub fn mongodb() -> String {
    url("MONGODB")
}

pub fn rabbitmq() -> String {
    url("RABBITMQ")
}

pub fn redis() -> String {
    url("REDIS")
}
