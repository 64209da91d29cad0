//! What this process counts, for Prometheus. Served on a listener of its own, to whoever runs the service: how many are watched
//! and how many alarms are open is not for everybody. No label names a person, a place or an id.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// Seconds from being due to the provider's yes, in which alarms are counted.
const ALARM_SECONDS: [f64; 12] = [0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// A gauge of seconds, or of counts that a database could not tell.
pub type Number = Gauge<f64, AtomicU64>;

/// All that is counted and measured. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Whether `/readyz` says yes.
    pub ready: Number,
    /// How long the most overdue deadline has been due.
    pub timer_lag: Number,
    /// How long the most overdue message has been due.
    pub outbox_lag: Number,
    /// Visits planned or begun.
    pub visits_running: Number,
    /// Incidents that no person has closed.
    pub incidents_open: Number,
    /// When this process last had a clean round of the timer.
    pub last_clean_round: Number,
    /// Events that other systems have still to be told.
    pub webhook_backlog: Number,
    /// How far the machine's clock is ahead of the service's.
    pub clock_offset: Number,
    rounds: Family<Outcome, Counter>,
    messages: Family<Sent, Counter>,
    first_alarm: Histogram,
    operator_told: Counter,
    store_errors: Family<Kind, Counter>,
    requests: Family<Request, Counter>,
    heartbeats: Family<Outcome, Counter>,
    webhooks: Family<Outcome, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sent {
    channel: &'static str,
    provider: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("homeward");
        let number = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Number::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let seconds = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Number::default();
            registry.register_with_unit(name, help, Unit::Seconds, gauge.clone());
            gauge
        };
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", version);
        let (ready, timer_lag, outbox_lag, visits_running, incidents_open, last_clean_round, clock_offset) = (
            number(&mut registry, "ready", "1 if this process can do its work and does, else 0"),
            seconds(&mut registry, "timer_lag", "How long the most overdue deadline has been due"),
            seconds(&mut registry, "outbox_lag", "How long the most overdue message has been due"),
            number(&mut registry, "visits_running", "Visits planned or begun"),
            number(&mut registry, "incidents_open", "Incidents that no person has closed"),
            seconds(
                &mut registry,
                "last_clean_round_timestamp",
                "When this process last committed a round of the timer that left nothing due",
            ),
            seconds(&mut registry, "clock_offset", "How far this machine's clock is ahead of the service's"),
        );
        let webhook_backlog =
            number(&mut registry, "webhook_backlog", "Events that other systems have still to be told");
        let metrics = Self {
            registry: Arc::default(),
            webhook_backlog,
            ready,
            timer_lag,
            outbox_lag,
            visits_running,
            incidents_open,
            last_clean_round,
            clock_offset,
            rounds: Family::default(),
            messages: Family::default(),
            first_alarm: Histogram::new(ALARM_SECONDS),
            operator_told: Counter::default(),
            store_errors: Family::default(),
            requests: Family::default(),
            heartbeats: Family::default(),
            webhooks: Family::default(),
        };
        registry.register("timer_rounds", "Rounds of the timer, clean or failed", metrics.rounds.clone());
        registry.register("messages", "Tries to hand a message over", metrics.messages.clone());
        registry.register_with_unit(
            "first_alarm",
            "From a first alarm's being due to its provider's yes",
            Unit::Seconds,
            metrics.first_alarm.clone(),
        );
        registry.register(
            "operator_told",
            "What only whoever runs the service can mend, each time it was found",
            metrics.operator_told.clone(),
        );
        registry.register("store_errors", "Use cases that the store failed", metrics.store_errors.clone());
        registry.register("http_requests", "Requests answered, by route", metrics.requests.clone());
        registry.register("heartbeats", "Heartbeats to the outside", metrics.heartbeats.clone());
        registry.register("webhooks", "Tries to tell another system of an event", metrics.webhooks.clone());
        Self { registry: Arc::new(registry), ..metrics }
    }
}

impl Metrics {
    /// A round of the timer.
    pub fn round(&self, outcome: &'static str) {
        self.rounds.get_or_create(&Outcome { outcome }).inc();
    }

    /// A try to hand a message over.
    pub fn message(&self, channel: &'static str, provider: &str, outcome: &'static str) {
        let provider = provider.to_owned();
        self.messages.get_or_create(&Sent { channel, provider, outcome }).inc();
    }

    /// A provider took a first alarm so many seconds after it was due.
    pub fn first_alarm(&self, seconds: f64) {
        self.first_alarm.observe(seconds);
    }

    /// So often something was found that only whoever runs the service can mend.
    pub fn operator_told(&self, times: u32) {
        self.operator_told.inc_by(times.into());
    }

    /// A use case failed below itself.
    pub fn store_error(&self, kind: &'static str) {
        self.store_errors.get_or_create(&Kind { kind }).inc();
    }

    /// A request was answered. `route` is the template, never the path.
    pub fn request(&self, method: &'static str, route: String, status: u16) {
        self.requests.get_or_create(&Request { method, route, status }).inc();
    }

    /// A heartbeat was sent, or could not be.
    pub fn heartbeat(&self, outcome: &'static str) {
        self.heartbeats.get_or_create(&Outcome { outcome }).inc();
    }

    /// A try to tell another system of an event: taken, failed, or it wants no more.
    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&Outcome { outcome }).inc();
    }

    /// All of it as `OpenMetrics` text.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
