// The sheet of pictures, and the bar above it.
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, onChange, request, rolesFor, rule, set } from "./store.js";
import { Pic, colourOf, loopOf, shownView } from "./pic.js";
import { coded, upper } from "./words.js";

export function paint(image, more = {}) { set({ painting: { image, ...more }, at: image, comparing: [] }); }

// Which lines of the chosen rule a picture belongs to.
export function rolesOf(number) {
  const found = [];
  for (const line of rule()?.lines ?? []) {
    if (line.kind !== "each" && line.images?.includes(number)) {
      if (line.kind === "match" && found.some((each) => each.role === "context")) continue;
      found.push({ role: line.word, loops: line.loops, line });
    }
  }
  if (found.length === 0) {
    const place = app.placed[rule()?.name]?.found.find((each) => each.index === number);
    if (place) found.push({ role: "found", loops: [loopOf(place.box)] });
  }
  return found;
}

// A picture that the rule marks is opened with its mark, to be changed.
function enlarge(number) {
  const marked = rolesOf(number).find((each) => each.role !== "found");
  set({ at: number });
  paint(number, marked ? { line: marked.line } : {});
}

export function page(by) {
  const { shown, latents } = app.state;
  const count = Math.min(shown.length || 32, 400);
  const first = Math.max(0, Math.min((latents?.count ?? count) - 1, (by < 0 ? shown[0] - count : shown.at(-1) + 1)));
  const last = Math.min((latents?.count ?? first + count) - 1, first + count - 1);
  set({ at: first });
  request({ ask: "look", numbers: `${first}..${last}` });
}

export function SheetBar() {
  const { state } = app;
  return html`<div class="bar">
    <div class="group"><button aria-label="Previous page" title="Page Up" onClick=${() => page(-1)}>${icon("left", 12)}</button>
      <${Range}/><button aria-label="Next page" title="Page Down" onClick=${() => page(1)}>${icon("right", 12)}</button></div>
    <span class="soft hint fits count"><span>of ${(state.latents?.count ?? 0).toLocaleString("en")}</span></span>
    <span class="gap"></span>
    <${Status}/>
    <span class="soft hint fits"><span>Hold <kbd>B</kbd> for before</span></span>
    <${Views}/>
    <input class="size hint" type="range" min="4" max="16" value=${20 - app.columns} aria-label="Size of the pictures" onInput=${(e) => set({ columns: 20 - Number(e.target.value) })}/>
  </div>`;
}

export function Views({ views = ["before", "after", "both"], of = "view" }) {
  return html`<div class="group" role="radiogroup" aria-label="What the pictures show">${views.map((view) => html`<button key=${view} role="radio" aria-checked=${shownView(app[of]) === view} class=${shownView(app[of]) === view ? "chosen" : ""} onClick=${() => set({ [of]: view })}>${view[0].toUpperCase()}${view.slice(1)}</button>`)}</div>`;
}

// Back to where the arrows work: the chosen tile, or the picture that is large.
export const picturesNow = () => document.querySelector(".stage, [data-number][tabindex='0']");
export const focusPictures = () => setTimeout(() => picturesNow()?.focus());

// A field to go to other pictures. What is typed is taken, or gone: it never stays behind.
export function Jump({ label, value, take }) {
  const [text, setText] = useState(null);
  const typed = useRef(null); // known at once: the focus may be lost before the page is drawn again
  const put = (next) => { typed.current = next; setText(next); };
  const submit = async () => {
    const wanted = typed.current;
    typed.current = null;
    const done = !wanted?.trim() || wanted.trim() === value || await take(wanted);
    setText(typed.current);
    return done;
  };
  const keyed = async (event) => {
    const { key, target } = event;
    if (key === "Escape") { put(null); focusPictures(); }
    if (key !== "Enter") return;
    // What is pressed next is meant for the pictures, also while the new ones are on their way.
    const done = submit();
    focusPictures();
    if (await done) focusPictures(); else setTimeout(() => { target.focus(); target.select(); });
  };
  return html`<input id="range" class="range" aria-label=${label} value=${text ?? value} onInput=${(e) => put(e.target.value)} onKeyDown=${keyed} onBlur=${submit}/>`;
}

// The answer may come before the pictures it speaks of; what has the focus meanwhile would be of the old sheet.
const shownAnew = (before) => new Promise((done) => {
  const look = () => { if (app.state.shown !== before) { end(); done(); } };
  const end = onChange(look);
  look();
  setTimeout(() => { end(); done(); }, 1000);
});

function Range() {
  const take = async (text) => {
    // One number is a place to go to; a sheet of one picture would be no sheet.
    const one = /^\s*(\d+)\s*$/.exec(text)?.[1], most = (app.state.latents?.count ?? 1) - 1;
    const numbers = one === undefined || Number(one) > most ? text : `${one}..${Math.min(most, Number(one) + Math.max(app.state.shown.length, 1) - 1)}`;
    const before = app.state.shown;
    if (!await request({ ask: "look", numbers })) return false;
    await shownAnew(before);
    if (one !== undefined) set({ at: Number(one) });
    return true;
  };
  return html`<${Jump} label="Numbers of the pictures" value=${app.state.numbers} take=${take}/>`;
}

export function Status() {
  const { status, progress, state } = app;
  const time = status.ms >= 1000 ? `${(status.ms / 1000).toFixed(1)} s` : `${status.ms} ms`;
  // Of each: the sign, the words, what is small beside them, and a button.
  const kinds = {
    opening: () => ["spin", `Opening ${status.model}`],
    solving: () => ["spin", `Solving${progress ? `: ${progress.what}` : ""}`, progress && progress.total > 1 ? `${progress.done} of ${progress.total}` : "", ["Stop", "stop"]],
    settled: () => [`dot ${status.left?.some((each) => each.message) ? "warn" : "good"}`, "Up to date", app.coming || time],
    stopped: () => ["ring", "Stopped, nothing changed", "", ["Solve again", "again"]],
    failed: () => (status.checked ? ["dot warn", "The text has a mistake"] : ["dot bad", "Not solved"]),
    mistake: () => ["dot warn", "The text has a mistake: pictures of the last good one"],
    unfinished: () => ["ring", state.rules.length ? "The rule is not whole yet" : "No rule yet"],
  };
  const [sign, words, small, button] = app.connected ? kinds[status.event]?.() ?? [] : ["dot bad", "Not connected"];
  return html`<span class="status" role="status" aria-live="polite" title=${[words, small].filter(Boolean).join(" ")}>${words && html`<span class=${sign}></span>
    <span class="words">${words}${small && html` <small>${small}</small>`}</span>
    ${button && html`<button onClick=${() => request({ ask: button[1] })}>${button[0]}</button>`}`}</span>`;
}

let scrolled = {}; // where the sheet of a recipe stood when a picture was opened

export function Sheet() {
  const { state, columns } = app;
  const grid = useRef(null);
  const shown = state.shown;
  const first = state.rules.every((each) => each.kind !== "include" && rolesFor(each.kind).some((role) => role.line.required && !each.lines.some((line) => line.word === role.word)));
  const stood = useRef(scrolled); // the pictures get their size after the sheet is there
  useEffect(() => { if (stood.current.opened === app.state.opened) grid.current.scrollTop = stood.current.top; }, []);
  // Asked anew each time: keys come faster than the page is drawn.
  const here = () => (app.state.shown?.includes(app.at) ? app.at : app.state.shown?.[0]);
  const now = here();
  useEffect(() => { const id = document.activeElement?.dataset?.number; if (id !== undefined && Number(id) !== here()) grid.current?.querySelector(`[data-number="${here()}"]`)?.focus(); }, [now]);
  const go = (event) => {
    const at = shown.indexOf(here());
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: shown.length - 1 - at }[event.key];
    if (step !== undefined && !event.altKey) {
      event.preventDefault();
      const to = shown[Math.max(0, Math.min(shown.length - 1, at + step))];
      set({ at: to });
      grid.current.querySelector(`[data-number="${to}"]`)?.focus();
    }
    if (event.key === "Enter") { event.preventDefault(); enlarge(here()); }
  };
  return html`${first && html`<${FirstSteps}/>`}<${Remarks}/>
    <div class="sheet" id="sheet" ref=${grid} style="--columns: ${columns}" role="group" aria-label="Pictures" onKeyDown=${go} onScroll=${(e) => { scrolled = { opened: app.state.opened, top: e.target.scrollTop }; }}>
    ${shown.map((number) => html`<${Tile} key=${number} number=${number} now=${number === now}/>`)}</div>`;
}

function Tile({ number, now }) {
  const roles = rolesOf(number);
  const marked = roles.filter((each) => each.role !== "found");
  const words = [...new Set(roles.map((each) => each.role))];
  const timesOf = (word) => { const times = roles.filter((each) => each.role === word).length; return times > 1 ? ` ×${times}` : ""; };
  const label = `Picture ${number}${words.map((word) => `, the ${word}${timesOf(word)}`).join("")}`;
  return html`<button class="tile" data-number=${number} tabindex=${now ? 0 : -1} aria-label=${label} onFocus=${() => app.at !== number && set({ at: number })} onClick=${() => enlarge(number)}>
    <${Pic} number=${number} loops=${marked[0]?.loops} role=${marked[0]?.role} label=""/>
    <span class="caption"><span>${number}</span>${words.map((word) => html`<span class="chip" style="--c: ${colourOf(word)}" title=${word} key=${word}>${word}${timesOf(word)}</span>`)}</span></button>`;
}

function FirstSteps() {
  const one = rule();
  const has = (word) => one?.lines.some((line) => line.word === word);
  if (app.hideSteps) return null;
  if (one && one.kind !== "rule") return null;
  const [title, words] = has("copy") ? ["2. Show where it belongs.", html`Press Enter on another picture, paint the same place there, and press <kbd>2</kbd>.`]
    : ["1. Find a picture that has what you want.", html`Press Enter on it, or click it. Paint the part and press <kbd>1</kbd>. Then mark where it belongs in another picture with <kbd>2</kbd>.`];
  return html`<div class="steps-card"><b>${title}</b> ${words} <button class="link" onClick=${() => set({ hideSteps: true })}>Hide</button></div>`;
}

export const whenOf = (text) => new Date(text).toLocaleString("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });

// A rule that cannot be applied: the others are, and the pictures are theirs.
function LeftOut({ left }) {
  const problem = left.problem === null ? null : app.state.problems[left.problem];
  const words = left.message.replaceAll("`", "");
  return html`<div class="remark bad" role="alert">${icon("warn")}<div><b>${left.rule} was not applied</b>
    <p>${words[0].toUpperCase()}${words.slice(1)}. ${left.help ? `${left.help.replaceAll("`", "")[0].toUpperCase()}${left.help.replaceAll("`", "").slice(1)}. ` : ""}The other rules were solved without it.</p>
    ${problem?.fixes.slice(0, 2).map((title, fix) => html`<button class="link" key=${title} onClick=${() => request({ ask: "fix", problem: left.problem, fix })}>${title.replaceAll("`", "")}</button> `)}</div></div>`;
}

function Remarks() {
  const { status, state, running } = app;
  const failed = status.event === "failed" && !status.checked ? status : state.refused;
  const left = (status.left ?? []).filter((each) => each.message && state.rules.some((rule) => rule.name === each.rule));
  return html`${state.draft && html`<div class="remark calm"><div><b>Studio ended before this recipe was saved.</b> Changes of ${whenOf(state.draft)} were kept. <button class="link" onClick=${() => request({ ask: "recover", bring_back: true })}>Bring them back</button> <button class="link" onClick=${() => request({ ask: "recover", bring_back: false })}>Drop them</button></div></div>`}
    ${left.map((each) => html`<${LeftOut} key=${each.rule} left=${each}/>`)}
    ${failed && html`<div class="remark bad" role="alert">${icon("warn")}<div><b>${coded(upper(failed.message))}</b><p>${coded(upper(failed.help ?? ""))}</p></div></div>`}
    ${running && html`<div class="remark ${running.failure ? "bad" : "calm"}" role="status"><div>${running.failure ? html`<b>${coded(upper(running.failure.message))}</b><p>${coded(upper(running.failure.help ?? ""))}</p>` : running.stopped ? html`<b>Stopped</b>: no run and no pack was made.` : running.event === "ran" ? html`<b>The run is done.</b> It lies in <code>${running.folder}</code>, with report.html.` : running.event === "packed" ? html`<b>Packed with its run.</b> <code>${running.name}</code> lies beside the recipe, and was downloaded. Whoever gets it runs <code>redraft unpack ${running.name}</code>, or drops it on studio's page.` : running.event === "shared" ? html`<b>Downloaded</b>: <code>${running.name}</code>. ${running.words}` : html`<b>Running</b>: ${running.what}${running.total > 1 ? `, ${running.done} of ${running.total}` : ""} ${!running.whole && html`<button disabled=${running.halting} onClick=${() => { set({ running: { ...running, halting: true } }); request({ ask: "stop", what: "run" }); }}>Stop</button>`}`}</div><button class="plain" aria-label="Close" onClick=${() => set({ running: null })}>${icon("close", 12)}</button></div>`}`;
}
