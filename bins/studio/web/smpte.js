// Timecode sessions. Each card is a real member of its session over WebSocket: it speaks the session protocol with the
// extensions `frame` and `clock`, and draws the label that the server's clock has now, not the one that came last.

const RATES = ["23.976", "24", "25", "29.97", "29.97df", "30", "47.952", "48", "50", "59.94", "59.94df", "60",
  "100", "119.88", "119.88df", "120"];

const pad = (n, width = 2) => String(n).padStart(width, "0");

/** The label of a frame count; `rate` is "num/den". */
function labelOf(frame, rate, drop) {
  const [num, den] = rate.split("/").map(Number);
  const n = Math.ceil(num / den - 1e-9);
  const dropped = drop ? n / 15 : 0;
  const perTen = 600 * n - 9 * dropped;
  const perMinute = 60 * n - dropped;
  const day = perTen * 144;
  let x = ((frame % day) + day) % day;
  const tens = Math.floor(x / perTen);
  const rest = x % perTen;
  x += 9 * dropped * tens + (rest >= dropped ? dropped * Math.floor((rest - dropped) / perMinute) : 0);
  const f = x % n;
  const s = Math.floor(x / n);
  const time = `${pad(Math.floor(s / 3600) % 24)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  return `${time}${drop ? ";" : ":"}${pad(f, n > 100 ? 3 : 2)}`;
}

/** Server time from the exchange with the shortest way: server_ns - page_ns. */
class Clock {
  constructor() { this.best = null; }
  add(sentMs, receivedMs, serverNs) {
    const rtt = receivedMs - sentMs;
    const offset = serverNs - ((sentMs + receivedMs) / 2) * 1e6;
    if (!this.best || rtt <= this.best.rtt || receivedMs - this.best.at > 30000) {
      this.best = { rtt, offset, at: receivedMs };
    }
  }
  nowNs() { return this.best ? performance.now() * 1e6 + this.best.offset : null; }
}

/** One WebSocket member of one session. */
class Member {
  constructor(panel, first) {
    this.panel = panel;
    this.clock = new Clock();
    this.update = null;
    this.running = false;
    this.id = null;
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/smpte`);
    this.socket.onopen = () => {
      this.send({ type: "hello", extensions: ["frame", "clock"] });
      this.send(first);
      this.pings = setInterval(() => this.ping(), 2000);
      for (let i = 0; i < 5; i++) setTimeout(() => this.ping(), 50 * i);
    };
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = () => {
      clearInterval(this.pings);
      if (!this.left) panel.lost(this);
    };
  }
  send(message) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message)); }
  ping() { this.send({ type: "ping", t: performance.now() }); }
  leave() { this.left = true; this.socket.close(); }
  receive(m) {
    switch (m.type) {
      case "pong": this.clock.add(m.t, performance.now(), m.server_ns); break;
      case "session_created":
        this.id = m.session_id;
        this.set(m.initial_timecode, m, false);
        this.panel.log(`created ${m.session_id} at ${m.framerate}`);
        break;
      case "session_joined": this.id = m.session_id; this.set(m.current_timecode, m, m.running); break;
      case "timecode_started": this.set(m.timecode, m, true); this.panel.log(`${this.name()} started at ${m.timecode}`); break;
      case "timecode_stopped": this.set(m.timecode, m, false); this.panel.log(`${this.name()} stopped at ${m.timecode}`); break;
      case "timecode_reset": this.set(m.timecode, m, this.running); this.panel.log(`${this.name()} set to ${m.timecode}`); break;
      case "timecode_update": this.set(m.timecode, m, true); break;
      case "error": this.panel.log(`${this.name()}: ${m.message}`, true); break;
      default: break;
    }
  }
  set(label, message, running) {
    this.label = label;
    this.running = running;
    if (message.frame !== undefined) this.update = message;
  }
  name() { return this.panel.nameOf(this.id); }
  /** What the session's clock reads now. */
  shown() {
    const now = this.clock.nowNs();
    const u = this.update;
    if (!this.running || !u || u.at_ns === undefined || now === null) return this.label;
    const [num, den] = u.rate.split("/").map(Number);
    const ahead = Math.floor(((now - u.at_ns) * num) / den / 1e9);
    // A connection that has gone quiet must not run on for ever.
    return labelOf(u.frame + Math.max(0, Math.min(ahead, 10 * num / den)), u.rate, u.drop);
  }
}

class Panel {
  constructor(element, studio) {
    this.studio = studio;
    this.members = new Map(); // session id -> Member
    this.waiting = new Set(); // members that have no session yet
    this.cards = new Map(); // session id -> card element
    this.sessions = new Map(); // session id -> what the state says

    const about = document.createElement("p");
    about.textContent = "Each card is a member of its session over WebSocket. The same from a terminal: ";
    this.command = document.createElement("code");
    about.append(this.command);
    element.append(about, this.form());
    this.list = document.createElement("div");
    this.list.className = "cards";
    this.list.id = "sessions";
    element.append(this.list);

    studio.onState((state) => this.state(state));
    const draw = () => { this.draw(); requestAnimationFrame(draw); };
    requestAnimationFrame(draw);
  }

  log(text, bad) { this.studio.log(text, bad); }
  nameOf(id) { return this.sessions.get(id)?.name || (id ? id.slice(0, 8) : "timecode"); }

  form() {
    const form = document.createElement("form");
    form.className = "row";
    form.id = "create";
    form.innerHTML = `
      <label>Rate <select name="rate"></select></label>
      <label>From <input name="label" class="timecode" value="01:00:00;00" spellcheck="false" autocomplete="off"></label>
      <button class="primary">Create session</button>`;
    form.rate.append(...RATES.map((r) => new Option(r, r, r === "29.97df", r === "29.97df")));
    // The usual way of writing a label at each rate.
    form.rate.addEventListener("change", () => {
      const drop = form.rate.value.endsWith("df");
      form.label.value = form.label.value.replace(/[:;](\d+)$/, `${drop ? ";" : ":"}$1`);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.join({ type: "create_session", framerate: form.rate.value, initial_timecode: form.label.value.trim() });
    });
    return form;
  }

  join(first) {
    const member = new Member(this, first);
    this.waiting.add(member);
    return member;
  }

  lost(member) {
    this.waiting.delete(member);
    if (this.members.get(member.id) === member) this.members.delete(member.id);
  }

  state(state) {
    const tcp = state.services.find((s) => s.name === "smpte" && s.role === "tcp");
    if (tcp) {
      const [host, port] = [tcp.address.slice(0, tcp.address.lastIndexOf(":")), tcp.address.split(":").pop()];
      this.command.textContent = `cargo run --bin smpte-client -- --host ${host} --port ${port}`;
    }
    this.sessions = new Map(state.sessions.map((s) => [s.session_id, s]));
    for (const member of this.waiting) {
      if (member.id) {
        this.waiting.delete(member);
        this.members.set(member.id, member);
      }
    }
    const joining = new Set([...this.waiting].map((m) => m.wants));
    for (const session of state.sessions) {
      // The studio's own sessions have names and are followed unasked; strangers' only on request.
      if (session.name && !this.members.has(session.session_id) && !joining.has(session.session_id)) this.follow(session.session_id);
    }
    for (const [id, card] of this.cards) {
      if (!this.sessions.has(id)) { card.remove(); this.cards.delete(id); this.members.get(id)?.leave(); this.members.delete(id); }
    }
    for (const session of state.sessions) this.card(session);
  }

  follow(id) {
    const member = this.join({ type: "join_session", session_id: id });
    member.wants = id;
  }

  card(session) {
    let card = this.cards.get(session.session_id);
    if (!card) {
      const id = session.session_id;
      card = document.createElement("article");
      card.className = "card";
      card.dataset.session = id;
      card.innerHTML = `
        <h3><span class="name"></span><span class="state"></span></h3>
        <span class="label" role="timer" aria-live="off"></span>
        <p class="facts"></p>
        <div class="row">
          <button data-do="start">Start</button>
          <button data-do="stop">Stop</button>
          <input class="timecode" aria-label="label to reset to" value="${session.framerate.endsWith("df") ? "00:00:00;00" : "00:00:00:00"}" spellcheck="false" autocomplete="off">
          <button data-do="reset">Reset</button>
          <button data-do="follow">Follow</button>
        </div>`;
      card.addEventListener("click", (event) => {
        const what = event.target.dataset?.do;
        if (what) this.act(id, what, card.querySelector("input").value.trim());
      });
      card.querySelector("input").addEventListener("keydown", (event) => {
        if (event.key === "Enter") this.act(id, "reset", event.target.value.trim());
      });
      this.cards.set(id, card);
      this.list.append(card);
    }
    const part = (selector) => card.querySelector(selector);
    part(".name").textContent = session.name || session.session_id.slice(0, 8);
    part(".facts").textContent =
      `${session.framerate} fps · ${session.client_count} member${session.client_count === 1 ? "" : "s"} · ${session.session_id}`;
  }

  act(id, what, label) {
    const member = this.members.get(id);
    if (what === "follow") return member ? (member.leave(), this.members.delete(id)) : this.follow(id);
    if (!member) return this.log("follow the session first", true);
    if (what === "start") member.send({ type: "start_timecode" });
    if (what === "stop") member.send({ type: "stop_timecode" });
    if (what === "reset") member.send({ type: "reset_timecode", timecode: label });
  }

  draw() {
    for (const [id, card] of this.cards) {
      const member = this.members.get(id);
      const session = this.sessions.get(id);
      const running = member ? member.running : session?.running;
      const label = (member && member.shown()) || session?.timecode || "";
      const shown = card.querySelector(".label");
      if (shown.textContent !== label) shown.textContent = label;
      // The map shows the one clock as it runs.
      if (id === this.studio.state?.clock?.session) this.studio.showClock(label);
      card.classList.toggle("running", Boolean(running));
      card.querySelector(".state").textContent = running ? "running" : "stopped";
      for (const button of card.querySelectorAll("button")) {
        const what = button.dataset.do;
        button.disabled = what !== "follow" && (!member || (what === "start" && running) || (what === "stop" && !running));
        if (what === "follow") button.textContent = member ? "Leave" : "Follow";
      }
    }
  }
}

export function mount(element, studio) { new Panel(element, studio); }
