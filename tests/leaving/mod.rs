//! What leaves the system, and what must not: exports, deliveries, evidence, and what is erased or pruned.

mod delivery;
mod erase;
mod evidence;
mod export;
mod ocsf;
mod prune;
mod reads;
mod receivers;
mod rsyslog;
