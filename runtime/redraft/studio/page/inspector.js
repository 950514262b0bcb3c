// Everything about the chosen rule.
import { html, useRef, useState } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, change, isUnread, keyOf, operation, rename, request, rolesFor, rule, set } from "./store.js";
import { Layer } from "./layers.js";
import { Pic, around, colourOf } from "./pic.js";
import { move, percent } from "./chain.js";
import { paint } from "./sheet.js";
import { Sliders } from "./sliders.js";
import { coded } from "./words.js";

export function Inspector() {
  const one = rule();
  if (isUnread()) return html`<aside class="inspector" aria-label="The chosen rule"><div class="panel part"><h2>${app.chosen}</h2><p class="soft">There is a mistake in its text. It is here again once that is mended.</p></div></aside>`;
  if (!one) return html`<aside class="inspector" aria-label="The chosen rule"><div class="panel part"><h2>No rule yet</h2><p class="soft">A rule copies something from one picture, and draws it wherever the model sees what you marked.</p></div></aside>`;
  const included = one.kind === "include";
  return html`<aside class="inspector ${app.drawer ? "open" : ""}" aria-label="Rule ${one.name}">
    <button class="drawer" aria-expanded=${Boolean(app.drawer)} aria-label="Settings of the rule" onClick=${() => set({ drawer: !app.drawer })}>${icon(app.drawer ? "right" : "left", 14)}<span>Settings</span></button>
    <div class="panel"><${Head} one=${one}/>
    <${Figures} one=${one}/>
    ${included ? html`<div class="part soft">This rule comes from another recipe. Its settings are changed in the text.</div>` : html`
      ${operation(one.kind).lines.some((line) => line.word === "copy") && html`<${Copy} one=${one}/>`}
      ${operation(one.kind).lines.some((line) => line.word === "context") ? html`<${Context} one=${one}/>` : html`<${Places} one=${one}/>`}
      <${Layer} one=${one}/>
      <${Sliders} key=${`${keyOf(one.name)} ${one.kind}`} one=${one}/>`}</div>
    <${Remarks} key=${keyOf(one.name)} one=${one}/>
  </aside>`;
}

// Back to the rule that was named; beside a large picture, to that.
const focusRule = () => document.querySelector(".link-card.chosen, .stage")?.focus();

function Name({ name }) {
  const [text, setText] = useState(null); // held apart: any state that comes would put the old name back
  const typed = useRef(null); // known at once: the focus may be lost before the page is drawn again
  const asked = useRef(""); // so that a name is asked for once, by Enter or when the field is left
  const put = (next) => { typed.current = next; asked.current = ""; setText(next); };
  const take = async () => {
    const wanted = typed.current?.trim();
    if (!wanted || wanted === name) { put(null); return true; }
    if (wanted === asked.current) return false;
    asked.current = wanted;
    // A name that is refused stays, to be mended.
    if (!await rename(name, wanted)) return false;
    put(null);
    return true;
  };
  const key = async (event) => {
    if (event.key === "Enter") { asked.current = ""; if (await take()) setTimeout(focusRule); }
    if (event.key !== "Escape" || (app.drawer && typed.current === null)) return;
    event.stopPropagation();
    if (asked.current) set({ trouble: null });
    put(null);
    focusRule();
  };
  return html`<h2><input class="name" aria-label="Name of the rule" title="Type another name" value=${text ?? name} onInput=${(e) => put(e.target.value)} onBlur=${take} onKeyDown=${key}/></h2>`;
}

function Head({ one }) {
  const isOpen = app.menu === "more";
  const act = (work) => () => { set({ menu: "" }); work(); };
  return html`<div class="part head">${one.kind === "include" ? html`<h2>${one.name}</h2>` : html`<${Name} key=${one.name} name=${one.name}/>`}
    ${one.kind === "include" ? html`<span class="soft">from another recipe</span>` : html`<select aria-label="Kind of operation" value=${one.kind} onChange=${(e) => request({ ask: "kind", rule: one.name, to: e.target.value })}>
      ${app.language.operations.map(({ word, meaning }) => html`<option key=${word} value=${word} title=${meaning}>${word[0].toUpperCase()}${word.slice(1)}</option>`)}</select>`}
    <button class="switch" role="switch" aria-checked=${!one.off} aria-label="Rule on" title="On or off (X)" onClick=${() => change({ kind: "switch", target: one.name, on: one.off })}><span></span></button>
    <div class="menu"><button class="plain" aria-label="More about this rule" aria-expanded=${isOpen} onClick=${() => set({ menu: isOpen ? "" : "more" })}>${icon("dots")}</button>
      ${isOpen && html`<div class="popup">
        <button class="row" onClick=${act(() => change({ kind: "duplicate", target: one.name }))}>Duplicate</button>
        <button class="row" onClick=${act(() => move(one.name, -1))}>Earlier <kbd>Alt+←</kbd></button>
        <button class="row" onClick=${act(() => move(one.name, 1))}>Later <kbd>Alt+→</kbd></button>
        <button class="row" onClick=${act(() => change({ kind: "drop", target: one.name }))}>Remove</button></div>`}</div></div>`;
}

// Words for a terminal, on a page.
// What the command line is named for is a button here.
const onThePage = (text) => plain(text.replaceAll("`redraft locate`", "“Try every layer”"));
const plain = (text) => coded(text.replace(/ ?\(redraft explain RD\d+\)/, ""));

const MEANS = {
  share: "Of pictures that nothing was made from: how many change as was meant.",
  elsewhere: "How much the same pictures change around the place: a share of the whole range from black to white, on average.",
  leftout: "Some contexts are left out, and the rule is solved without them. Gain: how far they reach the goal all the same, 1 is wholly. Side effect: what changes elsewhere, as a share of what is asked for. Agreement: how alike their change and the wish are.",
};

function Figures({ one }) {
  const record = app.records[one.name], left = app.leftout[one.name], placed = app.placed[one.name];
  const waiting = one.off ? "off" : placed ? "measuring" : "not solved yet";
  const elsewhere = record?.outside == null ? "" : record.outside < 0.01 ? "(little)" : record.outside < 0.03 ? "(some)" : "(much)";
  const verdict = record ? record.badge[0].toUpperCase() + record.badge.slice(1) + (record.amplitude > 0 ? `, at ${record.strength}` : "") : "\u00a0";
  return html`<div class="part figures">
    <dl><div title=${MEANS.share}><dt>Takes effect on</dt><dd>${record?.share == null ? html`<span class="soft">${waiting}</span>` : html`<b>${percent(record.share)}</b> <small title=${record.interval ? `95 % interval: ${(record.interval[0] * 100).toFixed(0)} to ${percent(record.interval[1])}` : ""}>of new pictures</small>`}</dd></div>
    <div title=${MEANS.elsewhere}><dt>Changes elsewhere</dt><dd>${record?.outside == null ? html`<span class="soft">${waiting}</span>` : html`<b>${percent(record.outside, 1)}</b> <small>${elsewhere}</small>`}</dd></div>
    <div class="verdict"><dt class="unseen">Verdict</dt><dd class="tone ${record?.tone ?? ""}" title=${verdict}>${verdict}</dd></div></dl>
    <p class="soft leftout" title=${MEANS.leftout}>${one.off ? "\u00a0" : left === undefined ? "Left-out figures follow" : left.gain === undefined ? "Left-out figures need three contexts or more." : `Left-out gain ${left.gain.toFixed(2)}, side effect ${left.side.toFixed(2)}${left.agreement == null ? "" : `, agreement ${left.agreement.toFixed(2)}`}`}</p>
  </div>`;
}

// What is weak about the rule. It comes by itself, so it lies over the end of the panel, where
// nothing moves when it comes or goes; until the next figures are there, the last remarks stay.
function Remarks({ one }) {
  const last = useRef([]);
  const record = app.records[one.name], waiting = !record && !one.off && Boolean(app.placed[one.name]);
  if (!waiting) last.current = one.off || !record ? [] : remarksOf(record);
  if (!last.current.length) return null;
  return html`<div class="said scrolls ${waiting ? "old" : ""}" role="group" aria-label="Remarks on the rule" tabindex="0">${last.current}</div>`;
}

function remarksOf(record) {
  const shared = Object.entries(record.interference).filter(([, each]) => each.cosine >= 0.2);
  return [
    ...record.warnings.map((each) => html`<div class="remark" key=${each.problem}>${icon("warn")}<div><b>${plain(each.problem)}</b><p>${onThePage(each.remedy)}</p>${/context/.test(each.remedy) && html`<button class="link" onClick=${() => findMore()}>Find more like it</button>`}</div></div>`),
    ...shared.map(([name, each]) => html`<p key=${name} class="soft">With ${name} at this layer: ${each.words} (${each.cosine.toFixed(2)}).</p>`),
  ];
}

function Copy({ one }) {
  const line = one.lines.find((each) => each.word === "copy");
  if (!line) return html`<div class="part"><h3>Copy <small>what to draw</small></h3><p class="soft">Open a picture that has it, paint it and press <kbd>1</kbd>.</p></div>`;
  const [number] = line.images ?? [];
  const box = line.box;
  const open = () => paint(number, { line });
  return html`<div class="part"><h3>Copy <small>what to draw</small></h3><div class="copied">
    <button class="thumb copy" aria-label="Change the copy" onClick=${open}><${Pic} number=${number} view="before" crop=${around(box)} label=""/></button>
    <span><b>Picture ${number}</b><small>${box ? `${box[2] - box[0]} × ${box[3] - box[1]} px` : ""}</small></span><span class="gap"></span>
    <button onClick=${open}>Change</button></div></div>`;
}

export function findMore() {
  const one = rule();
  const line = one?.lines.find((each) => each.word === "context" && each.kind === "place") ?? one?.lines.find((each) => each.word === "context");
  if (!line) { set({ trouble: { message: "there is no context yet", help: "mark one place where it belongs, and press 2" } }); return; }
  const number = line.images[0];
  paint(number, { line, find: true });
}

const MOST = 11;
const above = (score) => score !== undefined && score.toFixed(2) > 1;

function Context({ one }) {
  const tray = trayOf(one);
  const marked = tray.filter((each) => each.score === undefined).length;
  const found = app.placed[one.name]?.found ?? [];
  const all = [...tray, ...found.map((each) => ({ number: each.index, box: each.box, score: each.score }))];
  const shown = all.length > MOST + 1 && !app.trayOpen ? all.slice(0, MOST) : all;
  const rest = all.length - shown.length;
  // What a search will find has its room from the start, and what it found last stays meanwhile.
  const sought = one.lines.filter((line) => line.word === "context" && line.kind === "match").reduce((sum, line) => sum + Number(line.top), 0);
  const empty = Math.max(0, Math.min(MOST + 1, marked + sought) - shown.length - (rest > 0 ? 1 : 0));
  const waiting = !one.off && app.placedOf !== app.state.revision && ["opening", "solving", "settled"].includes(app.status.event);
  const few = found.length > 0 && found.length < sought && !waiting;
  const roles = rolesFor(one.kind);
  const key = roles.find((each) => each.word === "context")?.key ?? "2";
  // Every other line that names a place: paste, from, and whatever an operation takes besides.
  const others = one.lines.filter((each) => !["copy", "context"].includes(each.word) && each.kind !== "each" && each.images);
  return html`<div class="part"><h3>Context <small>${marked === 0 ? "where it belongs" : `where it belongs: ${marked} marked${found.length ? `, ${found.length}${few ? ` of ${sought}` : ""} found` : ""}${few ? `: no more match at ${one.layer}` : ""}`}</small></h3>
    ${all.length + empty === 0 ? html`<p class="soft">Open a picture where it belongs, paint the place and press <kbd>${key}</kbd>.</p>` : html`<ul class="tray ${waiting ? "waiting" : ""}" aria-busy=${waiting}>
      ${shown.map((each) => html`<li key=${`${each.address ?? "f"} ${each.number}`}><button class="thumb ${each.score === undefined ? "context" : "found"}" aria-label=${`Picture ${each.number}, ${each.score === undefined ? "marked" : `found, match ${each.score?.toFixed(2)}${above(each.score) ? ", above the marked place" : ""}`}`}
        title=${above(each.score) ? "Above 1: it stands out more than the marked place does" : undefined} onClick=${() => paint(each.number, each.line ? { line: each.line } : {})}
        onKeyDown=${(e) => { if ((e.key === "Delete" || e.key === "Backspace") && each.address) unmark(each); }}><${Pic} number=${each.number} view="before" crop=${around(each.box)} label=""/></button>
        <small>${each.score === undefined ? "marked" : each.score?.toFixed(2)}</small>
        ${each.address && html`<button class="remove" aria-label="Remove picture ${each.number} from the context" onClick=${() => unmark(each)}>${icon("close", 9)}</button>`}</li>`)}
      ${rest > 0 && html`<li><button class="thumb rest" onClick=${() => set({ trayOpen: true })}>+${rest}</button></li>`}
      ${Array.from({ length: empty }, (_, at) => html`<li key=${`e ${at}`} class="empty" aria-hidden="true"><span class="thumb"><span class="pic"></span></span><small>${"\u00a0"}</small></li>`)}
    </ul>`}
    <${Lines} lines=${others}/>
    <div class="two"><button onClick=${findMore}>${icon("search", 13)} Find more like it <kbd>F</kbd></button><button onClick=${() => paint(app.at)}>${icon("plus", 13)} Mark a place <kbd>M</kbd></button></div></div>`;
}

// The places of an operation that has no context: what each of its lines asks for, and names.
function Places({ one }) {
  return html`<div class="part"><h3>Places</h3>
    ${rolesFor(one.kind).map((role) => {
      const lines = one.lines.filter((line) => line.word === role.word && line.images);
      return lines.length ? html`<${Lines} key=${role.word} lines=${lines}/>` : html`<p class="soft" key=${role.word}>${role.meaning.replaceAll("`", "")} Open a picture, paint it and press <kbd>${role.key}</kbd>.</p>`;
    })}
    <div class="two"><button onClick=${() => paint(app.at)}>${icon("plus", 13)} Mark a place <kbd>M</kbd></button></div></div>`;
}

function Lines({ lines }) {
  return html`${lines.map((line) => html`<p class="place-line" key=${line.address}><span class="chip" style="--c: ${colourOf(line.word)}" aria-hidden="true"></span>${line.word === "paste" ? "Pasted" : line.word[0].toUpperCase() + line.word.slice(1)} in picture ${line.images.join(", ")}<span class="gap"></span><button class="link" onClick=${() => paint(line.images[0], { line })}>${line.images.length === 1 ? "Move" : "Look"}</button> <button class="link" onClick=${() => change({ kind: "drop", target: line.address })}>Remove</button></p>`)}`;
}

const unmark = (each) => request({ ask: "unmark", target: each.address, image: each.number });

function trayOf(one) {
  return one.lines.filter((line) => line.word === "context" && line.kind === "place")
    .flatMap((line) => line.images.map((number) => ({ number, box: line.box, address: line.address, line })));
}
