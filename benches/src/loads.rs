//! What is measured of whole programs: a load program each, which starts the server and prints one JSON object.

/// One load: who bears it, and what is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// What is measured.
    pub what: &'static str,
    /// The load program and its arguments, with our server. `{bin}` stands for the folder of the built programs, `{root}`
    /// for the workspace's.
    pub command: &'static [&'static str],
    /// Others under the same load.
    pub peers: &'static [Peer],
    /// What is told.
    pub figures: &'static [Figure],
    /// The same with ever more clients: option that counts them, and the figure to draw.
    pub growth: Option<Growth>,
}

/// A server beside ours.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// How it is measured.
    pub run: PeerRun,
    /// Prints the peer's version, and fails where there is no such peer. Empty: it is our own, and is there.
    pub version: &'static [&'static str],
}

/// How a peer is measured.
#[derive(Clone, Copy, Debug)]
pub enum PeerRun {
    /// The load program measures it in turns with ours, and tells of it in keys that begin so.
    Within(&'static str),
    /// A run of its own after ours.
    After(&'static [&'static str]),
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
    /// Whether ours in parts of a peer's is told.
    pub ratio: bool,
}

/// How a load is made to grow.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// The option that takes the number of clients.
    pub option: &'static str,
    /// What is added to the command.
    pub more: &'static [&'static str],
    /// The figure that is drawn over it.
    pub figure: Figure,
    /// Name of the plot's file.
    pub file: &'static str,
}

/// How many clients a growing load goes through.
pub const CLIENTS: [u32; 5] = [1, 10, 100, 1000, 5000];

const fn figure(key: &'static str, heading: &'static str, places: usize) -> Figure {
    Figure { key, heading, places, ratio: false }
}

/// A figure that is compared.
const fn compared(key: &'static str, heading: &'static str, places: usize) -> Figure {
    Figure { key, heading, places, ratio: true }
}

const TIMECODE: &[Figure] = &[
    figure("delivered_percent", "delivered, %", 2),
    figure("drift_ms", "drift, ms", 2),
    figure("deviation_p50_ms", "late, half, ms", 2),
    figure("deviation_p99_ms", "late, 99 %, ms", 2),
    compared("cpu_us_per_update", "CPU an update, µs", 2),
    figure("resident_mib", "memory, MiB", 1),
];

const CAMERA: &[Figure] = &[
    figure("delivered_percent", "delivered, %", 2),
    figure("mean_rate_ppm", "mean rate off by, ppm", 1),
    figure("deviation_p50_ms", "period off by, half, ms", 2),
    figure("deviation_p99_ms", "period off by, 99 %, ms", 2),
    figure("deviation_p99_9_ms", "period off by, 99.9 %, ms", 2),
    compared("cpu_us_per_frame", "CPU a frame, µs", 2),
    figure("cores", "cores", 3),
    figure("resident_mib", "memory, MiB", 1),
];

const STREAM: &[Figure] = &[
    figure("mbit_per_second", "delivered, Mbit/s", 0),
    figure("fps_min", "least that a reader got, frames/s", 2),
    figure("lost", "packets lost", 0),
    compared("cpu_us_per_mbit", "CPU a delivered Mbit, µs", 0),
    figure("cpu_percent", "CPU, % of a core", 0),
    figure("resident_kib_per_reader", "memory a reader, KiB", 1),
];

/// Of a film that each server reads from its own file.
const FILM: &[Figure] = &[
    figure("fps_min", "least that a reader got, frames/s", 2),
    figure("lost", "packets lost", 0),
    compared("cpu_us_per_mbit", "CPU a delivered Mbit, µs", 0),
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

const REPLIES: &[Figure] = &[
    compared("replies_per_second", "replies a second", 0),
    figure("cpu_us_per_reply", "CPU a reply, µs", 2),
];

const PUSH: &[Figure] = &[
    figure("last_client_p50_ms", "to the last, half, ms", 1),
    figure("last_client_p99_ms", "to the last, 99 %, ms", 1),
    compared("cpu_us_per_message", "CPU a message, µs", 1),
];

const FLOOR: &str = "plain loop";

/// A plain loop that the load program measures in turns with ours.
const fn floor_within(prefix: &'static str) -> Peer {
    Peer { name: FLOOR, run: PeerRun::Within(prefix), version: &[] }
}

/// A plain loop as a program.
const fn floor(command: &'static [&'static str]) -> Peer {
    Peer { name: FLOOR, run: PeerRun::After(command), version: &[] }
}

const GSTREAMER: Peer = Peer {
    name: "gst-rtsp-server",
    run: PeerRun::Within("gst_"),
    version: &[
        "/usr/bin/python3",
        "-c",
        "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; \
         print('.'.join(map(str, Gst.version()[:3])))",
    ],
};

const PYDVBCSS: Peer = Peer {
    name: "pydvbcss",
    run: PeerRun::After(&[
        "env",
        "PYENV_VERSION=2.7.18",
        "PYTHONPATH={root}/target/peers/pydvbcss",
        "{bin}/css-load",
        "wall-clock",
        "--server",
        "{root}/benches/pydvbcss_wall_clock.py",
    ]),
    version: &[
        "env",
        "PYENV_VERSION=2.7.18",
        "PYTHONPATH={root}/target/peers/pydvbcss",
        "python2.7",
        "-c",
        "import pkg_resources; print(pkg_resources.get_distribution('pydvbcss').version)",
    ],
};

/// Readers of a film that each server has as a file; `$case` as `rtsp_beside_gst.py` names it.
macro_rules! film {
    ($what:literal, $case:literal) => {
        Load {
            what: $what,
            command: &[
                "python3",
                "{root}/benches/rtsp_beside_gst.py",
                $case,
                "--rounds",
                "1",
                "--films",
                "{bin}/films",
                "--bin",
                "{bin}",
            ],
            peers: &[floor_within("floor_"), GSTREAMER],
            figures: FILM,
            growth: None,
        }
    };
}

const FLOOR_OF_REPLIES: &[Peer] = &[floor_within("minimal_")];

/// Requests to the wall clock; `$more` is how many are under way.
macro_rules! replies {
    ($what:literal, $peers:expr $(, $more:literal)*) => {
        Load {
            what: $what,
            command: &["{bin}/css-load", "wall-clock", "--server", "{bin}/wall-clock-server" $(, $more)*],
            peers: $peers,
            figures: REPLIES,
            growth: None,
        }
    };
}

/// All loads, in the order of the report.
pub const ALL: &[Load] = &[
    Load {
        what: "timecode session, 100 clients, 30 frames/s",
        command: &["{bin}/smpte-load", "--spawn", "{bin}/smpte-server", "--clients", "100"],
        peers: &[floor(&["{bin}/smpte-load", "--spawn", "{bin}/smpte-floor", "--clients", "100"])],
        figures: TIMECODE,
        growth: Some(Growth {
            option: "--clients",
            more: &[],
            figure: figure("cpu_us_per_update", "CPU an update, µs", 2),
            file: "timecode-clients.svg",
        }),
    },
    Load {
        what: "timecode session, 1000 clients, 30 frames/s",
        command: &["{bin}/smpte-load", "--spawn", "{bin}/smpte-server", "--clients", "1000"],
        peers: &[floor(&["{bin}/smpte-load", "--spawn", "{bin}/smpte-floor", "--clients", "1000"])],
        figures: TIMECODE,
        growth: None,
    },
    Load {
        what: "ten timecode sessions, 1000 clients, 59.94 frames/s",
        command: &[
            "{bin}/smpte-load",
            "--spawn",
            "{bin}/smpte-server",
            "--clients",
            "1000",
            "--sessions",
            "10",
            "--rate",
            "59.94",
        ],
        peers: &[],
        figures: TIMECODE,
        growth: None,
    },
    Load {
        what: "camera telemetry, 500 clients, 24 frames/s",
        command: &["{bin}/camera-load", "--spawn", "{bin}/camera-server", "--floor", "--clients", "500"],
        peers: &[floor_within("floor_")],
        figures: CAMERA,
        growth: None,
    },
    Load {
        what: "camera telemetry, 1000 clients, 24 frames/s",
        command: &["{bin}/camera-load", "--spawn", "{bin}/camera-server", "--floor", "--clients", "1000"],
        peers: &[floor_within("floor_")],
        figures: CAMERA,
        growth: Some(Growth {
            option: "--clients",
            more: &[],
            figure: figure("cpu_us_per_frame", "CPU a frame, µs", 2),
            file: "camera-clients.svg",
        }),
    },
    film!("H.264 of 4 Mbit/s over UDP, 100 readers", "h264-udp"),
    film!("JPEG of 13.5 Mbit/s over UDP, 25 readers", "jpeg-udp"),
    film!("H.264 of 4 Mbit/s over TCP, 20 readers", "h264-tcp"),
    Load {
        what: "H.264 of 1 Mbit/s over UDP, 1000 readers",
        command: &["{bin}/rtsp-load", "--spawn", "{bin}/rtsp-server", "--readers", "1000", "--mbit", "1"],
        peers: &[],
        figures: STREAM,
        growth: Some(Growth {
            option: "--readers",
            more: &["--mbit", "0.2"],
            figure: figure("cpu_us_per_mbit", "CPU a delivered Mbit, µs, film of 0.2 Mbit/s", 0),
            file: "rtsp-readers.svg",
        }),
    },
    Load {
        what: "planned start of 2 recording devices",
        command: &["{bin}/multicam-load", "--bin", "{bin}", "start", "--devices", "2"],
        peers: &[],
        figures: STARTS,
        growth: None,
    },
    Load {
        what: "planned start of 50 recording devices",
        command: &["{bin}/multicam-load", "--bin", "{bin}", "start", "--devices", "50", "--lead-ms", "1500"],
        peers: &[],
        figures: STARTS,
        growth: None,
    },
    Load {
        what: "a recording of 1 GiB, in memory",
        command: &["{bin}/multicam-load", "--bin", "{bin}", "transfer"],
        peers: &[],
        figures: TRANSFER,
        growth: None,
    },
    replies!("wall clock, one request at a time", &[floor_within("minimal_"), PYDVBCSS]),
    replies!("wall clock, 16 requests under way", FLOOR_OF_REPLIES, "--under-way", "16"),
    replies!(
        "wall clock, 16 requests under way, each answer taken by itself",
        FLOOR_OF_REPLIES,
        "--under-way",
        "16",
        "--one-by-one"
    ),
    Load {
        what: "changes of a timeline to 500 companions",
        command: &["{bin}/css-load", "push", "--clients", "500"],
        peers: &[floor_within("minimal_")],
        figures: PUSH,
        growth: Some(Growth {
            option: "--clients",
            more: &[],
            figure: figure("cpu_us_per_message", "CPU a message, µs", 1),
            file: "companions.svg",
        }),
    },
    Load {
        what: "changes of content to 500 companions",
        command: &["{bin}/css-load", "push", "--clients", "500", "--door", "cii"],
        peers: &[floor_within("minimal_")],
        figures: PUSH,
        growth: None,
    },
];
