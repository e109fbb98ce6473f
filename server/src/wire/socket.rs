//! A client's socket, used from both sides by turns: the query thread reads and writes it itself while its client keeps
//! it busy, the connection's task watches it while the client is silent.
//!
//! Nobody but [`Socket::linger`] blocks on the descriptor; who else wants to wait polls it. The task registers it with the runtime only while it watches,
//! so that a busy connection costs the network threads nothing.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How long a working backend waits for its client's next message before it parks.
pub const LINGER: Duration = Duration::from_millis(20);
/// Bytes taken by one read.
const READ_SIZE_BYTES: usize = 64 << 10;
/// The Terminate message, with which a stream ends.
pub const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

thread_local! {
    static READ_BLOCK: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE_BYTES].into_boxed_slice());
}

#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// Errors of setting the descriptor up.
    pub fn new(stream: TcpStream) -> io::Result<Socket> {
        // Reads and writes say each for itself that they do not block.
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LINGER))?;
        Ok(Socket { stream })
    }

    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Hands what has arrived to `take`, at most [`READ_SIZE_BYTES`]; 0 is the end of the stream. `WouldBlock` when there
    /// is nothing.
    pub fn try_read(&self, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        self.read(RecvFlags::DONTWAIT, take)
    }

    /// As [`Self::try_read`] for what arrives within [`LINGER`].
    pub fn linger(&self, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        self.read(RecvFlags::empty(), take)
    }

    fn read(&self, flags: RecvFlags, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        READ_BLOCK.with_borrow_mut(|block| {
            let (read, _) = retry(|| recv(&self.stream, &mut block[..], flags))?;
            take(&block[..read]);
            Ok(read)
        })
    }

    /// Sends what the socket takes now.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        use rustix::net::{SendFlags, send};
        retry(|| send(&self.stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    /// True when a read would give something (data, the end, or an error), false when the time is up.
    pub fn wait_readable(&self, timeout: Duration) -> io::Result<bool> {
        self.wait(PollFlags::IN, timeout)
    }

    /// As [`Self::wait_readable`], for writing.
    pub fn wait_writable(&self, timeout: Duration) -> io::Result<bool> {
        self.wait(PollFlags::OUT, timeout)
    }

    fn wait(&self, events: PollFlags, timeout: Duration) -> io::Result<bool> {
        let mut watched = [PollFd::new(&self.stream, events)];
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        // A signal ends the wait early, which is as good as the time being up.
        match poll(&mut watched, Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The client has closed its side, and not behind a Terminate message that still waits to be read. For while nobody
    /// reads.
    pub fn is_abandoned(&self) -> bool {
        let mut watched = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        if !matches!(poll(&mut watched, Some(&Timespec::default())), Ok(1)) {
            return false;
        }
        if watched[0].revents().contains(PollFlags::ERR) {
            return true;
        }
        let ends_well = READ_BLOCK.with_borrow_mut(|block| {
            match recv(&self.stream, &mut block[..], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
                // More than the block holds: whoever reads it will see how it ends.
                Ok((read, _)) => read == block.len() || block[..read].ends_with(&TERMINATE),
                Err(_) => false,
            }
        });
        !ends_well
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

/// The socket as the runtime watches it.
pub struct Watched(Arc<Socket>);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.stream.as_fd().as_raw_fd()
    }
}

/// Registers the socket with the runtime, until the result is dropped.
pub fn watch(socket: &Arc<Socket>) -> io::Result<AsyncFd<Watched>> {
    let interest = Interest::READABLE | Interest::WRITABLE;
    // SAFETY: `Watched` holds the socket, which keeps its one descriptor open as long as it lives.
    let registered = unsafe { AsyncFd::register_with_interest(Watched(socket.clone()), interest) };
    registered.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let (server, _) = listener.accept().expect("accept");
        (Socket::new(server).expect("set up"), client)
    }

    fn hung_up(socket: &Socket) {
        // The end arrives a moment after the client's close.
        assert!(socket.wait(PollFlags::RDHUP, Duration::from_secs(10)).expect("poll"));
    }

    #[test]
    fn reads_what_is_there_and_waits_for_more() {
        let (socket, mut client) = pair();
        let nothing = socket.try_read(|_| ()).expect_err("nothing yet");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        assert!(!socket.wait_readable(Duration::from_millis(1)).expect("poll"));
        client.write_all(b"abc").expect("write");
        assert!(socket.wait_readable(Duration::from_secs(10)).expect("poll"));
        let mut seen = Vec::new();
        assert_eq!(socket.try_read(|bytes| seen.extend_from_slice(bytes)).expect("read"), 3);
        assert_eq!(seen, b"abc");
        assert!(!socket.is_abandoned());
        drop(client);
        hung_up(&socket);
        assert_eq!(socket.try_read(|_| ()).expect("end"), 0);
    }

    #[test]
    fn a_client_that_said_goodbye_is_not_lost() {
        let (socket, mut client) = pair();
        client.write_all(b"Q").expect("write");
        client.write_all(&TERMINATE).expect("write");
        drop(client);
        hung_up(&socket);
        assert!(!socket.is_abandoned());
        let (socket, mut client) = pair();
        client.write_all(b"Q").expect("write");
        drop(client);
        hung_up(&socket);
        assert!(socket.is_abandoned());
    }
}
