//! From the bytes of a file to a component that answers one of the three questions, or the reason why not.

use std::{borrow::Cow, panic};

use serde::Serialize;
use wasmparser::{
    ComponentTypeRef, Export, ExternalKind, Import, Parser, Payload, TypeBounds, Validator, WasmFeatures,
};
use wit_component::ComponentEncoder;

use crate::{
    answer::{Kind, Trap},
    text,
};

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "aviary:policy@1.0.0";
const COMMON: [&str; 2] = ["describe", "validate"];

/// Why a drop is refused; the sentence names the fault and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be had.
    #[error("{0}")]
    File(String),
    /// It is no WebAssembly.
    #[error("not WebAssembly: {0}; drop in the .wasm file that `cargo build --target wasm32-unknown-unknown` wrote")]
    NotWasm(String),
    /// It is WebAssembly, but damaged.
    #[error("damaged or cut short: {0}; copy it again, best under another name and then rename it")]
    Damaged(String),
    /// It wants more than a policy may have.
    #[error("it imports {import}, and a policy may import only the log of {CONTRACT}; {remedy}")]
    Import {
        /// The first import that is too much.
        import: String,
        /// The way out.
        remedy: &'static str,
    },
    /// It is a component or module of another purpose.
    #[error(
        "it exports {exports}; this host speaks {CONTRACT}: a policy exports describe, validate and one of classify \
         (classifier), analyze (analyzer), next (progression); build it with aviary-policy-sdk and one export macro"
    )]
    World {
        /// All exports, or `nothing`.
        exports: String,
    },
    /// It cannot be made a component, compiled or linked.
    #[error("{0}; build it again with the aviary-policy-sdk of this host, which speaks {CONTRACT}")]
    Unusable(String),
    /// It does not do what every policy must.
    #[error("on trial, {act}: the policy {trap}")]
    Trial {
        /// What it was asked.
        act: String,
        /// How it failed.
        trap: Trap,
    },
    /// It says something of itself that cannot be.
    #[error("it describes itself wrongly: {0}")]
    Description(String),
    /// It would break a configuration that is in force.
    #[error(
        "it does not accept the parameters that {by} gives it: {reason}; change those first, or give the file another \
         name and configure that"
    )]
    Parameters {
        /// Whose configuration.
        by: String,
        /// What the policy says.
        reason: String,
    },
    /// Another sort of policy is in force under the name.
    #[error("it is {found} and the policy in force under this name is {in_force}; give the file another name")]
    OtherKind {
        /// What the file is.
        found: String,
        /// What is in force.
        in_force: String,
    },
}

impl Refusal {
    /// A busy machine may be to blame: the same bytes may pass another time.
    pub(crate) fn may_pass_later(&self) -> bool {
        matches!(self, Self::File(_) | Self::Trial { trap: Trap::Time { .. }, .. })
    }
}

/// What the bytes of a file are, by their first eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// What `cargo build` writes; the host makes a component of it.
    Module,
    /// What the host runs.
    Component,
}

/// A component that has been looked at from outside only.
pub(crate) struct Candidate<'a> {
    pub(crate) component: Cow<'a, [u8]>,
    pub(crate) kind: Kind,
}

/// What can be seen from outside.
pub(crate) struct Looks<'a> {
    pub(crate) form: Form,
    pub(crate) outline: Outline,
    pub(crate) verdict: Result<Candidate<'a>, Faults>,
}

/// At least one.
pub(crate) struct Faults {
    pub(crate) first: Refusal,
    pub(crate) others: Vec<Refusal>,
}

/// Looks at the bytes and makes a component of a core module; or says the first thing that is wrong.
pub(crate) fn examine(bytes: &[u8]) -> Result<Candidate<'_>, Refusal> {
    look(bytes)?.verdict.map_err(|faults| faults.first)
}

/// As [`examine`], with all that can be said of the bytes; an error if they are no sound WebAssembly.
pub(crate) fn look(bytes: &[u8]) -> Result<Looks<'_>, Refusal> {
    let form = form(bytes)?;
    validate(bytes)?;
    let outline = Outline::of(bytes)?;
    let verdict = outline.verdict().and_then(|kind| match form {
        Form::Component => Ok(Candidate { component: Cow::Borrowed(bytes), kind }),
        Form::Module => of_module(bytes),
    });
    Ok(Looks { form, outline, verdict })
}

fn of_module(module: &[u8]) -> Result<Candidate<'static>, Faults> {
    let component = encode(module)?;
    let kind = Outline::of(&component)?.verdict()?;
    Ok(Candidate { component: Cow::Owned(component), kind })
}

impl From<Refusal> for Faults {
    fn from(first: Refusal) -> Self {
        Self { first, others: vec![] }
    }
}

fn form(bytes: &[u8]) -> Result<Form, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::NotWasm("the file is empty".to_owned()));
    }
    if !bytes.starts_with(b"\0asm") {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(12)]).into_owned();
        return Err(Refusal::NotWasm(format!("it begins with `{}`", text::printable(&start))));
    }
    let version = bytes.get(4..8).ok_or_else(|| Refusal::Damaged(format!("it ends after {} bytes", bytes.len())))?;
    match version {
        [1, 0, 0, 0] => Ok(Form::Module),
        [_, _, 1, 0] => Ok(Form::Component),
        _ => Err(Refusal::NotWasm(format!("its version bytes are {version:02x?}, which nobody knows"))),
    }
}

/// First of all, because the encoder panics on what is not valid.
fn validate(bytes: &[u8]) -> Result<(), Refusal> {
    let features = WasmFeatures::default() - WasmFeatures::MEMORY64 - WasmFeatures::RELAXED_SIMD;
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map(drop)
        .map_err(|error| Refusal::Damaged(error.to_string()))
}

fn encode(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    let encode = || ComponentEncoder::default().module(module).and_then(|mut encoder| encoder.encode());
    match panic::catch_unwind(panic::AssertUnwindSafe(encode)) {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(Refusal::Unusable(format!("it cannot be made a component: {error:#}"))),
        Err(_) => Err(Refusal::Unusable("it cannot be made a component: the encoder panicked".to_owned())),
    }
}

fn allowed_import(import: &str) -> Result<(), Refusal> {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    let ours = matches!(path, "aviary:policy/log" | "aviary:policy/types");
    if ours && version.starts_with("1.") {
        return Ok(());
    }
    let remedy = if import.starts_with("wasi") {
        "build it for wasm32-unknown-unknown, not for wasm32-wasip1 or wasm32-wasip2: a policy has no clock, disk or network"
    } else if ours {
        "it was built for another version of the contract: build it with the aviary-policy-sdk of this host"
    } else if path.starts_with("aviary:policy/") {
        "it was built for a newer host: update Aviary, or build it with the aviary-policy-sdk of this host"
    } else {
        "remove the dependency that needs it: a policy sees nothing but its input"
    };
    Err(Refusal::Import { import: import.to_owned(), remedy })
}

/// The names that a module or component asks for and offers.
#[derive(Default)]
pub(crate) struct Outline {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

impl Outline {
    fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut outline = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(damaged)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                section if depth == 0 => outline.read(section).map_err(damaged)?,
                _ => {}
            }
        }
        Ok(outline)
    }

    fn read(&mut self, section: Payload<'_>) -> wasmparser::Result<()> {
        match section {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.asks(module_import(&import?));
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    // The records that a world uses are imports too: names of types, nothing that can be called.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        self.asks(import.name.name.to_owned());
                    }
                }
            }
            Payload::ExportSection(section) => {
                let exports: Vec<Export<'_>> = section.into_iter().collect::<wasmparser::Result<_>>()?;
                let functions = exports.iter().filter(|export| export.kind == ExternalKind::Func);
                let named = functions.map(|export| export.name).filter(|name| !name.starts_with("cabi_"));
                self.exports.extend(named.map(str::to_owned));
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn asks(&mut self, import: String) {
        if !self.imports.contains(&import) {
            self.imports.push(import);
        }
    }

    /// The question it answers, or everything that is wrong with these names.
    fn verdict(&self) -> Result<Kind, Faults> {
        let mut strangers = self.imports.iter().filter_map(|name| allowed_import(name).err());
        match (strangers.next(), self.kind()) {
            (Some(first), kind) => Err(Faults { first, others: strangers.chain(kind.err()).collect() }),
            (None, kind) => Ok(kind?),
        }
    }

    pub(crate) fn kind(&self) -> Result<Kind, Refusal> {
        let has = |name: &str| self.exports.iter().any(|export| export == name);
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| has(kind.function())).collect();
        match kinds[..] {
            [kind] if COMMON.into_iter().all(has) => Ok(kind),
            _ if self.exports.is_empty() => Err(Refusal::World { exports: "nothing".to_owned() }),
            _ => Err(Refusal::World { exports: text::cut(&self.exports.join(", "), 300) }),
        }
    }
}

/// An interface goes by its name; of what no component can give, the function counts too.
fn module_import(import: &Import<'_>) -> String {
    if import.module.contains(':') { import.module.to_owned() } else { format!("{}::{}", import.module, import.name) }
}

fn damaged(error: wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Damaged(error.to_string())
}
