//! The real program in a process of its own, to be watched and killed.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use super::watched::Watched;

/// A process; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Arc<Watched<Output>>,
}

/// What it has said on both of its outputs.
#[derive(Debug, Clone, Default)]
struct Output {
    lines: Vec<String>,
    closed: usize,
}

impl Process {
    /// Starts Homeward with these arguments, this configuration file and exactly this environment.
    pub fn homeward<'e>(
        args: &[&str],
        config: &Path,
        environment: impl IntoIterator<Item = (&'e str, &'e str)>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homeward"));
        command.arg("--config").arg(config).args(args).env_clear().envs(environment);
        Self::start(command)
    }

    /// Starts any program.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = Arc::new(Watched::default());
        tokio::spawn(listen(child.stdout.take().unwrap(), Arc::clone(&output)));
        tokio::spawn(listen(child.stderr.take().unwrap(), Arc::clone(&output)));
        Self { child, output }
    }

    /// What it has said so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.now().lines
    }

    /// Waits until it can say no more.
    pub async fn all_said(&self) {
        self.output.wait_for(|output| output.closed == 2).await;
    }

    /// Waits for a line with this in it, and gives the whole line.
    #[track_caller]
    pub fn wait_for_line(&self, part: &str) -> impl Future<Output = String> {
        let has = move |line: &&String| line.contains(part);
        let reached = self
            .output
            .wait_for(move |output| output.lines.iter().any(|line| has(&line)) || output.closed == 2);
        async move {
            let output = reached.await;
            let line = output.lines.iter().find(has);
            line.unwrap_or_else(|| panic!("it ended without {part:?}, having said {:#?}", output.lines))
                .clone()
        }
    }

    /// Ends it without any warning.
    pub async fn kill9(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end.
    pub async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends it a signal, such as STOP and CONT.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it has ended already").to_string();
        let kill = Command::new("kill").args(["-s", name, &id]).status().await.unwrap();
        assert!(kill.success());
    }

    /// Waits until it has ended.
    pub async fn wait(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("it does not end, having said {:#?}", self.output.now().lines))
            .unwrap()
    }
}

async fn listen(pipe: impl AsyncRead + Unpin, output: Arc<Watched<Output>>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        output.change(|output| output.lines.push(line));
    }
    output.change(|output| output.closed += 1);
}
