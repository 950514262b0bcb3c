// The bar above everything: file, history, snapshots, sharing, saving.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { icon, mark } from "./icons.js";
import { app, request, set, snapshots } from "./store.js";
import { draw } from "./pic.js";
import { painter } from "./paint.js";

export function Top() {
  const { state } = app;
  const name = state.path ?? "untitled.redraft";
  return html`<header class="top">
    <div class="menu"><button class="brand plain" aria-label="redraft studio: all models" onClick=${leave}>${mark} <b>redraft</b> studio</button>
      ${app.menu === "leave" && html`<${Leaving}/>`}</div>
    <span class="rule"></span>
    ${state.open ? html`<b class="file">${name.split("/").pop()}</b><span class="soft hint">${state.changed ? (state.path ? "changed since saving" : "not saved yet") : state.holds || !state.rules.length ? "saved" : "saved, with a mistake"}</span>` : html`<span class="soft">Nothing is open</span>`}
    <span class="gap"></span>
    ${state.open && html`<${History}/><${Snapshots}/><${Share}/>`}
    <button class="plain" aria-label="Keyboard and help" title="Keyboard and help (?)" onClick=${() => set({ menu: app.menu === "help" ? "" : "help" })}>?</button>
    ${state.open && html`<${Save}/>`}
  </header>`;
}

async function leave() {
  if (!app.state.open) return;
  if (await request({ ask: "leave", drop: false }) === null && app.trouble?.code === "RD817") {
    set({ trouble: null, menu: app.menu === "leave" ? "" : "leave" });
  }
}

function Leaving() {
  const drop = () => { set({ menu: "" }); request({ ask: "leave", drop: true }); };
  const keep = async () => { if (app.state.path) { await save(); if (!app.state.changed) request({ ask: "leave", drop: false }); } else set({ menu: "save" }); };
  return html`<div class="popup left"><p>The recipe has changes that are not saved.</p>
    <button class="row" onClick=${keep}>Save them first</button>
    <button class="row" onClick=${drop}>Leave without them</button>
    <button class="row" onClick=${() => set({ menu: "" })}>Stay here</button></div>`;
}

export function undo(by) {
  const { at, steps } = app.state.history;
  const step = at + by;
  if (step < 0 || step >= steps.length) return;
  painter.current?.reread();
  request({ ask: "history", step });
}

function Menu({ name, label, title, children, button }) {
  const box = useRef(null);
  const isOpen = app.menu === name;
  useEffect(() => {
    if (!isOpen) return undefined;
    const away = (event) => { if (!box.current?.contains(event.target)) set({ menu: "" }); };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [isOpen]);
  return html`<div class="menu" ref=${box}><button aria-expanded=${isOpen} aria-label=${title} onClick=${() => set({ menu: isOpen ? "" : name })}>${button ?? label}</button>
    ${isOpen && html`<div class="popup">${children}</div>`}</div>`;
}

function History() {
  const { at, steps } = app.state.history;
  return html`<div class="group">
    <button aria-label="Undo" title="Undo (Ctrl+Z)" disabled=${at === 0} onClick=${() => undo(-1)}>${icon("undo")}</button>
    <button aria-label="Redo" title="Redo (Ctrl+Y or Ctrl+Shift+Z)" disabled=${at === steps.length - 1} onClick=${() => undo(1)}>${icon("redo")}</button>
    <${Menu} name="history" label="History"><ol class="steps" reversed>
      ${steps.map((words, step) => html`<li key=${step}><button class=${step === at ? "chosen" : ""} aria-current=${step === at} onClick=${() => request({ ask: "history", step })}>${words}</button></li>`).reverse()}
    </ol><//>
  </div>`;
}

export async function takeSnapshot() { await request({ ask: "snapshot" }); }

function Snapshots() {
  const list = app.state.snapshots;
  const toggle = (number) => {
    const chosen = app.comparing.includes(number) ? app.comparing.filter((each) => each !== number) : [...app.comparing, number].slice(-2);
    set({ comparing: chosen, menu: chosen.length === 2 ? "" : app.menu });
  };
  return html`<${Menu} name="snapshots" button=${html`${icon("camera")} <span class="wide">Snapshots</span> ${list.length > 0 && html`<span class="soft">${list.length}</span>`}`} title="Snapshots">
    <button class="row" onClick=${takeSnapshot}>${icon("plus")} Keep this state <kbd>S</kbd></button>
    ${list.length === 0 ? html`<p class="soft">A snapshot holds text and pictures, to be compared or gone back to.</p>` : html`<p class="soft">Choose two to compare.</p>`}
    ${list.map(({ number }) => html`<div class="snap" key=${number}>
      <label><input type="checkbox" checked=${app.comparing.includes(number)} onChange=${() => toggle(number)}/> <${Thumb} number=${number}/> Snapshot ${number}</label>
      <button onClick=${() => { set({ menu: "" }); request({ ask: "restore", number }); }}>Go back</button>
      <button class="plain" aria-label="Forget snapshot ${number}" onClick=${() => request({ ask: "forget", number })}>${icon("close", 12)}</button></div>`)}
  <//>`;
}

function Thumb({ number }) {
  const canvas = useRef(null);
  useEffect(() => {
    const [image] = snapshots.get(number)?.values() ?? [];
    if (image) draw(canvas.current, image);
  });
  return html`<canvas class="thumb" ref=${canvas} aria-hidden="true"></canvas>`;
}

function Share() {
  const get = async (path, words = "") => {
    set({ menu: "", running: { event: "running", what: "what is shared is made", done: 0, total: 1, whole: path !== "/share/pack" } });
    const answer = await fetch(path);
    if (app.running?.event === "running") set({ running: null });
    if (!answer.ok) { set({ trouble: (await answer.json()).failure }); return; }
    if (answer.status === 204) return; // it was stopped
    const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition"))?.[1] ?? "redraft";
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    if (words) set({ running: { event: "shared", name, words } });
  };
  const run = () => { set({ menu: "", running: { event: "running", what: "the run", done: 0, total: 1 } }); request({ ask: "run" }).then((found) => found ?? set({ running: null })); };
  return html`<${Menu} name="share" button=${html`Share ${icon("down", 12)}`} title="Share">
    <button class="row" onClick=${run}>Run it<small>As redraft run: edit, report and record in a folder</small></button>
    <button class="row" onClick=${() => get("/share/edit")}>Edit<small>Small; applies to the model's file</small></button>
    <button class="row" onClick=${() => get("/share/pack")}>Pack<small>Recipe, masks and its run in one file; runs it first where that was not done</small></button>
    <button class="row" onClick=${() => get("/share/sheet", "The recipe is inside: whoever gets the picture drops it on studio's page.")}>Sheet as PNG<small>Before and after; the recipe is inside</small></button>
  <//>`;
}

export async function save(path = "") {
  if (!app.state.path && !path) { set({ menu: "save" }); return; }
  const found = await request({ ask: "save", path });
  if (found) set({ menu: "" });
}

function Save() {
  const naming = app.menu === "save" || app.trouble?.code === "RD807" || app.trouble?.code === "RD808";
  return html`<div class="menu"><button class="main" title="Save (Ctrl+S)" onClick=${() => save()}>Save</button>
    ${naming && html`<${SaveAs}/>`}</div>`;
}

// The name that a recipe's text gives it.
const nameIn = (text) => /^recipe\s+([\w-]+)/m.exec(text)?.[1] ?? "untitled";

// Made anew each time it opens: a name that was refused before is not there again.
function SaveAs() {
  const [name, setName] = useState(app.state.path ?? `${nameIn(app.state.text)}.redraft`);
  const field = useRef(null);
  useLayoutEffect(() => { field.current.focus(); field.current.select(); }, []);
  const submit = (event) => {
    event.preventDefault();
    const path = name.trim().endsWith(".redraft") ? name.trim() : `${name.trim()}.redraft`;
    if (!name.trim()) return;
    set({ menu: "save" }); // open also while another name is refused for another reason
    save(path);
  };
  return html`<div class="popup">
    <form onSubmit=${submit}><label>Save as<input ref=${field} value=${name} placeholder="glasses.redraft" onInput=${(e) => setName(e.target.value)}/></label>
    <button class="main" type="submit">Save</button></form>
    <button class="row" onClick=${() => set({ menu: "", trouble: null })}>Cancel</button></div>`;
}
