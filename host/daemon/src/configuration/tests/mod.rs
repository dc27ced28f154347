//! The configuration from outside: what is said of faulty files, what good ones mean, and files that nobody foresaw.

mod faulty;
mod good;
mod hostile;
mod layers;
mod patterns;

use std::path::Path;

use super::Configuration;

const EXAMPLE: &str = include_str!("../../../../../config/aviary.yaml");
const SERVICE: &str = "services: [{name: foo, namespace: shop}]\n";

fn parse(text: &str) -> Result<Configuration, String> {
    Configuration::parse(text, Path::new("/etc/aviary.yaml")).map_err(|faults| faults.to_string())
}

fn good(text: &str) -> Configuration {
    parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}
