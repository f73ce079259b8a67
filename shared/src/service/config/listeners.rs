//! Who gets in at the listeners.

use super::Settings;
use crate::http::ListenerOptions;
use crate::tls::ServerTls;

const CERTIFICATE: &str = "WAYBILL_TLS_CERT_FILE";
const KEY: &str = "WAYBILL_TLS_KEY_FILE";

impl Settings {
    /// TLS, and limits for each address.
    pub fn listener_options(&mut self) -> ListenerOptions {
        ListenerOptions { tls: self.server_tls() }
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
