//! The thread that starts all processes.
//!
//! The kernel ends a child with the *thread* that started it. A test's thread
//! ends with the test, this one with the program.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

struct Request {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

/// Starts a child that, if it asked for it, lives until it ends or this program does.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, answered) = channel();
    let request = Request { command, answer };
    let gone = || io::Error::other("the thread that starts processes is gone");
    requests().lock().unwrap_or_else(PoisonError::into_inner).send(request).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

fn requests() -> &'static Mutex<Sender<Request>> {
    static REQUESTS: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        let (sender, receiver) = channel::<Request>();
        thread::spawn(move || {
            for mut request in receiver {
                // Who asked may have given up meanwhile; the child then ends with this program.
                let _ = request.answer.send(request.command.spawn());
            }
        });
        Mutex::new(sender)
    })
}
