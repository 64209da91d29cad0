//! A value that a fake changes and a test waits for, so that no test sleeps.

use std::{fmt::Debug, panic::Location, time::Duration};

use tokio::sync::watch;

/// Far more than anything here takes: who waits longer waits for what will not come.
const LIMIT: Duration = Duration::from_mins(1);

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Watched<T>(watch::Sender<T>);

impl<T: Clone + Debug> Watched<T> {
    /// Changes it, and wakes who waits.
    pub fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut result = None;
        self.0.send_modify(|value| result = Some(change(value)));
        result.unwrap()
    }

    /// As it is now.
    pub fn now(&self) -> T {
        self.0.borrow().clone()
    }

    /// As it is once `reached` holds; panics with what did happen if that takes a minute.
    #[track_caller]
    pub fn wait_for(&self, reached: impl Fn(&T) -> bool) -> impl Future<Output = T> {
        let (mut value, caller) = (self.0.subscribe(), Location::caller());
        async move {
            if let Ok(Ok(value)) = tokio::time::timeout(LIMIT, value.wait_for(reached)).await {
                return value.clone();
            }
            panic!("{caller} waited in vain. What happened: {:#?}", *value.borrow());
        }
    }
}
