// The settings of a rule, made of the rows of the language. What moves is sent as it moves.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, change, operation, request } from "./store.js";
import { latest } from "./wire.js";
import { upper } from "./words.js";

const nice = (x) => Number(x.toPrecision(2));
const linear = (low, high, step, ticks, digits) => ({ low, high, step, ticks, to: (x) => Number(x.toFixed(digits)), from: (x) => x });
const log = (low, high, step, ticks) => ({ low: Math.log10(low), high: Math.log10(high), step, ticks, to: (x) => nice(10 ** x), from: (x) => Math.log10(Math.max(x, low)) });
const doubling = (high, ticks) => ({ low: 0, high, step: 0.05, ticks, to: (x) => Math.round(2 ** x), from: (x) => Math.log2(Math.max(1, x)) });

const SCALES = {
  strength: linear(-2, 3, 0.05, [-2, -1, 0, 1, 2, 3], 2),
  rank: doubling(5, [1, 2, 4, 8, 16, 32]),
  preserve: log(0.01, 10, 0.02, [0.01, 0.1, 1, 10]),
  keep: log(0.1, 100, 0.02, [0.1, 1, 10, 100]),
  side: log(0.5, 50, 0.02, [0.5, 5, 50]),
  units: doubling(8, [1, 4, 16, 64, 256]),
};

// A scale for a setting that has none of its own here: by its limits and its default.
function scaleOf(row) {
  if (SCALES[row.name]) return SCALES[row.name];
  const [low, high] = [row.low ?? 0, row.high ?? 1e6];
  if (row.kind === "whole") { const most = Math.ceil(Math.log2(Math.min(high, Math.max(16, 16 * (row.default ?? 1))))); return doubling(most, [0, 0.5, 1].map((x) => Math.round(2 ** (x * most)))); }
  if (high - low <= 100) return linear(low, high, (high - low) / 100, [low, (low + high) / 2, high], 2);
  const middle = row.default || 1;
  return log(middle / 100, middle * 100, 0.02, [0.01, 1, 100].map((x) => nice(x * middle)));
}

const FIRST = ["strength", "rank", "preserve", "side", "units"];

export function Sliders({ one }) {
  const [more, setMore] = useState(false);
  const rows = operation(one.kind).settings;
  // Of two that stand in one another's place, the one that is written is shown.
  const written = (name) => one.settings[name]?.value != null;
  const hidden = new Set(rows.filter((row) => row.instead).map((row) => (written(row.name) ? row.instead : row.name)));
  const shown = rows.filter((row) => !hidden.has(row.name));
  const first = FIRST.map((name) => shown.find((row) => row.name === name)).filter(Boolean);
  const rest = shown.filter((row) => !first.includes(row));
  const changed = rest.filter((row) => written(row.name)).map((row) => row.name);
  return html`<div class="part sliders"><h3 class="unseen">Settings</h3>
    ${first.map((row) => html`<${Control} key=${row.name} one=${one} row=${row} rows=${rows}/>`)}
    ${rest.length > 0 && html`<button class="fold" aria-expanded=${more} onClick=${() => setMore(!more)}>${icon(more ? "down" : "right", 12)} <b>More settings</b> <small>${changed.length ? `${changed.join(", ")} changed` : rest.map((row) => row.name).join(", ")}</small></button>`}
    ${more && rest.map((row) => html`<${Control} key=${row.name} one=${one} row=${row} rows=${rows}/>`)}
  </div>`;
}

function Control({ one, row, rows }) {
  if (row.kind === "group") return html`<${Group} one=${one} row=${row}/>`;
  if (row.kind === "choice") return html`<${Choice} owner=${one.name} row=${row} value=${one.settings[row.name].value}/>`;
  const put = (value) => ({ kind: "put", owner: one.name, key: row.name, value });
  const other = rows.find((each) => each.name === row.instead || each.instead === row.name);
  const swap = other && html`<button class="link swap" title=${other.meaning} onClick=${() => {
    const line = `${other.name} ${other.default ?? 5}${other.unit}`;
    change(one.settings[row.name].value == null ? { kind: "put", owner: one.name, key: other.name, value: line.split(" ")[1] } : { kind: "replace", target: `${one.name}.${row.name}`, text: line });
  }}>${other.name} instead</button>`;
  return html`<${Slider} id=${row.name} owner=${one.name} row=${row} value=${one.settings[row.name].value} put=${(value) => [put(value)]} drop=${`${one.name}.${row.name}`} beside=${swap}/>`;
}

// A choice between words that have settings of their own.
function Group({ one, row }) {
  const { value, inner } = one.settings[row.name];
  const word = value ?? row.default;
  const owner = `${one.name}.${row.name}`;
  const within = (name, text) => [...(value === null ? [{ kind: "put", owner: one.name, key: row.name, value: word }] : []), { kind: "put", owner, key: name, value: text }];
  const known = app.language.groups[word] ?? [];
  return html`<${Choice} owner=${one.name} row=${row} value=${value}/>
    ${known.length > 0 && html`<fieldset class="within"><legend>${upper(word)}</legend>
      ${known.map((each) => (each.choices.length ? html`<${Choice} key=${each.name} owner=${owner} row=${each} value=${inner[each.name] ?? null} put=${(text) => within(each.name, text)}/>`
        : html`<${Slider} key=${each.name} id="${row.name}-${each.name}" owner=${owner} row=${each} value=${inner[each.name] ?? null} put=${(text) => within(each.name, text)} drop=${`${owner}.${each.name}`}/>`))}</fieldset>`}`;
}

function Choice({ owner, row, value, put }) {
  const standard = row.default ?? "";
  const take = (text) => {
    if (text === standard && value !== null) return change({ kind: "drop", target: `${owner}.${row.name}` });
    return change(put ? put(text) : { kind: "put", owner, key: row.name, value: text });
  };
  return html`<label class="choice" title=${row.meaning}>${upper(row.name)} <select value=${value ?? standard} onChange=${(e) => take(e.target.value)}>
    ${standard === "" && html`<option value="">not set</option>`}${row.choices.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>`;
}

function Slider({ id, owner, row, value, put, drop, beside }) {
  const scale = scaleOf(row), label = upper(row.name);
  const written = value === null ? row.default : Number(value.replace(row.unit || "%", ""));
  const [held, setHeld] = useState(null);
  // What is typed, or null: held here, or any state that comes would put the old value back.
  const [typing, setTyping] = useState(null);
  const drag = useRef(""), field = useRef(null), opener = useRef(null);
  // Before the next key can come: what is typed at once belongs to the field.
  useLayoutEffect(() => { if (typing !== null) field.current?.select(); }, [typing !== null]);
  const now = useRef(put);
  now.current = put;
  const send = useMemo(() => latest(({ next, group }) => request({ ask: "change", changes: now.current(`${next}${row.unit}`), drag: group })), [owner, row.name]);
  const current = held ?? written;
  const known = typeof current === "number" && Number.isFinite(current);
  const move = (event) => {
    const next = Math.min(row.high ?? Infinity, Math.max(row.low ?? -Infinity, scale.to(Number(event.target.value))));
    drag.current ||= `${row.name} ${Date.now()}`;
    setHeld(next);
    if (next !== current) send({ next, group: drag.current });
  };
  const end = () => { drag.current = ""; };
  // What was set stays until the text says it too, so that quick steps build on one another.
  useEffect(() => {
    if (held === null) return undefined;
    if (held === written && !drag.current) { setHeld(null); return undefined; }
    const timer = setTimeout(() => { if (!drag.current) setHeld(null); }, 3000);
    return () => clearTimeout(timer);
  }, [held, written]);
  const reset = () => { end(); setHeld(null); if (value !== null) change({ kind: "drop", target: drop }); };
  const shown = `${value ?? row.default}`;
  // A field that is taken away loses the focus, too: by then it must have nothing left to write.
  const taken = useRef(false);
  const open = () => { taken.current = false; setTyping(shown); };
  const leave = (text) => {
    if (taken.current) return;
    taken.current = true;
    setTyping(null);
    if (text && text !== shown) change(put(text));
  };
  const keyed = (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.stopPropagation();
    leave(event.key === "Enter" ? event.target.value.trim() : "");
    setTimeout(() => opener.current?.focus());
  };
  const at = known ? Math.min(100, Math.max(0, ((scale.from(current) - scale.low) / (scale.high - scale.low)) * 100)) : 0;
  return html`<div class="slider" title=${row.meaning}>
    <span class="name" id="label-${id}">${label}</span>
    <span class="ends">${beside}${value !== null && row.default !== null && html`<button class="plain standard" aria-label="${label} back to the standard, ${row.default}" title="Back to the standard, ${row.default}" onClick=${reset}>${icon("undo", 11)}</button>`}
    ${typing !== null ? html`<input class="value" aria-label="${label}, typed" value=${typing} onInput=${(e) => setTyping(e.target.value)} onBlur=${(e) => leave(e.target.value.trim())} onKeyDown=${keyed} ref=${field}/>`
      : html`<button class="value plain" ref=${opener} aria-label="Type ${label}" title="Click to type any value; double-click the slider for the standard" onClick=${open}>${known ? `${current}${row.unit}` : value ?? "-"}</button>`}</span>
    <input type="range" id="slider-${id}" min=${scale.low} max=${scale.high} step=${scale.step} value=${known ? scale.from(current) : scale.low} aria-labelledby="label-${id}" aria-valuetext=${`${current}${row.unit}`}
      style="--at: ${at}%" onInput=${move} onChange=${end} onDblClick=${reset}/>
    <span class="ticks" aria-hidden="true">${scale.ticks.map((tick) => html`<i key=${tick} style="left: ${((scale.from(tick) - scale.low) / (scale.high - scale.low)) * 100}%">${String(tick).replace("-", "−")}</i>`)}</span></div>`;
}
