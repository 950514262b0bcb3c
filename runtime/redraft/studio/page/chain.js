// Model, then rules in their order, each with its effect.
import { html } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, change, remember, rule, rulesWithUnread, set } from "./store.js";
import { Pic, around } from "./pic.js";

export const percent = (share, digits = 0) => `${(share * 100).toFixed(digits)}\u00a0%`;

export function Chain() {
  const { state } = app;
  const chosen = rule()?.name;
  const many = state.rules.length > 4;
  return html`<nav class="chain" aria-label="Rules in their order">
    <div class="link-card model-card"><${Pic} number=${state.shown[0] ?? 0} view="before" label="The model"/>
      <span><b>${state.model.name}</b><small>${state.model.width ?? "?"} px</small></span></div>
    ${rulesWithUnread().map((each) => { const at = state.rules.indexOf(each); return html`<${Joint} key=${`j${each.name}`} rule=${each} at=${at}/>${each.unread ? html`<${Unread} key=${each.name} rule=${each}/>` : html`<${Item} key=${each.name} rule=${each} at=${at} chosen=${each.name === chosen} short=${many}/>`}`; })}
    <${AddRule}/>
  </nav>`;
}

function Joint({ rule: one, at }) {
  const neighbour = app.state.rules[at - 1]?.name;
  const shared = Object.entries(app.records[one.name]?.interference ?? {}).filter(([, each]) => each.cosine > 0.6);
  // Between two rules that stand side by side it is these two; of others the name is said.
  const found = at > 0 ? shared.find(([name]) => name === neighbour) ?? shared[0] : null;
  return html`<span class="joint ${found ? "meets" : ""}" title=${found ? `${one.name} and ${found[0]}: ${found[1].words}` : ""}>${icon("arrow", 14)}${found && html`<small>shares keys${found[0] === neighbour ? "" : ` with ${found[0]}`}</small>`}</span>`;
}

function Item({ rule: one, at, chosen, short }) {
  const copy = one.lines.find((line) => line.word === "copy") ?? one.lines.find((line) => line.images?.length);
  const figures = app.records[one.name];
  const rules = app.state.rules;
  const key = (event) => {
    if (!event.altKey || !["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    move(one.name, event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1);
  };
  const over = (event) => { if (dragged && dragged !== one.name) event.preventDefault(); };
  const dropped = (event) => {
    event.preventDefault();
    const from = rules.findIndex((each) => each.name === dragged);
    const before = from < at ? rules[at + 1]?.name ?? "" : one.name;
    if (dragged) change({ kind: "move", target: dragged, before });
    dragged = "";
  };
  return html`<button class="link-card ${chosen ? "chosen" : ""} ${one.off ? "off" : ""}" aria-pressed=${chosen} draggable="true"
    aria-label=${`Rule ${one.name}${one.off ? ", off" : ""}${figures?.sentence ? `, ${figures.sentence}` : ""}`}
    onClick=${() => { remember("chosen", one.name); set(chosen ? {} : { chosen: one.name, matches: null }); }} onKeyDown=${key} onDragStart=${() => { dragged = one.name; }} onDragOver=${over} onDrop=${dropped}>
    ${copy?.images?.length && !short ? html`<${Pic} number=${copy.images[0]} view="before" crop=${around(copy.box)} label=""/>` : html`<span class="pic none"></span>`}
    <span><b>${one.name}</b><small>${one.off ? "off" : html`<${Figures} figures=${figures} rule=${one} short=${short}/>`}</small></span></button>`;
}

// A rule whose text cannot be read keeps its place.
function Unread({ rule: one }) {
  const words = "a mistake in its text";
  return html`<button class="link-card off unread" aria-pressed=${app.chosen === one.name} aria-label=${`Rule ${one.name}, ${words}`} onClick=${() => set({ chosen: one.name, matches: null })}>
    <span class="pic none"></span><span><b>${one.name}</b><small>${words}</small></span></button>`;
}

let dragged = "";

export function move(name, by) {
  const rules = app.state.rules;
  const at = rules.findIndex((each) => each.name === name);
  const to = at + by;
  if (to < 0 || to >= rules.length) return;
  const before = by < 0 ? rules[to].name : rules[to + 1]?.name ?? "";
  change({ kind: "move", target: name, before });
}

const failed = (name) => app.status.left?.find((each) => each.rule === name && each.message);

function Figures({ figures, rule: one, short }) {
  if (failed(one.name)) return html`<span class="tone poor">${icon("warn", 11)} not applied</span>`;
  if (!app.placed[one.name]) return html`<span>${app.status.left?.some((each) => each.rule === one.name) || one.lines.length < 2 ? "not whole yet" : "measuring"}</span>`;
  if (!figures) return html`<span>measuring</span>`;
  if (figures.share === null) return html`<span>not measured</span>`;
  return html`<b class="tone ${figures.tone}">${figures.tone === "poor" ? icon("warn", 11) : ""}${percent(figures.share)}</b>${!short && html` <span>${percent(figures.outside, 1)} elsewhere</span>`}`;
}

export async function newRule(kind) {
  const { state } = app;
  const names = new Set(state.rules.map((each) => each.name));
  let number = state.rules.length + 1;
  while (names.has(`${kind}-${number}`)) number += 1;
  const name = `${kind}-${number}`;
  const layers = state.model.layers;
  const layer = rule()?.layer || layers[Math.floor(layers.length / 2)]?.name || "layer6";
  set({ menu: "", matches: null });
  if (await change({ kind: "add", text: `${kind} ${name} at ${layer} {\n}` })) set({ chosen: name });
}

function AddRule() {
  const isOpen = app.menu === "rule";
  const kinds = app.language.operations.map(({ word, meaning }) => [word, meaning.split(/[:.]/)[0]]);
  return html`<div class="menu"><button class="dashed" aria-expanded=${isOpen} onClick=${() => set({ menu: isOpen ? "" : "rule" })}>${icon("plus", 12)} Rule</button>
    ${isOpen && html`<div class="popup left kinds">${kinds.map(([kind, words]) => html`<button class="row" key=${kind} onClick=${() => newRule(kind)}>${kind}<small>${words}</small></button>`)}</div>`}</div>`;
}
