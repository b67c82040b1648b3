//! Seeds of a server in a cluster: what happens there is no vector, so it is told here.

use super::Seeds;
use crate::smpte::cluster_op as op;

const CREATE: &[u8] = br#"{"type": "create_session", "framerate": "29.97"}"#;
const JOIN: &[u8] = br#"{"type": "join_session", "session_id": "$1"}"#;
const START: &[u8] = br#"{"type": "start_timecode"}"#;
const STOP: &[u8] = br#"{"type": "stop_timecode"}"#;
const RESET: &[u8] = br#"{"type": "reset_timecode", "timecode": "01:00:00:02"}"#;
const LEAVE: &[u8] = br#"{"type": "leave_session"}"#;
const STATUS: &[u8] = br#"{"type": "hello", "extensions": ["list", "status"]}"#;
const LIST: &[u8] = br#"{"type": "list_sessions"}"#;

pub(super) fn add(seeds: &mut Seeds) {
    let mut one = Script::serving();
    one.says(0, STATUS).says(0, CREATE).exchange().says(1, JOIN).exchange();
    one.says(0, START).exchange().waits(2_000_000_000).says(1, RESET).exchange().says(1, STOP).says(0, LIST);
    one.exchange().says(0, LEAVE).says(1, LEAVE).exchange().waits(70_000_000_000).exchange();
    seeds.add("smpte_cluster", "a session from start to end", one.0);

    for changes in [[0, 1, 2, 3], [4, 5, 6, 7]] {
        let mut others = Script::serving();
        for what in changes {
            others.ops(&[op::OTHER, 0, 1]).exchange().says(0, JOIN).exchange();
            others.ops(&[op::OTHER, what, 0]).says(0, START).exchange();
            others.ops(&[op::OTHER, 2, 0]).says(0, STOP).ops(&[op::OBEY, op::ANSWER]).exchange();
            others.waits(300_000_000);
        }
        seeds.add("smpte_cluster", "two nodes change a session", others.0);
    }

    let mut lost = Script::serving();
    lost.says(0, CREATE).exchange().says(0, START).ops(&[op::LOSE]).waits(3_000_000_000).says(0, START);
    lost.ops(&[op::OBEY, op::DISCONNECT]).says(0, STOP).says(1, JOIN).waits(1_000_000_000);
    lost.ops(&[op::OTHER, 6, 0, op::CONNECT]).exchange().waits(500_000_000).exchange();
    lost.says(1, JOIN).exchange();
    lost.says(0, START).ops(&[op::OBEY, op::NEWS, op::CLOSE, 0, op::CLOSE, 0]).waits(6_000_000_000);
    seeds.add("smpte_cluster", "the engine goes and comes", lost.0);

    let mut lies = Script::serving();
    lies.says(0, CREATE).exchange();
    let texts: [&[u8]; 6] = [
        b"{",
        br#"{"version": 1, "framerate": "25", "timecode": "00:00:00:00", "day": 0, "epoch_ns": 1795262400000000000, "running": true, "changes": 3, "created_ns": 0, "nodes": ["b"], "by": "b", "write": 1}"#,
        br#"{"version": 1, "incarnation": 1, "since_ns": 0, "clients": 2}"#,
        br#"{"version": 1, "from": "b", "sent": 1000000000}"#,
        br#"{"version": 1, "from": "b", "sent": 1000000000, "wall_ns": 1795262400000000000}"#,
        b"s.00000000-0000-4000-8000-000000000000",
    ];
    for (k, text) in texts.iter().enumerate() {
        for what in [0x00, 0x08, 0x10, 0x18, 0x04] {
            lies.lie(what, k as u64 * 5, text);
        }
        lies.says(0, START).says(1, JOIN).ops(&[op::OBEY, op::ANSWER]).waits(100_000_000);
    }
    for what in [0x03, 0x0b, 0x05, 0x06, 0x16, 0x26] {
        lies.lie(what, 40, b"");
    }
    lies.ops(&[op::WALL]).ops(&1_795_262_500_000_000_000_i64.to_le_bytes()).waits(1_000_000_000).exchange();
    seeds.add("smpte_cluster", "what no honest engine says", lies.0);

    let mut crowd = Script::new(1);
    for client in 0..4 {
        crowd.ops(&[op::OPEN, client & 1]);
    }
    crowd.ops(&[op::CONNECT]).says(0, CREATE).exchange().exchange();
    for client in 0..4 {
        crowd.says(client, CREATE).says(client, STOP).says(client, LIST).says(client, START);
    }
    crowd.exchange().ops(&[op::LATE]).ops(&3_000_000_000_u64.to_le_bytes()).exchange();
    seeds.add("smpte_cluster", "more sessions than there may be", crowd.0);
}

struct Script(Vec<u8>);

impl Script {
    fn new(flags: u8) -> Self {
        Self(vec![flags])
    }

    /// Two clients, at a server that is ready.
    fn serving() -> Self {
        let mut script = Self::new(0);
        script.ops(&[op::OPEN, 0, op::OPEN, 1, op::CONNECT]).exchange().waits(300_000_000).exchange();
        script
    }

    fn ops(&mut self, ops: &[u8]) -> &mut Self {
        self.0.extend(ops);
        self
    }

    fn says(&mut self, client: u8, line: &[u8]) -> &mut Self {
        self.ops(&[op::LINE, client]).text(line)
    }

    fn lie(&mut self, what: u8, number: u64, bytes: &[u8]) -> &mut Self {
        self.ops(&[op::LIE, what]).ops(&number.to_le_bytes()).text(bytes)
    }

    fn text(&mut self, bytes: &[u8]) -> &mut Self {
        let length = u16::try_from(bytes.len()).expect("a short text");
        self.ops(&length.to_le_bytes()).ops(bytes)
    }

    fn waits(&mut self, nanos: u64) -> &mut Self {
        self.ops(&[op::WAIT]).ops(&nanos.to_le_bytes())
    }

    /// What lies between the server and its engine arrives.
    fn exchange(&mut self) -> &mut Self {
        self.ops(&[op::OBEY, op::NEWS, op::ANSWER].repeat(3))
    }
}
