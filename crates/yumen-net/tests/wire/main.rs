//! The wire over real sockets: port 0, no sleeps.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod listen;
mod peek;
mod relay;
mod seam;
mod sni;
mod tls;

use tokio::net::{TcpListener, TcpStream};

/// Two ends of one TCP connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (near.unwrap(), far.unwrap().0)
}
