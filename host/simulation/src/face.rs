//! A [`Cluster`] behind HTTP, as kube-apiserver is: for clients over a socket, or in the same process without one. Here is
//! time: the cluster's own events happen as the clock gets to them.

use std::{
    convert::Infallible,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aviary_core::time::Timestamp;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request as HttpRequest, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response as HttpResponse},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, time::Instant};

use crate::cluster::{Cluster, Request, Response, Watch};

/// The largest body that is read, in bytes; that of etcd.
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// The machine's time.
#[must_use]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Serves HTTP on a free port of loopback until the runtime ends; where.
///
/// # Errors
/// When nothing can be listened on.
pub async fn serve(router: Router) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// The kubeconfig of an API server that asks nobody who they are; JSON is YAML. `namespace` is that of its context,
/// where it has one.
#[must_use]
pub fn kubeconfig(server: SocketAddr, namespace: Option<&str>) -> Value {
    let mut context = json!({ "cluster": "model", "user": "anybody" });
    if let Some(namespace) = namespace {
        context["namespace"] = json!(namespace);
    }
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "model",
        "clusters": [{ "name": "model", "cluster": { "server": format!("http://{server}") } }],
        "users": [{ "name": "anybody", "user": {} }],
        "contexts": [{ "name": "model", "context": context }],
    })
}

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A cluster that lives in time and is shared by all who talk with it.
pub struct Face {
    cluster: Mutex<Cluster>,
    clock: Clock,
    /// The version of the last write.
    moved: watch::Sender<u64>,
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("version", &*self.moved.borrow()).finish_non_exhaustive()
    }
}

impl Face {
    /// The face of `cluster`, whose time is that of `clock`. Nothing happens by itself before [`Face::live`] runs.
    #[must_use]
    pub fn new(cluster: Cluster, clock: Clock) -> Arc<Self> {
        let moved = watch::Sender::new(cluster.version());
        Arc::new(Self { cluster: Mutex::new(cluster), clock, moved })
    }

    /// Looks at the cluster, or changes it, at the present time.
    pub fn with<T>(&self, look: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.lock();
        cluster.advance((self.clock)());
        let result = look(&mut cluster);
        self.moved.send_replace(cluster.version());
        result
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        // A cluster is whole between two events; whoever panicked was only looking.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything that happens by itself happen in time; for ever.
    pub async fn live(self: Arc<Self>) {
        let mut moved = self.moved.subscribe();
        loop {
            let next = self.with(|cluster| cluster.next());
            moved.mark_unchanged();
            let due = async {
                match next {
                    // To the millisecond, and never a turn without any time.
                    Some(at) => tokio::time::sleep(at.since((self.clock)()).max(Duration::from_millis(1))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// A service for HTTP servers and for clients in the same process.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    fn request(&self, parts: &axum::http::request::Parts, body: &[u8]) -> Response {
        let header = |name| text(&parts.headers, name);
        let request = Request {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            accept: header(header::ACCEPT),
            content_type: header(header::CONTENT_TYPE),
            agent: header(header::USER_AGENT),
            body,
        };
        let now = (self.clock)();
        self.with(|cluster| cluster.request(&request, now))
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn answer(State(face): State<Arc<Face>>, request: HttpRequest) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 3 MiB").into_response();
    };
    match face.request(&parts, &body) {
        Response::Answer { status, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, axum::Json(body)).into_response()
        }
        Response::Watch(watch) => Telling::new(face, watch).response(),
    }
}

/// A watch that is being answered.
struct Telling {
    face: Arc<Face>,
    watch: Watch,
    moved: watch::Receiver<u64>,
    ends: Option<Instant>,
}

impl Telling {
    fn new(face: Arc<Face>, watch: Watch) -> Self {
        let moved = face.moved.subscribe();
        let ends = watch.seconds().map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Self { face, watch, moved, ends }
    }

    fn response(self) -> HttpResponse {
        let lines = stream::unfold(self, |mut telling| async move { Some((telling.next().await?, telling)) });
        ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
    }

    /// The next lines, when there are any; nothing when the watch is over.
    async fn next(&mut self) -> Option<Result<Bytes, Infallible>> {
        while !self.watch.has_ended() {
            self.moved.mark_unchanged();
            let events = self.face.lock().watched(&mut self.watch);
            if !events.is_empty() {
                return Some(Ok(lines(&events)));
            }
            let end = async {
                match self.ends {
                    Some(ends) => tokio::time::sleep_until(ends).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                moved = self.moved.changed() => moved.ok()?,
                () = end => return None,
            }
        }
        None
    }
}

fn lines(events: &[Value]) -> Bytes {
    events.iter().fold(String::new(), |lines, event| lines + &event.to_string() + "\n").into()
}
