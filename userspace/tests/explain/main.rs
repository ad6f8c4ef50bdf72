//! `sluice explain`: the account of a capture, as a user gets it and as the engine made it.

mod account;
mod captures;
mod command;
mod formats;
mod hostile;
mod sample;
mod written;
