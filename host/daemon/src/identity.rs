//! What this daemon calls itself towards others that compete for the lease: a name that no other living process has.
//!
//! A file beside the control socket keeps a random part, and is locked for as long as the process lives. So whoever starts
//! after it with the same file (a container that was restarted in its pod, a daemon that was killed on a machine) has the same
//! name, and may take the lease over at once: the process that had the name before is certainly gone.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// How many digits the random part has.
const DIGITS: usize = 16;

/// A name, and the lock that makes it this process's.
#[derive(Debug)]
pub struct Identity {
    /// `pod-or-host_0123456789abcdef`.
    pub name: String,
    _locked: File,
}

impl Identity {
    /// Of the daemon with this control socket, on `host`.
    ///
    /// # Errors
    /// When another daemon has the name, or the file cannot be used.
    pub fn of(socket: &Path, host: &str) -> Result<Self> {
        let path = socket.with_added_extension("identity");
        let shown = path.display();
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {shown}, which makes this daemon known to others"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("a daemon has locked {shown}; stop it, or name another socket with --socket")
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {shown}")),
        }
        let mut kept = String::new();
        // What is no text is replaced.
        let _ = file.read_to_string(&mut kept);
        if !is_random_part(&kept) {
            kept = random_part()?;
            file.rewind()?;
            file.set_len(0)?;
            file.write_all(kept.as_bytes()).with_context(|| format!("cannot write {shown}"))?;
        }
        Ok(Self { name: format!("{host}_{kept}"), _locked: file })
    }
}

/// The pod that this process runs in, or the machine.
pub fn host() -> String {
    let pod = std::env::var("AVIARY_POD_NAME").ok().filter(|name| !name.is_empty());
    let machine = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    pod.or_else(machine).unwrap_or_else(|| "aviary".to_owned())
}

fn is_random_part(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn random_part() -> Result<String> {
    let random = getrandom::u64().context("the system gives no random number")?;
    Ok(format!("{random:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outlives_its_process_and_is_had_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("aviary.sock");
        let first = Identity::of(&socket, "pod-1").unwrap();
        let error = Identity::of(&socket, "pod-1").unwrap_err().to_string();
        assert!(error.starts_with("a daemon has locked") && error.contains("aviary.sock.identity"), "{error}");
        let name = first.name.clone();
        assert!(name.starts_with("pod-1_") && is_random_part(&name[6..]), "{name}");
        drop(first);
        assert_eq!(Identity::of(&socket, "pod-1").unwrap().name, name);
        // Another machine that shares the folder, or has a copy of it.
        assert_eq!(Identity::of(&socket, "pod-2").unwrap().name, name.replace("pod-1", "pod-2"));
        std::fs::write(folder.path().join("aviary.sock.identity"), [0xff; 40]).unwrap();
        let made_anew = Identity::of(&socket, "pod-1").unwrap().name;
        assert!(made_anew != name && is_random_part(&made_anew[6..]), "{made_anew}");
        assert_ne!(Identity::of(&folder.path().join("other.sock"), "pod-1").unwrap().name, made_anew);
    }
}
