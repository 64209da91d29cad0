//! What Homeward decides. Pure: no I/O, no clock, no randomness; the time is always an argument.
//!
//! Reading order: who ([`people`], [`contact`]), the watched thing ([`visit`]), what opens when it does not end
//! ([`incident`], [`ladder`]), what people read ([`wording`]), who may do what ([`rights`]).

pub mod contact;
pub mod event;
pub mod ids;
pub mod incident;
pub mod ladder;
pub mod local_time;
pub mod notice;
pub mod people;
pub mod pin;
pub mod policy;
pub mod retry;
pub mod rights;
pub mod simulation;
pub mod start;
pub mod visit;
pub mod wording;
