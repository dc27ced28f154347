//! The world in a box, against which Aviary's core is explored: Deployments with their controllers and pods, people,
//! faults, and a daemon around the core as it is. Pure: a state is a value, and all that can happen next is a list.

pub mod action;
pub mod alterations;
mod api;
mod canonical;
pub mod cluster;
mod controller;
pub mod deed;
pub mod deployment;
pub mod explore;
pub mod face;
mod graph;
pub mod judge;
mod known;
pub mod metrics;
pub mod mind;
mod outcome;
mod patch;
mod people;
pub mod policies;
pub mod prometheus;
pub mod records;
mod samples;
pub mod setting;
pub mod sight;
pub mod specs;
mod start;
mod step;
pub mod trace;
pub mod words;
pub mod world;
