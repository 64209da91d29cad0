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
//!                               outbox ---> providers ---> SMTP, SMS gateways, Twilio, GOV.UK Notify
//!                                 |
//!                                 +--> app: what came of it may open the next channel, or the next step
//! ```
//!
//! To follow an alarm: [`app::visits`] starts a visit and sets its deadline row; the [`timer`] ticks; [`app::tick`] asks
//! [`domain::visit::Visit::due`] and opens the incident, whose first round goes out at once
//! ([`domain::incident::Incident::overdue`]) as the [`domain::ladder`] says; `app::telling` writes the messages; the [`outbox`]
//! sends them; [`app::delivery`] keeps what came of it; [`app::incidents`] is what people do about it. While an incident is
//! open it has the deadline row, and its visit has none; the close gives the visit its own again. What the domain decides about
//! an incident is carried out in one place, `app::incidents::carry_out`: kept, said, called. Rounds and what lapses are in
//! `domain/incident/rounds.rs`.
//!
//! And back: a text or a receipt comes to `http::inbound`, which the [`inbox`] checks; [`app::inbound`] keeps the text and does what it
//! says by [`app::text`], whose grammar is [`domain::command`]; a mail's page ([`app::alarm_page`]) and the API end in the same
//! [`app::incidents`]. A receipt goes to [`app::receipts`]: it may open the next channel, and counts for nobody.
//!
//! To follow a due date, from the rule that asks for it to list and figure: `docs/due.md`, last part; [`domain::due::standing`] decides.
//!
//! Other systems are told by [`event_webhooks`], which reads the log; what they have to file stands in [`app::filing`].

pub mod domain;
pub mod store;
pub mod app;
pub mod timer;
pub mod outbox;
pub mod scheduler;
pub mod providers;
pub mod http;
pub mod demo;

pub mod outward;

pub mod startup;
pub mod shutdown;
pub mod config;
pub mod event_webhooks;
pub mod inbox;
pub mod keys;
pub mod clock;
pub mod telemetry;
pub mod vitals;
pub mod systemd;
pub mod kill_points;
