//! What is measured of whole programs: a load program each, which starts the server and prints one JSON object.

/// One load: a command, and which of its figures to show.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What is measured.
    pub what: &'static str,
    /// The load program and its arguments. `{bin}` stands for the folder of the built programs.
    pub command: &'static [&'static str],
    /// Figures to show: key in the object, heading, decimal places.
    pub figures: &'static [Figure],
    /// The same with ever more clients: option that counts them, and the figure to draw.
    pub growth: Option<Growth>,
}

/// One figure of a load's result.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Key in the JSON object.
    pub key: &'static str,
    /// Heading, unit included.
    pub heading: &'static str,
    /// Decimal places.
    pub places: usize,
}

/// How a load is made to grow.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// The option that takes the number of clients.
    pub option: &'static str,
    /// The figure that is drawn over it.
    pub figure: Figure,
    /// Name of the plot's file.
    pub file: &'static str,
}

/// How many clients a growing load goes through.
pub const CLIENTS: [u32; 5] = [1, 10, 100, 1000, 5000];

const fn figure(key: &'static str, heading: &'static str, places: usize) -> Figure {
    Figure { key, heading, places }
}

const TIMECODE: &[Figure] = &[
    figure("delivered_percent", "delivered, %", 2),
    figure("drift_ms", "drift, ms", 2),
    figure("deviation_p50_ms", "late, half, ms", 2),
    figure("deviation_p99_ms", "late, 99 %, ms", 2),
    figure("cpu_us_per_update", "CPU an update, µs", 2),
    figure("resident_mib", "memory, MiB", 1),
];

const CAMERA: &[Figure] = &[
    figure("delivered_percent", "delivered, %", 2),
    figure("mean_rate_ppm", "mean rate off by, ppm", 1),
    figure("deviation_p50_ms", "period off by, half, ms", 2),
    figure("deviation_p99_ms", "period off by, 99 %, ms", 2),
    figure("deviation_p99_9_ms", "period off by, 99.9 %, ms", 2),
    figure("floor_deviation_p99_9_ms", "the same of a plain loop of writes, ms", 2),
    figure("cpu_us_per_frame", "CPU a frame, µs", 2),
    figure("floor_cpu_us_per_frame", "the same of the loop, µs", 2),
    figure("cores", "cores", 3),
    figure("resident_mib", "memory, MiB", 1),
];

const STREAM: &[Figure] = &[
    figure("mbit_per_second", "delivered, Mbit/s", 0),
    figure("fps_min", "least that a reader got, frames/s", 2),
    figure("lost", "packets lost", 0),
    figure("cpu_us_per_mbit", "CPU a delivered Mbit, µs", 0),
    figure("cpu_percent", "CPU, % of a core", 0),
    figure("resident_kib_per_reader", "memory a reader, KiB", 1),
];

const STARTS: &[Figure] = &[
    figure("late_p50_us", "late, half, µs", 1),
    figure("late_p99_us", "late, 99 %, µs", 1),
    figure("spread_p50_ms", "apart, half, ms", 3),
    figure("spread_max_ms", "apart at most, ms", 3),
];

const TRANSFER: &[Figure] = &[
    figure("device_percent", "device, % of a plain sendfile loop", 0),
    figure("collect_percent", "collect with hash and store, % of it", 0),
    figure("device_mib", "device's memory at most, MiB", 1),
    figure("controller_mib", "controller's memory at most, MiB", 1),
];

/// All loads, in the order of the report.
pub const ALL: &[Load] = &[
    Load {
        what: "timecode session, 100 clients, 30 frames/s",
        command: &["smpte-load", "--spawn", "{bin}/smpte-server", "--clients", "100"],
        figures: TIMECODE,
        growth: Some(Growth {
            option: "--clients",
            figure: figure("cpu_us_per_update", "CPU an update, µs", 2),
            file: "timecode-clients.svg",
        }),
    },
    Load {
        what: "timecode session, 1000 clients, 30 frames/s",
        command: &["smpte-load", "--spawn", "{bin}/smpte-server", "--clients", "1000"],
        figures: TIMECODE,
        growth: None,
    },
    Load {
        what: "the same from a plain loop of writes",
        command: &["smpte-load", "--spawn", "{bin}/smpte-floor", "--clients", "1000"],
        figures: TIMECODE,
        growth: None,
    },
    Load {
        what: "ten timecode sessions, 1000 clients, 59.94 frames/s",
        command: &[
            "smpte-load",
            "--spawn",
            "{bin}/smpte-server",
            "--clients",
            "1000",
            "--sessions",
            "10",
            "--rate",
            "59.94",
        ],
        figures: TIMECODE,
        growth: None,
    },
    Load {
        what: "camera telemetry, 500 clients, 24 frames/s",
        command: &["camera-load", "--spawn", "{bin}/camera-server", "--clients", "500", "--floor"],
        figures: CAMERA,
        growth: None,
    },
    Load {
        what: "camera telemetry, 1000 clients, 24 frames/s",
        command: &["camera-load", "--spawn", "{bin}/camera-server", "--clients", "1000", "--floor"],
        figures: CAMERA,
        growth: Some(Growth {
            option: "--clients",
            figure: figure("cpu_us_per_frame", "CPU a frame, µs", 2),
            file: "camera-clients.svg",
        }),
    },
    Load {
        what: "H.264 of 4 Mbit/s over UDP, 100 readers",
        command: &["rtsp-load", "--spawn", "{bin}/rtsp-server", "--readers", "100"],
        figures: STREAM,
        growth: None,
    },
    Load {
        what: "the same from a plain loop of sends",
        command: &["rtsp-load", "--spawn", "{bin}/rtsp-floor", "--readers", "100"],
        figures: STREAM,
        growth: None,
    },
    Load {
        what: "H.264 of 4 Mbit/s over TCP, 100 readers",
        command: &["rtsp-load", "--spawn", "{bin}/rtsp-server", "--readers", "100", "--transport", "tcp"],
        figures: STREAM,
        growth: None,
    },
    Load {
        what: "JPEG of 13.5 Mbit/s over UDP, 25 readers",
        command: &[
            "rtsp-load",
            "--spawn",
            "{bin}/rtsp-server",
            "--readers",
            "25",
            "--film",
            "mjpeg",
            "--mbit",
            "13.5",
        ],
        figures: STREAM,
        growth: None,
    },
    Load {
        what: "H.264 of 1 Mbit/s over UDP, 1000 readers",
        command: &["rtsp-load", "--spawn", "{bin}/rtsp-server", "--readers", "1000", "--mbit", "1"],
        figures: STREAM,
        growth: None,
    },
    Load {
        what: "planned start of 2 recording devices",
        command: &["multicam-load", "--bin", "{bin}", "start", "--devices", "2"],
        figures: STARTS,
        growth: None,
    },
    Load {
        what: "planned start of 50 recording devices",
        command: &["multicam-load", "--bin", "{bin}", "start", "--devices", "50", "--lead-ms", "1500"],
        figures: STARTS,
        growth: None,
    },
    Load {
        what: "a recording of 1 GiB, in memory",
        command: &["multicam-load", "--bin", "{bin}", "transfer"],
        figures: TRANSFER,
        growth: None,
    },
];
