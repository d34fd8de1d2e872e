//! Commands typed, output read: the real program against a real server.

mod audit;
mod break_glass;
mod broken;
mod canaries;
mod completions;
mod connect;
mod day;
mod device_key;
mod exec;
mod flow;
mod follow;
mod help;
mod hostile;
mod incident;
mod keys;
mod local;
mod nodes;
mod pick;
mod plain_ssh;
mod policy;
mod replayed;
mod session;
mod tampering;
mod target;
mod theme;
mod waiting;
