//! What Homeward decides. Pure: no I/O, no clock, no randomness; the time is always an argument.
//!
//! Reading order: who ([`people`], [`contact`]), the watched thing ([`visit`]), whether
//! it may be made ([`assessment`], [`agreement`]), what opens when it does not end
//! ([`incident`], [`ladder`]), what people read ([`wording`]) and write ([`command`]), who may do what ([`rights`]).

pub mod ids;
pub mod people;
pub mod contact;
pub mod policy;
pub mod pin;
pub mod proof;
pub mod visit;
pub mod start;
pub mod past_visit;
pub mod calendar;
pub mod case_file;
pub mod due;
pub mod assessment;
pub mod agreement;
pub mod exception;
pub mod oversight;
pub mod incident;
pub mod follow_up;
pub mod concern;
pub mod checklist;
pub mod measures;
pub mod policy_document;
pub mod equipment;
pub mod ladder;
pub mod drill;
pub mod rehearsal;
pub mod simulation;
pub mod coverage;
pub mod notice;
pub mod receipt;
pub mod reply;
pub mod wording;
pub mod local_time;
pub mod command;
pub mod csv;
pub mod report;
pub mod rights;
pub mod event;
pub mod webhook;
pub mod filing;
pub mod retry;
