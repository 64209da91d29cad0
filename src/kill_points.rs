//! Places at which a test can have the process killed, or stopped for a while. They exist only in builds with debug assertions.

/// Stops here for ever, saying so on standard error, if this is the point that `HOMEWARD_KILL_POINT` names; where it names a
/// file too, as `point@/path`, from when that exists. As `point:stop` the whole process stops here, once, until somebody
/// continues it.
#[cfg(debug_assertions)]
pub async fn kill_point(name: &'static str) {
    let Some(chosen) = CHOSEN.get() else { return };
    let (point, file) = chosen.split_once('@').unwrap_or((chosen, "/"));
    if point == name && std::path::Path::new(file).exists() {
        eprintln!("kill point: {name}");
        std::future::pending::<()>().await;
    }
    if point.strip_suffix(":stop") == Some(name) && !STOPPED.swap(true, std::sync::atomic::Ordering::Relaxed)
    {
        eprintln!("kill point: {name}");
        let id = std::process::id().to_string();
        let _stopped = std::process::Command::new("kill").args(["-s", "STOP", &id]).status();
        // The signal reaches one thread first, and that stops the others: this one must not run ahead of it meanwhile.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
pub async fn kill_point(_name: &'static str) {}

#[cfg(debug_assertions)]
static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
#[cfg(debug_assertions)]
static STOPPED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Chooses the point, once, at the start of the process, and takes the variable away: it is no setting.
#[cfg(debug_assertions)]
pub fn choose(environment: &mut std::collections::BTreeMap<String, String>) {
    if let Some(name) = environment.remove("HOMEWARD_KILL_POINT") {
        let _already = CHOSEN.set(name);
    }
}

/// Nothing, in a release: there the variable stays, and is refused like every key that does not exist.
#[cfg(not(debug_assertions))]
pub fn choose(_environment: &mut std::collections::BTreeMap<String, String>) {}
