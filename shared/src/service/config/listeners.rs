//! Who gets in at the listeners.

use super::Settings;
use crate::http::ListenerOptions;
use crate::http::rate::Rate;
use crate::tls::ServerTls;

const CERTIFICATE: &str = "WAYBILL_TLS_CERT_FILE";
const KEY: &str = "WAYBILL_TLS_KEY_FILE";

impl Settings {
    /// TLS, and limits for each address.
    pub fn listener_options(&mut self) -> ListenerOptions {
        let connections = |value: &str| match value.parse() {
            Ok(0) | Err(_) => {
                Err(format!("expected a number from 1 on, or nothing, got {value:?}"))
            }
            Ok(connections) => Ok(Some(connections)),
        };
        ListenerOptions {
            tls: self.server_tls(),
            connections_per_address: self.or("WAYBILL_CONNECTIONS_PER_ADDRESS", None, connections),
            rate_per_address: self
                .or("WAYBILL_RATE_PER_ADDRESS", None, |value| Rate::parse(value).map(Some)),
        }
    }

    fn server_tls(&mut self) -> Option<ServerTls> {
        let file = |name| self.variables.get(name).map(Into::into);
        match (file(CERTIFICATE), file(KEY)) {
            (None, None) => None,
            (Some(certificate), Some(key)) => ServerTls::read(certificate, key)
                .map_err(|why| self.problem(format!("{CERTIFICATE} and {KEY}: {why}")))
                .ok(),
            _ => {
                self.problem(format!("{CERTIFICATE} and {KEY}: expected both of them, or none"));
                None
            }
        }
    }
}
