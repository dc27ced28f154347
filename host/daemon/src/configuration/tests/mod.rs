//! The configuration from outside: what is said of faulty files, what good ones mean, and files that nobody foresaw.

mod faulty;
mod fits;
mod good;
mod hostile;
mod layers;
mod patterns;
mod schema;

use std::path::Path;

use super::Configuration;

const EXAMPLE: &str = include_str!("../../../../../config/aviary.yaml");
const SERVICE: &str = "services: [{name: foo, namespace: shop}]\n";

fn parse(text: &str) -> Result<Configuration, String> {
    let read = Configuration::parse(text, Path::new("/etc/aviary.yaml")).map_err(|faults| faults.to_string());
    schema::assert_agrees(text, read.as_ref().err());
    read
}

fn good(text: &str) -> Configuration {
    parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}
