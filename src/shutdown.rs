//! An ordered end: first nothing new is taken, then what is under way is finished, then everything closes. A role that ends
//! by itself ends the process with a failure: half a safety service is worse than one that is restarted.

use std::time::Duration;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long what is under way may take once the end was asked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells every role when to end, and knows which have.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    roles: TaskTracker,
    failed: CancellationToken,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// A role ended by itself.
    RoleFailed,
    /// Something did not finish in time.
    OutOfPatience,
}

impl Shutdown {
    /// Cancelled once the end was asked for.
    pub fn token(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Asks for the end.
    pub fn ask(&self) {
        self.soft.cancel();
    }

    /// Runs a role until it ends; one that ends before it was asked to takes the process with it.
    pub fn role(&self, name: &'static str, role: impl Future<Output = ()> + Send + 'static) {
        let this = self.clone();
        // A panic ends the task, and with it this guard: the end of a role is noticed however it comes.
        let guard = RoleGuard { name, shutdown: this };
        self.roles.spawn(async move {
            let guard = guard;
            role.await;
            drop(guard);
        });
    }

    /// Waits for the end and for every role.
    pub async fn finish(&self) -> Ended {
        self.soft.cancelled().await;
        self.roles.close();
        let in_time = tokio::time::timeout(PATIENCE, self.roles.wait()).await.is_ok();
        match (self.failed.is_cancelled(), in_time) {
            (true, _) => Ended::RoleFailed,
            (false, true) => Ended::Asked,
            (false, false) => Ended::OutOfPatience,
        }
    }
}

struct RoleGuard {
    name: &'static str,
    shutdown: Shutdown,
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        if !self.shutdown.soft.is_cancelled() {
            tracing::error!(
                role = self.name,
                "a role ended by itself; the process ends so that it is restarted whole"
            );
            self.shutdown.failed.cancel();
            self.shutdown.soft.cancel();
        }
    }
}

/// Resolves at SIGTERM or Ctrl-C.
pub async fn asked_by_signal() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be listened for; Ctrl-C still works");
            let _pressed = interrupt.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_role_that_ends_by_itself_ends_the_process_with_a_failure() {
        let shutdown = Shutdown::default();
        shutdown.role("panics", async { panic!("a role that fails") });
        assert_eq!(shutdown.finish().await, Ended::RoleFailed);
    }

    #[tokio::test]
    async fn asked_roles_finish_what_they_do() {
        let shutdown = Shutdown::default();
        let token = shutdown.token();
        let (done, finished) = tokio::sync::oneshot::channel();
        shutdown.role("works", async move {
            token.cancelled().await;
            done.send(()).unwrap();
        });
        shutdown.ask();
        assert_eq!(shutdown.finish().await, Ended::Asked);
        finished.await.unwrap();
    }
}
