//! Request in, response out, on both databases.

mod requests;
