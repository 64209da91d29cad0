//! The processes: how each hands messages over, and how it is stopped in that at any point.

use chrono::TimeDelta;
use homeward::{clock::Time, startup::App, store::outbox::Claimed};

use super::{draw::in_half, world::World};

/// So many messages a replica takes at once: more than there ever are.
const ROOM: usize = 64;

/// Where a replica is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// It has claimed messages and handed none over.
    Claimed,
    /// It has handed one half of them over, drawn by this number, and kept nothing of that.
    HalfHandedOver(u64),
    /// It has handed over all, and kept nothing of that.
    HandedOver,
}

/// What becomes of it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is killed, and another takes its place after so long.
    Killed(TimeDelta),
    /// It stands still for so long and goes on as if nothing had been.
    Stopped(TimeDelta),
}

/// One process.
#[derive(Default)]
pub struct Replica {
    pub(super) app: Option<App>,
    /// Stops it when it next has something to send.
    pub trap: Option<(Point, Fate)>,
    pub(super) stopped: Option<Stopped>,
    /// When it is started again.
    pub(super) back_at: Option<Time>,
}

pub(super) struct Stopped {
    pub(super) until: Time,
    at: Point,
    claimed: Vec<Claimed>,
    sent: Vec<homeward::outbox::Sent>,
}

impl Replica {
    /// The app, unless it is dead or stands still.
    pub(super) fn running(&self) -> Option<&App> {
        self.app.as_ref().filter(|_| self.stopped.is_none())
    }
}

impl World {
    /// The outbox of one replica, which may fall into a trap.
    pub(super) async fn deliver(&mut self, at: usize) {
        let now = self.now();
        let Some((point, fate)) = self.replicas[at].trap else {
            if self.desk.receipts.come_early() {
                self.deliver_slowly(at).await;
            } else {
                self.app(at).outbox.deliver_due(now).await.unwrap();
            }
            return;
        };
        let claimed = self.app(at).outbox.claim(now, ROOM).await.unwrap();
        if claimed.is_empty() {
            return;
        }
        self.replicas[at].trap = None;
        self.trapped = Some(now);
        self.well_since = now;
        let before = self.desk.handed_over();
        let handed_over = |claimed: &Claimed| match point {
            Point::Claimed => false,
            Point::HalfHandedOver(salt) => in_half(&claimed.message.address, salt),
            Point::HandedOver => true,
        };
        let (now_sent, claimed): (Vec<_>, Vec<_>) = claimed.into_iter().partition(handed_over);
        let mut sent = Vec::new();
        for claimed in now_sent {
            sent.push(self.app(at).outbox.send(claimed).await);
        }
        self.desk.answers_lost_since(before);
        match fate {
            Fate::Killed(back) => self.kill(at, Some(now + back)).await,
            Fate::Stopped(length) => {
                let until = now + length;
                self.replicas[at].stopped = Some(Stopped { until, at: point, claimed, sent });
            }
        }
    }

    /// The same in its parts: receipts come before what was taken is marked.
    async fn deliver_slowly(&mut self, at: usize) {
        let now = self.now();
        loop {
            let claimed = self.app(at).outbox.claim(now, ROOM).await.unwrap();
            if claimed.is_empty() {
                return;
            }
            let mut sent = Vec::new();
            for claimed in claimed {
                sent.push(self.app(at).outbox.send(claimed).await);
            }
            self.receipts_come(true).await;
            self.app(at).outbox.mark(sent).await;
        }
    }

    /// A replica that stood still goes on where it was.
    pub(super) async fn go_on(&mut self, at: usize) {
        let Some(Stopped { at: point, claimed, mut sent, .. }) = self.replicas[at].stopped.take() else {
            return;
        };
        self.well_since = self.now();
        let before = self.desk.handed_over();
        for claimed in claimed {
            sent.push(self.app(at).outbox.send(claimed).await);
        }
        assert!(
            point != Point::HandedOver || self.desk.handed_over() == before,
            "it had handed over everything before"
        );
        self.app(at).outbox.mark(sent).await;
    }

    pub fn free_all(&mut self) {
        let now = self.now();
        for replica in &mut self.replicas {
            replica.trap = None;
            if let Some(stopped) = &mut replica.stopped {
                stopped.until = now;
            }
        }
    }
}
