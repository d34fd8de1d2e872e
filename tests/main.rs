//! One test binary: folders mirror URLs, screens and commands.

#[cfg(test)] // tells clippy that helpers outside test functions are tests, too
mod api;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod console;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod domain;
#[cfg(test)]
mod drill;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod query;
#[cfg(test)]
mod races;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod sequencing;
#[cfg(test)]
mod store;
#[cfg(test)]
mod story;
#[cfg(test)]
mod structure;
#[cfg(test)]
mod support;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod time;
#[cfg(test)]
mod tlog;
#[cfg(test)]
mod witness;
