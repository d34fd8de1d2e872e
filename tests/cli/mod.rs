//! Commands typed, output read: the real program against a real server.

mod audit;
mod break_glass;
mod broken;
mod canaries;
mod connect;
mod device_key;
mod flow;
mod follow;
mod help;
mod hostile;
mod incident;
mod keys;
mod local;
mod nodes;
mod policy;
mod replayed;
mod session;
mod tampering;
mod target;
mod theme;
mod waiting;
