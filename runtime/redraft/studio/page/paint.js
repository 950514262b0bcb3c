// One picture, large: paint a place, and say what it is.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, need, onChange, picture, request, rolesFor, rule, set, watch } from "./store.js";
import { latest } from "./wire.js";
import { Jump, Views, Status, paint } from "./sheet.js";
import { Pic, colourOf, draw, shownView } from "./pic.js";
import { More, search } from "./more.js";
import { Remark } from "./text.js";
import { asMask, asked, copyOf, isWhole, maskOf, moved, roomOf, shapeOf, sized, stroke, trace, within } from "./shape.js";

const TOOLS = [["brush", "Brush", "P"], ["eraser", "Eraser", "E"], ["box", "Box", "R"], ["ellipse", "Ellipse", "O"], ["polygon", "Polygon", "G"], ["move", "Move", "V"]];
const MOVED = ["paste", "from"];
const FORMS = ["box", "ellipse"]; // what the keyboard can start
const last = { tool: "box", radius: 4 };
export const painter = { current: null };

export function close() {
  set({ painting: null });
  setTimeout(() => document.querySelector(`[data-number="${app.at}"]`)?.focus());
}

export function Paint({ at }) {
  const { model, shown } = app.state;
  const one = rule();
  const [tool, setTool] = useState(at.line && MOVED.includes(at.line.word) ? "move" : last.tool);
  const [radius, setRadius] = useState(last.radius);
  const [keys, setKeys] = useState(true);
  const [shape, setShape] = useState(() => (at.line ? shapeOf(at.line, model.width, model.height) : null));
  const [grid, setGrid] = useState(null);
  const steps = useRef({ list: [{ shape, history: app.state.history.at }], at: 0 });
  const again = useRef(false); // whether the line is to be read again: what was done to it was taken back
  const target = at.line && at.line.kind === "place" ? at.line : null;
  const address = useRef(target?.address ?? ""); // changes where one of several images gets a line of its own
  const written = useRef({}); // by word: the line of what is drawn here, as long as it is only moved
  const layer = one?.layer ?? model.layers[Math.floor(model.layers.length / 2)]?.name;
  const kind = one && one.kind !== "include" ? one.kind : "rule";
  if (tool !== "move") last.tool = tool;
  last.radius = radius;

  // An image that is changed gets a line of its own; taken back, it is one of several again.
  const lines = target ? one?.lines.filter((each) => each.word === target.word && each.images?.includes(at.image)) ?? [] : [];
  const line = lines.find((each) => each.address === address.current) ?? lines[0];
  useEffect(() => {
    if (!again.current) return;
    again.current = false;
    if (!line) return;
    address.current = line.address;
    setShape(shapeOf(line, model.width, model.height));
  }, [app.state.revision]);
  // What was done here, in order: strokes, and marks, which are steps of the recipe's history too.
  const note = (next, word = "") => {
    const { current } = steps, { at, steps: words } = app.state.history;
    current.list.splice(current.at + 1, current.list.length, { shape: next, word, history: at, words: words[at] });
    current.at = current.list.length - 1;
  };
  const stands = (each) => each.history <= app.state.history.at && app.state.history.steps[each.history] === each.words;
  const keep = (next) => { note(next); setShape(next); };
  // One step here; false where the step is one of the recipe's history, to be made there.
  const step = (by) => {
    if (target) return false; // what is changed at once is in the history of the recipe
    const { current } = steps, { at, steps: words } = app.state.history;
    while (by < 0 && current.list[current.at].word && !stands(current.list[current.at])) current.at -= 1; // taken back elsewhere
    const here = current.list[current.at], next = current.list[current.at + 1];
    if (by < 0 && (at > here.history || here.word)) { if (at <= here.history) current.at -= 1; return false; }
    if (by > 0 && next?.word) { if (words[at + 1] === next.words && at + 1 === next.history) current.at += 1; return false; }
    const to = current.at + by;
    if (to < 0 || to >= current.list.length || (by > 0 && at < next.history)) return false;
    current.at = to;
    setShape(current.list[to].shape);
    return true;
  };
  // What this place was marked as last, unless that was taken back.
  const said = steps.current.list.slice(0, steps.current.at + 1).findLast((each) => each.word && stands(each))?.word;
  // Where this place was written already; nowhere once that line was taken back or changed.
  const addressOf = (word) => {
    const earlier = written.current[word];
    const same = (line) => line.address === earlier.target && line.region === earlier.region && line.images?.includes(at.image);
    return earlier && earlier.rule === one?.name && one.lines.some(same) ? earlier.target : "";
  };
  const mark = async (word) => {
    const place = target?.word === word ? address.current : addressOf(word);
    if (!isWhole(shape)) { set({ trouble: { message: "nothing is painted yet", help: "paint the place first: a box with R or Enter, a brush with P" } }); return; }
    const before = app.state.history.at;
    const found = await request({ ask: "mark", rule: one?.kind === "include" ? "" : one?.name ?? "", word, image: at.image, target: place, ...(await asked(shape)) });
    if (!found) return;
    if (target?.word === word) address.current = found.target;
    else written.current = { ...written.current, [word]: found };
    if (app.state.history.at > before) note(shape, word);
    set({ chosen: found.rule });
    if (word === "context" && !place) search(at.image, shape, layer);
  };
  // A marked place that is changed is written at once. While it is dragged it is followed, one
  // step of the history; what is painted by brush becomes a file only when the hand is lifted.
  const drag = useRef("");
  const send = useMemo(() => latest(async (body) => { const found = await request({ ask: "mark", ...body, target: address.current }); if (found?.target) address.current = found.target; }), []);
  const write = async (next, group) => { if (target && isWhole(next)) send({ rule: one.name, word: target.word, image: at.image, drag: group, ...(await asked(next)) }); };
  const follow = (next) => { if (next.kind !== "mask") { drag.current ||= `move ${Date.now()}`; write(next, drag.current); } };
  const settle = (next) => { keep(next); write(next, drag.current); drag.current = ""; };
  const drawn = (next) => { written.current = {}; keep(next); };

  useEffect(() => { if (at.find && shape) search(at.image, shape, layer); }, []);
  useEffect(() => {
    if (!isWhole(shape) || !layer) { setGrid(null); return undefined; }
    const timer = setTimeout(async () => { const found = await request({ ask: "keys", layer, ...(await asked(shape)) }); setGrid(found?.grid ?? null); }, 60);
    return () => clearTimeout(timer);
  }, [shape, layer]);
  // A mask that was dropped is as if it had been painted here.
  const take = (grey) => { const next = maskOf(grey, model.width, model.height); setTool("brush"); if (target) settle(next); else drawn(next); };
  painter.current = { kind, take, setTool, reread: () => { again.current = true; }, open: shape?.kind === "polygon" && !shape.closed, finish: () => shape?.kind === "polygon" && shape.points.length > 2 && keep({ ...shape, closed: true }), back: () => keep(shape.points.length > 1 ? { ...shape, points: shape.points.slice(0, -1) } : null), setRadius, mark, step, close, find: () => isWhole(shape) && (search(at.image, shape, layer), true), toggleKeys: () => setKeys((now) => !now), nudge: (dx, dy, size, fine) => {
    if (!shape) { if (dx && !size && !fine) beside(dx); return; } // nothing to move: the next picture, as on the sheet
    const cell = model.layers.find((each) => each.name === layer)?.keys ?? [8, 8];
    const [w, h] = fine ? [1, 1] : [model.width / cell[1], model.height / cell[0]];
    const room = roomOf(shape, model.width, model.height);
    settle(size ? sized(shape, dx * w, dy * h, room) : moved(shape, ...within(room, dx * w, dy * h)));
  }, begin: (form = tool) => { if (!shape && FORMS.includes(form)) drawn({ kind: form, x0: model.width * 0.25, y0: model.height * 0.375, x1: model.width * 0.75, y1: model.height * 0.625 }); } };
  const taken = grid?.flat().filter((share) => share > 0).length ?? 0;
  const beside = (by) => { const place = shown.indexOf(at.image); const next = shown[place + by] ?? at.image + by; if (next >= 0 && next < (app.state.latents?.count ?? 0)) paint(next); };
  const roles = rolesFor(kind);
  // What a mark has made wrong is said where it was made, with its remedy.
  const mistakes = app.state.problems.map((each, number) => (each.severity === "error" && one && each.line >= one.first && each.line <= one.last ? number : -1)).filter((number) => number >= 0).slice(0, 1);
  const most = (app.state.latents?.count ?? 1) - 1;
  const jump = async (text) => {
    const fits = /^\s*\d+\s*$/.test(text) && Number(text) <= most;
    if (fits) paint(Number(text));
    else set({ trouble: { message: `there is no picture ${text.trim()}`, help: `type a number from 0 to ${most}` } });
    return fits;
  };

  return html`<section class="paint" aria-label="Picture ${at.image}, large">
    <div class="bar"><button onClick=${close}>${icon("left", 12)} Sheet <kbd>Esc</kbd></button><h2>Picture <${Jump} label="Number of the picture" value=${`${at.image}`} take=${jump}/></h2>
      <div class="group"><button aria-label="Picture before" onClick=${() => beside(-1)}>${icon("left", 12)}</button><button aria-label="Next picture" onClick=${() => beside(1)}>${icon("right", 12)}</button></div>
      <span class="gap"></span><label class="check"><input type="checkbox" checked=${keys} onChange=${(e) => setKeys(e.target.checked)}/> Keys of ${layer} <kbd>K</kbd></label>
      <${Views} views=${["before", "after"]} of="easel"/></div>
    <div class="easel">
      <div class="tools" role="toolbar" aria-label="Tools" aria-orientation="vertical">${TOOLS.map(([name, words, key]) => html`<button key=${name} class=${tool === name ? "chosen" : ""} aria-pressed=${tool === name} aria-label="${words} (${key})" title="${words} (${key})" onClick=${() => setTool(name)}>${icon(name, 18)}<kbd>${key}</kbd></button>`)}
        <label class="radius" title="Size of the brush: [ and ]"><input type="range" min="0.5" max="16" step="0.5" value=${radius} aria-label="Size of the brush" onInput=${(e) => setRadius(Number(e.target.value))}/>${radius}</label></div>
      <${Canvas} image=${at.image} tool=${tool} radius=${radius} shape=${shape} role=${target?.word ?? said ?? "context"} grid=${keys ? grid : null} keep=${drawn} show=${setShape} done=${settle} follow=${follow}/>
      <div class="side scrolls"><h3>This place <small>${isWhole(shape) ? `takes ${taken} of ${grid ? grid.length * grid[0].length : "?"} keys` : "paint it on the picture"}</small></h3>
        ${tool === "polygon" && !isWhole(shape) && html`<p class="soft">Click corner by corner; Enter, or a click on the first one, closes it, and Esc takes the last one back.</p>`}
        ${!shape && FORMS.includes(tool) && html`<p class="soft">Drag ${tool === "box" ? "a box" : "an ellipse"}, or start one with <kbd>Enter</kbd>. <kbd>←</kbd> <kbd>→</kbd> the next picture.</p>`}
        ${said && !target && html`<p class="soft" role="status">Marked: ${said}.</p>`}
        ${mistakes.map((number) => html`<${Remark} key=${number} problem=${app.state.problems[number]} number=${number}/>`)}
        ${target && html`<p class="soft">You change the ${target.word} of ${one.name}; it follows while you move it. Draw anew and press <kbd>${roles.find((each) => each.word === target.word)?.key}</kbd> to put it elsewhere.</p>`}
        ${roles.map(({ word, words, key, meaning }) => html`<button key=${word} title=${meaning} class="role ${target?.word === word ? "chosen" : ""}" disabled=${!isWhole(shape)} onClick=${() => mark(word)}><span class="chip" style="--c: ${colourOf(word)}" aria-hidden="true"></span>${words}<span class="gap"></span><kbd>${key}</kbd></button>`)}
        <${More} image=${at.image} shape=${shape} layer=${layer}/></div>
    </div>
    <${Strip}/>
  </section>`;
}

function Canvas({ image, tool, radius, shape, role, grid, keep, show, done, follow }) {
  const { width, height } = app.state.model;
  const base = useRef(null), over = useRef(null), stage = useRef(null), cursor = useRef(null);
  const hand = useRef(null);
  useEffect(() => {
    const redraw = () => { const found = picture(shownView(app.easel) === "before" ? "before" : "after", image); if (found) draw(base.current, found); else need(image); };
    redraw();
    const ends = [watch(image, redraw), onChange(redraw)];
    return () => ends.forEach((end) => end());
  }, [image]);
  // Who came by the keyboard goes on by the keyboard.
  useLayoutEffect(() => { if (document.activeElement === document.body || !document.activeElement) stage.current?.focus({ preventScroll: true }); }, []);
  useEffect(() => { paintOver(over.current, shape, role, grid, width, height); }, [shape, role, grid]);
  const place = (event) => { const area = stage.current.getBoundingClientRect(); return [((event.clientX - area.left) / area.width) * width, ((event.clientY - area.top) / area.height) * height]; };
  const down = (event) => {
    if (event.button) return;
    stage.current.setPointerCapture(event.pointerId);
    const at = place(event);
    if (tool === "polygon") {
      const open = shape?.kind === "polygon" && !shape.closed ? shape : { kind: "polygon", points: [], closed: false };
      const near = open.points.length > 2 && Math.hypot(open.points[0][0] - at[0], open.points[0][1] - at[1]) < width / 32;
      keep(near ? { ...open, closed: true } : { ...open, points: [...open.points, at] });
      return;
    }
    if (tool === "move") { if (shape) hand.current = { from: at, shape, room: roomOf(shape, width, height) }; return; }
    if (tool === "brush" || tool === "eraser") {
      const mask = asMask(shape, width, height);
      stroke(mask, at, at, radius, tool === "eraser");
      hand.current = { from: at, mask };
      show({ ...mask });
    } else hand.current = { from: at };
  };
  const drag = (event) => {
    const at = place(event);
    if (cursor.current) { cursor.current.setAttribute("cx", at[0]); cursor.current.setAttribute("cy", at[1]); }
    const held = hand.current;
    if (!held) return;
    if (held.mask) { stroke(held.mask, held.from, at, radius, tool === "eraser"); held.from = at; show({ ...held.mask }); return; }
    if (held.shape) { held.now = moved(held.shape, ...within(held.room, Math.round(at[0] - held.from[0]), Math.round(at[1] - held.from[1]))); show(held.now); follow(held.now); return; }
    const [x0, x1] = [held.from[0], at[0]].map((x) => Math.max(0, Math.min(width, Math.round(x)))).sort((a, b) => a - b);
    const [y0, y1] = [held.from[1], at[1]].map((y) => Math.max(0, Math.min(height, Math.round(y)))).sort((a, b) => a - b);
    held.now = { kind: tool, x0, y0, x1, y1 };
    show(held.now);
  };
  const up = () => {
    const held = hand.current;
    hand.current = null;
    const next = held?.mask ? copyOf(held.mask) : held?.now;
    if (next && isWhole(next)) { if (held.shape) done(next); else keep(next); } else if (held?.now) show(null);
  };
  const twice = () => { if (tool === "polygon" && shape?.points?.length > 2) keep({ ...shape, closed: true }); };
  return html`<div class="stage ${tool}" ref=${stage} tabindex="0" role="application" aria-label="Picture ${image}. Press R or Enter for a box; arrows move it, Shift and arrows resize it." style="aspect-ratio: ${width} / ${height}"
    onPointerDown=${down} onPointerMove=${drag} onPointerUp=${up} onPointerCancel=${up} onDblClick=${twice}>
    <canvas ref=${base}></canvas><canvas class="over" ref=${over} width="1024" height=${Math.round((1024 * height) / width)}></canvas>
    ${(tool === "brush" || tool === "eraser") && html`<svg class="cursor" viewBox="0 0 ${width} ${height}" aria-hidden="true"><circle ref=${cursor} cx="-99" cy="-99" r=${radius}/></svg>`}</div>`;
}

function paintOver(canvas, shape, role, grid, width, height) {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / width;
  if (grid) {
    const [h, w] = [canvas.height / grid.length, canvas.width / grid[0].length];
    grid.forEach((row, y) => row.forEach((share, x) => {
      if (share > 0) { pen.fillStyle = `rgba(255,255,255,${0.12 + 0.28 * share})`; pen.fillRect(x * w, y * h, w, h); }
      pen.strokeStyle = share > 0 ? "rgba(255,255,255,.9)" : "rgba(255,255,255,.18)";
      pen.lineWidth = share > 0 ? 2.5 : 1;
      pen.strokeRect(x * w, y * h, w, h);
    }));
  }
  if (!shape) return;
  if (shape.kind === "mask") {
    const tint = new OffscreenCanvas(canvas.width, canvas.height);
    const ink = tint.getContext("2d");
    ink.drawImage(shape.canvas, 0, 0, canvas.width, canvas.height);
    ink.globalCompositeOperation = "source-in";
    ink.fillStyle = colourOf(role);
    ink.fillRect(0, 0, canvas.width, canvas.height);
    pen.globalAlpha = 0.55;
    pen.drawImage(tint, 0, 0);
    pen.globalAlpha = 1;
    return;
  }
  for (const [colour, line] of [["#10141a", 8], [colourOf(role), 4]]) {
    pen.strokeStyle = colour; pen.lineWidth = line; pen.lineJoin = "round";
    pen.beginPath(); trace(pen, shape, scale); pen.stroke();
  }
}

function Strip() {
  const { shown } = app.state;
  return html`<div class="strip"><header><h3>New pictures <small>as this rule draws them now</small></h3><span class="gap"></span><${Status}/></header>
    <div>${shown.slice(0, 10).map((number) => html`<button key=${number} aria-label="Picture ${number}" onClick=${() => paint(number)}><${Pic} number=${number} view="after" label=""/></button>`)}</div></div>`;
}
