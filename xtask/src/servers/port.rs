//! Ports that stay reserved.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::Result;

/// A port that stays reserved until this is dropped, for a server to start, end and start again on.
///
/// The socket is bound and never listens. Both it and the server's have SO_REUSEADDR, so Linux lets
/// the server bind the port by its number and listen on it. But the kernel passes over bound ports
/// when it chooses one itself, for a socket that binds port 0 as for an outgoing connection
/// (`inet_csk_find_open_port` and `__inet_hash_connect` of the kernel). So no process that lets the
/// kernel choose can take the port, not even while the server is down. A port that was only found
/// to be free may be taken before its server binds it.
#[derive(Debug)]
pub struct Port {
    _socket: Socket,
    number: u16,
}

impl Port {
    pub fn reserve() -> Result<Self> {
        Self::reserve_at(Ipv4Addr::LOCALHOST)
    }

    /// The same at every address of the machine, for a server that binds none in particular: outgoing
    /// connections of 127.0.0.2 pass over no port of 127.0.0.1.
    pub fn reserve_everywhere() -> Result<Self> {
        Self::reserve_at(Ipv4Addr::UNSPECIFIED)
    }

    fn reserve_at(address: Ipv4Addr) -> Result<Self> {
        let broken = |error: std::io::Error| format!("reserving a port: {error}");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(broken)?;
        socket.set_reuse_address(true).map_err(broken)?;
        socket.bind(&SocketAddr::from((address, 0)).into()).map_err(broken)?;
        let address = socket.local_addr().map_err(broken)?.as_socket();
        let number = address.ok_or("a reserved port has no address")?.port();
        Ok(Self { _socket: socket, number })
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Listens as a server does; the standard library sets SO_REUSEADDR.
    fn listen(port: &Port) -> std::io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()))
    }

    #[test]
    fn a_server_may_start_and_start_again_on_a_reserved_port() {
        let port = Port::reserve().unwrap();
        for _ in 0..3 {
            let server = listen(&port).unwrap();
            assert!(listen(&port).is_err(), "two servers listen on one port");
            let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            drop(server.accept().unwrap()); // Leaves a connection in TIME_WAIT.
            drop((server, client));
        }
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).is_err());
    }

    #[test]
    fn a_port_that_is_reserved_everywhere_is_given_to_no_other_address() {
        let another = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let beside = |port: &Port| SocketAddr::from(([127, 0, 0, 2], port.number())).into();
        let (here, everywhere) = (Port::reserve().unwrap(), Port::reserve_everywhere().unwrap());
        let taken = another();
        taken.bind(&beside(&here)).unwrap();
        let of_all = |port: &Port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.number()));
        assert!(of_all(&here).is_err(), "a server of all addresses does not start");
        assert!(another().bind(&beside(&everywhere)).is_err());
        of_all(&everywhere).unwrap();
    }

    #[test]
    fn a_socket_that_did_not_ask_to_share_the_port_does_not_get_it() {
        let port = Port::reserve().unwrap();
        let another = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        assert!(another.bind(&address.into()).is_err());
        drop(port);
        another.bind(&address.into()).unwrap();
    }
}
