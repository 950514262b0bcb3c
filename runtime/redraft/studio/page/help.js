import { html, useLayoutEffect, useRef } from "./vendor/preact.js";
import { app, remember, set } from "./store.js";

const KEYS = [
  ["Move and look", [["arrows", "the next picture"], ["Enter", "enlarge, to paint"], ["Esc", "back"], ["PgUp PgDn", "another page"], ["J", "jump to a number"], ["B", "hold for before"], ["T", "the text"], ["K", "keys of the layer"], ["F6", "the next region"]]],
  ["Paint", [["P E R O G V", "brush, eraser, box, ellipse, polygon, move"], ["[ ]", "size of the brush"], ["1 2 3", "copy, context, paste"], ["Enter", "start a box; Enter again closes a polygon"], ["arrows", "move a box by a key; Shift resizes it, Ctrl by a pixel"]]],
  ["Rule", [["F", "find more"], ["M", "mark a place"], ["Del", "remove from the tray"], ["N", "new rule"], ["X", "on or off"], ["Alt+arrows", "reorder"], ["S", "snapshot"]]],
  ["Everywhere", [["Ctrl+Z, Ctrl+Y", "undo, redo (also Ctrl+Shift+Z)"], ["Ctrl+S", "save"], ["?", "this list"]]],
];

export function Help() {
  const box = useRef(null);
  useLayoutEffect(() => { const before = document.activeElement; box.current.showModal(); return () => before?.focus?.(); }, []);
  return html`<dialog class="help" ref=${box} aria-label="Keyboard" onClose=${() => set({ menu: "" })}><h2>Keyboard</h2>
    <div class="lists">${KEYS.map(([title, rows]) => html`<section key=${title}><h3>${title}</h3><dl>${rows.map(([key, words]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${words}</dd></div>`)}</dl></section>`)}</div>
    <label class="check"><input type="checkbox" checked=${app.single} onChange=${(e) => { set({ single: e.target.checked }); remember("keys", e.target.checked ? "on" : "off"); }}/> Letters work alone, outside of text</label>
    <form method="dialog"><button class="main">Close</button></form></dialog>`;
}
