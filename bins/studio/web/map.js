// What runs where, and what hangs on what: the session, what it paces, and who follows that.

/** One box of the map: it leads to its panel. `state` is ok, busy, bad or off; the words say the same. */
function node(part, title, value, address, state) {
  const box = document.createElement("a");
  box.className = `node ${state}`;
  box.href = `#panel-${part}`;
  for (const [name, text] of [["strong", title], ["span", value], ["code", address ?? ""]]) {
    const line = document.createElement(name);
    line.textContent = text;
    box.append(line);
  }
  return box;
}

function row(className, ...children) {
  const div = document.createElement("div");
  div.className = className;
  div.append(...children);
  return div;
}

const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

export function drawMap(map, state, label) {
  const runs = (name) => state.parts.some((p) => p.name === name && p.title !== undefined);
  const failed = (name) => state.parts.find((p) => p.name === name && p.reason)?.reason;
  const address = (name, role) => state.services.find((s) => s.name === name && s.role === role)?.address;
  /** A box of a part that may have been left out or have failed. */
  const box = (part, title, show) => runs(part) ? node(part, title, ...show())
    : failed(part) ? node(part, title, "not running", failed(part), "bad") : node(part, title, "left out", "", "off");

  const clock = state.clock;
  const session = box("smpte", "Timecode session", () => [
    label ?? clock?.timecode ?? "gone", address("smpte", "tcp"), clock?.running ? "ok" : "busy"]);
  session.classList.add("clock");
  const { camera, rtsp, multicam, dvb } = state;
  const cameraBox = box("camera", "Camera", () => [
    camera.problem ? `no video: ${camera.problem}` : `${camera.pipeline}${clock?.running && camera.preview ? ", locked to it" : ""}`,
    address("camera", "settings"), camera.problem ? "bad" : camera.pipeline === "running" ? "ok" : "busy"]);
  const streams = box("rtsp", "Stream", () => {
    const mount = rtsp.mounts.find((m) => m.path === rtsp.path);
    return [mount ? `/${mount.path}, ${count(mount.readers.length, "reader")}` : "nothing yet", rtsp.address, mount ? "ok" : "busy"];
  });
  const devices = runs("multicam")
    ? multicam.devices.map((d) => node("multicam", d.device ?? "Device", d.up ? d.state ?? "there" : "not there", d.address,
      !d.up ? "bad" : d.recording ? "busy" : "ok"))
    : [box("multicam", "Recorders", () => [])];
  const television = box("dvb", "Television", () => {
    const line = dvb.timelines.find((t) => t.selector === dvb.companion);
    return [line?.ticks == null ? "no timecode" : `tick ${Math.floor(line.ticks)}, speed ${line.speed}`, address("dvb", "http"),
      line?.ticks == null ? "busy" : "ok"];
  });
  const companions = box("dvb", "Companion screens", () => [count(dvb.companions, "screen"), "/companion", "ok"]);
  // The same boxes stay where they are, so that whoever is at one with the keyboard is not thrown out.
  const made = row("tree", session, row("branches",
    row("branch", cameraBox, streams, row("fan", ...devices)), row("branch", television, companions)));
  const [old, now] = [[...map.querySelectorAll(".node")], [...made.querySelectorAll(".node")]];
  if (old.length !== now.length) return map.replaceChildren(made);
  old.forEach((node, i) => {
    node.className = now[i].className;
    [...node.children].forEach((line, j) => { if (line.textContent !== now[i].children[j].textContent) line.textContent = now[i].children[j].textContent; });
  });
}
