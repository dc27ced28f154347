//! Parameters as plain structs: read from JSON with errors that a person understands, and described by a JSON Schema.
//!
//! JSON is written as text, not by way of a `Value`, and no serde code is derived: that keeps policies small.

use std::fmt::Write;

use serde_json::Map;

#[doc(hidden)]
pub use serde_json::Value;

/// All parameters of a policy. Made by [`parameters!`](crate::parameters); not implemented by hand.
pub trait Parameters: Parameter + Default {}

/// One parameter's type.
pub trait Parameter: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What was expected instead.
    fn read(value: &Value) -> Result<Self, Fault>;

    /// Its JSON.
    fn write(&self) -> String;

    /// The members of its JSON Schema, as in `"type":"integer","minimum":0`.
    fn schema() -> String;
}

/// Why a parameter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Dotted path of the parameter, empty for the value that was read itself.
    pub path: String,
    /// What is wrong with it, as the end of a sentence that starts with its name.
    pub problem: String,
    /// The JSON of its default, if it has one.
    pub default: Option<String>,
}

impl Fault {
    /// The fault of a value that is of another type.
    #[must_use]
    pub fn expected(what: &str, value: &Value) -> Self {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => quoted(text),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        Self { path: String::new(), problem: format!("must be {what}, not {found}"), default: None }
    }

    /// The same fault, seen from the struct that has the value in `name`.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}.{}", self.path) };
        self
    }

    fn sentence(&self) -> String {
        let Self { path, problem, default } = self;
        match default {
            _ if path.is_empty() => format!("the parameters {problem}"),
            Some(default) => format!("parameter `{path}` {problem}; correct it, or leave it out to use {default}"),
            None => format!("parameter `{path}` {problem}; correct it or leave it out"),
        }
    }
}

/// Reads all parameters of a policy; an empty text or `null` means the defaults.
///
/// # Errors
/// One sentence that names the parameter, the fault and the way out.
pub fn read<P: Parameters>(text: &str) -> Result<P, String> {
    let value = parse(text)?;
    if value.is_null() {
        return Ok(P::default());
    }
    P::read(&value).map_err(|fault| fault.sentence())
}

/// Reads one parameter by its name, among others that may be meant for somebody else.
///
/// # Errors
/// One sentence that names the parameter, the fault and the way out.
pub fn read_one<T: Parameter>(text: &str, name: &str) -> Result<Option<T>, String> {
    let value = parse(text)?;
    let read = value.get(name).filter(|value| !value.is_null()).map(T::read).transpose();
    read.map_err(|fault| fault.within(name).sentence())
}

fn parse(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| format!("the parameters are not JSON: {error}"))
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl Parameter for $type {
            fn read(value: &Value) -> Result<Self, Fault> {
                let number = value.as_u64().ok_or_else(|| Fault::expected("a whole number of zero or more", value))?;
                Self::try_from(number).map_err(|_| Fault::expected(&format!("at most {}", Self::MAX), value))
            }

            fn write(&self) -> String {
                self.to_string()
            }

            fn schema() -> String {
                r#""type":"integer","minimum":0"#.to_owned()
            }
        }
    )*};
}
whole_number!(u32, u64);

impl Parameter for f64 {
    fn read(value: &Value) -> Result<Self, Fault> {
        value.as_f64().ok_or_else(|| Fault::expected("a number", value))
    }

    fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn schema() -> String {
        r#""type":"number""#.to_owned()
    }
}

impl Parameter for bool {
    fn read(value: &Value) -> Result<Self, Fault> {
        value.as_bool().ok_or_else(|| Fault::expected("true or false", value))
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn schema() -> String {
        r#""type":"boolean""#.to_owned()
    }
}

impl Parameter for String {
    fn read(value: &Value) -> Result<Self, Fault> {
        value.as_str().map(str::to_owned).ok_or_else(|| Fault::expected("a text", value))
    }

    fn write(&self) -> String {
        quoted(self)
    }

    fn schema() -> String {
        r#""type":"string""#.to_owned()
    }
}

impl<T: Parameter> Parameter for Option<T> {
    fn read(value: &Value) -> Result<Self, Fault> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }

    fn write(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), Parameter::write)
    }

    fn schema() -> String {
        format!(r#""anyOf":[{{{}}},{{"type":"null"}}]"#, T::schema())
    }
}

impl<T: Parameter> Parameter for Vec<T> {
    fn read(value: &Value) -> Result<Self, Fault> {
        let items = value.as_array().ok_or_else(|| Fault::expected("a list", value))?;
        let read = |(place, item)| T::read(item).map_err(|fault: Fault| fault.within(&usize::to_string(&place)));
        items.iter().enumerate().map(read).collect()
    }

    fn write(&self) -> String {
        format!("[{}]", self.iter().map(Parameter::write).collect::<Vec<_>>().join(","))
    }

    fn schema() -> String {
        format!(r#""type":"array","items":{{{}}}"#, T::schema())
    }
}

/// The object that a struct of parameters is read from. For [`parameters!`](crate::parameters).
#[doc(hidden)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value, known: &[&str]) -> Result<Self, Fault> {
        let fields = value.as_object().ok_or_else(|| Fault::expected("an object", value))?;
        let known: Vec<String> = known.iter().map(|name| kebab(name)).collect();
        match fields.keys().find(|name| !known.contains(name)) {
            None => Ok(Self(fields)),
            Some(stranger) => Err(unknown(stranger, &known)),
        }
    }

    pub fn read<T: Parameter>(&self, name: &str, default: T) -> Result<T, Fault> {
        let name = kebab(name);
        let Some(value) = self.0.get(&name) else {
            return Ok(default);
        };
        T::read(value).map_err(|fault| {
            let default = if fault.path.is_empty() { Some(default.write()) } else { fault.default.clone() };
            Fault { default, ..fault.within(&name) }
        })
    }
}

fn unknown(stranger: &str, known: &[String]) -> Fault {
    let problem = match known {
        [] => "is unknown: there are none".to_owned(),
        known => format!("is unknown: known are `{}`", known.join("`, `")),
    };
    Fault { path: stranger.to_owned(), problem, default: None }
}

/// One field of a struct. For [`parameters!`](crate::parameters).
#[doc(hidden)]
pub struct Field {
    pub name: &'static str,
    pub about: &'static [&'static str],
    pub schema: String,
    pub value: String,
}

/// The JSON of a struct. For [`parameters!`](crate::parameters).
#[doc(hidden)]
#[must_use]
pub fn object(fields: &[Field]) -> String {
    let mut text = String::from("{");
    for Field { name, value, .. } in fields {
        let comma = if text.len() > 1 { "," } else { "" };
        let _ = write!(text, "{comma}\"{}\":{value}", kebab(name));
    }
    text + "}"
}

/// The members of the JSON Schema of a struct. For [`parameters!`](crate::parameters).
#[doc(hidden)]
#[must_use]
pub fn object_schema(about: &[&str], fields: &[Field]) -> String {
    let mut text = format!(r#"{}"type":"object","additionalProperties":false,"properties":{{"#, description(about));
    for (place, Field { name, about, schema, value }) in fields.iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let about = description(about);
        let _ = write!(text, r#"{comma}"{}":{{{about}{schema},"default":{value}}}"#, kebab(name));
    }
    text + "}"
}

fn description(about: &[&str]) -> String {
    let mut text = String::new();
    for line in about {
        text += if text.is_empty() { "" } else { " " };
        text += line.trim();
    }
    if text.is_empty() { text } else { format!(r#""description":{},"#, quoted(&text)) }
}

/// A JSON string.
#[doc(hidden)]
#[must_use]
pub fn quoted(text: &str) -> String {
    // A text can always be written: the error is only possible for maps and floats.
    serde_json::to_string(text).unwrap_or_default()
}

/// Reads one of the words of an enum. For [`parameters!`](crate::parameters).
#[doc(hidden)]
pub fn choose<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, Fault> {
    let found = value.as_str().and_then(|word| choices.iter().find(|(name, _)| kebab(name) == word));
    let words = || choices.iter().map(|(name, _)| format!("`{}`", kebab(name))).collect::<Vec<_>>().join(" or ");
    found.map(|(_, choice)| *choice).ok_or_else(|| Fault::expected(&words(), value))
}

/// A Rust name as it stands in a configuration: `max_restarts` and `MaxRestarts` are both `max-restarts`.
#[doc(hidden)]
#[must_use]
pub fn kebab(name: &str) -> String {
    let mut written = String::new();
    for letter in name.chars() {
        match letter {
            '_' => written.push('-'),
            'A'..='Z' => {
                if !written.is_empty() {
                    written.push('-');
                }
                written.push(letter.to_ascii_lowercase());
            }
            _ => written.push(letter),
        }
    }
    written
}

/// Declares what a configuration can set: a struct with a default for every field, or an enum whose first variant is
/// the default. Names are written in kebab case there; what is unknown or of another type is refused with a sentence.
/// The comments become the descriptions in the JSON Schema.
///
/// A field can be a `u32`, `u64`, `f64`, `bool`, `String`, another struct or enum of this macro, or `Option` or `Vec`
/// of these.
///
/// ```
/// aviary_policy_sdk::parameters! {
///     /// How strict it is.
///     pub struct Strictness {
///         /// Restarts that are tolerated.
///         pub max_restarts: u32 = 1,
///     }
/// }
/// let read = aviary_policy_sdk::parameters::read::<Strictness>;
/// assert_eq!(read(r#"{"max-restarts": 3}"#).unwrap().max_restarts, 3);
/// assert_eq!(
///     read(r#"{"max-restarts": "few"}"#).unwrap_err(),
///     "parameter `max-restarts` must be a whole number of zero or more, not \"few\"; correct it, or leave it out to use 1"
/// );
/// ```
#[macro_export]
macro_rules! parameters {
    ($(#[doc = $about:literal])* $visible:vis struct $name:ident {
        $($(#[doc = $doc:literal])* $field_visible:vis $field:ident: $type:ty = $default:expr),* $(,)?
    }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        $visible struct $name {
            $($(#[doc = $doc])* $field_visible $field: $type,)*
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::Parameters for $name {}

        impl $crate::parameters::Parameter for $name {
            fn read(value: &$crate::parameters::Value) -> ::core::result::Result<Self, $crate::parameters::Fault> {
                let _fields = $crate::parameters::Fields::of(value, &[$(stringify!($field)),*])?;
                let _defaults = <Self as ::core::default::Default>::default();
                Ok(Self { $($field: _fields.read(stringify!($field), _defaults.$field)?,)* })
            }

            fn write(&self) -> ::std::string::String {
                $crate::parameters::object(&self.__fields())
            }

            fn schema() -> ::std::string::String {
                let defaults = <Self as ::core::default::Default>::default();
                $crate::parameters::object_schema(&[$($about),*], &defaults.__fields())
            }
        }

        impl $name {
            fn __fields(&self) -> ::std::vec::Vec<$crate::parameters::Field> {
                vec![$($crate::parameters::Field {
                    name: stringify!($field),
                    about: &[$($doc),*],
                    schema: <$type as $crate::parameters::Parameter>::schema(),
                    value: $crate::parameters::Parameter::write(&self.$field),
                }),*]
            }
        }
    };
    ($(#[doc = $about:literal])* $visible:vis enum $name:ident {
        $(#[doc = $first_doc:literal])* $first:ident $(, $(#[doc = $doc:literal])* $variant:ident)* $(,)?
    }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        $visible enum $name {
            $(#[doc = $first_doc])*
            #[default]
            $first,
            $($(#[doc = $doc])* $variant,)*
        }

        impl $crate::parameters::Parameter for $name {
            fn read(value: &$crate::parameters::Value) -> ::core::result::Result<Self, $crate::parameters::Fault> {
                let choices = [(stringify!($first), Self::$first) $(, (stringify!($variant), Self::$variant))*];
                $crate::parameters::choose(value, &choices)
            }

            fn write(&self) -> ::std::string::String {
                $crate::parameters::quoted(&$crate::parameters::kebab(match self {
                    Self::$first => stringify!($first),
                    $(Self::$variant => stringify!($variant),)*
                }))
            }

            fn schema() -> ::std::string::String {
                let words = [Self::$first $(, Self::$variant)*].map(|word| $crate::parameters::Parameter::write(&word));
                ::std::format!("\"enum\":[{}]", words.join(","))
            }
        }
    };
}

parameters! {
    /// A policy that has nothing to set.
    pub struct NoParameters {}
}
