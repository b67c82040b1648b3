// Streams: the mounts of the server, and who reads them.

const rate = (bits) => bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`;
const span = (s) => s < 60 ? `${Math.round(s)} s` : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;

function cells(row, texts) {
  for (const text of texts) {
    const td = document.createElement("td");
    td.textContent = text;
    row.append(td);
  }
  return row;
}

export function mount(element, studio) {
  element.classList.add("rtsp");
  const body = document.createElement("div");
  body.innerHTML = `
    <p class="play"><code></code> <button type="button">Copy</button></p>
    <div class="scroll"><table>
      <thead><tr><th>Mount</th><th>What</th><th>From</th><th>Comes in</th><th>Readers</th></tr></thead>
      <tbody class="mounts"></tbody>
    </table></div>
    <div class="scroll"><table>
      <thead><tr><th>Reader</th><th>Mount</th><th>Over</th><th>For</th><th>Frames</th><th>Gets</th><th>Left out</th><th>Lost</th><th>Jitter</th></tr></thead>
      <tbody class="readers"></tbody>
    </table></div>`;
  element.append(body);
  const find = (selector) => body.querySelector(selector);
  find("button").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(find("code").textContent);
      studio.log("rtsp: the command is copied");
    } catch {
      studio.log("rtsp: this browser does not let the page copy", true);
    }
  });

  let before = new Map();
  studio.onState(({ rtsp }) => {
    if (!rtsp) return;
    find("code").textContent = `ffplay rtsp://${rtsp.address}/${rtsp.path}`;
    const now = performance.now();
    const counts = new Map();
    /** Bits a second since the last time. */
    const speed = (key, bytes) => {
      counts.set(key, { bytes, now });
      const last = before.get(key);
      return last && now > last.now ? rate(Math.max(0, bytes - last.bytes) * 8000 / (now - last.now)) : "–";
    };
    find(".mounts").replaceChildren(...rtsp.mounts.map((m) => cells(document.createElement("tr"), [
      m.path, `${m.kind}, ${m.encodings}`, m.publisher ?? (m.kind === "published" ? "nobody now" : "here"),
      speed(`m ${m.path}`, m.bytes), m.readers.length,
    ])));
    const readers = rtsp.mounts.flatMap((m) => m.readers.map((r) => ({ ...r, path: m.path })));
    find(".readers").replaceChildren(...readers.map((r) => cells(document.createElement("tr"), [
      r.remote, r.path, r.carrier, span(r.playing_s), r.frames, speed(`r ${r.remote} ${r.path}`, r.bytes), r.dropped,
      r.lost_percent === null ? "–" : `${r.lost_percent.toFixed(1)} %`,
      r.jitter_ms === null ? "–" : `${r.jitter_ms.toFixed(1)} ms`,
    ])));
    before = counts;
  });
}
