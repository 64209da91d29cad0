//! lib
pub mod app;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod keys;
pub mod kill_points;
pub mod outbox;
pub mod providers;
pub mod shutdown;
pub mod store;
pub mod timer;
