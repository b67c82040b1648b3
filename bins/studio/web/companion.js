// A companion screen as the standard has it: content and timelines by CSS-CII, the timeline by CSS-TS, and the wall
// clock by CSS-WC, which a page can ask over WebSocket only, with the same 32 bytes.
const $ = (id) => document.getElementById(id);
const base = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/dvb`;
const wanted = new URLSearchParams(location.search).get("timeline") ?? "urn:genlock:timeline:smpte";

/** Nanoseconds of this page's clock. */
const local = () => BigInt(Math.round(performance.now() * 1e6));

/** Keeps a WebSocket open. */
function door(path, handlers) {
  let socket;
  const open = () => {
    socket = new WebSocket(`${base}/${path}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => handlers.opened?.((data) => socket.send(data));
    socket.onmessage = (event) => handlers.received(event.data);
    socket.onclose = () => {
      handlers.closed?.();
      setTimeout(open, 1000);
    };
  };
  open();
  return { reopen: () => socket.close() };
}

// Wall clock: the exchange with the lowest dispersion, which grows by 500 ppm of our clock and what the server states.
let best = null;
const pending = new Map();
let cookie = BigInt(crypto.getRandomValues(new Uint32Array(1))[0]) << 32n;
const growth = (ppm, ns) => Number(ns) * ppm / 1e6;
const bound = (at) => best.error + growth(best.ppm, at > best.local ? at - best.local : best.local - at);
door("wc", {
  opened(send) {
    pending.clear();
    let n = 0;
    const ask = () => {
      const request = new DataView(new ArrayBuffer(32));
      cookie = BigInt.asUintN(64, cookie + 1n);
      request.setBigUint64(8, cookie);
      pending.set(cookie, local());
      if (pending.size > 32) pending.delete(pending.keys().next().value);
      try { send(request.buffer); } catch { return; }
      n += 1;
      this.timer = setTimeout(ask, n < 8 ? 25 : 1000);
    };
    ask();
  },
  received(data) {
    const arrived = local();
    if (!(data instanceof ArrayBuffer) || data.byteLength !== 32) return;
    const answer = new DataView(data);
    const sent = pending.get(answer.getBigUint64(8));
    if (sent === undefined || answer.getUint8(1) === 0) return;
    pending.delete(answer.getBigUint64(8));
    const time = (at) => BigInt(answer.getUint32(at)) * 1000000000n + BigInt(answer.getUint32(at + 4));
    const [came, left] = [time(16), time(24)];
    const trip = Number(arrived - sent - (left - came));
    const ppm = 500 + answer.getUint32(4) / 256;
    const error = 2 ** answer.getInt8(2) * 1e9 + trip / 2 + growth(ppm, arrived - sent);
    const exchange = { local: (sent + arrived) / 2n, server: (came + left) / 2n, error, ppm };
    if (best && error >= bound(arrived)) return;
    best = exchange;
  },
  closed() { clearTimeout(this.timer); },
});

// Content and timelines.
const state = {};
door("cii", {
  received(data) {
    Object.assign(state, JSON.parse(data));
    $("content").textContent = `${state.contentId ?? "no content"} (${state.presentationStatus ?? "?"})`;
    const names = (state.timelines ?? []).map((t) => t.timelineSelector);
    const have = [...$("timeline").options].map((o) => o.value);
    if (names.join() === have.join()) return;
    const chosen = $("timeline").value || wanted;
    $("timeline").replaceChildren(...names.map((n) => new Option(n, n)));
    $("timeline").value = names.includes(chosen) ? chosen : names[0];
    if ($("timeline").value !== follow.selector) follow.choose($("timeline").value);
  },
});

// The timeline.
const follow = {
  selector: wanted,
  stamp: null,
  choose(selector) {
    this.selector = selector;
    this.stamp = null;
    this.door.reopen();
  },
};
follow.door = door("ts", {
  opened: (send) => send(JSON.stringify({ contentIdStem: "", timelineSelector: follow.selector })),
  received: (data) => { follow.stamp = JSON.parse(data); },
  closed: () => { follow.stamp = null; },
});
$("timeline").onchange = () => follow.choose($("timeline").value);

/** Hours, minutes, seconds and units below; frames of 29.97 and 59.94 are counted with drop-frame labels. */
function label(ticks, perSecond) {
  if (perSecond > 1000) {
    const ms = Math.floor(ticks / perSecond * 1000);
    return `${clock(Math.floor(ms / 1000))}.${String(ms % 1000).padStart(3, "0")}`;
  }
  const nominal = Math.round(perSecond);
  let frame = Math.floor(ticks);
  let mark = ":";
  if (nominal !== perSecond && nominal % 30 === 0) {
    const drop = nominal / 15;
    const [tens, rest] = [Math.floor(frame / (nominal * 600 - 9 * drop)), frame % (nominal * 600 - 9 * drop)];
    frame += 9 * drop * tens + drop * Math.max(0, Math.floor((rest - drop) / (nominal * 60 - drop)));
    mark = ";";
  }
  return `${clock(Math.floor(frame / nominal))}${mark}${String(frame % nominal).padStart(2, "0")}`;
}
const clock = (s) => [s / 3600 % 24, s / 60 % 60, s % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");

function paint() {
  requestAnimationFrame(paint);
  const stamp = follow.stamp;
  const known = stamp && stamp.contentTime !== null && stamp.contentTime !== undefined;
  const option = (state.timelines ?? []).find((t) => t.timelineSelector === follow.selector);
  $("link").textContent = !best ? "waiting for the wall clock" : known ? "following" : "the timeline is not available";
  if (!best) return;
  const now = local();
  const wall = best.server + (now - best.local);
  $("clock").textContent = `wall clock known to ±${(bound(now) / 1e6).toFixed(2)} ms`;
  if (!known || !option) {
    $("position").textContent = "--:--:--:--";
    return;
  }
  const { unitsPerSecond, unitsPerTick } = option.timelineProperties;
  const perSecond = unitsPerSecond / unitsPerTick;
  // Differences are small enough for numbers of this language; the values themselves are not.
  const passed = Number(wall - BigInt(stamp.wallClockTime)) / 1e9;
  const ticks = Number(stamp.contentTime) + passed * perSecond * stamp.timelineSpeedMultiplier;
  $("position").textContent = label(Math.max(0, ticks), perSecond);
  $("position").dataset.ticks = Math.floor(ticks);
  $("facts").textContent = `tick ${Math.floor(ticks)} of ${perSecond.toFixed(3).replace(/\.?0+$/, "")} a second, speed ${stamp.timelineSpeedMultiplier}`;
}
paint();
