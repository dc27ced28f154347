//! The one engine of all policies, its deterministic settings, and the clock that ends calls.

use std::{
    fmt, panic,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use wasmtime::{
    Config, Engine, Store, Trap as WasmTrap, WasmBacktrace,
    component::{Component, HasSelf, Linker},
};

use crate::{
    answer::{Spent, Trap},
    contract,
    limits::{Limits, humane_bytes},
    sandbox::Sandbox,
};

/// The grain of the time limit.
const TICK: Duration = Duration::from_millis(10);
/// Stack of a policy; it runs on the caller's thread, which has at least 2 MiB.
const STACK: usize = 512 << 10;

/// Engine, linker and clock, shared by all policies.
pub(crate) struct Machine {
    engine: Engine,
    linker: Linker<Sandbox>,
    clock: Clock,
    limits: Limits,
}

/// What a call left behind.
pub(crate) struct Outcome<T> {
    pub(crate) result: Result<T, Trap>,
    pub(crate) sandbox: Sandbox,
    pub(crate) spent: Spent,
}

impl Machine {
    pub(crate) fn new(limits: Limits) -> wasmtime::Result<Self> {
        let engine = Engine::new(&settings())?;
        let mut linker = Linker::new(&engine);
        contract::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
        contract::log::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
        let clock = Clock::start(engine.clone())?;
        Ok(Self { engine, linker, clock, limits })
    }

    pub(crate) fn linker(&self) -> &Linker<Sandbox> {
        &self.linker
    }

    /// Compiles; a bug of the compiler is an error as well, never the daemon's end.
    pub(crate) fn compile(&self, component: &[u8]) -> Result<Component, String> {
        let compiled = panic::catch_unwind(panic::AssertUnwindSafe(|| Component::new(&self.engine, component)));
        compiled.map_err(|_| "the compiler panicked".to_owned())?.map_err(|error| format!("{error:#}"))
    }

    /// Runs `call` in a fresh store, within the limits.
    pub(crate) fn run<T>(
        &self,
        policy: &str,
        call: impl FnOnce(&mut Store<Sandbox>) -> wasmtime::Result<T>,
    ) -> Outcome<T> {
        let begun = Instant::now();
        let mut store = Store::new(&self.engine, Sandbox::new(policy, self.limits));
        store.limiter(|sandbox| sandbox);
        store.set_hostcall_fuel(self.limits.answer);
        store.set_epoch_deadline(ticks(self.limits.time));
        let running = self.clock.run();
        let result = call(&mut store);
        drop(running);
        let sandbox = store.into_data();
        let spent = Spent { time: begun.elapsed(), memory: sandbox.memory };
        Outcome { result: result.map_err(|error| self.trap(&error, &sandbox)), sandbox, spent }
    }

    fn trap(&self, error: &wasmtime::Error, sandbox: &Sandbox) -> Trap {
        let wasm = error.downcast_ref::<WasmTrap>();
        if wasm == Some(&WasmTrap::Interrupt) {
            return Trap::Time { limit: aviary_core::time::humane(self.limits.time) };
        }
        if let Some(wanted) = sandbox.denied {
            return Trap::Memory { wanted: humane_bytes(wanted), limit: humane_bytes(self.limits.memory) };
        }
        match (wasm, sandbox.last_error()) {
            (Some(WasmTrap::UnreachableCodeReached), Some(word)) => Trap::Panic(word.to_owned()),
            (Some(wasm), _) => Trap::Wasm(format!("{wasm}{}", place(error))),
            (None, _) => self.fault(error.root_cause().to_string()),
        }
    }

    /// What is no trap of WebAssembly: an answer of the wrong shape, or of too many bytes.
    fn fault(&self, message: String) -> Trap {
        // The engine has no public type for it; a test holds on to its words.
        if message.contains("fuel allocated for hostcalls") {
            return Trap::Size { limit: humane_bytes(self.limits.answer) };
        }
        Trap::Wasm(message)
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Same input, same answer: nothing that differs between machines is switched on.
fn settings() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK);
    // Two hundred files dropped at once must leave a core to the calls.
    config.parallel_compilation(false);
    config
}

/// One more than the time needs: the first tick may come at once.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u64::MAX / 2).saturating_add(1)
}

/// Where it trapped, by the names of the innermost functions.
fn place(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names: Vec<_> = trace.frames().iter().filter_map(|frame| frame.func_name()).take(3).collect();
    if names.is_empty() { String::new() } else { format!(" (in {})", names.join(", called by ")) }
}

/// Advances the engine's epoch while calls are under way; when there are none, its thread sleeps.
struct Clock {
    state: Arc<(Mutex<ClockState>, Condvar)>,
}

#[derive(Default)]
struct ClockState {
    calls: usize,
    stopped: bool,
}

/// A call under way.
struct Running<'a>(&'a Clock);

impl Clock {
    fn start(engine: Engine) -> std::io::Result<Self> {
        let state = Arc::new((Mutex::new(ClockState::default()), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::Builder::new().name("policy-clock".to_owned()).spawn(move || {
            while wait_for_calls(&shared) {
                thread::sleep(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { state })
    }

    fn run(&self) -> Running<'_> {
        let mut state = locked(&self.state.0);
        state.calls += 1;
        if state.calls == 1 {
            self.state.1.notify_one();
        }
        Running(self)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        locked(&self.0.state.0).calls -= 1;
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        locked(&self.state.0).stopped = true;
        self.state.1.notify_one();
    }
}

/// Returns when a call is under way; false when there will be none any more.
fn wait_for_calls((state, wake): &(Mutex<ClockState>, Condvar)) -> bool {
    let idle = |state: &mut ClockState| state.calls == 0 && !state.stopped;
    let state = wake.wait_while(locked(state), idle).unwrap_or_else(PoisonError::into_inner);
    !state.stopped
}

fn locked(state: &Mutex<ClockState>) -> MutexGuard<'_, ClockState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
