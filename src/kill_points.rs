//! Places at which a test can have the process killed. They exist only in builds with debug assertions.

/// Stops here for ever, saying so on standard error, if this is the point that `HOMEWARD_KILL_POINT` names; where it names a
/// file too, as `point@/path`, from when that exists.
#[cfg(debug_assertions)]
pub async fn kill_point(name: &'static str) {
    let chosen = CHOSEN.get().map(|chosen| chosen.split_once('@').unwrap_or((chosen, "/")));
    if chosen.is_some_and(|(point, file)| point == name && std::path::Path::new(file).exists()) {
        eprintln!("kill point: {name}");
        std::future::pending::<()>().await;
    }
}

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
pub async fn kill_point(_name: &'static str) {}

#[cfg(debug_assertions)]
static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();

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
