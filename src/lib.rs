//! Homeward: a lone-worker check-in service. Somebody goes alone into a home and says when they will be out. If they do not
//! check out, people are raised, step by step, until one of them takes the alarm and says how it ended.
//!
//! Data goes one way, and so do the modules:
//!
//! ```text
//!   HTTP/JSON   CLI   demo          deadlines
//!        \       |     /                |
//!         +-- http, main               timer
//!                |                      |
//!                +--------> app <-------+      one use case = one transaction
//!                            |
//!            domain (decides)   store (keeps: state, events and messages together)
//!                                  |
//!                               outbox ---> providers ---> SMTP, SMS gateways
//! ```
//!
//! To follow an alarm: [`domain::visit::Visit::due`] says that a deadline has passed, [`app::tick`] opens the incident,
//! [`domain::incident`] runs the [`domain::ladder`], `app::telling` writes the messages, [`outbox`] sends them,
//! [`app::delivery`] keeps what came of it, and [`app::incidents`] is what people do about it.

pub mod domain;
pub mod store;
pub mod app;
pub mod timer;
pub mod outbox;
pub mod providers;
pub mod http;
pub mod demo;

pub mod startup;
pub mod shutdown;
pub mod config;
pub mod keys;
pub mod clock;
pub mod telemetry;
pub mod kill_points;
