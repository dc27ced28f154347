//! Guests written by hand against the contract, so that they can do what no SDK allows.
//!
//! A guest describes itself, accepts parameters and answers from constants, until one of its bodies is replaced.

use std::fmt::Write as _;

use aviary_policy::Kind;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract as the host has it.
pub const CONTRACT: &str = include_str!("../../../../wit/policy.wit");
/// Never ends.
pub const LOOP: &str = "(loop $forever (br $forever)) unreachable";
/// Stops without a word.
pub const TRAP: &str = "unreachable";
/// Takes all the memory it gets and then stops.
pub const BOMB: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
/// Calls itself until the stack is full.
pub const RECURSION: &str = "(call $recurse) unreachable";
/// The number of replicas, or the time, at which a guest misbehaves: no trial has it.
pub const MAGIC: u32 = 666;

const CONSTANTS: u32 = 1024;
const HEAP: u32 = 4 << 20;

/// A policy in the making.
pub struct Guest {
    kind: Kind,
    wit: String,
    log: String,
    version: String,
    summary: String,
    schema: String,
    defaults: String,
    describe: Option<String>,
    validate: Option<String>,
    answer: Option<String>,
    start: String,
    words: Constants,
}

/// The guest's memory from [`CONSTANTS`] on.
#[derive(Default)]
struct Constants(Vec<u8>);

/// An address and a length, as the guest holds a text or a list.
#[derive(Clone, Copy)]
pub struct Span(u32, u32);

impl Guest {
    pub fn new(kind: Kind, version: &str) -> Self {
        Self {
            kind,
            wit: CONTRACT.to_owned(),
            log: "1.0.0".to_owned(),
            version: version.to_owned(),
            summary: "a policy written by hand".to_owned(),
            schema: "{}".to_owned(),
            defaults: "{}".to_owned(),
            describe: None,
            validate: None,
            answer: None,
            start: String::new(),
            words: Constants::default(),
        }
    }

    /// Speaks this version of the contract, of which `wit` must be.
    pub fn log_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.log);
        self
    }

    pub fn against(mut self, wit: &str) -> Self {
        wit.clone_into(&mut self.wit);
        self
    }

    pub fn summary(mut self, summary: &str) -> Self {
        summary.clone_into(&mut self.summary);
        self
    }

    pub fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    /// Does `body` before it can be asked anything.
    pub fn start(mut self, body: &str) -> Self {
        self.start = format!("(func $start {body}) (start $start)");
        self
    }

    pub fn describe(mut self, body: &str) -> Self {
        self.describe = Some(body.to_owned());
        self
    }

    pub fn validate(mut self, body: &str) -> Self {
        self.validate = Some(body.to_owned());
        self
    }

    /// Refuses all parameters that are longer than `{}`.
    pub fn choosy(mut self, reason: &str) -> Self {
        let Span(reason, length) = self.words.text(reason);
        let no = self.words.words(&[1, reason, length]);
        let yes = self.words.words(&[0, 0, 0]);
        self.validate(&format!("(select (i32.const {no}) (i32.const {yes}) (i32.gt_u (local.get 1) (i32.const 2)))"))
    }

    pub fn answer(mut self, body: &str) -> Self {
        self.answer = Some(body.to_owned());
        self
    }

    /// Does `body` when it meets [`MAGIC`], and otherwise what it would do anyway.
    pub fn when_magic(mut self, body: &str) -> Self {
        let otherwise = self.usual_answer();
        let asked = match self.kind {
            Kind::Classifier => format!("(i32.eq (i32.load offset=48 (local.get 0)) (i32.const {MAGIC}))"),
            Kind::Analyzer | Kind::Progression => {
                format!("(i64.eq (i64.load offset=40 (local.get 0)) (i64.const {MAGIC}))")
            }
        };
        self.answer(&format!("(if (result i32) {asked} (then {body}) (else {otherwise}))"))
    }

    /// A body that logs `message` `times` times, at the level of that number, and goes on with `body`.
    pub fn saying(&mut self, level: u32, message: &str, times: u32, body: &str) -> String {
        let Span(at, length) = self.words.text(message);
        format!(
            "(loop $again
               (call $log (i32.const {level}) (i32.const {at}) (i32.const {length}))
               (global.set $count (i32.add (global.get $count) (i32.const 1)))
               (br_if $again (i32.lt_u (global.get $count) (i32.const {times}))))
             {body}"
        )
    }

    /// A classification, or the beginning of any record that starts with a byte and a text.
    pub fn classification(&mut self, kind: u32, reason: &str) -> String {
        let Span(at, length) = self.words.text(reason);
        constant(self.words.words(&[kind, at, length]))
    }

    /// A finding without lines for metrics.
    pub fn finding(&mut self, score: f64, reason: &str) -> String {
        let Span(at, length) = self.words.text(reason);
        let bits = score.to_bits();
        let [low, high] = [bits as u32, (bits >> 32) as u32];
        constant(self.words.words(&[0, 0, 1, 0, low, high, at, length, 0, 0, 0, 0]))
    }

    /// A finding with a reason of `length` bytes of the guest's memory.
    pub fn finding_of_length(&mut self, length: u32) -> String {
        constant(self.words.words(&[0, 0, 0, 0, 0, 0, 0, length, 0, 0, 0, 0]))
    }

    /// A finding with so many lines, which are the guest's empty memory.
    pub fn finding_of_lines(&mut self, lines: u32) -> String {
        let Span(at, length) = self.words.text("fine");
        constant(self.words.words(&[0, 0, 0, 0, 0, 0, at, length, HEAP, lines, 0, 0]))
    }

    /// A move; `next` is hold, advance, promote, rollback, pause.
    pub fn decision(&mut self, next: u32, pods: u32, reason: &str) -> String {
        let Span(at, length) = self.words.text(reason);
        constant(self.words.words(&[next, pods, at, length]))
    }

    pub fn usual_answer(&mut self) -> String {
        let reason = format!("said by {}", self.version);
        match self.kind {
            Kind::Classifier => self.classification(3, &reason),
            Kind::Analyzer => self.finding(100.0, &reason),
            Kind::Progression => self.decision(0, 0, &reason),
        }
    }

    /// The core module, as `cargo build` would write it.
    pub fn module(mut self) -> Vec<u8> {
        let describe = self.describe.take().unwrap_or_else(|| self.usual_description());
        let validate = self.validate.take().unwrap_or_else(|| constant(self.words.words(&[0, 0, 0])));
        let answer = self.answer.take().unwrap_or_else(|| self.usual_answer());
        let function = self.kind.function();
        let functions = format!(
            r#"(func (export "describe") (result i32) {describe})
               (func (export "validate") (param i32 i32) (result i32) {validate})
               (func (export "{function}") (param i32) (result i32) {answer})
               {start}"#,
            start = self.start
        );
        module(&surround(&functions, &self.words, &self.log), &self.wit, &self.kind.to_string())
    }

    /// The component.
    pub fn component(self) -> Vec<u8> {
        component(&self.module())
    }

    fn usual_description(&mut self) -> String {
        let texts = ["by-hand", &self.version, &self.summary, &self.schema, &self.defaults].map(str::to_owned);
        let words: Vec<u32> =
            texts.iter().map(|text| self.words.text(text)).flat_map(|Span(at, length)| [at, length]).collect();
        constant(self.words.words(&words))
    }
}

impl Constants {
    fn text(&mut self, text: &str) -> Span {
        Span(self.put(text.as_bytes()), u32::try_from(text.len()).expect("a short text"))
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = CONSTANTS + u32::try_from(self.0.len()).expect("few constants");
        self.0.extend_from_slice(bytes);
        at
    }
}

/// A core module from text, with the world `world` of `wit` written into it.
pub fn module(text: &str, wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("guest.wit", wit).expect("the guest's WIT is right");
    let world = resolve.select_world(&[package], Some(world)).expect("the world is in it");
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata can be written");
    module
}

/// The component of a core module.
pub fn component(module: &[u8]) -> Vec<u8> {
    ComponentEncoder::default().module(module).and_then(|mut encoder| encoder.encode()).expect("a sound module")
}

fn constant(address: u32) -> String {
    format!("(i32.const {address})")
}

/// Memory, a bump allocator, the log and some tools around the functions of a guest.
fn surround(functions: &str, constants: &Constants, log: &str) -> String {
    let data = constants.0.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    });
    format!(
        r#"(module
          (import "aviary:policy/log@{log}" "log" (func $log (param i32 i32 i32)))
          (memory (export "memory") {pages})
          (global $next (mut i32) (i32.const {HEAP}))
          (global $count (mut i32) (i32.const 0))
          (data (i32.const {CONSTANTS}) "{data}")
          (func $recurse (call $recurse))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (local.get 3))))
          {functions})"#,
        pages = (HEAP >> 16) + 64
    )
}
