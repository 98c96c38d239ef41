// Live view of the splits. Read-only: everything shown comes from three GET endpoints of the admin API.
"use strict";

const WINDOW = 300;        // seconds a plot shows
const SMOOTH = 10;         // seconds behind each rate and success point: the table's figures cover the same span
const GAP = 2.5;           // seconds between points beyond which time passed unobserved
const POLL_MS = 1000, POLL_TIMEOUT_MS = 4000;
const SEARCH_ABOVE = 8, COLLAPSE_ABOVE = 20, EVENTS_KEPT = 300;
const $ = (id) => document.getElementById(id);

// Names, hosts and messages come from configuration: they only ever enter the page as text nodes or attributes.
const maker = (namespace) => (tag, attributes = {}, ...children) => {
  const node = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const h = maker("http://www.w3.org/1999/xhtml"), svg = maker("http://www.w3.org/2000/svg");
// Writing only what differs keeps text selections, and keeps live regions from being announced again.
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const setClass = (node, name) => { if (node.getAttribute("class") !== name) node.setAttribute("class", name); };
function rebuild(node, items, make) {
  const shown = JSON.stringify(items);
  if (node.dataset.shown !== shown) { node.dataset.shown = shown; node.replaceChildren(...items.map(make)); }
}

// ---- Numbers ----
const grouped = new Intl.NumberFormat("en-US");
const NONE = "–";
const integer = (n) => (n == null ? NONE : grouped.format(Math.round(n)));
const rate = (n) => (n == null ? NONE : n !== 0 && n < 10 ? n.toFixed(1) : integer(n));
// Rounded down: one failure in a million must not read as 100%. The nudge undoes 0.29 * 100 = 28.999….
const success = (n) => (n == null ? NONE : `${n >= 1 ? "100" : (Math.floor(n * 1e4 + 1e-6) / 100).toFixed(2)}%`);
const share = (n) => (n == null ? NONE : `${+(n * 100).toFixed(1)}%`);
function latency(seconds) {
  if (seconds == null || seconds >= 1) return seconds == null ? NONE : `${+seconds.toFixed(2)} s`;
  const ms = seconds * 1000;
  return ms === 0 ? "0" : ms < 1 ? `${Math.round(ms * 1000)} µs` : `${+ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}
function duration(seconds) {
  const [d, hours, m, s] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  return d ? `${d}d ${hours}h` : hours ? `${hours}h ${m}m` : m ? `${m}m ${s}s` : `${s}s`;
}
const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const sumRates = (versions) => versions.reduce((sum, v) => (v.rate == null ? sum : (sum ?? 0) + v.rate), null);
const nameOf = (split) => (split.namespace ? `${split.namespace}/${split.name}` : split.name);

// ---- Time series ----
let series = new Map();    // key -> { points: [{ t, dt, n, f, p50, p99, rate, ok }], last: totals of the latest poll }
let clockSkew = 0;         // server clock minus browser clock, in seconds

function seriesOf(name, version) {
  const key = JSON.stringify([name, version]);
  if (!series.has(key)) series.set(key, { points: [], last: null });
  return series.get(key);
}

function append(points, t, dt, n, f, p50, p99) {
  const before = points.at(-1);
  if (before && t <= before.t) return;
  // Intervals that are not listed had no traffic: they dilute the rate.
  const point = { t, dt: before && t - before.t > GAP ? Math.min(t - before.t, SMOOTH) : dt, n, f, p50, p99 };
  points.push(point);
  let requests = 0, failures = 0, span = 0;
  for (let i = points.length - 1; i >= 0 && points[i].t > t - SMOOTH; i--) {
    requests += points[i].n; failures += points[i].f; span += points[i].dt;
  }
  point.rate = requests / span;
  point.ok = requests ? 1 - failures / requests : null;
  while (points[0].t < t - WINDOW - SMOOTH) points.shift();
}

async function loadHistory() {
  const response = await get("/api/v1/history"), date = Date.parse(response.headers.get("date") ?? "");
  const history = await response.json();
  if (!Number.isNaN(date)) clockSkew = (date - Date.now()) / 1000;
  series = new Map();
  for (const split of history.splits) for (const version of split.versions) {
    const { points } = seriesOf(nameOf(split), version.name);
    for (const [t, n, f, p50, p99] of version.points) append(points, t, history.intervalSeconds, n, f, p50, p99);
  }
}

function record(splits, t) {
  for (const split of splits) for (const version of split.versions) {
    const s = seriesOf(nameOf(split), version.name);
    if (s.last) {
      // A total below the previous one was counted from zero: the server restarted.
      const since = (key) => (version[key] >= s.last[key] ? version[key] - s.last[key] : version[key]);
      append(s.points, t, t - s.last.t, since("requests"), since("failures"), version.p50, version.p99);
    }
    s.last = { t, requests: version.requests, failures: version.failures };
  }
}

// ---- Plots ----
function fromZero(_, max) {
  if (!(max > 0 && max < Infinity)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(max / 2));
  const step = [1, 2, 5, 10].map((k) => k * power).find((candidate) => max / candidate <= 3);
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, i) => i * step);
}
// Success is read against 100%: the scale opens downwards in fixed steps, so that noise near the top stays small.
function belowOne(min) {
  const floor = [0.99, 0.95, 0.9, 0.8, 0.5].find((low) => low <= min) ?? 0;
  return [floor, (floor + 1) / 2, 1];
}
// In the order of the template's figures.
const PLOTS = [
  { keys: ["rate"], ticks: fromZero, format: rate },
  { keys: ["ok"], ticks: belowOne, format: success, tick: share },
  { keys: ["p99", "p50"], ticks: fromZero, format: latency },
];
const LEFT = 46, RIGHT = 10, TOP = 8, BOTTOM = 20, HEIGHT = 128;

function drawPlot(plot, card) {
  const width = card.plotWidth, right = width - RIGHT, bottom = HEIGHT - BOTTOM, now = drawnAt;
  const lines = card.versions.map((version) => seriesOf(card.name, version).points.filter((p) => p.t >= now - WINDOW));
  const values = lines.flat().flatMap((p) => plot.keys.map((key) => p[key])).filter((value) => value != null);
  const ticks = plot.ticks(Math.min(...values), Math.max(...values)), low = ticks[0], high = ticks.at(-1);
  const x = (t) => LEFT + (right - LEFT) * (1 - (now - t) / WINDOW);
  const y = (value) => bottom - (bottom - TOP) * ((value - low) / (high - low));
  const nodes = ticks.flatMap((tick) => {
    const at = Math.round(y(tick)) + 0.5;
    return [svg("line", { class: "grid", x1: LEFT, x2: right, y1: at, y2: at }),
      svg("text", { x: LEFT - 6, y: at + 3.5, "text-anchor": "end" }, values.length ? (plot.tick ?? plot.format)(tick) : "")];
  });
  ["now", "−1", "−2", "−3", "−4", "−5 min"].forEach((label, minutes) => nodes.push(
    svg("text", { x: x(now - minutes * 60), y: HEIGHT - 5, "text-anchor": minutes ? "middle" : "end" }, label)));
  lines.forEach((points, index) => {
    for (const key of plot.keys) {
      // No line across time nobody observed: it would invent values.
      const joined = (p, before) => before?.[key] != null && p.t - before.t <= 2 * GAP;
      const d = points.map((p, i) => p[key] == null ? ""
        : `${joined(p, points[i - 1]) ? "L" : "M"}${x(p.t).toFixed(1)} ${y(p[key]).toFixed(1)}`).join("");
      nodes.push(svg("path", { class: `v${index % 8} ${key}`, d }));
    }
  });
  plot.tip.hidden = card.cursor == null;
  if (card.cursor != null) nodes.push(...drawCursor(plot, card, lines, x, y));
  plot.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  plot.svg.replaceChildren(...nodes);
}

function drawCursor(plot, card, lines, x, y) {
  const t = drawnAt - WINDOW * (1 - card.cursor), at = x(t), leftwards = card.cursor > 0.5;
  const nodes = [svg("line", { class: "cross", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM })];
  plot.tip.replaceChildren(h("time", {}, clock((t - clockSkew) * 1000)), ...lines.map((points, index) => {
    const distance = (p) => Math.abs(p.t - t);
    const near = points.filter((p) => distance(p) <= GAP).sort((a, b) => distance(a) - distance(b))[0] ?? {};
    for (const key of plot.keys) if (near[key] != null) {
      nodes.push(svg("circle", { class: `v${index % 8}`, cx: x(near.t), cy: y(near[key]), r: key === "p50" ? 2.5 : 3.5 }));
    }
    const figures = plot.keys.map((key) => plot.format(near[key])).join(" · ");
    return h("div", {}, h("span", {}, h("span", { class: `swatch v${index % 8}` }), `${card.versions[index]} `), h("b", {}, figures));
  }));
  plot.tip.style.left = leftwards ? "auto" : `${at + 2}px`;
  plot.tip.style.right = leftwards ? `${card.plotWidth - at + 2}px` : "auto";
  return nodes;
}

function drawPlots(card) {
  if (!card.open || card.root.hidden || document.hidden || card.plotWidth < 80) return;
  for (const plot of card.plots) drawPlot(plot, card);
}

const resized = new ResizeObserver((entries) => entries.forEach(({ target, contentRect }) => {
  target.card.plotWidth = Math.floor(contentRect.width);
  drawPlots(target.card);
}));

// The crosshair is one position for all plots of a card: what happened at that moment, in each of them.
function connectPlots(card) {
  const group = card.root.querySelector(".plots"), spoken = card.root.querySelector(".spoken");
  const move = (to) => { card.cursor = to == null ? null : Math.min(1, Math.max(0, to)); drawPlots(card); };
  card.plots = [...group.children].map((figure, index) => {
    const plot = { ...PLOTS[index], svg: figure.querySelector("svg"), tip: figure.querySelector(".tip") };
    plot.svg.addEventListener("pointermove", (event) =>
      move((event.clientX - plot.svg.getBoundingClientRect().left - LEFT) / (card.plotWidth - LEFT - RIGHT)));
    plot.svg.addEventListener("pointerleave", () => move(null));
    return plot;
  });
  group.addEventListener("blur", () => move(null));
  group.addEventListener("keydown", (event) => {
    if (event.key === "Escape") move(null);
    const step = { ArrowLeft: -5, ArrowRight: 5, PageUp: -60, PageDown: 60 }[event.key];
    if (!step) return;
    event.preventDefault();
    move((card.cursor ?? 1) + step / WINDOW);
    spoken.textContent = [...group.querySelectorAll("figcaption b, .tip > *")].map((node) => node.textContent).join(", ");
  });
  group.firstElementChild.card = card;
  resized.observe(group.firstElementChild);
}

// ---- Cards ----
const cards = new Map();
const clone = (template) => $(template).content.firstElementChild.cloneNode(true);
const isTripped = (version) => version.guard?.state === "tripped";
// A card is built for a list of versions; any other list needs another card.
const signature = (split) => JSON.stringify(split.versions.map((v) => v.name));

function makeCard(split) {
  const name = nameOf(split), root = clone("card"), find = (selector) => root.querySelector(selector);
  const card = { name, root, versions: split.versions.map((v) => v.name), signature: signature(split), cursor: null, plotWidth: 0 };
  for (const part of ["toggle", "hosts", "chips", "figures", "mini", "difference", "body", "command"]) card[part] = find(`.${part}`);
  root.id = `split-${name}`;
  root.setAttribute("aria-label", `Split ${name}`);
  find(".space").textContent = split.namespace ? `${split.namespace}/` : "";
  find(".name").textContent = split.name;
  card.toggle.addEventListener("click", () => setOpen(card, !card.open));
  card.bars = [...root.querySelectorAll(".bar")];
  for (const bar of card.bars) bar.append(...card.versions.map(() => h("span", {}, h("span", { class: "n" }), h("span", {}))));
  card.rows = card.versions.map((version, index) => {
    const body = clone("row");
    body.querySelector(".swatch").classList.add(`v${index % 8}`);
    body.querySelector(".name").textContent = version;
    find("table").append(body);
    return { cells: body.rows[0].querySelectorAll("td"), badge: body.querySelector("td > span"), note: body.rows[1] };
  });
  find(".hint button").addEventListener("click", (event) => copyFrom(card.command, event.target));
  connectPlots(card);
  return card;
}

function setOpen(card, open) {
  card.open = open;
  card.body.hidden = !open;
  card.mini.hidden = open;
  card.toggle.setAttribute("aria-expanded", open);
  drawPlots(card);
}

function updateBar(bar, versions) {
  const { share: key, label } = bar.dataset, traffic = versions.some((v) => v[key]);
  bar.classList.toggle("none", !traffic);
  bar.setAttribute("aria-label", `${label}: ${traffic ? versions.map((v) => `${v.name} ${share(v[key])}`).join(", ") : "no traffic"}`);
  versions.forEach((version, index) => {
    const segment = bar.children[index], value = version[key] ?? 0;
    const held = key === "desiredShare" && value - version.effectiveShare > 0.0005;
    segment.hidden = !value;
    segment.style.flexGrow = Math.round(value * 10000);
    segment.title = `${version.name} ${share(value)}`;
    setClass(segment, `segment v${index % 8}${held ? " held" : ""}`);
    [version.name, share(value)].forEach((text, child) => setText(segment.children[child], text));
  });
}

// Unlike the Clipboard API, which needs https or localhost, this works wherever the page does.
function copyFrom(code, button) {
  getSelection().selectAllChildren(code);
  setText(button, document.execCommand("copy") ? "Copied" : "Selected");
  setTimeout(() => setText(button, "Copy"), 1500);
}
const quoted = (word) => (/^[\w./=:@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function updateCard(card, split) {
  const { versions } = split, tripped = versions.some(isTripped);
  card.found = [card.name, ...split.hosts, ...card.versions].join(" ").toLowerCase();
  card.root.classList.toggle("tripped", tripped);
  setText(card.hosts, split.hosts.join(", ") || "any host");
  const chips = [["", split.kind], split.weightsFrom === "hand" ? ["info", "Weights set by hand"] : ["", `Weights from ${split.weightsFrom}`],
    tripped && ["bad", "Guard tripped"], split.ramping && ["warn", "Ramping"], versions.some((v) => v.gated) && ["warn", "Gated"]].filter(Boolean);
  rebuild(card.chips, chips, ([tone, text]) => h("span", { class: `chip ${tone}` }, text));
  const total = sumRates(versions);
  setText(card.figures, total == null ? "no traffic" : `${rate(total)} req/s`);
  for (const bar of card.bars) updateBar(bar, versions);
  const short = versions.filter((v) => v.desiredShare - v.effectiveShare > 0.0005 && (isTripped(v) || v.gated || split.ramping || !tripped));
  card.difference.hidden = !short.length;
  setClass(card.difference, `difference ${tripped ? "bad" : "warn"}`);
  setText(card.difference, short.map((v) => `${v.name} gets ${share(v.effectiveShare)} instead of ${share(v.desiredShare)}`
    + (isTripped(v) ? ": guard tripped" : v.gated ? ": its endpoints carry no more" : split.ramping ? ": ramping" : "")).join("; "));
  versions.forEach((version, index) => updateRow(card.rows[index], version));
  setText(card.command, ["weir", "weight", card.name, ...versions.map((v) => `${v.name}=${v.desired}`)].map(quoted).join(" "));
}

function updateRow({ cells, badge, note }, v) {
  const state = v.guard?.state, moved = v.desired !== v.effective;
  const waiting = v.held + v.queued, out = v.endpoints - v.ready;
  const trouble = v.success == null || v.success >= 0.99 ? "" : v.success >= 0.95 ? "low" : "fail";
  [[v.revision || NONE, "revision"], [moved ? `${v.desired} → ${v.effective}` : `${v.desired}`, moved ? "moved" : ""],
    [share(v.share)], [rate(v.rate)], [success(v.success), trouble], [latency(v.p50)], [latency(v.p99)], [integer(v.activeRequests)],
    [v.drainSeconds == null ? integer(v.connections) : `${integer(v.connections)} (${integer(v.draining)} drain)`,
      v.drainSeconds == null ? "" : "moved"], [integer(waiting), waiting ? "low" : ""],
    [out ? `${integer(v.ready)} of ${integer(v.endpoints)}` : integer(v.endpoints), !v.ready ? "fail" : out ? "low" : ""],
  ].forEach(([text, tone = ""], column) => { setText(cells[column], text); setClass(cells[column], tone); });
  cells[0].title = v.revision;
  cells[8].title = v.drainSeconds == null ? "" : `${integer(v.draining)} connections${v.drainReplicas > 1 ? ` on ${v.drainReplicas} replicas` : ""} are asked to end${v.drainOldestSeconds == null ? "" : `, the oldest open for ${duration(v.drainOldestSeconds)}`}; those left are cut in ${Math.ceil(v.drainSeconds)} s`;
  cells[9].title = `${integer(v.held)} wait until there is an endpoint, ${integer(v.queued)} in line for room at one`;
  cells[10].title = `${integer(v.ready)} ready, ${integer(out)} unhealthy or left out`;
  cells[4].title = `${integer(v.requests)} requests, ${integer(v.failures)} failed, ${integer(v.clientGone)} left by the client, since the start`;
  setText(badge, state ?? "none");
  setClass(badge, state ? `badge ${state}` : "muted");
  note.hidden = !v.guard?.reason;
  setClass(note, `reason ${state}`);
  setText(note.querySelector("span"), v.guard?.reason ?? "");
}

// ---- Page ----
let drawnAt = 0, lastGood = null;
function showAlarms(splits) {
  const alarms = splits.flatMap((split) => split.versions.filter(isTripped).map((v) => [nameOf(split), v.name, v.guard.reason]));
  rebuild($("alarms"), alarms, ([name, version, reason]) => {
    const link = h("a", { href: `#split-${encodeURIComponent(name)}` }, name);
    link.addEventListener("click", () => setOpen(cards.get(name), true));
    return h("p", {}, h("strong", {}, `Guard tripped on ${version}`), " of ", link, `: ${reason}`);
  });
  document.title = alarms.length ? `(${alarms.length} tripped) Weir` : "Weir";
}

function search() {
  const words = $("search").hidden ? [] : $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const card of cards.values()) card.root.hidden = !words.every((word) => card.found.includes(word));
  setText($("matches"), words.length ? `${[...cards.values()].filter((card) => !card.root.hidden).length} of ${cards.size}` : "");
  for (const card of cards.values()) drawPlots(card);
}

function show({ splits, ...status }) {
  drawnAt = Date.now() / 1000 + clockSkew;
  const facts = { version: status.version, generation: integer(status.generation), uptime: duration(status.uptimeSeconds),
    count: integer(splits.length), total: rate(sumRates(splits.flatMap((split) => split.versions)) ?? 0) };
  const idle = status.idle ?? [], oldest = Math.max(...idle.map((i) => i.oldestSeconds));
  facts.idle = integer(idle.reduce((sum, i) => sum + i.connections, 0)) + (idle.length ? `, oldest ${duration(oldest)}` : "");
  $("idle").title = idle.map((i) => `${i.listener}: ${integer(i.connections)} of ${i.protocol}, the oldest open for ${duration(i.oldestSeconds)}`).join("\n");
  for (const [id, text] of Object.entries(facts)) setText($(id), text);
  $("empty").hidden = splits.length > 0;
  $("search").hidden = splits.length <= SEARCH_ABOVE;
  const names = new Set(splits.map(nameOf));
  for (const [name, card] of cards) if (!names.has(name)) { card.root.remove(); cards.delete(name); }
  splits.forEach((split, index) => {
    let card = cards.get(nameOf(split));
    if (card?.signature !== signature(split)) {
      const open = card?.open ?? (splits.length <= COLLAPSE_ABOVE || split.versions.some(isTripped));
      card?.root.remove();
      card = makeCard(split);
      cards.set(card.name, card);
      setOpen(card, open);
    }
    if ($("cards").children[index] !== card.root) $("cards").insertBefore(card.root, $("cards").children[index] ?? null);
    updateCard(card, split);
  });
  search();
  showAlarms(splits);
}

async function get(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response;
}

async function poll() {
  try {
    const status = await (await get("/api/v1/splits")).json(), now = Date.now();
    // At load, and after time unseen (server away, page asleep), the server's own history fills the plots.
    if (lastGood == null || now - lastGood > 2 * GAP * 1000) await loadHistory().catch(() => {});
    record(status.splits, now / 1000 + clockSkew);
    lastGood = now;
    show(status);
    document.documentElement.dataset.connection = "live";
    setText($("state"), "Live");
    setText($("age"), "");
  } catch (error) {
    console.warn(error);
    const why = error.name === "TimeoutError" ? "no answer" : error.message.startsWith("HTTP") ? error.message : "unreachable";
    document.documentElement.dataset.connection = "lost";
    document.title = "(connection lost) Weir";
    setText($("state"), "Connection lost, retrying");
    setText($("age"), lastGood ? `${why}, figures ${duration((Date.now() - lastGood) / 1000)} old` : why);
  }
  setTimeout(poll, POLL_MS);
}

// ---- Events ----
const KINDS = {
  GuardTripped: ["bad", "▲ Guard tripped"], GuardReset: ["good", "↺ Guard reset"],
  ConfigRejected: ["bad", "✕ Config rejected"], ConfigApplied: ["good", "✓ Config applied"],
  WeightsChanged: ["info", "⇄ Weights changed"], RampFinished: ["good", "✓ Ramp finished"],
  ShuttingDown: ["warn", "■ Shutting down"],
};
const seen = new Set();

function addEvent(event) {
  // A restarted server counts ids from the start again, so the time is part of the identity.
  const identity = `${event.id} ${event.time}`;
  if (seen.has(identity)) return;
  seen.add(identity);
  const time = new Date(event.time), today = time.toDateString() === new Date().toDateString();
  const day = today ? "" : `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} `;
  const [tone, label] = KINDS[event.kind] ?? ["info", event.kind], what = [event.split, event.version].filter(Boolean).join(" / ");
  $("events").prepend(h("li", { class: `event is-${tone}` },
    h("div", {}, h("b", {}, label), h("time", { datetime: event.time, title: event.time }, day + clock(time))),
    h("small", {}, what), h("p", {}, event.message)));
  if ($("events").children.length > EVENTS_KEPT) $("events").lastElementChild.remove();
  $("no-events").hidden = true;
}

function listen() {
  const source = new EventSource("/api/v1/events");
  source.onmessage = (message) => addEvent(JSON.parse(message.data));
  // An answer other than 200 ends an EventSource for good; anything else it retries itself.
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000); };
}

$("query").addEventListener("input", search);
document.addEventListener("visibilitychange", search);
poll();
listen();
