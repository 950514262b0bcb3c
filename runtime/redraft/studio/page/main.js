// The page: connects, hears, and shows. It holds no truth: the text does, and the server has it.
import { html, render, useEffect, useReducer } from "./vendor/preact.js";
import { connect, open } from "./wire.js";
import { app, cards, forget, hasMistake, hearRename, keep, layerPictures, markNew, markOld, nameNow, onChange, set, snapshots } from "./store.js";
import { Start, drop, maskIn } from "./start.js";
import { Top } from "./top.js";
import { Chain } from "./chain.js";
import { Sheet, SheetBar } from "./sheet.js";
import { Inspector } from "./inspector.js";
import { TextPanel, textNow } from "./text.js";
import { Paint, painter } from "./paint.js";
import { Compare } from "./compare.js";
import { Help } from "./help.js";
import { listenToKeys } from "./keys.js";
import { icon } from "./icons.js";
import { coded, upper } from "./words.js";

let waited = 0;

function hearEvent(event) {
  switch (event.event) {
    case "state": return hearState(event);
    case "language": return set({ language: event });
    case "opening": return set({ status: event });
    case "solving":
      clearTimeout(waited);
      waited = setTimeout(() => { markOld(app.state?.shown ?? []); set({ status: event }); }, 300);
      return undefined;
    case "settled":
      clearTimeout(waited);
      markNew();
      return set({ status: event, progress: null, coming: "finding places" });
    case "unfinished": case "mistake": case "failed": case "stopped":
      clearTimeout(waited);
      markNew();
      if (event.plain) { forget("after"); }
      return set({ status: event, progress: null, ...(event.plain ? { placed: {}, leftout: {}, records: {} } : {}) });
    case "progress":
      // Judging goes on once pictures are up to date: nothing of it is shown, so nothing is drawn.
      if (app.status.event !== "solving") { app.progress = event; return undefined; }
      return set({ progress: event });
    case "placed": return set({ coming: then(event, "measuring"), placedOf: event.revision, placed: { ...ofThoseOff(app.placed), ...event.rules }, ...figuresBefore(event) });
    case "leftout": return set({ leftout: event.rules });
    case "records": return set({ records: event.rules, coming: then(event, "") });
    case "searching": return set({ matches: { busy: true } });
    case "matches": return set({ matches: event });
    case "located": event = { ...event, rule: nameNow(event.rule) }; // renamed while its layers are tried
      return set({ located: event.busy && app.located?.rule === event.rule ? { ...app.located, ...event, stopped: false, failure: null } : event });
    case "running": case "ran": case "packed": return set({ running: event });
    case "trouble": return set({ trouble: event });
    default: return undefined;
  }
}

// What is still to come of what is on the sheet; a new tab is told of the rule before as well.
const then = (event, next) => (event.revision === app.status.revision ? next : app.coming);

// Another name changes no figure: those that are known stay until they are there anew.
const figuresBefore = (event) => (event.revision === app.renamedAt ? {} : { leftout: {}, records: {} });

// What a rule has found is known while it is off, though nothing is placed for it then.
function ofThoseOff(placed) {
  const off = new Set(app.state?.rules.filter((each) => each.off).map((each) => each.name));
  return Object.fromEntries(Object.entries(placed).filter(([name]) => off.has(name)));
}

function hearState(state) {
  hearRename(state);
  const before = app.state;
  // A mistake in a line takes away neither the images nor which rule is worked on.
  const wrong = hasMistake(state), same = before?.open && before.model?.name === state.model?.name;
  if (state.open && !state.latents && same && wrong) state.latents = before.latents;
  const patch = { state };
  if (!wrong || !same) patch.lastRules = state.rules ?? [];
  if (!state.open) Object.assign(patch, { painting: null, placed: {}, leftout: {}, records: {}, matches: null, located: null, comparing: [], status: { event: "" } });
  if (!before?.open || before.model?.name !== state.model?.name) { forget("before"); forget("after"); patch.at = state.shown?.[0] ?? 0; }
  if (before && state.revision !== before.revision && ["ran", "packed", "shared"].includes(app.running?.event)) patch.running = null;
  if (state.open && !state.rules.some((each) => each.name === app.chosen) && !(wrong && same && app.chosen)) patch.chosen = state.rules[0]?.name ?? "";
  document.title = state.open ? `${state.changed ? "• " : ""}${state.path ?? "untitled"} - redraft studio` : "redraft studio";
  set(patch);
}

function hearPictures(head, images) {
  if (head.which === "card") { cards.set(head.model, images); set({}); }
  else if (head.which === "snapshot") { snapshots.set(head.snapshot, new Map(head.numbers.map((number, at) => [number, images[at]]))); set({}); }
  else if (head.which === "layer") { layerPictures.clear(); head.layers.forEach((name, at) => layerPictures.set(name, images[at])); set({}); }
  else keep(head.which, head.numbers, images, head.settled);
  if (head.which === "after" && head.numbers.length) performance.mark(head.settled ? "settled" : "preview");
}

function Root() {
  const [, again] = useReducer((count) => count + 1, 0);
  useEffect(() => onChange(again), []);
  if (!app.state) return html`<div class="blank" role="status">${app.everConnected ? "" : "Opening"}</div>`;
  return html`<${Top}/>
    ${!app.connected && html`<div class="lost" role="alert"><span class="dot bad"></span><span>Studio is not running. Start it again with <code>redraft studio</code>: it offers what was not saved. The text in this tab is safe, too.</span><span class="gap"></span><button onClick=${() => navigator.clipboard?.writeText(document.querySelector(".cm-content") ? textNow() : app.state.text ?? "")}>Copy the text</button><button onClick=${open}>Try again</button></div>`}
    ${app.state.open ? html`<${Work}/>` : html`<${Start}/>`}
    ${app.menu === "help" && html`<${Help}/>`}
    <${Trouble}/>`;
}

function Work() {
  const comparing = app.comparing.length === 2;
  return html`<div class="work ${app.painting ? "painting" : ""}">
    <main class="left"><h1 class="unseen">${app.state.path ?? "An untitled recipe"}</h1>
      ${comparing ? html`<${Compare}/>` : app.painting ? html`<${Paint} key=${`${app.painting.image} ${app.painting.target ?? ""}`} at=${app.painting}/>` : html`<${Chain}/><${SheetBar}/><${Sheet}/>`}
      <${TextPanel}/>
    </main>
    <${Inspector}/>
  </div>`;
}

// Milliseconds that a message stays; longer while somebody points at it.
const STAYS = 10_000;
// These hold a form open that asks for another name.
const ASKING = new Set(["RD807", "RD808"]);

function Trouble() {
  const said = app.trouble;
  useEffect(() => {
    if (!said || ASKING.has(said.code)) return undefined;
    const timer = setInterval(() => { if (!document.querySelector(".trouble:is(:hover, :focus-within)")) set({ trouble: null }); }, STAYS);
    return () => clearInterval(timer);
  }, [said]);
  if (!said) return null;
  return html`<div class="trouble remark bad" role="alert">${icon("warn")}<div><b>${coded(upper(said.message))}</b>${said.help && html`<p>${coded(upper(said.help))}.</p>`}</div>
    <button class="plain" aria-label="Close" onClick=${() => set({ trouble: null })}>${icon("close", 12)}</button></div>`;
}

window.addEventListener("dragover", (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
window.addEventListener("drop", async (event) => {
  const [file] = event.dataTransfer?.files ?? [];
  if (!file) return;
  event.preventDefault();
  if (app.state?.open && /\.(png|jpe?g|bmp|gif|webp|tiff?)$/i.test(file.name)) {
    const mask = await maskIn(file);
    if (mask === null) return; // what is wrong with it was said
    if (mask && app.painting) { painter.current?.take(mask); return; }
    if (mask) { set({ trouble: { message: `there is no recipe in ${file.name}`, help: "a mask goes onto a picture: open the picture it is for, and drop it there. Here you can drop sheets that studio saved, recipes, edits and packs" } }); return; }
  }
  if (app.state?.open && app.state.unsaved) set({ trouble: { message: "the recipe has changes that are not saved", help: "save it, or leave it by the sign of redraft at the top left, before you open another" } });
  else drop(file);
});

connect({
  event: hearEvent, pictures: hearPictures,
  open: () => set({ connected: true, everConnected: true }),
  close: () => set({ connected: false }),
});
listenToKeys();
render(html`<${Root}/>`, document.getElementById("root"));
