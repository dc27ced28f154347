//! The daemon's end of the control socket.

use std::{
    os::unix::{fs::PermissionsExt as _, net::UnixStream as Probe},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::protocol::{LONGEST_REQUEST, Request, Response, parse};

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long what is asked may wait to be done: the command line waits a little longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long no connection is taken after one could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked for.
    pub request: Request,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Value, String>>,
}

/// A socket that is removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Listens on `path`. A left-over socket of a dead daemon is replaced, a live one never.
    ///
    /// # Errors
    /// When somebody listens there already, or the path is not usable.
    pub fn bind(path: &Path) -> Result<Self> {
        let shown = path.display();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder of the socket {shown}"))?;
        }
        clear(path)?;
        // Bound under another name and renamed when it is private: nobody else can connect in between.
        let private = path.with_extension(format!("{}.new", std::process::id()));
        let _ = std::fs::remove_file(&private);
        let listener = UnixListener::bind(&private)
            .with_context(|| format!("cannot listen on {shown}; name another socket with --socket"))?;
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&private, path).with_context(|| format!("cannot listen on {shown}"))?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Serves requests until it is dropped.
    pub async fn serve(self, sender: mpsc::Sender<Asked>) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                // There may be no more file descriptors; some become free.
                Err(error) => {
                    tracing::warn!(%error, socket = %self.path.display(), "the control socket takes no connection now");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let sender = sender.clone();
            tokio::spawn(async move {
                if let Err(error) = converse(stream, sender).await {
                    tracing::debug!(%error, "a client of the control socket left");
                }
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn clear(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(found) if !std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
            bail!("{} is there and is no socket; remove it, or name another socket with --socket", path.display())
        }
        Ok(_) => {}
    }
    if Probe::connect(path).is_ok() {
        bail!("a daemon is running behind {}; stop it, or name another socket with --socket", path.display());
    }
    std::fs::remove_file(path).with_context(|| format!("cannot replace the left-over socket {}", path.display()))
}

async fn converse(stream: UnixStream, sender: mpsc::Sender<Asked>) -> Result<()> {
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut limited = (&mut reader).take(LONGEST_REQUEST);
        if timeout(SILENCE, limited.read_line(&mut line)).await?? == 0 {
            return Ok(());
        }
        let whole = line.ends_with('\n') || (line.len() as u64) < LONGEST_REQUEST;
        let outcome =
            if whole { respond(&line, &sender).await } else { Err("the request is longer than 64 KiB".to_owned()) };
        let text = serde_json::to_string(&Response::of(outcome))?;
        timeout(SILENCE, write.write_all(format!("{text}\n").as_bytes())).await??;
        if !whole {
            return Ok(());
        }
    }
}

async fn respond(line: &str, sender: &mpsc::Sender<Asked>) -> Result<Value, String> {
    let request = parse(line)?;
    let (answer, answered) = oneshot::channel();
    let stopping = || "the daemon is stopping; ask again when it runs".to_owned();
    sender.send(Asked { request, answer }).await.map_err(|_| stopping())?;
    match timeout(PATIENCE, answered).await {
        Ok(answer) => answer.map_err(|_| stopping())?,
        Err(_) => Err(format!(
            "nothing came of it within {} s; unless its record is being stored right now it is not done any more: \
             `aviary status` says what the service waits for, if it is not the API server; say it again then",
            PATIENCE.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{client::ask, protocol::Word};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_live_socket_is_kept_and_a_left_over_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/aviary.sock");
        drop(std::os::unix::net::UnixListener::bind(folder.path().join("left")).unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::rename(folder.path().join("left"), &path).unwrap();
        let socket = Socket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = Socket::bind(&path).unwrap_err().to_string();
        assert!(error.starts_with("a daemon is running behind"), "{error}");
        drop(socket);
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert!(Socket::bind(&path).unwrap_err().to_string().contains("is no socket"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_is_answered_and_nonsense_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aviary.sock");
        let socket = Socket::bind(&path).unwrap();
        let (sender, mut receiver) = mpsc::channel::<Asked>(1);
        tokio::spawn(socket.serve(sender));
        tokio::spawn(async move {
            while let Some(asked) = receiver.recv().await {
                let _ =
                    asked.answer.send(asked.request.service.map(Value::from).ok_or_else(|| "no service".to_owned()));
            }
        });
        let asked = |service: Option<&'static str>| {
            let path = path.clone();
            tokio::task::spawn_blocking(move || ask(&path, Word::Cancel, service))
        };
        assert_eq!(asked(Some("shop/foo")).await.unwrap().unwrap(), "shop/foo");
        assert_eq!(asked(None).await.unwrap().unwrap_err().to_string(), "no service");
        let mut raw = UnixStream::connect(&path).await.unwrap();
        raw.write_all(b"nonsense\n").await.unwrap();
        let mut line = String::new();
        BufReader::new(raw).read_line(&mut line).await.unwrap();
        assert!(line.starts_with(r#"{"version":1,"error":"no request: "#), "{line}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_that_nothing_came_of_it_waits_no_more() {
        let (sender, mut receiver) = mpsc::channel::<Asked>(1);
        let error = respond(r#"{"version":1,"command":"bypass","service":"foo"}"#, &sender).await.unwrap_err();
        assert!(error.starts_with("nothing came of it within 15 s"), "{error}");
        assert!(receiver.recv().await.unwrap().answer.is_closed());
    }
}
