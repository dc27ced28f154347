//! Something in front of the real Prometheus that misbehaves when it is told to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
const PATIENCE: Duration = Duration::from_secs(5);

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// Passes it on.
    Truly,
    /// Does not listen at all.
    Refusing,
    /// 500.
    Failing,
    /// Success, without any sample.
    Empty,
}

/// A Prometheus' stand-in on loopback; it serves until the process ends.
#[derive(Clone, Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    answering: Mutex<Answering>,
    changed: Condvar,
    /// Requests answered since the last change.
    answered: AtomicU32,
    upstream: String,
}

impl Proxy {
    /// In front of the Prometheus at `upstream`, truly answering.
    #[must_use]
    pub fn before(upstream: &str) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let (answering, changed) = (Mutex::new(Answering::Truly), Condvar::new());
        let state = Arc::new(State { answering, changed, answered: AtomicU32::new(0), upstream });
        let listener = listen_somewhere();
        let proxy = Self { port: listener.local_addr().unwrap().port(), state };
        let served = proxy.clone();
        thread::spawn(move || served.serve(listener));
        proxy
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Changes what it does from the next request on.
    pub fn set(&self, answering: Answering) {
        *self.state.answering.lock().unwrap_or_else(PoisonError::into_inner) = answering;
        self.state.answered.store(0, Ordering::Relaxed);
        self.state.changed.notify_all();
        // Who waits for a connection has to look again.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }

    /// How many requests it answered since it was last told what to do.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.state.answered.load(Ordering::Relaxed)
    }

    fn serve(&self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            if self.answering() == Answering::Refusing {
                drop(listener.take());
                self.wait_while_refusing();
            }
            let open = listener.get_or_insert_with(|| TcpListener::bind(("127.0.0.1", self.port)).unwrap());
            let Ok((stream, _)) = open.accept() else { continue };
            if self.answering() != Answering::Refusing {
                let proxy = self.clone();
                thread::spawn(move || proxy.answer(stream));
            }
        }
    }

    fn answering(&self) -> Answering {
        *self.state.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_refusing(&self) {
        let answering = self.state.answering.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.state.changed.wait_while(answering, |now| *now == Answering::Refusing));
    }

    /// One request per connection; who goes away in the middle of one is not missed.
    fn answer(&self, stream: TcpStream) {
        let Ok(request) = read_request(&stream) else { return };
        let sent = match self.answering() {
            Answering::Truly => pass_on(&self.state.upstream, &request, &stream),
            Answering::Failing => send(&stream, "500 Internal Server Error", "it fails as it was told to"),
            Answering::Empty => send(&stream, "200 OK", EMPTY),
            Answering::Refusing => return,
        };
        self.state.answered.fetch_add(u32::from(sent.is_ok()), Ordering::Relaxed);
    }
}

/// Below the ports that connections are made from: nobody takes it while it is refused.
fn listen_somewhere() -> TcpListener {
    let first = 21_000 + u16::try_from(std::process::id() % 5000).unwrap_or(0);
    (first..32_000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("some port is free")
}

/// Head and body, with a head that asks for the connection's end.
fn read_request(stream: &TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (name, value) = line.split_once(':').unwrap_or((line.trim(), ""));
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "connection" => continue,
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
        request.extend_from_slice(line.as_bytes());
    }
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    let head = request.len();
    request.resize(head + length, 0);
    reader.read_exact(&mut request[head..])?;
    Ok(request)
}

fn pass_on(upstream: &str, request: &[u8], mut stream: &TcpStream) -> io::Result<()> {
    let mut real = TcpStream::connect(upstream)?;
    real.set_read_timeout(Some(PATIENCE))?;
    real.write_all(request)?;
    io::copy(&mut real, &mut stream).map(drop)
}

fn send(mut stream: &TcpStream, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes())
}
