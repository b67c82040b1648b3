//! What the client prints: lines for people, or one JSON object for each event.

use serde_json::{Value, json};
use smpte_timecode::client::{Client, ClientStatus, Event, Role, SessionStatus};
use smpte_timecode::message::{SessionSummary, TimecodeKind};

/// `SMPTE[no session]> ` or `SMPTE[<first 8 of id>@<rate>fps]> ` (sheet B8).
pub(super) fn prompt(session: Option<SessionStatus<'_>>) -> String {
    match session {
        None => "SMPTE[no session]> ".into(),
        Some(s) => format!("SMPTE[{}@{}fps]> ", beginning(s.id), s.framerate),
    }
}

fn beginning(id: &str) -> String {
    id.chars().take(8).collect()
}

/// The line for people about an event. Updates have none: they are on the display.
pub(super) fn text(event: &Event) -> Option<String> {
    Some(match event {
        Event::Connected { remote } => format!("Connected to {remote}"),
        Event::Welcome { message } => format!("Server: {message}"),
        Event::SessionCreated { id, framerate, label } => {
            format!("Session created: {id}\n{label} ({framerate} fps)")
        }
        Event::SessionJoined { id, framerate, label, running } => {
            let state = if *running { "running" } else { "stopped" };
            format!("Joined session: {id}\n{label} ({framerate} fps), {state}")
        }
        Event::SessionLeft { id } => format!("Left session: {id}"),
        Event::Timecode { kind: TimecodeKind::Started, label, .. } => format!("Timecode started: {label}"),
        Event::Timecode { kind: TimecodeKind::Stopped, label, .. } => format!("Timecode stopped: {label}"),
        Event::Timecode { kind: TimecodeKind::Reset, label, .. } => format!("Timecode reset to: {label}"),
        Event::ServerError { message } => format!("Error: {message}"),
        Event::Refused(error) => format!("Error: {error}"),
        Event::Sessions(sessions) if sessions.is_empty() => "No sessions".into(),
        Event::Sessions(sessions) => sessions.iter().map(row).collect::<Vec<_>>().join("\n"),
        Event::Status(status) => format!(
            "Server {}:{}: {} clients, {} sessions",
            status.host, status.port, status.connected_clients, status.active_sessions
        ),
        Event::Received(json) => format!("Received: {json}"),
        Event::Unreadable(error) => format!("Error: a message that cannot be read: {error}"),
        Event::Disconnected(reason) => format!("Disconnected ({})", describe(*reason)),
        // Updates, and what is not for people.
        _ => return None,
    })
}

fn describe(reason: machine::CloseReason) -> &'static str {
    use machine::CloseReason as R;
    match reason {
        R::Local => "by us",
        R::Remote => "by the server",
        R::Overflow => "the server sent a message without an end",
        R::SlowReader => "the server did not take what was sent",
        _ => "the connection broke",
    }
}

fn row(s: &SessionSummary<'_>) -> String {
    let state = if s.running { "running" } else { "stopped" };
    let name = s.name.as_deref().unwrap_or_default();
    let members = if s.client_count == 1 { "member" } else { "members" };
    let (id, rate, label, count) = (&s.session_id, &s.framerate, &s.timecode, s.client_count);
    format!("{id}  {rate:>8} fps  {label}  {state}  {count} {members}  {name}")
}

/// What `status` prints.
pub(super) fn status(client: &Client) -> String {
    let ClientStatus { connected, session, round_trip, extensions, .. } = client.status();
    let mut lines = vec![format!("Connected: {}", if connected { "yes" } else { "no" })];
    match session {
        None => lines.push("Session: none".into()),
        Some(s) => {
            let role = if s.role == Role::Creator { "creator" } else { "participant" };
            lines.push(format!("Session: {} ({role})", s.id));
            lines.push(format!("Framerate: {} fps", s.framerate));
            lines.push(format!("Timecode: {} ({})", s.label, if s.running { "running" } else { "stopped" }));
        }
    }
    if !extensions.is_empty() {
        let names: Vec<_> = extensions.iter().map(|e| e.name()).collect();
        lines.push(format!("Extensions: {}", names.join(", ")));
    }
    if let Some(round_trip) = round_trip {
        lines.push(format!("Round trip: {:.3} ms", round_trip.as_secs_f64() * 1e3));
    }
    lines.join("\n")
}

/// The same as one JSON object.
pub(super) fn status_json(client: &Client) -> String {
    let ClientStatus { connected, session, round_trip, extensions, .. } = client.status();
    let session = session.map(|s| {
        let role = if s.role == Role::Creator { "creator" } else { "participant" };
        json!({
            "session_id": s.id, "role": role, "framerate": s.framerate, "timecode": s.label.to_string(), "running": s.running,
        })
    });
    let names: Vec<_> = extensions.iter().map(|e| e.name()).collect();
    let round_trip_ms = round_trip.map(|time| time.as_secs_f64() * 1e3);
    json!({
        "event": "client_status", "connected": connected, "session": session, "extensions": names,
        "round_trip_ms": round_trip_ms,
    })
    .to_string()
}

/// One JSON object for an event.
pub(super) fn json(event: &Event) -> Value {
    match event {
        Event::Connected { remote } => json!({"event": "connected", "remote": remote.to_string()}),
        Event::Welcome { message } => json!({"event": "welcome", "message": message}),
        Event::Extensions { granted, server } => {
            let names: Vec<_> = granted.iter().map(|e| e.name()).collect();
            json!({"event": "extensions", "granted": names, "server": server})
        }
        Event::SessionCreated { id, framerate, label } => {
            json!({"event": "session_created", "session_id": id, "framerate": framerate, "timecode": &**label})
        }
        Event::SessionJoined { id, framerate, label, running } => json!({
            "event": "session_joined", "session_id": id, "framerate": framerate, "timecode": &**label, "running": running
        }),
        Event::SessionLeft { id } => json!({"event": "session_left", "session_id": id}),
        Event::Timecode { kind, label, position } => {
            let event = match kind {
                TimecodeKind::Started => "timecode_started",
                TimecodeKind::Update => "timecode_update",
                TimecodeKind::Stopped => "timecode_stopped",
                TimecodeKind::Reset => "timecode_reset",
            };
            let mut json = json!({"event": event, "timecode": &**label});
            if let Some(position) = position {
                json["frame"] = json!(position.frame);
                json["at_ns"] = json!(position.at_ns);
            }
            json
        }
        Event::ServerError { message } => json!({"event": "error", "message": message}),
        Event::Refused(error) => json!({"event": "error", "message": error.to_string()}),
        Event::Sessions(sessions) => {
            json!({"event": "sessions", "sessions": sessions.iter().map(summary).collect::<Vec<_>>()})
        }
        Event::Status(status) => json!({
            "event": "status", "host": status.host, "port": status.port, "active_sessions": status.active_sessions,
            "connected_clients": status.connected_clients,
            "sessions": status.sessions.iter().map(summary).collect::<Vec<_>>(),
        }),
        Event::Received(text) => {
            json!({"event": "received", "message": serde_json::from_str(text).unwrap_or(json!(text))})
        }
        Event::Unreadable(error) => json!({"event": "unreadable", "message": error.to_string()}),
        Event::Disconnected(reason) => json!({"event": "disconnected", "reason": describe(*reason)}),
        other => json!({"event": "other", "message": format!("{other:?}")}),
    }
}

fn summary(s: &SessionSummary<'_>) -> Value {
    json!({
        "session_id": s.session_id, "framerate": s.framerate, "timecode": s.timecode, "running": s.running,
        "client_count": s.client_count, "created_at": s.created_at, "name": s.name,
    })
}
