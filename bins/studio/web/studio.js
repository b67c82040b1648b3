// The frame of the page: asks the studio for its state once a second and gives each part's panel a place.
// A panel is a module /panels/<part>.js with `export function mount(element, studio)`.

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
  state: null,
};

async function mount(part) {
  mounted.add(part.name);
  const panel = document.createElement("section");
  panel.className = "panel";
  panel.id = `panel-${part.name}`;
  const title = document.createElement("h2");
  title.textContent = part.title;
  title.id = `title-${part.name}`;
  panel.setAttribute("aria-labelledby", title.id);
  panel.append(title);
  $("panels").append(panel);
  const module = await import(`/panels/${part.name}.js`);
  module.mount(panel, studio);
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
    for (const part of studio.state.parts) if (!mounted.has(part.name)) await mount(part);
    for (const callback of listeners) callback(studio.state);
  } catch (error) {
    if (link.className !== "bad") studio.log("the studio does not answer; trying again", true);
    link.className = "bad";
    link.textContent = "the studio does not answer; trying again each second";
  }
  setTimeout(poll, 1000);
}

poll();
