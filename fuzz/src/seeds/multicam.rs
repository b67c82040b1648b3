//! Seeds of the MultiCam protocol.

use serde_json::Value;

use super::{Seeds, vectors};
use crate::multicam::{controller_call, device_call, op};

pub(super) fn add(seeds: &mut Seeds) {
    for vector in vectors("multicam-messages.json") {
        let (name, text) = (text(&vector, "name"), text(&vector, "text"));
        seeds.add("multicam_scan", name, [&[5], text.as_bytes()].concat());
        let command = vector["message"] == "command";
        seeds.add(if command { "multicam_command" } else { "multicam_reply" }, name, text.into());
        if command {
            add_command(seeds, name, text);
        } else {
            // It is asked how it is, and answers that.
            let ask = [1, op::CALL, 3, 0, 0, op::CALL, 0, 0, 0, op::OPEN];
            let steps = [&ask[..], &said(text), &said(text), &[op::WAIT, 0xff, 0xff]].concat();
            seeds.add("multicam_controller", name, steps);
            let start = [0, op::CALL, 4, 0, 200, op::OPEN];
            seeds.add("multicam_controller", name, [&start[..], &said(text).repeat(9)].concat());
        }
    }
    for (n, vector) in vectors("multicam-bad-commands.json").iter().enumerate() {
        let (name, text) = (format!("bad {n}"), text(vector, "text"));
        seeds.add("multicam_command", &name, text.into());
        seeds.add("multicam_scan", &name, [&[1], text.as_bytes()].concat());
        add_command(seeds, &name, text);
    }
    for vector in vectors("multicam-files.json") {
        let (name, bytes) = (text(&vector, "name"), hex(text(&vector, "hex")));
        seeds.add("multicam_file", name, [&[0, 0, 7], &bytes[..]].concat());
        seeds.add("multicam_file", name, [&[3, 0, 1], &bytes[..]].concat());
        if let Some(header) = vector["header"].as_str() {
            seeds.add("multicam_reply", name, header.into());
        }
    }
    for (n, vector) in vectors("multicam-statuses.json").iter().enumerate() {
        let status = vector["text"].as_str().or(vector["status"].as_str()).unwrap_or("ready");
        seeds.add("multicam_reply", &format!("status {n}"), format!("{{\"status\": \"{status}\"}}").into());
    }
    #[rustfmt::skip]
    let names = [
        "a.mp4", "Mountain-A1B2C3D4_1729000000123.mp4", "../a", "/a", "a\0", "C:a", "..", "multiCam-oak-1 (2)", "1729000003.5",
        "1.7290000035E9", "-1e-7",
    ];
    for (n, name) in names.into_iter().enumerate() {
        seeds.add("multicam_name", &format!("name {n}"), name.into());
    }
    let mut answer = vec![0x24, 2, 6, 0xec, 0, 0, 0, 0, 0, 0, 0, 66, b'L', b'O', b'C', b'L'];
    answer.extend([0xea, 0xb5, 0x7c, 0x80, 0, 0, 0, 0].repeat(4));
    // A second later, from the one that was asked, what it asked for.
    let step = [&[0x20, 0xbc, 0xbe, 3][..], &[0; 8], &[1], &answer].concat();
    seeds.add("multicam_ntp", "answers", step.repeat(9));
    for (name, flags, leap, stratum) in [
        ("not asked", 0, 0x24, 2),
        ("stranger", 3, 0x24, 2),
        ("does not know", 1, 0xe4, 2),
        ("refusal", 1, 0x24, 0),
    ] {
        let mut answer = answer.clone();
        answer[0] = leap;
        answer[1] = stratum;
        seeds.add("multicam_ntp", name, [&[0, 0, 0, 1][..], &[0; 8], &[flags], &answer].concat().repeat(3));
    }
    add_devices(seeds);
    add_controllers(seeds);
}

/// Whole conversations with a device.
fn add_devices(seeds: &mut Seeds) {
    use device_call::{
        ADD, BATTERY, CAMERA, DELETE, DELETED, FINISHED, HASH, NTP, PROGRESS, REMOVE, START, STOP, UPLOADED,
    };
    let come = vec![op::OPEN];
    let said = |words: &str| said(&ask(words));
    let call = |what: u8, first: u8, second: u8| vec![op::CALL, what, first, second];
    let wait = |ms: u16| [&[op::WAIT][..], &ms.to_le_bytes()].concat();
    let answer = |ahead: u16, flags: u8| [&[op::ANSWER][..], &ahead.to_le_bytes(), &[flags]].concat();
    let proof = |n: u8| format!(r#""DELETE_FILE", "fileName": "{n}.avi", "sha256": "{}""#, "0A".repeat(32));
    let upload =
        |n: u8| format!(r#""UPLOAD_TO_CLOUD", "fileName": "{n}.avi", "uploadUrl": "https://192.0.2.3/a""#);
    let planned = r#""START_RECORDING", "at": 1729000000.5"#;
    let sooner = r#""START_RECORDING", "at": 1729000000.25, "schedule": "raw""#;
    let (status, stop) = (r#""DEVICE_STATUS""#, r#""STOP_RECORDING""#);
    let uploads = r#""UPLOAD_STATUS""#;
    let time_port = r#""HEARTBEAT", "timePort": 8123"#;
    let stories: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("another's time", vec![said(time_port), said(r#""HEARTBEAT", "timePort": 8124"#), answer(3, 0)]),
        (
            "woken late",
            vec![said(planned), vec![op::LATE, 0, 9], call(STOP, 0, 0), vec![op::LATE, 0xff, 0xff]],
        ),
        (
            "a take",
            vec![
                said(r#""START_RECORDING""#),
                said(status),
                said(stop),
                come.clone(),
                vec![op::BYTES, 1],
                said(stop)[2..].to_vec(),
                said(status),
                call(START, 0, 0),
                call(FINISHED, 1, 0),
                call(FINISHED, 1, 0),
                said(r#""LIST_FILES""#),
            ],
        ),
        (
            "a take that fails",
            vec![call(START, 0, 0), said(stop), call(FINISHED, 1, 1), said(status), call(START, 0, 0)],
        ),
        (
            "capture fails",
            vec![call(START, 0, 0), call(FINISHED, 1, 1), said(stop), said(planned), wait(900)],
        ),
        (
            "a planned take",
            vec![
                said(planned),
                said(planned),
                said(status),
                said(sooner),
                vec![op::STEP, 30, 0],
                wait(252),
                call(STOP, 0, 0),
                wait(20),
                call(FINISHED, 2, 0),
                said(status),
            ],
        ),
        (
            "a planned take that fails at once",
            vec![said(planned), wait(502), call(FINISHED, 1, 1), call(START, 0, 0), wait(900)],
        ),
        ("called off", vec![said(planned), said(stop), said(planned), call(START, 0, 0), call(STOP, 0, 0)]),
        ("fails before it starts", vec![said(planned), call(FINISHED, 1, 1), said(planned), wait(900)]),
        ("too far ahead", vec![said(r#""START_RECORDING", "at": 1999000000"#), said(status)]),
        (
            "no camera",
            vec![
                said(planned),
                call(CAMERA, 0, 0),
                said(status),
                said(planned),
                call(BATTERY, 90, 1),
                said(status),
                call(CAMERA, 1, 0),
                call(BATTERY, 0, 0),
                said(status),
            ],
        ),
        (
            "a file",
            vec![
                said(r#""GET_VIDEO", "fileName": "1.avi""#),
                call(HASH, 1, 7),
                said(r#""GET_VIDEO", "fileId": "1", "offset": 10, "length": 20"#),
                said(status),
                vec![op::SENT],
                said(r#""GET_VIDEO", "fileName": "1", "offset": 1000"#),
                vec![op::SENT],
                said(r#""GET_VIDEO", "fileName": "1.avi", "length": 2000"#),
                vec![op::SENT],
                said(r#""GET_VIDEO", "fileName": "1.avi", "offset": 1001"#),
            ],
        ),
        (
            "no such file",
            vec![said(r#""GET_VIDEO", "fileName": "../1.avi""#), come.clone(), said(r#""GET_VIDEO""#)],
        ),
        (
            "a file in a hurry",
            vec![
                said(r#""GET_VIDEO", "fileName": "1.avi""#),
                vec![op::BYTES, 0, 1, 4].into_iter().chain([b' '; 1025]).collect(),
                said(status),
                vec![op::END, 0, op::SENT],
            ],
        ),
        (
            "deletions",
            vec![
                call(ADD, 2, 4),
                said(&proof(2)),
                said(status),
                call(DELETE, 1, 0),
                said(&proof(2)),
                call(DELETE, 2, 0),
                said(&proof(2)),
                call(DELETE, 0, 0),
                said(&proof(2)),
                said(r#""DELETE_FILE", "fileName": "3.avi", "sha256": "00ff""#),
                said(r#""DELETE_FILE", "fileName": "3.avi""#),
                said(r#""DELETE_FILE", "fileId": "3""#),
                said(&proof(3)),
                call(DELETED, 1, 3),
                call(DELETED, 9, 4),
                call(REMOVE, 5, 0),
                said(r#""LIST_FILES", "limit": 2"#),
            ],
        ),
        (
            "uploads",
            vec![
                call(ADD, 2, 2),
                said(&upload(1)),
                said(&upload(1)),
                said(&upload(2)),
                said(uploads),
                call(PROGRESS, 1, 50),
                said(&upload(1)),
                said(uploads),
                said(status),
                call(UPLOADED, 1, 1),
                call(PROGRESS, 1, 50),
                call(UPLOADED, 1, 1),
                call(UPLOADED, 2, 0),
                said(uploads),
                said(status),
                said(&upload(2)),
                said(&upload(9)),
                said(r#""UPLOAD_TO_CLOUD", "fileName": "1.avi""#),
                said(r#""UPLOAD_TO_CLOUD""#),
            ],
        ),
        (
            "uploads fail",
            (0..20)
                .flat_map(|n| [call(ADD, n, 1), said(&upload(n)), call(UPLOADED, n, 254)])
                .chain((0..6).map(|n| said(&upload(n))))
                .chain([said(status)])
                .collect(),
        ),
        (
            "many files",
            vec![
                call(ADD, 0, 200),
                call(ADD, 200, 56),
                said(r#""LIST_FILES""#),
                said(r#""LIST_FILES", "limit": 9999"#),
            ],
        ),
        (
            "the time",
            vec![
                call(NTP, 0, 0),
                answer(3, 3),
                wait(250),
                answer(3, 1),
                said(planned),
                wait(250),
                answer(900, 2),
                said(status),
                wait(60_000),
                wait(60_000),
                said(status),
            ],
        ),
        (
            "the controller's time",
            vec![
                said(time_port),
                answer(3, 3),
                wait(40),
                answer(3, 1),
                said(r#""HEARTBEAT", "timePort": 8124"#),
                said(planned),
                wait(900),
                said(status),
                [wait(65_535), wait(65_535), wait(65_535)].concat().repeat(20),
                said(r#""HEARTBEAT", "timePort": 8124"#),
                answer(1, 7),
                said(status),
            ],
        ),
        (
            "both times",
            vec![
                call(NTP, 0, 0),
                said(time_port),
                wait(40),
                answer(2, 1),
                answer(2, 5),
                answer(2, 0),
                said(status),
            ],
        ),
        ("too many", vec![come.repeat(5), vec![op::BYTES, 1], said(status)[2..].to_vec(), come.repeat(4)]),
        (
            "all are busy",
            vec![
                come.repeat(3),
                (0..4).flat_map(|n| busy(n, &ask(stop))).collect(),
                call(STOP, 0, 0),
                come.repeat(2),
            ],
        ),
        (
            "slow words",
            vec![vec![op::BYTES, 0, 1, 0, b'{'], wait(11_000), come.clone(), wait(60_000), wait(60_001)],
        ),
        (
            "no words",
            vec![vec![op::TEXT, 0], come.clone(), vec![op::BYTES, 0, 2, 0, b'{', b'}', op::CLOSE, 0]],
        ),
    ];
    for (name, steps) in stories {
        for flags in [0, 3, 16, 3 | 64, 12] {
            let begun = if name == "all are busy" { call(START, 0, 0) } else { Vec::new() };
            let steps = [&[flags][..], &begun, &come, &steps.concat()].concat();
            seeds.add("multicam_device", &format!("{name} {flags}"), steps);
        }
    }
    let key =
        [said(&format!(r#"{status}, "auth": "key""#)), said(&format!(r#"{status}, "auth": "kez""#))].concat();
    seeds.add("multicam_device", "a key", [&[32, op::OPEN][..], &key].concat());
    seeds.add("multicam_device", "no key", [&[32, op::OPEN][..], &said(status)].concat());
}

/// A command of that name and with what follows, at the time `at` if it gives one.
fn ask(words: &str) -> String {
    match words.split_once(r#", "at": "#) {
        Some((name, at)) => format!(r#"{{"command": {name}, "deviceId": "c", "timestamp": {at}}}"#),
        None => format!(r#"{{"command": {words}, "deviceId": "c", "timestamp": 1729000000}}"#),
    }
}

/// Said on the connection with that number.
fn busy(number: u8, text: &str) -> Vec<u8> {
    let mut said = said(text);
    said[1] = number;
    said
}

/// Whole conversations of a controller.
fn add_controllers(seeds: &mut Seeds) {
    use controller_call::{
        ADD, BEAT, DELETE, FAILED, FILL, LIST, PORT, REMOVE, START, STATUS, STOP, UPLOAD, VIDEO,
    };
    let call = |what: u8, first: u8, second: u8| vec![op::CALL, what, first, second];
    let wait = |ms: u16| [&[op::WAIT][..], &ms.to_le_bytes()].concat();
    let status = |more: &str| {
        said(&format!(r#"{{"deviceId": "d", "status": "ready", "timestamp": 1729000000.5{more}}}"#))
    };
    let kinds = ["Oak", "iOS:iPhone", "Android:Quest", "Genlock", "else"];
    let open = vec![op::OPEN];
    let clock = r#", "clock": {"source": "system", "offset": 0, "error": null, "schedulesOn": "raw"}"#;
    let stopped = said(
        r#"{"deviceId": "d", "status": "recording_stopped", "timestamp": 1729000030.5, "fileName": "a", "fileSize": 5}"#,
    );
    let failed = said(
        r#"{"deviceId": "d", "status": "error", "timestamp": 1729000000.5, "message": "no", "isRecording": true}"#,
    );
    for kind in kinds {
        let kind = format!(r#", "deviceType": "{kind}", "isRecording": true"#);
        for clock in ["", clock] {
            let known = status(&format!("{kind}{clock}"));
            let steps = [call(STATUS, 0, 0), open.clone(), known.clone(), known.clone(), call(START, 0, 50)];
            let stop = [
                open.clone(),
                known.repeat(10),
                call(STOP, 0, 0),
                open.clone(),
                known,
                stopped.clone(),
                stopped.clone(),
            ];
            seeds.add(
                "multicam_controller",
                &format!("takes{kind}{clock}"),
                [&[0][..], &steps.concat(), &stop.concat()].concat(),
            );
        }
    }
    let split: Vec<u8> = {
        let whole = status("");
        whole[4..]
            .chunks(7)
            .flat_map(|part| [&[op::BYTES, 0, part.len() as u8, 0][..], part].concat())
            .collect()
    };
    let none = r#", "isRecording": false"#;
    let stories: Vec<(&str, Vec<Vec<u8>>)> = vec![
        (
            "records no longer",
            vec![
                call(STATUS, 0, 0),
                open.clone(),
                said(r#"{"status": "recording"}"#),
                call(BEAT, 0, 0),
                open.clone(),
                said(r#"{"status": "command_received", "isRecording": false}"#),
            ],
        ),
        (
            "woken late",
            vec![
                call(STATUS, 0, 0),
                open.clone(),
                vec![op::LATE, 0xff, 0xff],
                call(START, 0, 99),
                open.clone(),
                status(""),
            ],
        ),
        ("split", vec![call(STATUS, 0, 0), call(BEAT, 0, 0), open.clone(), split.clone(), split, status("")]),
        ("nothing to stop", vec![call(STOP, 0, 0), open.clone(), status(none)]),
        ("lost its camera", vec![call(STOP, 0, 0), open.clone(), failed.clone(), stopped]),
        ("an error as a status", vec![call(STATUS, 0, 0), open.clone(), failed.clone()]),
        ("closes", vec![[open.clone(), vec![op::CLOSE, 0], wait(9000)].concat(); 4]),
        (
            "ends",
            vec![
                call(STATUS, 0, 0),
                open.clone(),
                vec![op::END, 0],
                wait(1000),
                open.clone(),
                status(""),
                vec![op::END, 0],
            ],
        ),
        (
            "closes after an answer",
            vec![
                call(STATUS, 0, 0),
                call(LIST, 0, 0),
                open.clone(),
                status(""),
                vec![op::CLOSE, 0],
                open.clone(),
                status(""),
            ],
        ),
        (
            "no connection",
            vec![call(STATUS, 0, 0), call(FAILED, 0, 0), wait(9000), call(FAILED, 0, 0), wait(20_000)],
        ),
        (
            "no answer",
            vec![call(STOP, 0, 0), open.clone(), wait(60_000), wait(65_000), open.clone(), wait(65_000)],
        ),
        ("no sense", vec![call(STATUS, 0, 0), open.clone(), said("{}"), wait(1000), open.clone(), said("]")]),
        ("its own command", vec![call(STATUS, 0, 0), open.clone(), said(&ask(r#""HEARTBEAT""#)), status("")]),
        (
            "full",
            vec![call(FILL, 0, 0), call(START, 0, 9), call(STOP, 0, 0), open.clone(), status("").repeat(9)],
        ),
        (
            "too late",
            vec![
                call(START, 0, 2),
                call(FAILED, 0, 0),
                wait(5000),
                call(START, 1, 0),
                open.clone(),
                status(""),
            ],
        ),
        (
            "served time",
            vec![
                call(PORT, 0, 123),
                call(BEAT, 0, 0),
                open.clone(),
                status(""),
                call(PORT, 0, 0),
                call(VIDEO, 0, 0),
            ],
        ),
        (
            "removed",
            vec![
                call(UPLOAD, 0, 0),
                call(DELETE, 1, 0),
                call(STOP, 1, 0),
                open.clone(),
                call(REMOVE, 1, 0),
                call(REMOVE, 1, 0),
                call(STATUS, 1, 0),
                status(""),
                call(ADD, 1, 0),
                call(ADD, 1, 1),
                call(STATUS, 1, 0),
                open.clone(),
                status(""),
                call(ADD, 0, 2),
                call(START, 0, 90),
                open.clone(),
                status(""),
                call(REMOVE, 0, 0),
                call(START, 0, 90),
                call(FAILED, 0, 0),
            ],
        ),
        ("not asked", vec![open.repeat(2), call(STATUS, 0, 0), open.repeat(2), status(""), status("")]),
        ("beats", vec![wait(3000), open.clone(), status(""), wait(3000), open, wait(9000), wait(9000)]),
    ];
    for (name, steps) in stories {
        let first = if name == "closes" { call(STATUS, 0, 0) } else { Vec::new() };
        for flags in [0, 1, 4 | 8, 16 | 2] {
            let steps = [&[flags][..], &first, &steps.concat()].concat();
            seeds.add("multicam_controller", &format!("{name} {flags}"), steps);
        }
    }
}

/// A device to which this is said: by one that stays, and with a length before it.
fn add_command(seeds: &mut Seeds, name: &str, text: &str) {
    let after =
        [op::WAIT, 0xff, 0x0f, op::CALL, 1, 0, 0, op::CALL, 2, 1, 0, op::END, 0, op::WAIT, 0xff, 0xff];
    for flags in [0, 1, 3, 7] {
        let steps = [&[flags, op::CALL, 3, 0, 0, op::OPEN][..], &said(text), &after].concat();
        seeds.add("multicam_device", name, steps);
    }
    let length = u32::try_from(text.len()).expect("a vector is short").to_be_bytes();
    let framed = [&length[..], text.as_bytes()].concat();
    seeds.add("multicam_device", name, [&[3, op::OPEN][..], &super::said(0, &framed), &after].concat());
}

fn said(text: &str) -> Vec<u8> {
    super::said(0, text.as_bytes())
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} of {vector}"))
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
