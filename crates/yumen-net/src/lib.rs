//! Sockets, TLS and byte relays: the wire under Yumen
