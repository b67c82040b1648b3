// Many cameras, one instant: the fleet, three buttons, and how far apart the first frames are, read from the pictures.

function cell(text) {
  const td = document.createElement("td");
  td.textContent = text;
  return td;
}

function clock(device) {
  if (device.offset_us === null) return "not measured yet";
  const sign = device.offset_us < 0 ? "−" : "+";
  return `${sign}${(Math.abs(device.offset_us) / 1000).toFixed(3)} ms ± ${(device.error_us / 1000).toFixed(3)}`;
}

export function mount(element, studio) {
  element.insertAdjacentHTML("beforeend", `
    <p class="what"></p>
    <div class="row">
      <button type="button" data-action="start">Start in 3 s</button>
      <button type="button" data-action="stop">Stop</button>
      <button type="button" data-action="collect">Collect</button>
    </div>
    <div class="scroll"><table>
      <thead><tr><th>Device</th><th>State</th><th>Clock beside ours</th><th>Battery</th></tr></thead>
      <tbody id="multicam-devices"></tbody>
    </table></div>
    <ul id="multicam-progress"></ul>
    <p id="multicam-result" role="status" aria-live="polite"></p>
    <div class="scroll"><table id="multicam-takes" hidden>
      <thead><tr><th>Recording</th><th>First picture</th><th>Last picture</th></tr></thead>
      <tbody></tbody>
    </table></div>`);
  const buttons = [...element.querySelectorAll("button")];
  for (const button of buttons) {
    button.onclick = async () => {
      buttons.forEach((b) => { b.disabled = true; });
      const answer = await fetch(`/multicam/${button.dataset.action}`, { method: "POST" }).catch(() => null);
      if (!answer?.ok) studio.log(`multicam: ${button.textContent}: not now`, true);
    };
  }
  const devices = element.querySelector("#multicam-devices");
  const progress = element.querySelector("#multicam-progress");
  const result = element.querySelector("#multicam-result");
  studio.onState((state) => {
    const fleet = state.multicam;
    if (!fleet) return;
    const from = fleet.source ? `record ${fleet.source}` : "record a test picture of their own";
    element.querySelector(".what").textContent = `Three devices ${from}; each picture carries its own time.`;
    const recording = fleet.devices.some((d) => d.recording);
    for (const button of buttons) {
      const wrong = button.dataset.action === "start" || button.dataset.action === "collect" ? recording : false;
      button.disabled = fleet.busy || wrong;
    }
    devices.replaceChildren(...fleet.devices.map((d) => {
      const row = document.createElement("tr");
      const battery = d.battery === null ? "" : `${d.battery} %`;
      row.append(cell(d.device ?? d.address), cell(d.up ? d.state ?? "there" : "not there"), cell(clock(d)), cell(battery));
      return row;
    }));
    progress.replaceChildren(...fleet.progress.map((p) => {
      const item = document.createElement("li");
      const bar = document.createElement("progress");
      bar.max = Math.max(1, p.total);
      bar.value = p.have;
      item.append(bar, ` ${p.device}/${p.file}`);
      return item;
    }));
    const spread = fleet.result?.spread_ns;
    const apart = spread === null || spread === undefined ? "" : `; first frames ${(spread / 1e6).toFixed(3)} ms apart`;
    result.textContent = fleet.result ? fleet.result.text + apart : "";
    const takes = fleet.result?.takes ?? [];
    element.querySelector("#multicam-takes").hidden = !takes.length;
    element.querySelector("#multicam-takes tbody").replaceChildren(...takes.map((take) => {
      const row = document.createElement("tr");
      row.append(cell(`${take.device}/${take.file}`), cell(take.first), cell(take.last));
      return row;
    }));
  });
}
