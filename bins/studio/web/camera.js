// The camera. Telemetry and settings come over WebSocket in the camera's own frames (00 FF ID TYPE LEN payload XOR); what
// the picture shows is read from the code strip in the picture itself.

const DATA = 0x0100;
const REQUEST = 0x0201;
const REPLY = 0x0200;
const SPAN_MS = 60000;

/** The six settings in the order of their bytes, with the ranges of the original's window. */
const SETTINGS = [
  { key: "shutter", name: "Shutter", min: 1, max: 100, show: (b) => (b ? `${b * 100} µs` : "automatic"), give: (b) => b * 100 },
  { key: "gain", name: "Gain", min: 1, max: 16, show: (b) => (b ? `${b}` : "automatic"), give: (b) => b },
  { key: "awb_red", name: "Red gain", min: 1, max: 50, show: tenths, give: tenths },
  { key: "awb_blue", name: "Blue gain", min: 1, max: 50, show: tenths, give: tenths },
  { key: "contrast", name: "Contrast", min: 0, max: 20, show: tenths, give: tenths },
  // The middle of what makes this byte, as the programs truncate.
  { key: "brightness", name: "Brightness", min: 0, max: 255, show: (b) => (b / 127.5 - 1).toFixed(2).replace("-0.00", "0.00"), give: (b) => Math.min(1, (b + 0.5) / 127.5 - 1).toFixed(3) },
];
const DEFAULTS = [0x64, 1, 10, 10, 10, 0x7f];

function tenths(b) { return (b / 10).toFixed(1); }
const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");

/** One frame as bytes. */
function frame(kind, payload = []) {
  const bytes = [0, 0xff, kind >> 8, kind & 0xff, payload.length >> 8, payload.length & 0xff, ...payload];
  return Uint8Array.from([...bytes, bytes.reduce((a, b) => a ^ b)]);
}

/** A message of the server, which is one frame: its kind and payload; null if it is not right. */
function parse(bytes) {
  if (bytes.length < 7 || bytes[0] !== 0 || bytes[1] !== 0xff || bytes.reduce((a, b) => a ^ b) !== 0) return null;
  return { kind: bytes[2] << 8 | bytes[3], payload: bytes.subarray(6, -1) };
}

/** A WebSocket that comes back when it is lost. */
class Door {
  constructor(path, opened, received) {
    this.connect = () => {
      this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
      this.socket.binaryType = "arraybuffer";
      this.socket.onopen = () => opened();
      this.socket.onmessage = (event) => {
        const message = parse(new Uint8Array(event.data));
        if (message) received(message);
      };
      this.socket.onclose = () => setTimeout(this.connect, 1000);
    };
    this.connect();
  }
  send(...frames) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(new Blob(frames));
    return true;
  }
}

/** Reads the code strip of a test picture: three rows of 80 cells at the top left. Rows with a wrong CRC are null. */
class Strip {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }
  read(image) {
    const width = image.naturalWidth;
    const side = 8 * Math.max(1, Math.floor(width / 640));
    if (width < 640) return [null, null, null];
    Object.assign(this.canvas, { width: 80 * side, height: 3 * side });
    this.context.drawImage(image, 0, 0);
    const { data } = this.context.getImageData(0, 0, 80 * side, 3 * side);
    const cell = (row, column) => {
      let sum = 0;
      for (let y = side / 4; y < side * 3 / 4; y++) {
        for (let x = side / 4; x < side * 3 / 4; x++) {
          const at = 4 * ((row * side + y) * 80 * side + column * side + x);
          sum += 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
        }
      }
      return sum / (side * side / 4) >= 128 ? 1 : 0;
    };
    return [0, 1, 2].map((row) => {
      const bytes = new Uint8Array(10);
      for (let column = 0; column < 80; column++) bytes[column >> 3] |= cell(row, column) << (7 - column % 8);
      const crc = bytes.subarray(1, 9).reduce((sum, byte) => {
        sum ^= byte;
        for (let i = 0; i < 8; i++) sum = sum << 1 ^ (sum & 0x80 ? 0x107 : 0);
        return sum;
      }, 0);
      return bytes[0] === 0b10110010 && crc === bytes[9] ? new DataView(bytes.buffer, 1, 8) : null;
    });
  }
}

/** The label of BCD digits, bit 31 set for drop-frame. */
function label(bcd) {
  if (bcd === 0xffffffff) return "no timecode";
  const digits = (bcd & 0x7fffffff).toString(16).padStart(8, "0").match(/../g);
  return `${digits.slice(0, 3).join(":")}${bcd >>> 31 ? ";" : ":"}${digits[3]}`;
}

class Panel {
  constructor(element, studio) {
    this.items = []; // telemetry of the last minute: { at, value, offset }
    this.server = null; // the settings as the server has them
    this.wanted = [...DEFAULTS]; // as the sliders stand
    this.shown = null; // as the picture shows them
    this.unanswered = 0;
    this.changed = SETTINGS[1];
    this.ports = {};
    this.strip = new Strip();

    element.insertAdjacentHTML("beforeend", `
      <p>Move a slider: the next picture shows it. The same from a terminal: <code class="command"></code></p>
      <div class="camera">
        <figure>
          <img class="live" alt="the camera's test picture, live" width="640" height="480">
          <figcaption class="facts picture-facts"></figcaption>
        </figure>
        <div>
          <form class="settings"></form>
          <p class="facts wire"></p>
        </div>
        <div class="plot">
          <canvas class="telemetry" role="img" aria-label="telemetry of the last 60 seconds"></canvas>
          <p class="facts telemetry-facts">waiting for telemetry…</p>
        </div>
      </div>`);
    const find = (selector) => element.querySelector(selector);
    this.parts = {
      command: find(".command"), image: find(".live"), picture: find(".picture-facts"), form: find(".settings"),
      wire: find(".wire"), canvas: find(".telemetry"), facts: find(".telemetry-facts"),
    };
    this.sliders = SETTINGS.map((setting, i) => this.slider(setting, i));
    const reset = document.createElement("button");
    reset.type = "button";
    reset.textContent = "As at the start";
    reset.addEventListener("click", () => { this.wanted = [...DEFAULTS]; this.send(); });
    this.parts.form.append(reset);

    this.door = new Door("/camera/settings", () => { this.unanswered = 0; this.query(); }, (message) => {
      if (message.kind !== REPLY || message.payload.length !== 9) return;
      this.unanswered = Math.max(0, this.unanswered - 1);
      this.server = [...message.payload.subarray(0, 6)];
      // What somebody else has set moves the sliders too, unless they are being moved here.
      if (!this.unanswered && !this.timer) this.wanted = [...this.server];
      this.render();
    });
    // Nobody is told of what others set: ask.
    setInterval(() => { if (!this.unanswered && !this.timer) this.query(); }, 1000);
    new Door("/camera/data", () => {}, (message) => {
      if (message.kind !== DATA || message.payload.length !== 9) return;
      const view = new DataView(message.payload.buffer, message.payload.byteOffset, 9);
      const now = performance.now();
      this.items.push({ at: now, value: view.getUint8(0), offset: Number(view.getBigUint64(1)) - Date.now() });
      while (this.items[0].at < now - SPAN_MS - 1000) this.items.shift();
    });

    studio.onState((state) => this.state(state));
    document.addEventListener("visibilitychange", () => { if (this.camera) this.watch(); });
    let drawn = 0;
    const draw = (now) => {
      // Ten times a second is enough for eyes.
      if (now - drawn >= 100) {
        drawn = now;
        this.look();
        this.plot();
      }
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
    this.render();
  }

  slider(setting, i) {
    const row = document.createElement("div");
    row.className = "setting";
    row.innerHTML = `<label for="camera-${setting.key}">${setting.name}</label>
      <input type="range" id="camera-${setting.key}" min="${setting.min}" max="${setting.max}" step="1">
      <output for="camera-${setting.key}"></output>`;
    const [input, output] = [row.querySelector("input"), row.querySelector("output")];
    input.addEventListener("input", () => {
      this.wanted[i] = Number(input.value);
      this.changed = setting;
      // At most twenty updates a second, and always the last one.
      this.timer ??= setTimeout(() => { this.timer = null; this.send(); }, 50);
      this.render();
    });
    this.parts.form.append(row);
    return { row, input, output };
  }

  query() { if (this.door.send(frame(REQUEST))) this.unanswered++; }

  /** An update is not answered: the query behind it is, with what was applied. */
  send() {
    if (this.door.send(frame(REQUEST, this.wanted), frame(REQUEST))) this.unanswered++;
    this.render();
  }

  state(state) {
    this.camera = state.camera;
    for (const s of state.services) if (s.name === "camera") this.ports[s.role] = s.address.split(":").pop();
    this.watch();
    this.render();
  }

  /** A picture without end is asked for while somebody looks, and again when nothing new comes. */
  watch() {
    const { image } = this.parts;
    const wanted = this.camera.preview && !document.hidden;
    image.hidden = !this.camera.preview;
    if (!wanted) { image.removeAttribute("src"); return; }
    const stale = performance.now() - (this.fresh ?? -Infinity) > 1500;
    if (image.hasAttribute("src") && !stale) return;
    this.fresh = performance.now();
    image.src = `/camera/live?${this.asked = (this.asked ?? 0) + 1}`;
  }

  /** Reads what the picture says of itself. */
  look() {
    const { image, picture } = this.parts;
    if (!this.camera) return;
    if (!this.camera.preview) {
      const where = this.camera.publishes ? `; its video is at ${this.camera.publishes}` : "";
      picture.textContent = this.camera.problem
        ? `no video: ${this.camera.problem}` : `${this.camera.source}, ${this.camera.pipeline}${where}`;
      return;
    }
    if (!image.naturalWidth) return;
    const [time, count, applied] = this.strip.read(image);
    if (!time || !count || !applied) { picture.textContent = "the picture's marks cannot be read"; return; }
    const number = count.getUint32(0);
    if (number !== this.number) [this.number, this.fresh] = [number, performance.now()];
    this.shown = Array.from({ length: 6 }, (_, i) => applied.getUint8(i));
    const age = Date.now() - Number(time.getBigUint64(0) / 1000000n);
    picture.textContent = `frame ${number} · ${label(count.getUint32(4))} · `
      + `${(applied.getUint16(6) / 100).toFixed(2)} fps · ${Math.max(0, age)} ms old · shows ${hex(this.shown)}`;
    this.render();
  }

  render() {
    const { command, wire } = this.parts;
    this.sliders.forEach(({ row, input, output }, i) => {
      if (Number(input.value) !== this.wanted[i]) input.value = this.wanted[i];
      const byte = this.server ? this.server[i] : this.wanted[i];
      const live = this.camera?.preview ? this.shown?.[i] === this.wanted[i] : this.camera?.live && byte === this.wanted[i];
      row.classList.toggle("applied", Boolean(live));
      output.textContent = `${SETTINGS[i].show(this.wanted[i])} ${live ? "✓" : "…"}`;
      output.title = live ? "applied" : "on its way";
    });
    const at = SETTINGS.indexOf(this.changed);
    const port = this.ports.settings ? ` --settings-port ${this.ports.settings}` : "";
    command.textContent = `cargo run --bin camera-client --${port} set ${this.changed.key}=${this.changed.give(this.wanted[at])}`;
    wire.textContent = `on the wire: ${hex(frame(REQUEST, this.wanted))} · the server has `
      + `${this.server ? hex(this.server) : "not answered yet"}`;
  }

  plot() {
    const { canvas, facts } = this.parts;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const g = canvas.getContext("2d");
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    const now = performance.now();
    const top = Math.max(10, ...this.items.map((item) => item.value));
    const [left, bottom] = [26, height - 18];
    const x = (at) => left + (width - left - 4) * (1 + (at - now) / SPAN_MS);
    const y = (value) => bottom - (bottom - 8) * value / top;
    g.font = "11px system-ui, sans-serif";
    g.lineWidth = 1;
    g.strokeStyle = "#2a3644";
    g.fillStyle = "#8fa0b3";
    g.beginPath();
    for (const value of [0, top / 2, top]) {
      g.moveTo(left, y(value));
      g.lineTo(width, y(value));
      g.fillText(String(Math.round(value)), 4, y(value) + 4);
    }
    for (let s = 60; s >= 0; s -= 15) {
      const at = x(now - s * 1000);
      g.moveTo(at, 8);
      g.lineTo(at, bottom);
      g.textAlign = s === 60 ? "left" : s === 0 ? "right" : "center";
      g.fillText(s ? `-${s} s` : "now", at, height - 4);
    }
    g.textAlign = "left";
    g.stroke();
    g.strokeStyle = "#5fd38d";
    g.lineWidth = 1.5;
    g.beginPath();
    let last = null;
    for (const { at, value } of this.items) {
      if (at < now - SPAN_MS) continue;
      // A gap is a gap, not a line.
      if (last === null || at - last > 1000) g.moveTo(x(at), y(value));
      else g.lineTo(x(at), y(value));
      last = at;
    }
    g.stroke();

    const lately = this.items.filter((item) => item.at > now - 5000);
    if (lately.length < 2) { facts.textContent = "waiting for telemetry…"; return; }
    const [first, end] = [lately[0], lately.at(-1)];
    const period = (end.at - first.at) / (lately.length - 1);
    const gaps = lately.slice(1).map((item, i) => Math.abs(item.at - lately[i].at - period));
    const jitter = gaps.reduce((a, b) => a + b, 0) / gaps.length;
    facts.textContent = `value ${end.value} · ${(1000 / period).toFixed(2)} Hz · jitter ${jitter.toFixed(1)} ms in this browser · `
      + `clock ${end.offset >= 0 ? "+" : ""}${end.offset} ms · ${this.items.length} items in the last minute`;
  }
}

export function mount(element, studio) { new Panel(element, studio); }
