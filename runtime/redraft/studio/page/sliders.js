// Settings that move: each change is sent as it happens, one at a time, and the sheet follows.
import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { change, request } from "./store.js";
import { latest } from "./wire.js";

const linear = (low, high, step) => ({ low, high, step, to: (x) => x, from: (x) => x });
const log = (low, high, step, round) => ({ low: Math.log10(low), high: Math.log10(high), step, to: (x) => round(10 ** x), from: (x) => Math.log10(Math.max(x, low)) });
const nice = (x) => Number(x.toPrecision(2));

const SCALES = {
  strength: { ...linear(-2, 3, 0.05), ticks: [-2, -1, 0, 1, 2, 3], round: (x) => Number(x.toFixed(2)) },
  rank: { low: 0, high: 5, step: 0.05, to: (x) => Math.round(2 ** x), from: (x) => Math.log2(Math.max(1, x)), ticks: [1, 2, 4, 8, 16, 32], round: (x) => x },
  preserve: { ...log(0.01, 10, 0.02, nice), ticks: [0.01, 0.1, 1, 10], round: (x) => x },
  keep: { ...log(0.1, 100, 0.02, nice), ticks: [0.1, 1, 10, 100], round: (x) => x },
  contrast: { ...linear(0, 1, 0.01), ticks: [0, 0.5, 1], round: (x) => Number(x.toFixed(2)) },
};
const LABELS = { strength: "Strength", rank: "Rank", preserve: "Preserve", keep: "Keep", contrast: "Contrast" };

export function Sliders({ one }) {
  const [more, setMore] = useState(false);
  const first = ["strength", "rank", "preserve"].filter((key) => key in one.settings);
  const rest = ["keep", "contrast"].filter((key) => key in one.settings);
  const side = one.settings.side?.value;
  const changed = [...rest, "directions", "units", "solver"].filter((key) => one.settings[key]?.value != null);
  return html`<div class="part sliders">
    ${first.map((key) => (key === "preserve" && side ? html`<p class="soft" key=${key}>Preserve is chosen by <code>side ${side}</code>. <button class="link" onClick=${() => change([{ kind: "drop", target: `${one.name}.side` }])}>Use a weight</button></p>` : html`<${Slider} key=${key} one=${one} name=${key}/>`))}
    <button class="fold" aria-expanded=${more} onClick=${() => setMore(!more)}>${icon(more ? "down" : "right", 12)} <b>Keep, contrast, directions</b> <small>${changed.length ? `${changed.join(", ")} changed` : "all as standard"}</small></button>
    ${more && html`${rest.map((key) => html`<${Slider} key=${key} one=${one} name=${key}/>`)}<${Directions} one=${one}/>`}
  </div>`;
}

function Slider({ one, name }) {
  const row = one.settings[name], scale = SCALES[name];
  const written = row.value === null ? row.default : Number(row.value);
  const [held, setHeld] = useState(null);
  const [typing, setTyping] = useState(false);
  const drag = useRef("");
  const send = useMemo(() => latest(({ value, drag: id }) => request({ ask: "change", changes: [{ kind: "put", owner: one.name, key: name, value: String(value) }], drag: id })), [one.name, name]);
  const value = held ?? written;
  const known = Number.isFinite(value);
  const move = (event) => {
    const next = scale.round(scale.to(Number(event.target.value)));
    drag.current ||= `${name} ${Date.now()}`;
    setHeld(next);
    if (next !== value) send({ value: next, drag: drag.current });
  };
  const end = () => { drag.current = ""; };
  // What was set stays until the text says it too, so that quick steps build on one another.
  useEffect(() => {
    if (held === null) return undefined;
    if (held === written && !drag.current) { setHeld(null); return undefined; }
    const timer = setTimeout(() => { if (!drag.current) setHeld(null); }, 3000);
    return () => clearTimeout(timer);
  }, [held, written]);
  const reset = () => { end(); setHeld(null); if (row.value !== null) change({ kind: "drop", target: `${one.name}.${name}` }); };
  const typed = (event) => { setTyping(false); const text = event.target.value.trim(); if (text && text !== String(written)) change({ kind: "put", owner: one.name, key: name, value: text }); };
  const percent = known ? Math.min(100, Math.max(0, ((scale.from(value) - scale.low) / (scale.high - scale.low)) * 100)) : 0;
  return html`<div class="slider" title=${row.meaning}>
    <span class="name" id="label-${name}">${LABELS[name]}</span>
    ${typing ? html`<input class="value" autofocus aria-label="${LABELS[name]}, typed" value=${row.value ?? row.default} onBlur=${typed} onKeyDown=${(e) => { if (e.key === "Enter") e.target.blur(); if (e.key === "Escape") setTyping(false); }} ref=${(field) => field?.focus()}/>`
      : html`<button class="value plain" aria-label="Type ${LABELS[name]}" title="Click to type any value; double-click the slider for the standard" onClick=${() => setTyping(true)}>${known ? value : row.value}</button>`}
    <input type="range" id="slider-${name}" min=${scale.low} max=${scale.high} step=${scale.step} value=${known ? scale.from(value) : scale.low} aria-labelledby="label-${name}" aria-valuetext=${String(value)}
      style="--at: ${percent}%" onInput=${move} onChange=${end} onDblClick=${reset}/>
    <span class="ticks" aria-hidden="true">${scale.ticks.map((tick) => html`<i key=${tick} style="left: ${((scale.from(tick) - scale.low) / (scale.high - scale.low)) * 100}%">${String(tick).replace("-", "−")}</i>`)}</span></div>`;
}

function Directions({ one }) {
  const row = one.settings.directions;
  if (!row) return null;
  return html`<label class="choice" title=${row.meaning}>Directions <select value=${row.value ?? row.default} onChange=${(e) => change(e.target.value === row.default && row.value !== null ? { kind: "drop", target: `${one.name}.directions` } : { kind: "put", owner: one.name, key: "directions", value: e.target.value })}>
    ${row.choices.map((each) => html`<option key=${each}>${each}</option>`)}</select></label>`;
}
