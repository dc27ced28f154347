//! A small HTTP server that answers as a test wants it to, also badly.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How a request is answered.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, then the connection is closed.
    Bytes(Vec<u8>),
    /// Nothing, for ever.
    Silence,
    /// A good head, then a byte every 20 ms, for ever.
    Drip,
    /// A good head, then more and more.
    Endless,
    /// Good, once `usize` requests are under way or 2 s are over.
    Together(usize),
}

impl Reply {
    /// A full answer.
    pub fn answer(status: &str, content_type: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n");
        Self::Bytes(format!("{head}connection: close\r\n\r\n{body}").into_bytes())
    }

    /// A full answer in JSON.
    pub fn json(status: &str, body: &str) -> Self {
        Self::answer(status, "application/json", body)
    }

    /// An answer without samples.
    pub fn empty() -> Self {
        Self::json("200 OK", EMPTY)
    }
}

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;

/// What a server saw.
#[derive(Default)]
pub struct Seen {
    /// Every request, head and body.
    pub requests: Vec<String>,
    /// Bytes that were sent.
    pub sent: usize,
    /// Requests under way.
    pub under_way: usize,
    /// The most requests that were ever under way.
    pub most_under_way: usize,
}

/// A server on loopback; it ends when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts to answer every request by what `reply` makes of it.
    pub async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, seen.clone(), Arc::new(reply)));
        Self { address, seen, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests until now.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").requests.clone()
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Seen>>, reply: Arc<dyn Fn(&str) -> Reply + Send + Sync>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, seen.clone(), reply.clone()));
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>, reply: Arc<dyn Fn(&str) -> Reply + Send + Sync>) {
    let Some(request) = request(&mut stream).await else { return };
    let reply = reply(&request);
    {
        let mut seen = seen.lock().expect("no panic");
        seen.requests.push(request);
        seen.under_way += 1;
        seen.most_under_way = seen.most_under_way.max(seen.under_way);
    }
    // The client may hang up at any time; that is its right.
    let _ = answer(&mut stream, reply, &seen).await;
    seen.lock().expect("no panic").under_way -= 1;
    let _ = stream.shutdown().await;
}

async fn answer(stream: &mut TcpStream, reply: Reply, seen: &Mutex<Seen>) -> std::io::Result<()> {
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    match reply {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await,
        Reply::Silence => std::future::pending().await,
        Reply::Drip => {
            stream.write_all(ENDLESS).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Reply::Endless => {
            stream.write_all(ENDLESS).await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
                seen.lock().expect("no panic").sent += 4096;
            }
        }
        Reply::Together(count) => {
            let deadline = tokio::time::Instant::now() + Duration::from_secs(2);
            while seen.lock().expect("no panic").most_under_way < count && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let Reply::Bytes(bytes) = Reply::empty() else { unreachable!() };
            stream.write_all(&bytes).await
        }
    }
}

/// Reads one request, head and body.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
