// The frame of the page: asks the studio for its state once a second and gives each part's panel a place.
// A panel is a module /panels/<part>.js with `export function mount(element, studio)`.

import { drawMap } from "/map.js";

const $ = (id) => document.getElementById(id);
const listeners = new Set();
const mounted = new Set();

export const studio = {
  /** Calls back with the state now and whenever it is asked for again. */
  onState(callback) {
    listeners.add(callback);
    if (studio.state) callback(studio.state);
  },
  /** Adds a line to the event log. */
  log(text, bad = false, at = new Date()) {
    const line = document.createElement("li");
    line.className = bad ? "bad" : "";
    const time = document.createElement("time");
    time.textContent = at.toLocaleTimeString([], { hour12: false });
    line.append(time, text);
    const log = $("log");
    log.prepend(line);
    while (log.children.length > 200) log.lastChild.remove();
  },
  /** What the one clock reads, between one state and the next. */
  showClock(label) {
    const shown = $("map").querySelector(".clock span");
    if (shown && shown.textContent !== label) shown.textContent = label;
    studio.clockLabel = label;
  },
  state: null,
};

/** A panel: what is wrong, what the part shows, and the commands that do the same from a terminal. */
async function mount(part) {
  mounted.add(part.name);
  const panel = document.createElement("section");
  panel.className = "panel";
  panel.id = `panel-${part.name}`;
  panel.setAttribute("aria-labelledby", `title-${part.name}`);
  panel.innerHTML = `<h2 id="title-${part.name}"></h2><ul class="notices" role="status"></ul>`;
  panel.querySelector("h2").textContent = part.title ?? part.name;
  $("panels").append(panel);
  if (part.title === undefined) return;
  const module = await import(`/panels/${part.name}.js`);
  module.mount(panel, studio);
  const commands = document.createElement("details");
  commands.className = "commands";
  commands.open = true;
  commands.innerHTML = "<summary>The same from a terminal</summary><ul></ul>";
  panel.append(commands);
}

/** What the panel of a part says whatever the part shows. */
function frame(part, notices) {
  const panel = $(`panel-${part.name}`);
  const own = notices.filter((n) => n.part === part.name).map((n) => n.text);
  if (part.reason) own.push(`not running: ${part.reason}`);
  lines(panel?.querySelector(".notices"), own, (item, text) => { item.textContent = text; });
  lines(panel?.querySelector(".commands ul"), part.hints ?? [], (item, hint) => {
    const at = hint.indexOf(": ");
    const command = document.createElement("code");
    command.textContent = hint.slice(at + 2);
    item.append(`${hint.slice(0, at)}: `, command);
  });
}

/** Fills a list, unless it has these lines already: what is selected in it stays selected. */
function lines(list, texts, fill) {
  if (!list || list.dataset.lines === texts.join("\n")) return;
  list.dataset.lines = texts.join("\n");
  list.replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    fill(item, text);
    return item;
  }));
}

/** Adds what the studio's own log has that is not shown yet. */
let seen = 0;
function showLog(entries) {
  // A studio that was started again counts from 1.
  if (entries.length && entries.at(-1).seq < seen) seen = 0;
  for (const entry of entries) {
    if (entry.seq <= seen) continue;
    seen = entry.seq;
    studio.log(`${entry.part}: ${entry.text}`, entry.bad, new Date(entry.unix_ms));
  }
}

function cell(text) {
  const td = document.createElement("td");
  td.textContent = text;
  return td;
}

function showServices(services) {
  $("services").replaceChildren(...services.map((s) => {
    const row = document.createElement("tr");
    row.append(cell(s.name), cell(s.role), cell(s.address), cell(s.state));
    return row;
  }));
}

async function poll() {
  const link = $("link");
  try {
    const answer = await fetch("/api/state", { cache: "no-store" });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    studio.state = await answer.json();
    link.className = "";
    link.textContent = `version ${studio.state.version}, connected`;
    showServices(studio.state.services);
    showLog(studio.state.log);
    const { parts, notices } = studio.state;
    for (const part of parts) if (!mounted.has(part.name)) await mount(part);
    for (const part of parts) frame(part, notices);
    drawMap($("map"), studio.state, studio.clockLabel);
    for (const callback of listeners) callback(studio.state);
  } catch (error) {
    if (link.className !== "bad") studio.log("the studio does not answer; trying again", true);
    link.className = "bad";
    link.textContent = "the studio does not answer; trying again each second";
  }
  setTimeout(poll, 1000);
}

poll();
