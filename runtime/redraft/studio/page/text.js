// The recipe's text, with what the language server knows of it.
import { html, useEffect, useLayoutEffect, useRef } from "./vendor/preact.js";
import { Annotation, Decoration, EditorState, EditorView, StateEffect, StateField, autocompletion, bracketMatching, completionKeymap, defaultKeymap, highlightActiveLine, hoverTooltip, keymap, lineNumbers, setDiagnostics } from "./vendor/codemirror.js";
import { colours, language } from "./language.js";
import { icon } from "./icons.js";
import { app, onChange, remember, request, rule, set } from "./store.js";
import { undo } from "./top.js";

const remote = Annotation.define();
let scrolledTo = "";
let view = null, base = { revision: -1, text: "" }, sending = false, timer = 0;
let remarked = {};
let kept = null; // where the text stood when it was shut

// The one stretch in which two texts differ.
function difference(old, now) {
  let start = 0;
  const most = Math.min(old.length, now.length);
  while (start < most && old[start] === now[start]) start += 1;
  let tail = 0;
  while (tail < most - start && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  return { start, end: old.length - tail, insert: now.slice(start, now.length - tail) };
}

function typed(update) {
  if (!update.docChanged || update.transactions.some((each) => each.annotation(remote))) return;
  clearTimeout(timer);
  timer = setTimeout(push, 120);
}

async function push() {
  if (sending || !view) return;
  const text = view.state.doc.toString();
  if (text === base.text) return;
  sending = true;
  const { start, end, insert } = difference(base.text, text);
  const points = (at) => [...base.text.slice(0, at)].length;
  const found = await request({ ask: "type", base: base.revision, start: points(start), end: points(end), insert });
  sending = false;
  if (!app.connected) return;
  if (found) base = { ...base, revision: found.revision, text };
  else if (app.state) replace(app.state.text);
  if (view.state.doc.toString() !== base.text) push(); else follow();
}

function replace(text) {
  const now = view.state.doc.toString();
  if (text !== now) {
    const { start, end, insert } = difference(now, text);
    view.dispatch({ changes: { from: start, to: end, insert }, annotations: remote.of(true) });
    remarked = {};
  }
  base = { revision: app.state.revision, text, opened: app.state.opened };
}

// Take over what others did to the text: the mouse, another tab, undo.
function follow() {
  const { state } = app;
  if (!view || !state?.open || sending) return;
  const mine = view.state.doc.toString();
  const another = state.opened !== base.opened;
  if (another || state.revision > base.revision || base.revision < 0) {
    if (mine !== base.text && base.revision >= 0 && !another) return; // typed meanwhile: the server joins both
    replace(state.text);
  }
  if (state.revision === base.revision && mine === state.text) remark(state);
}

function remark(state) {
  // The page changes many times while a slider moves, and each dispatch has the editor measured.
  if (remarked.view === view && remarked.state === state && remarked.rule === rule()?.name) return;
  remarked = { view, state, rule: rule()?.name };
  const units = unitsOf(state.text);
  view.dispatch(setDiagnostics(view.state, state.problems.map((each, number) => ({
    from: units(each.from), to: Math.max(units(each.to), units(each.from)), severity: each.severity === "hint" ? "info" : each.severity,
    message: [each.label ? `${each.message}: ${each.label}` : each.message, each.help].filter(Boolean).join("\n"), source: each.code,
    actions: each.fixes.map((name, fix) => ({ name, apply: () => request({ ask: "fix", problem: number, fix }) })),
  }))));
  const one = rule();
  const effects = [shade.of(one ? [units(one.start), units(one.end)] : null)];
  if (one && one.name !== scrolledTo && !view.hasFocus) {
    scrolledTo = one.name;
    effects.push(EditorView.scrollIntoView(Math.min(units(one.start), view.state.doc.length), { y: "start", yMargin: 0 }));
  }
  view.dispatch({ effects });
}

// The server counts characters, the editor UTF-16 units.
function unitsOf(text) {
  if (!/[\ud800-\udfff]/.test(text)) return (at) => Math.min(at, text.length);
  const points = [...text];
  return (at) => points.slice(0, at).join("").length;
}

const shade = StateEffect.define();
const shaded = StateField.define({
  create: () => Decoration.none,
  update(marks, transaction) {
    marks = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(shade)) continue;
      if (!effect.value) return Decoration.none;
      const { doc } = transaction.state;
      const [from, to] = effect.value.map((at) => Math.min(at, doc.length));
      const lines = [];
      for (let line = doc.lineAt(from).number; line <= doc.lineAt(to).number; line += 1) lines.push(Decoration.line({ class: "of-rule" }).range(doc.line(line).from));
      marks = Decoration.set(lines);
    }
    return marks;
  },
  provide: (field) => EditorView.decorations.from(field),
});

async function completions(context) {
  if (!context.explicit && !context.matchBefore(/[\w"/.-]+$/)) return null;
  await push();
  const text = context.state.doc.toString();
  const offset = [...text.slice(0, context.pos)].length;
  const found = await request({ ask: "complete", base: base.revision, offset });
  if (!found?.options.length) return null;
  const units = unitsOf(text);
  const word = context.matchBefore(/[\w.-]*$/);
  const from = found.options[0].from === null ? word?.from ?? context.pos : units(found.options[0].from);
  return { from, options: found.options.map((each) => ({ label: each.label, apply: each.insert, detail: each.detail })) };
}

const hovers = hoverTooltip(async (editor, pos) => {
  const text = editor.state.doc.toString();
  const found = await request({ ask: "hover", base: base.revision, offset: [...text.slice(0, pos)].length });
  if (!found?.hover) return null;
  const units = unitsOf(text);
  return { pos: units(found.hover.from), end: units(found.hover.to), above: true, create: () => ({ dom: about(found.hover.markdown) }) };
}, { hideOn: (change) => change.docChanged || change.effects.some((each) => each.is(unhover)) });

// Help under a resting mouse goes away as soon as something is done, wherever it is done.
const unhover = StateEffect.define();
const shutHover = () => { if (document.querySelector(".cm-tooltip .about")) view?.dispatch({ effects: unhover.of(null) }); };

// Markdown of hovers: paragraphs, headings, code. As text, never as HTML.
function about(markdown) {
  const dom = document.createElement("div");
  dom.className = "about";
  for (const block of markdown.split(/\n{2,}/)) {
    const code = /^```\w*\n?([\s\S]*?)```$/.exec(block.trim());
    const element = document.createElement(code ? "pre" : block.startsWith("#") ? "b" : "p");
    if (code) element.textContent = code[1];
    else block.replace(/^#+ /, "").split(/(`[^`]+`)/).forEach((part) => {
      if (part.startsWith("`") && part.length > 2) { const span = document.createElement("code"); span.textContent = part.slice(1, -1); element.append(span); }
      else element.append(part.replaceAll("**", ""));
    });
    dom.append(element);
  }
  return dom;
}

function Editor() {
  const place = useRef(null);
  useLayoutEffect(() => { // before the next key can come
    const keys = [{ key: "Mod-z", run: () => { undo(-1); return true; } }, { key: "Mod-Shift-z", run: () => { undo(1); return true; } }, { key: "Mod-y", run: () => { undo(1); return true; } }];
    const again = kept?.opened === app.state.opened && kept.rule === rule()?.name ? kept : null;
    scrolledTo = again?.rule ?? "";
    base = { revision: -1, text: "" };
    view = new EditorView({ parent: place.current, state: EditorState.create({ doc: "", extensions: [
      keymap.of([...keys, ...completionKeymap, ...defaultKeymap]), lineNumbers(), highlightActiveLine(), bracketMatching(), language, colours, shaded,
      autocompletion({ override: [completions] }), hovers, EditorView.updateListener.of(typed), EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "Recipe text", tabindex: "0" }),
    ] }) });
    follow();
    if (again?.length === view.state.doc.length) view.dispatch({ selection: again.selection, effects: again.scroll });
    if (focused) takeFocus();
    const end = onChange(follow);
    const acts = ["keydown", "pointerdown"];
    for (const each of acts) addEventListener(each, shutHover, true);
    return () => { end(); for (const each of acts) removeEventListener(each, shutHover, true); keepPlace(); view.destroy(); view = null; };
  }, []);
  return html`<div class="editor" ref=${place}></div>`;
}

function keepPlace() {
  const { doc, selection } = view.state;
  kept = { opened: base.opened, rule: scrolledTo, length: doc.length, selection, scroll: view.scrollSnapshot() };
}

export const textNow = () => view?.state.doc.toString() ?? app.state?.text ?? "";

// Beside a picture there is room for the text or for the new pictures: it is shut until asked for.
const openIn = () => (app.painting ? "textBeside" : "textOpen");
export const isTextOpen = () => app[openIn()];
export const shutText = () => set({ [openIn()]: false });
let focused = false; // whether the text has the focus as soon as it is there
export function focusText() { focused = true; set({ [openIn()]: true }); if (view) takeFocus(); }
function takeFocus() { focused = false; view.focus(); }

export function TextPanel() {
  const { state } = app, textOpen = isTextOpen();
  const one = rule();
  const errors = state.problems.filter((each) => each.severity !== "hint");
  const grab = (event) => {
    const start = event.clientY, panel = event.target.closest(".text"), height = panel.clientHeight;
    const drag = (e) => { const next = `${Math.max(80, Math.min(innerHeight - 260, height + start - e.clientY))}px`; panel.style.height = next; remember("text", next); };
    const end = () => { removeEventListener("pointermove", drag); removeEventListener("pointerup", end); };
    addEventListener("pointermove", drag); addEventListener("pointerup", end);
  };
  return html`<section class="text ${textOpen ? "" : "shut"}" aria-label="Recipe text">
    <div class="grip" onPointerDown=${grab} aria-hidden="true"></div>
    <header><button class="plain" aria-expanded=${textOpen} onClick=${() => (textOpen ? shutText() : focusText())}>${icon(textOpen ? "down" : "right", 12)} <b>Recipe text</b></button>
      <span class="soft">${one ? `Lines ${one.first}–${one.last} of ${state.text.split("\n").length}` : ""}${errors.length && !textOpen ? `, ${errors.length} ${errors.length === 1 ? "remark" : "remarks"}` : ""}</span>
      <span class="gap"></span><span class="soft hint"><kbd>T</kbd> shows or hides it</span></header>
    ${textOpen && html`<div class="both"><${Editor}/><${Remarks} problems=${state.problems}/></div>`}
  </section>`;
}

const RANKS = ["error", "warning", "hint"];

// Mistakes first, and of each kind the newest: what is remarked must not wait below what is known.
function Remarks({ problems }) {
  const box = useRef(null), seen = useRef(new Map()), count = useRef(0);
  const keys = problems.map((each) => `${each.code} ${each.message}`);
  for (const key of keys) if (!seen.current.has(key)) { count.current += 1; seen.current.set(key, count.current); }
  for (const key of seen.current.keys()) if (!keys.includes(key)) seen.current.delete(key);
  const rank = (number) => RANKS.indexOf(problems[number].severity);
  const age = (number) => seen.current.get(keys[number]);
  // That a new recipe has no rule yet is what the card above the sheet is about.
  const order = problems.map((_, number) => number).filter((number) => problems[number].code !== "RD108").sort((one, other) => rank(one) - rank(other) || age(other) - age(one));
  useEffect(() => { box.current.scrollTop = 0; }, [keys[order[0]]]);
  return html`<div class="remarks scrolls" ref=${box}>${order.map((number) => html`<${Remark} key=${`${problems[number].code} ${problems[number].from}`} problem=${problems[number]} number=${number}/>`)}</div>`;
}

export function Remark({ problem, number }) {
  const tone = problem.severity === "error" ? "bad" : problem.severity === "hint" ? "calm" : "";
  const words = problem.message.replaceAll("`", "");
  return html`<div class="remark ${tone}">${icon("warn")}<div><b>${words.charAt(0).toUpperCase()}${words.slice(1)}${problem.line > 1 ? `, line ${problem.line}` : ""}</b>${" "}
    ${(problem.severity === "hint" ? [] : problem.fixes.slice(0, 2)).map((title, fix) => html`<button class="link" key=${title} onClick=${() => request({ ask: "fix", problem: number, fix })}>${title.replaceAll("`", "")}</button> `)}
    ${problem.severity === "error" && html`<p>${app.status.left?.some((each) => each.problem === number) ? "The pictures are those of the other rules." : "Pictures show the last text without mistakes."}</p>`}
    ${problem.help && html`<p>${problem.help.replaceAll("`", "")}</p>`}</div></div>`;
}

