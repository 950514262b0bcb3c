// More like this: ranked pictures, with the match over them.
import { html, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, change, request, rule, set } from "./store.js";
import { Pic, loopOf } from "./pic.js";
import { asked, isWhole, regionOf } from "./shape.js";

const asking = { among: [0, 199] };

export async function search(image, shape, layer) {
  if (!isWhole(shape)) return;
  const name = app.state.latents?.name ?? "z";
  const body = await asked(shape);
  const place = body.region ? `${name}[${image}] ${body.region}` : `${name}[${image}]`;
  set({ matches: { busy: true } });
  const found = await request({ ask: "search", layer, place, first: asking.among[0], last: asking.among[1], mask: body.mask ?? "" });
  if (!found) set({ matches: null });
}

export function More({ image, shape, layer }) {
  const { matches } = app;
  const [least, setLeast] = useState(0.4);
  const [count, setCount] = useState(8);
  const [range, setRange] = useState(null);
  const results = (matches?.results ?? []).filter((each) => each.index !== image);
  const fitting = results.filter((each) => each.score >= least);
  const one = rule();
  const has = new Set(one?.lines.filter((line) => line.word === "context" && line.kind === "place").flatMap((line) => line.images));
  const name = app.state.latents?.name ?? "z";
  const again = () => search(image, shape, layer);
  const submit = () => {
    const found = /^\s*(\d+)\s*(?:\.\.|-|–)\s*(\d+)\s*$/.exec(range ?? "");
    if (found) { asking.among = [Number(found[1]), Math.max(Number(found[1]), Number(found[2]))]; again(); }
    setRange(null);
  };
  const add = (each) => {
    const region = regionOf(shape).startsWith("box") ? `box(x ${each.box[0]}..${each.box[2]}, y ${each.box[1]}..${each.box[3]})` : null;
    const text = region ? `context ${name}[${each.index}] ${region}` : `context like ${matches.place} top 1 among ${each.index}..${each.index}`;
    change({ kind: "add", owner: one.name, text });
  };
  const remove = (each) => { const line = one.lines.find((line) => line.word === "context" && line.images?.length === 1 && line.images[0] === each.index); if (line) change({ kind: "drop", target: line.address }); };
  const addAll = () => change({ kind: "add", owner: one.name, text: `context like ${matches.place} top ${fitting.length} among ${matches.among[0]}..${matches.among[1]}` });
  return html`<div class="more"><h3>More like it <small>among pictures</small> <input class="range" aria-label="Pictures that are searched" value=${range ?? `${asking.among[0]}..${asking.among[1]}`} onInput=${(e) => setRange(e.target.value)} onBlur=${submit} onKeyDown=${(e) => { if (e.key === "Enter") submit(); }}/></h3>
    ${!matches && html`<button disabled=${!isWhole(shape)} onClick=${again}>${icon("search", 13)} Find more like it <kbd>F</kbd></button>`}
    ${matches?.busy && html`<p class="soft" role="status"><span class="spin"></span> Searching <button onClick=${() => request({ ask: "stop" })}>Stop</button></p>`}
    ${matches?.failure && html`<div class="remark"><div><b>${matches.failure.message}</b><p>${matches.failure.help ?? ""}</p></div></div>`}
    ${matches?.stopped && html`<p class="soft">Stopped.</p>`}
    ${results.length > 0 && html`<ul class="matches">${fitting.slice(0, count).map((each) => html`<li key=${each.index}>
        <button class="match" aria-pressed=${has.has(each.index)} aria-label=${`Picture ${each.index}, match ${each.score.toFixed(2)}: ${has.has(each.index) ? "in the context, remove it" : "add to the context"}`} disabled=${!one} onClick=${() => (has.has(each.index) ? remove(each) : add(each))}>
          <${Pic} number=${each.index} view="before" loops=${[loopOf(each.box)]} role="found" label=""/><span class="tick ${has.has(each.index) ? "on" : ""}">${icon(has.has(each.index) ? "check" : "plus", 11)}</span></button>
        <small>${each.index}<span>${each.score.toFixed(2)}</span></small></li>`)}</ul>
      ${fitting.length > count && html`<button class="link" onClick=${() => setCount(count + 16)}>Show more</button>`}
      <label class="least">Match of at least <b>${least.toFixed(2)}</b><input type="range" min="0.15" max="0.9" step="0.01" value=${least} style="--at: ${((least - 0.15) / 0.75) * 100}%" onInput=${(e) => setLeast(Number(e.target.value))}/></label>
      <p><button class="main" disabled=${!one || fitting.length === 0} onClick=${addAll}>Add all ${fitting.length}</button> <span class="soft">as one <code>like</code> line</span> <button class="link" onClick=${again}>Search again</button></p>`}
  </div>`;
}
