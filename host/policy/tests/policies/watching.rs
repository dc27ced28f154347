//! The watch, with the ways in which files really arrive: written in place, renamed, and by links of a ConfigMap.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use aviary_policy::{Kind, Notice, Watcher, watch};

use crate::{guest::Guest, world::World};

/// Less than the watch's own round, so that what arrives in time came by an event.
const DEADLINE: Duration = Duration::from_secs(20);

struct Watched {
    world: World,
    due: Receiver<()>,
    _watcher: Watcher,
}

impl Watched {
    /// A watched folder, its first scan done.
    fn new(world: World) -> Self {
        let (tell, due) = mpsc::channel();
        let watcher = watch(&world.folder, move || tell.send(()).unwrap_or_default()).expect("a watch");
        due.recv_timeout(DEADLINE).expect("the first scan is due at once");
        let _ready = world.scan();
        Self { world, due, _watcher: watcher }
    }

    /// Scans whenever the watch says so, until `version` is in force; gives what was said on the way.
    fn until(&self, version: &str) -> Vec<Notice> {
        let start = Instant::now();
        let mut said = Vec::new();
        while self.world.version().as_deref() != Some(version) {
            let left =
                DEADLINE.checked_sub(start.elapsed()).unwrap_or_else(|| panic!("{version} never came: {said:?}"));
            self.due.recv_timeout(left).unwrap_or_else(|_| panic!("{version} never came: {said:?}"));
            said.extend(self.world.scan());
        }
        said
    }

    /// Scans whenever the watch says so, until one thing is said.
    fn until_told(&self, is_it: impl Fn(&Notice) -> bool) {
        let start = Instant::now();
        loop {
            let left = DEADLINE.checked_sub(start.elapsed()).expect("it is said in time");
            self.due.recv_timeout(left).expect("a scan is due");
            if self.world.scan().iter().any(&is_it) {
                return;
            }
        }
    }
}

fn policy(version: &str) -> Vec<u8> {
    Guest::new(Kind::Classifier, version).module()
}

#[test]
fn a_file_written_in_place_and_one_renamed_into_place() {
    let watched = Watched::new(World::new());
    watched.world.write("custom.wasm", &policy("1.0.0"));
    watched.until("1.0.0");
    watched.world.write("custom.wasm.tmp", &policy("2.0.0"));
    let path = |name: &str| watched.world.folder.join(name);
    fs::rename(path("custom.wasm.tmp"), path("custom.wasm")).expect("a rename");
    let said = watched.until("2.0.0");
    assert!(matches!(said.as_slice(), [Notice::Replaced { .. }]), "{said:?}");
}

#[test]
fn a_config_map_is_swapped_by_its_data_link() {
    let world = World::new();
    let version_folder = |number: u32, bytes: &[u8]| {
        let name = format!("..2026_11_23_{number}");
        fs::create_dir(world.folder.join(&name)).expect("a folder");
        fs::write(world.folder.join(&name).join("custom.wasm"), bytes).expect("a file");
        name
    };
    let first = version_folder(1, &policy("1.0.0"));
    symlink(&first, world.folder.join("..data")).expect("a link");
    symlink("..data/custom.wasm", world.folder.join("custom.wasm")).expect("a link");
    let second = version_folder(2, &policy("2.0.0"));

    let watched = Watched::new(world);
    assert_eq!(watched.world.version().as_deref(), Some("1.0.0"));
    let path = |name: &str| watched.world.folder.join(name);
    symlink(&second, path("..data_tmp")).expect("a link");
    fs::rename(path("..data_tmp"), path("..data")).expect("a rename");
    fs::remove_dir_all(path(&first)).expect("the old folder goes");
    let said = watched.until("2.0.0");
    assert!(matches!(said.as_slice(), [Notice::Replaced { .. }]), "{said:?}");
}

#[test]
fn editors_write_a_copy_and_rename_it_or_empty_the_file_first() {
    let watched = Watched::new(World::new());
    watched.world.write("custom.wasm", &policy("1.0.0"));
    watched.until("1.0.0");
    let path = |name: &str| watched.world.folder.join(name);
    // As vim does: a backup, a new file under the old name, the backup goes.
    fs::rename(path("custom.wasm"), path("custom.wasm~")).expect("a rename");
    watched.world.write("custom.wasm", &policy("2.0.0"));
    fs::remove_file(path("custom.wasm~")).expect("the backup");
    watched.until("2.0.0");
    // As a shell does: the file is empty for a while, and half written for another.
    let bytes = policy("3.0.0");
    let mut file = fs::File::create(path("custom.wasm")).expect("the emptied file");
    watched.until_told(|notice| matches!(notice, Notice::Refused { reason, .. } if reason.contains("empty")));
    file.write_all(&bytes[..100]).expect("a part");
    watched.until_told(|notice| matches!(notice, Notice::Refused { reason, .. } if reason.contains("cut short")));
    assert_eq!(watched.world.version().as_deref(), Some("2.0.0"), "it decides all along");
    file.write_all(&bytes[100..]).expect("the rest");
    watched.until("3.0.0");
    assert_eq!(watched.world.policies.problems(), []);
}

#[test]
fn two_hundred_files_at_once_are_all_found() {
    let watched = Watched::new(World::new());
    for number in 0..200 {
        watched.world.write(&format!("policy-{number}.wasm"), &policy("1.0.0"));
    }
    watched.world.write("custom.wasm", &policy("1.0.0"));
    watched.until("1.0.0");
    let _rest = watched.world.scan();
    assert_eq!((watched.world.policies.list().len(), watched.world.policies.problems().len()), (201, 0));
}

#[test]
fn a_folder_that_is_removed_and_made_again_is_watched_again() {
    let watched = Watched::new(World::new());
    watched.world.write("custom.wasm", &policy("1.0.0"));
    watched.until("1.0.0");
    for version in ["2.0.0", "3.0.0"] {
        fs::remove_dir_all(&watched.world.folder).expect("it is there");
        fs::create_dir(&watched.world.folder).expect("it is not there");
        watched.world.write("custom.wasm", &policy(version));
        watched.until(version);
    }
}

#[test]
fn a_folder_that_comes_later_with_its_parents_is_found() {
    let mut world = World::new();
    let top = world.folder.join("later");
    world.folder = top.join("on").join("policies");
    let watched = Watched::new(world);
    assert!(watched.world.policies.folder_problem().is_some());
    fs::create_dir_all(&watched.world.folder).expect("parents and folder");
    watched.world.write("custom.wasm", &policy("1.0.0"));
    watched.until("1.0.0");
    assert_eq!(watched.world.policies.folder_problem(), None);
}

#[test]
fn our_own_reading_is_no_reason_to_scan_again() {
    let watched = Watched::new(World::new());
    watched.world.write("custom.wasm", &policy("1.0.0"));
    watched.until("1.0.0");
    // What the writing itself caused may still be on its way; after that there must be silence.
    while watched.due.recv_timeout(Duration::from_millis(200)).is_ok() {}
    let _said = watched.world.scan();
    assert_eq!(watched.due.recv_timeout(Duration::from_millis(500)), Err(RecvTimeoutError::Timeout));
}

#[test]
fn a_dropped_watch_ends() {
    let Watched { due, _watcher, .. } = Watched::new(World::new());
    drop(_watcher);
    while due.recv_timeout(DEADLINE).map_err(|ended| assert_eq!(ended, RecvTimeoutError::Disconnected)).is_ok() {}
}
