//! The policy folder: which files are policies, and their bytes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;

use crate::limits::humane_bytes;

/// Largest file that is read.
const LARGEST: u64 = 16 << 20;
/// Longest name of a policy, as of a label in Kubernetes.
const LONGEST_NAME: usize = 63;

/// A file of the folder that wants to be a policy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyFile {
    /// The stem of the file's name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// The files `*.wasm` of `folder` by name; hidden ones do not count.
pub(crate) fn list(folder: &Path) -> Result<Vec<PolicyFile>, String> {
    let unreadable = |error: io::Error| {
        format!("cannot read the policy folder {}: {error}; the policies in force stay", folder.display())
    };
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).map_err(unreadable)?.collect();
    let mut files: Vec<_> =
        entries.map_err(unreadable)?.iter().filter_map(|entry| policy_file(&entry.path())).collect();
    files.sort();
    Ok(files)
}

/// Reads the bytes of a policy, following links; `None` if the file is gone.
pub(crate) fn read(file: &PolicyFile) -> Result<Option<Vec<u8>>, String> {
    proper_name(&file.name)?;
    contents(&file.path)
}

/// The bytes of a file that may be anything, at most so many as a policy may have; `None` if it is gone.
pub(crate) fn contents(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match regular_size(path) {
        Ok(size) if size > LARGEST => Err(too_large()),
        Ok(_) => read_bytes(path).map(Some),
        Err(Fault::Gone) => Ok(None),
        Err(Fault::Other(reason)) => Err(reason),
    }
}

enum Fault {
    Gone,
    Other(String),
}

/// The policy that a file wants to be; hidden ones and those of another ending want nothing.
pub(crate) fn policy_file(path: &Path) -> Option<PolicyFile> {
    let name = path.file_name()?.to_string_lossy().strip_suffix(".wasm")?.to_owned();
    (!name.starts_with('.') && !name.is_empty()).then(|| PolicyFile { name, path: path.to_owned() })
}

/// Whether a policy may have this name; the fault reads as a sentence.
pub(crate) fn proper_name(name: &str) -> Result<(), String> {
    let proper = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    if name.bytes().all(proper) && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!(
        "the file's name is the policy's: lower-case letters, digits and `-`, at most {LONGEST_NAME}, then .wasm; rename it"
    ))
}

/// Asked before the file is opened: to open a pipe would block for ever.
fn regular_size(path: &Path) -> Result<u64, Fault> {
    match fs::metadata(path) {
        Ok(data) if data.is_file() => Ok(data.len()),
        Ok(data) if data.is_dir() => Err(Fault::Other("it is a directory; put the file itself here".to_owned())),
        Ok(_) => Err(Fault::Other("it is not a regular file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => Err(Fault::Other("it is a link that leads nowhere".to_owned())),
            Err(_) => Err(Fault::Gone),
        },
        Err(error) => Err(Fault::Other(format!("it cannot be read: {error}"))),
    }
}

/// A pipe that takes the file's place at this very moment neither blocks the opening nor is read.
fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
    let read = opened.and_then(|file| match file.metadata()?.is_file() {
        true => file.take(LARGEST + 1).read_to_end(&mut bytes),
        false => Err(io::Error::other("it was replaced by what is not a regular file")),
    });
    match read {
        Ok(count) if count as u64 > LARGEST => Err(too_large()),
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn too_large() -> String {
    let largest = humane_bytes(usize::try_from(LARGEST).unwrap_or(usize::MAX));
    format!("it is larger than {largest}; build it with the profile `plugin`, without debug information")
}
