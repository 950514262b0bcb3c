// One picture: a canvas that redraws itself, with outlines over it.
import { html, useEffect, useRef } from "./vendor/preact.js";
import { app, isOld, need, onChange, picture, watch } from "./store.js";

const COLOURS = { copy: "#e69f00", context: "#56b4e9", paste: "#cc79a7", from: "#cc79a7", found: "#f0e442" };
const OTHERS = ["#009e73", "#d55e00", "#0072b2"];

// The colour of a role, also of one that the language has got since this was written.
export function colourOf(role) {
  if (COLOURS[role]) return COLOURS[role];
  const words = [...new Set(app.language.operations.flatMap((each) => each.lines.map((line) => line.word)))].filter((word) => !COLOURS[word]);
  return OTHERS[Math.max(0, words.indexOf(role)) % OTHERS.length];
}

export function draw(canvas, image, crop) {
  if (!canvas || !image) return;
  const [x0, y0, x1, y1] = crop ?? [0, 0, image.width, image.height];
  if (canvas.width !== x1 - x0 || canvas.height !== y1 - y0) { canvas.width = x1 - x0; canvas.height = y1 - y0; }
  canvas.getContext("2d").putImageData(image, -x0, -y0);
}

export function shownView(view) {
  if (app.hold) return view === "before" ? "after" : "before";
  return view;
}

// `view`: before or after, whatever the sheet shows; undefined for what it shows.
export function Pic({ number, view, crop, loops, role, label }) {
  const canvas = useRef(null), split = useRef(null), box = useRef(null);
  const cropped = crop?.join();
  useEffect(() => {
    const redraw = () => {
      const now = view ?? shownView(app.view);
      const image = picture(now === "before" ? "before" : "after", number);
      box.current?.classList.toggle("old", isOld(number) && now !== "before");
      box.current?.classList.toggle("none", !image);
      if (!image) need(number);
      if (image && canvas.current) draw(canvas.current, image, crop);
      if (split.current) {
        split.current.hidden = now !== "both";
        const before = picture("before", number);
        if (before && now === "both") draw(split.current, before, crop);
      }
    };
    redraw();
    const ends = [watch(number, redraw), onChange(redraw)];
    return () => ends.forEach((end) => end());
  }, [number, view, cropped]);
  return html`<span class="pic" ref=${box}>
    <canvas ref=${canvas} ...${label === "" ? { "aria-hidden": "true" } : { role: "img", "aria-label": label ?? `Picture ${number}` }}></canvas>
    <canvas class="half" ref=${split} hidden aria-hidden="true"></canvas>
    ${loops?.length ? html`<${Outline} loops=${loops} role=${role} crop=${crop}/>` : null}
  </span>`;
}

export function Outline({ loops, role, crop }) {
  const { width, height } = app.state.model;
  const [x0, y0, x1, y1] = crop ?? [0, 0, width, height];
  const d = path(loops);
  return html`<svg class="outline ${role}" viewBox="${x0} ${y0} ${x1 - x0} ${y1 - y0}" preserveAspectRatio="none" aria-hidden="true">
    <path class="halo" d=${d}/><path class="line" d=${d} stroke=${colourOf(role)}/></svg>`;
}

export const path = (loops) => loops.map((loop) => `M${loop.map((point) => point.join(" ")).join("L")}Z`).join("");

export const loopOf = ([x0, y0, x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

// A square around a box, with some of its surroundings, inside of the picture.
export function around(box) {
  const { width, height } = app.state.model;
  if (!box) return [0, 0, width, height];
  const [x0, y0, x1, y1] = box;
  const side = Math.min(width, height, Math.max(x1 - x0, y1 - y0) * 1.3);
  const left = Math.round(Math.min(Math.max(0, (x0 + x1 - side) / 2), width - side));
  const top = Math.round(Math.min(Math.max(0, (y0 + y1 - side) / 2), height - side));
  return [left, top, left + Math.round(side), top + Math.round(side)];
}
