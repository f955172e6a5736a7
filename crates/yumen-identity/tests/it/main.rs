//! Certificates from a real CA: Pebble, which its makers wrote to be unkind to clients, and the name server Knot, which
//! takes updates. Both are Debian packages of the same name.

#![allow(clippy::unwrap_used, reason = "tests")]

mod alidns;
mod challenges;
mod dns;
mod limits;
mod trouble;
mod cloud;
mod answer;
mod stage;
