import { html } from "./vendor/preact.js";

const paths = {
  undo: "M5 3 2 6l3 3M2 6h7a4 4 0 0 1 0 8H6",
  redo: "m11 3 3 3-3 3m3-3H7a4 4 0 0 0 0 8h3",
  left: "m10 3-5 5 5 5", right: "m6 3 5 5-5 5", down: "m3 6 5 5 5-5", up: "m3 10 5-5 5 5",
  plus: "M8 2v12M2 8h12", close: "m3 3 10 10M13 3 3 13", check: "m3 8 4 4 7-8",
  camera: "M2 5h3l1-2h4l1 2h3v8H2zM8 11a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10m4-1 3 3", arrow: "M1 8h13M10 4l4 4-4 4",
  warn: "M8 2 1 14h14zM8 6v4m0 2v.5", file: "M4 1h6l3 3v11H4zM10 1v3h3",
  dots: "M3 8h.1M8 8h.1M13 8h.1",
  brush: "M13 2 7 8m-1 1c2 0 3 1 3 2 0 3-4 3-6 3 1-1 1-4 3-5", eraser: "m6 13-4-4 7-7 5 5-6 6zM5 6l5 5M6 13h8",
  box: "M2 4h12v8H2z", ellipse: "M8 3.5c4 0 6 2 6 4.5s-2 4.5-6 4.5-6-2-6-4.5 2-4.5 6-4.5", polygon: "M8 2l6 4.5-2.3 7H4.3L2 6.5z",
  move: "M8 1v14M1 8h14M6 3l2-2 2 2M6 13l2 2 2-2M3 6 1 8l2 2m10-4 2 2-2 2",
};

export const icon = (name, size = 16) => html`<svg class="icon" width=${size} height=${size} viewBox="0 0 16 16" aria-hidden="true"><path d=${paths[name]} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/></svg>`;

export const mark = html`<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><rect x="1" y="1" width="14" height="14" rx="3" fill="none" stroke="var(--accent)" stroke-width="2"/><path d="M2 14 14 2v9a3 3 0 0 1-3 3z" fill="var(--accent)"/></svg>`;
