// More like this: ranked pictures, with the match over them.
import { html, useEffect, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, operation, request, rule, set } from "./store.js";
import { Pic, loopOf } from "./pic.js";
import { asked, isWhole } from "./shape.js";
import { coded, upper } from "./words.js";

const asking = { among: [0, 199] };
const FIRST = 8;

export async function search(image, shape, layer) {
  if (!isWhole(shape)) return;
  set({ matches: { busy: true }, matchesOf: rule()?.name ?? "" });
  const found = await request({ ask: "search", layer, image, first: asking.among[0], last: asking.among[1], ...(await asked(shape)) });
  if (!found) set({ matches: null });
}

// Pictures that the rule marks or has found already.
function markedIn(one) {
  const found = app.placed[one?.name]?.found.map((each) => each.index) ?? [];
  return new Set([...(one?.lines.filter((line) => line.kind === "place" && line.word !== "paste").flatMap((line) => line.images) ?? []), ...found]);
}

export function More({ image, shape, layer }) {
  // What was found for another rule is none of this one's.
  const matches = app.matchesOf === (rule()?.name ?? "") ? app.matches : null;
  const [least, setLeast] = useState(0);
  const [count, setCount] = useState(FIRST);
  const [range, setRange] = useState(null);
  const results = (matches?.results ?? []).filter((each) => each.index !== matches.image);
  const [low, high] = [results.at(-1)?.score ?? 0, results[0]?.score ?? 1];
  useEffect(() => { if (results.length) { setLeast(Math.min(results[Math.min(FIRST, results.length) - 1].score, Math.max(0.4, low))); setCount(FIRST); } }, [matches?.results]);
  const fitting = results.filter((each) => each.score >= least - 1e-9);
  const one = rule();
  const marked = markedIn(one);
  const fresh = fitting.filter((each) => !marked.has(each.index));
  const again = () => search(image, shape, layer);
  const submit = () => {
    const found = /^\s*(\d+)\s*(?:\.\.|-|–)\s*(\d+)\s*$/.exec(range ?? "");
    if (found) { asking.among = [Number(found[1]), Math.max(Number(found[1]), Number(found[2]))]; again(); }
    setRange(null);
  };
  const able = one && operation(one.kind).lines.some((line) => line.word === "context" && line.found);
  const lineOf = (each) => one.lines.find((line) => line.word === "context" && line.kind === "place" && line.images.includes(each.index));
  const toggle = (each) => {
    if (!marked.has(each.index)) return request({ ask: "gather", rule: one.name, index: each.index });
    const line = lineOf(each);
    return line ? request({ ask: "unmark", target: line.address, image: each.index }) : null;
  };
  const searched = matches?.among ? matches.among[1] - matches.among[0] + 1 : 0;
  const at = high > low ? ((least - low) / (high - low)) * 100 : 0;
  if (one && !able) return null; // what is found becomes a context, and this operation has none
  const other = matches?.results && matches.image !== image;
  return html`<div class="more"><h3>More like ${other ? `picture ${matches.image}` : "it"} <small>among pictures</small> <input class="range" aria-label="Pictures that are searched" value=${range ?? `${asking.among[0]}..${asking.among[1]}`} onInput=${(e) => setRange(e.target.value)} onBlur=${submit} onKeyDown=${(e) => { if (e.key === "Enter") submit(); }}/></h3>
    ${(!matches || (other && isWhole(shape))) && html`<button disabled=${!isWhole(shape)} onClick=${again}>${icon("search", 13)} Find more like it <kbd>F</kbd></button>`}
    ${matches?.busy && html`<p class="soft busy" role="status"><span class="spin"></span> Searching <button onClick=${() => request({ ask: "stop", what: "search" })}>Stop</button></p>`}
    ${matches?.failure && html`<div class="remark">${icon("warn")}<div><b>${coded(upper(matches.failure.message))}</b><p>${coded(upper(matches.failure.help ?? ""))}</p></div></div>`}
    ${matches?.stopped && html`<p class="soft">Stopped. <button class="link" onClick=${again}>Search again</button></p>`}
    ${results.length > 0 && html`<label class="least">Match of at least <b>${least.toFixed(2)}</b><input type="range" min=${low} max=${high} step="0.005" value=${least} aria-valuetext=${`${least.toFixed(2)}: ${fitting.length} pictures`} style="--at: ${at}%" onInput=${(e) => setLeast(Number(e.target.value))}/><small>${fitting.length} of the ${searched} pictures searched</small></label>
      <ul class="matches">${fitting.slice(0, count).map((each) => html`<li key=${each.index}>
        <button class="match" aria-pressed=${marked.has(each.index)} aria-label=${`Picture ${each.index}, match ${each.score.toFixed(2)}: ${!marked.has(each.index) ? "add to the context" : lineOf(each) ? "marked, remove it" : "found by the rule"}`} disabled=${!able || (marked.has(each.index) && !lineOf(each))} onClick=${() => toggle(each)}>
          <${Pic} number=${each.index} view="before" loops=${[loopOf(each.box)]} role="found" label=""/><span class="tick ${marked.has(each.index) ? "on" : ""}">${icon(marked.has(each.index) ? "check" : "plus", 11)}</span></button>
        <small>${each.index}<span>${each.score.toFixed(2)}</span></small></li>`)}</ul>
      ${fitting.length > count && html`<button class="link" onClick=${() => setCount(count + 16)}>Show ${fitting.length - count} more</button>`}
      <p class="all"><button class="main" disabled=${!able || fresh.length === 0} onClick=${() => request({ ask: "gather", rule: one.name, top: fresh.length })}>${fresh.length || !fitting.length ? `Add all ${fresh.length}` : `All ${fitting.length} added`}</button> <span class="soft">as one <code>like</code> line</span> <button class="link" onClick=${again}>Search again</button></p>`}
  </div>`;
}
