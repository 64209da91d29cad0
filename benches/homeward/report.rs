//! What is written down: figures with their spread, and how busy the machine was.

use std::{fmt::Display, io::Write, path::Path, time::Duration};

use homeward::clock::stopwatch;

/// A line of the report.
macro_rules! say {
    ($($argument:tt)*) => { $crate::report::line(format_args!($($argument)*)) };
}
pub(crate) use say;

#[expect(clippy::print_stdout, reason = "the report goes to standard output")]
pub fn line(text: std::fmt::Arguments<'_>) {
    println!("{text}");
}

/// What is being done just now, for whoever waits; no part of the report.
pub fn progress(text: impl Display) {
    eprintln!("… {text}");
}

/// The machine that all figures are of.
pub fn machine(quick: bool) {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    say!("# Measured\n");
    say!(
        "- Machine: {cores} cores, {}.",
        model.map_or("of a model that it does not tell", |(_, model)| model)
    );
    say!(
        "- Everything runs in one process on these cores: Homeward, its clients and its SMS gateway; PostgreSQL beside it."
    );
    if cfg!(debug_assertions) {
        say!("- **This is a build without optimisation: its figures say nothing.**");
    }
    if quick {
        say!("- **`--quick`: a tenth of the sizes, to see that it works. No figures to quote.**");
    }
}

/// 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Whether a bar was reached, in words.
pub fn judged(reached: bool) -> &'static str {
    if reached { "reached" } else { "**MISSED**" }
}

/// Durations, sorted.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The one below which so many thousandths lie.
    pub fn at(&self, thousandths: usize) -> Duration {
        let place = (self.0.len() * thousandths).div_ceil(1000).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }

    pub fn median(&self) -> Duration {
        self.at(500)
    }

    pub fn p99(&self) -> Duration {
        self.at(990)
    }

    pub fn max(&self) -> Duration {
        self.at(1000)
    }
}

/// `1.234 ms`
pub fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The smallest, the middle and the largest of what several runs gave.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Runs {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self {
            min: values.first().copied().unwrap_or_default(),
            median: values.get(values.len() / 2).copied().unwrap_or_default(),
            max: values.last().copied().unwrap_or_default(),
        }
    }
}

impl Display for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} / {:.0} / {:.0}", self.min, self.median, self.max)
    }
}

/// What it costs to bring 4 KiB to the disk that holds `folder`: no commit can be cheaper.
pub fn sync_cost(folder: &Path) -> Times {
    let path = folder.join("sync-cost");
    let mut file = std::fs::File::create(&path).unwrap();
    let times = (0..200).map(|_| {
        let watch = stopwatch();
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
        watch.elapsed()
    });
    let times = Times::new(times.collect());
    std::fs::remove_file(path).unwrap();
    times
}
