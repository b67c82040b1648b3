// The television: what it says of itself, where its timelines are, and how well a real client knows its wall clock.

const LEFT = 46;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const show = (value) => (value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** Names of timelines as a person says them. */
const short = (selector) => selector.replace("urn:dvb:css:timeline:", "").replace("urn:genlock:timeline:", "studio ");

/** Draws offset and bound over the last minute. */
function draw(canvas, plot) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const to = canvas.getContext("2d");
  to.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  // The first exchange alone bounds ten times worse than the rest: it may leave the picture.
  const bounds = plot.map(([, , bound]) => bound).sort((a, b) => a - b);
  const top = Math.max(20, 1.3 * (bounds[Math.floor(bounds.length * 0.95)] ?? 0));
  const x = (ago) => width - 4 - (ago / 60) * (width - LEFT - 4);
  const y = (micros) => height / 2 - (Math.max(-top, Math.min(top, micros)) / top) * (height / 2 - 14);
  to.font = "11px ui-monospace, Menlo, Consolas, monospace";
  to.textAlign = "right";
  for (const mark of [-top, -top / 2, 0, top / 2, top]) {
    to.strokeStyle = colour("--edge");
    to.beginPath();
    to.moveTo(LEFT, y(mark));
    to.lineTo(width - 4, y(mark));
    to.stroke();
    to.fillStyle = colour("--faint");
    to.fillText(mark.toFixed(0), LEFT - 6, y(mark) + 4);
  }
  if (!plot.length) return;
  to.fillStyle = "rgba(108, 182, 255, .18)";
  to.beginPath();
  for (const [ago, offset, bound] of plot) to.lineTo(x(ago), y(offset + bound));
  for (const [ago, offset, bound] of [...plot].reverse()) to.lineTo(x(ago), y(offset - bound));
  to.fill();
  to.strokeStyle = colour("--run");
  to.lineWidth = 1.5;
  to.beginPath();
  for (const [ago, offset] of plot) to.lineTo(x(ago), y(offset));
  to.stroke();
}

export function mount(panel, studio) {
  const next = element("button", { type: "button", textContent: "Next channel" });
  next.onclick = async () => {
    next.disabled = true;
    try {
      const answer = await fetch("/api/dvb/channel", { method: "POST" });
      if (!answer.ok) studio.log(`the television: ${await answer.text()}`, true);
    } catch {
      studio.log("the studio does not answer", true);
    }
    next.disabled = false;
  };
  const companion = element("a", { href: "/companion", target: "_blank", textContent: "Open a companion screen" });
  const changes = element("tbody");
  const timelines = element("tbody");
  const facts = element("p", { className: "facts", textContent: "no answer of the wall clock yet" });
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "offset and bound of the wall clock over the last minute, in microseconds");
  panel.append(
    element("p", { textContent: "Companion screens learn what is shown, follow its timelines, and keep the television's wall clock. " }, companion),
    element("div", { className: "dvb" },
      element("div", {},
        element("h3", { textContent: "What it says of itself (CSS-CII)" }),
        element("div", { className: "scroll" }, element("table", {}, changes)),
        element("div", { className: "row" }, next)),
      element("div", {},
        element("h3", { textContent: "Timelines, as a client follows them (CSS-TS)" }),
        element("div", { className: "scroll" }, element("table", {}, element("thead", {}, element("tr", {},
          ...["Timeline", "Ticks", "Seconds", "Speed"].map((textContent) => element("th", { textContent })))), timelines))),
      element("div", { className: "plot" },
        element("h3", { textContent: "Wall clock of that client: error and bound, µs, last minute (CSS-WC)" }), canvas, facts)),
  );
  panel.querySelector(".dvb .row").style.marginTop = ".7rem";

  let before = {};
  studio.onState(({ dvb }) => {
    if (!dvb) return;
    const { cii, plot } = dvb;
    changes.replaceChildren(...Object.entries(cii).filter(([key]) => key !== "timelines").map(([key, value]) => {
      const changed = key in before && before[key] !== show(value);
      return element("tr", { className: changed ? "changed" : "" }, element("th", { textContent: key, scope: "row" }),
        element("td", {}, element("code", { textContent: show(value) })));
    }));
    before = Object.fromEntries(Object.entries(cii).map(([key, value]) => [key, show(value)]));
    timelines.replaceChildren(...dvb.timelines.map((t) => {
      const known = t.ticks !== null;
      const position = known ? (t.ticks / t.rate).toFixed(2) : "";
      const cells = known ? [Math.floor(t.ticks), position, t.speed] : ["not available", "", ""];
      return element("tr", {}, element("td", { textContent: short(t.selector), title: t.selector }),
        ...cells.map((textContent) => element("td", { textContent, className: "number" })));
    }));
    draw(canvas, plot);
    const last = plot.at(-1);
    if (last) facts.textContent = `error ${last[1].toFixed(1)} µs, bound ±${last[2].toFixed(1)} µs; client and server run on one clock, so the offset is the error`;
  });
}
