//! A network between `chaos` and a server that can be cut, or fall silent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PASS: u8 = 0;
const SILENT: u8 = 1;
const CUT: u8 = 2;

/// A TCP proxy on a port of its own.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    mode: AtomicU8,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Forwards to `upstream`.
    pub fn to(upstream: (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { mode: AtomicU8::new(PASS), open: Mutex::default() });
        let in_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                in_thread.connect(client, &upstream);
            }
        });
        Self { port, shared }
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection and every new one, as a firewall that resets.
    pub fn cut(&self) {
        self.shared.mode.store(CUT, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            // One that has ended already is as good as cut.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Keeps every connection open and forwards nothing any more, as a pulled cable.
    pub fn silence(&self) {
        self.shared.mode.store(SILENT, Ordering::SeqCst);
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.shared.mode.store(PASS, Ordering::SeqCst);
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream, upstream: &(String, u16)) {
        if self.mode.load(Ordering::SeqCst) == CUT {
            return;
        }
        // A server that is down looks like a closed connection, as it would without us.
        let Ok(server) = TcpStream::connect((upstream.0.as_str(), upstream.1)) else { return };
        self.forward(client.try_clone().unwrap(), server.try_clone().unwrap());
        self.forward(server.try_clone().unwrap(), client.try_clone().unwrap());
        self.open.lock().unwrap().extend([client, server]);
    }

    fn forward(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream) {
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                while shared.mode.load(Ordering::SeqCst) == SILENT {
                    std::thread::sleep(Duration::from_millis(5));
                }
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            // Both ends learn of it; one that knows already cannot be told.
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
}
