//! Whatever is texted is read as it must be: `cargo +nightly fuzz run grammar`.
#![no_main]

#[path = "../../tests/it/grammar/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|text: &str| invariants::hold_for(text));
