//! The tests that see Homeward from outside: one binary, one module for each capability.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a rig that does not work has to fail its test"
)]
#![expect(
    unreachable_pub,
    reason = "nothing outside reaches into a test binary; `pub` says what a module offers"
)]

mod act_table;
mod agreement_bad_input;
mod agreements;
mod alarm;
mod alarm_page;
mod checklists;
mod commands;
mod concerns;
mod contacts;
mod coverage;
mod drills;
mod due;
mod equipment;
mod deadlines;
mod duress;
mod exceptions;
mod faults;
mod filing;
mod grammar;
mod late;
mod lists;
mod messages_doc;
mod ownership;
mod policies;
mod operating;
mod oversight;
mod region;
mod properties;
mod provider_test;
mod providers;
mod reports;
mod simulation;
mod sms;
mod sos;
mod store;
mod support;
mod support_works;
mod texts;
mod tidy;
mod visits;
mod walk;
mod webhooks;
