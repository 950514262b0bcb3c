// Nothing is open: choose a model, or open a file.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, cards, onChange, request, set } from "./store.js";
import { draw } from "./pic.js";
import { whenOf } from "./sheet.js";

export function Start() {
  const [all, setAll] = useState(false);
  useEffect(() => { request({ ask: "cards" }).then((found) => found && set({ cards: found })); }, []);
  const found = app.cards;
  const here = found?.models.filter((each) => each.here) ?? [];
  const away = found?.models.filter((each) => !each.here) ?? [];
  return html`<main class="start">
    <header><h1>Choose a model to redraft</h1>
      <p>Copy something from one picture, mark where it belongs, and all new pictures follow.</p></header>
    ${found?.draft && html`<div class="remark calm"><div><b>Studio ended before a new recipe was saved.</b> Its text of ${whenOf(found.draft)} was kept. <button class="link" onClick=${() => request({ ask: "recover", bring_back: true })}>Bring it back</button> <button class="link" onClick=${() => request({ ask: "recover", bring_back: false }).then(() => set({ cards: { ...found, draft: null } }))}>Drop it</button></div></div>`}
    <div class="columns">
      <section aria-label="Models">
        ${here.slice(0, 1).map((each) => html`<${Card} key=${each.name} model=${each}/>`)}
        ${here.length > 1 && html`<div class="others">${here.slice(1).map((each) => html`<${Card} key=${each.name} model=${each} count=${6} alike=${here.some((other) => other !== each && other.title === each.title)}/>`)}</div>`}
        ${away.length > 0 && html`<h2>Not here yet <small>fetched when you open them</small></h2>
          <div class="away">${(all ? away : away.slice(0, 4)).map((each) => html`<${Away} key=${each.name} model=${each}/>`)}</div>
          ${!all && away.length > 4 && html`<button class="link" onClick=${() => setAll(true)}>Show all ${away.length}</button>`}`}
        ${found?.files.length > 0 && html`<h2>Model files <small>in ${app.state.folder}</small></h2>
          <ul class="files">${found.files.map((name) => html`<li key=${name}><button onClick=${() => request({ ask: "begin", model: name })}>${icon("file")} ${name}</button></li>`)}</ul>`}
      </section>
      <aside>
        <${DropZone}/>
        ${found?.recipes.length > 0 && html`<h2>Recipes <small>in ${app.state.folder}</small></h2>
          <ul class="files">${found.recipes.slice(0, 12).map((name) => html`<li key=${name}><button onClick=${() => request({ ask: "open", path: name })}>${icon("file")} ${name}</button></li>`)}</ul>`}
        <h2>How it works</h2>
        <ol class="how"><li><b>Copy</b> Mark what to draw, in one picture.</li>
          <li><b>Context</b> Mark where it belongs, in another.</li>
          <li><b>Watch</b> All pictures change, also those you never saw.</li></ol>
      </aside>
    </div>
  </main>`;
}

const ARCH = { dcgan: "DCGAN", proggan: "ProgGAN", stylegan2: "StyleGAN2" };
const archOf = (model) => ARCH[model.arch] ?? model.arch;

function Card({ model, count = 18, alike }) {
  const grid = useRef(null);
  useEffect(() => {
    const redraw = () => {
      const images = cards.get(model.name);
      if (!images || !grid.current) return;
      [...grid.current.children].forEach((canvas, at) => images[at] && draw(canvas, images[at]));
    };
    redraw();
    return onChange(redraw);
  }, [model.name]);
  const size = model.bytes ? `, ${Math.round(model.bytes / 1e6)} MB` : "";
  return html`<article class="card model">
    <div class="grid" ref=${grid} role="img" aria-label="Pictures of ${model.title}">${Array.from({ length: count }, (_, at) => html`<canvas key=${at}></canvas>`)}</div>
    <footer><div><h2>${model.title.split(",")[0]}${alike ? ` of a ${archOf(model)}` : ""}</h2><p>${count < 18 && !alike ? `${archOf(model)}, ` : ""}${model.side} px${size}, ${model.licence} licence. ${model.about.includes("nobody") ? "Nobody in it exists." : ""}</p></div>
      ${count === 18 && html`<span class="here">${icon("check", 12)} On this computer</span>`}
      <button class="main" onClick=${() => request({ ask: "begin", model: model.name })}>Open</button></footer>
  </article>`;
}

function Away({ model }) {
  return html`<button class="card away-card" onClick=${() => request({ ask: "begin", model: model.name })}>
    <span class="letter" aria-hidden="true">${model.title[0]}</span>
    <span class="what"><b>${model.title.split(",")[0]}</b><small>${archOf(model)}, ${model.side} px</small></span>
    <small>Licence ${model.licence}</small></button>`;
}

// What a picture marks: undefined where it holds a recipe, and null where it cannot be used.
export async function maskIn(file) {
  try {
    const answer = await fetch(`/mask?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    if (answer.status === 204) return undefined;
    if (answer.ok) { set({ trouble: null }); return await createImageBitmap(await answer.blob()); }
    set({ trouble: (await answer.json()).failure });
  } catch {
    set({ trouble: { code: "", message: "studio is not running", help: "start it again" } });
  }
  return null;
}

export async function drop(file) {
  if (file.size > 64 * 2 ** 20) {
    set({ trouble: { code: "RD813", message: `${file.name} is too large`, help: "at most 64 MB are read" } });
    return;
  }
  try {
    const answer = await fetch(`/drop?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    const found = await answer.json().catch(() => ({ failure: { code: "", message: "the file could not be read", help: "" } }));
    set({ trouble: found.failure ?? null });
  } catch {
    set({ trouble: { code: "", message: "studio is not running", help: "start it again" } });
  }
}

function DropZone() {
  const input = useRef(null);
  return html`<div class="dropzone">${icon("file", 24)}<b>Open a file</b>
    <p>A recipe, edit, pack or the authors' JSON. Or drop a sheet that studio saved: its recipe is inside.</p>
    <button onClick=${() => input.current.click()}>Choose a file</button>
    <input ref=${input} type="file" hidden aria-label="File to open" onChange=${(e) => { const [file] = e.target.files; e.target.value = ""; if (file) drop(file); }}/></div>`;
}
