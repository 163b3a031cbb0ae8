//! What the figures are of: kernel, processor, and what else the machine does.

use std::fs::read_to_string;

/// The machine, for people.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Machine {
    pub kernel: String,
    pub processor: String,
    pub cpus: usize,
    /// Load average at the start.
    pub load: f64,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let load = read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            kernel: read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            processor: model.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        }
    }

    /// One line, and another if the machine does other work.
    pub fn describe(&self) -> String {
        let Self { kernel, processor, cpus, load } = self;
        let mut text = format!("Linux {kernel}, {processor}, {cpus} CPUs\n");
        if *load > 0.5 {
            text += &format!("note: this machine does other work (load average {load})\n");
        }
        text
    }
}
