//! The rules, without a server: a machine that takes arbitrary steps, and a table of every refusal and event.

mod approvals;
mod boundaries;
mod events;
mod glass;
mod machine;
mod overriding;
mod properties;
mod refusals;
