// The keyboard. Letters work only where nothing is typed, and can be turned off.
import { app, change, rolesFor, rule, set } from "./store.js";
import { page, paint, picturesNow } from "./sheet.js";
import { painter } from "./paint.js";
import { findMore } from "./inspector.js";
import { focusText, isTextOpen, shutText } from "./text.js";
import { newRule } from "./chain.js";
import { save, takeSnapshot, undo } from "./top.js";

const REGIONS = [".top button", ".chain button", "#range", "[data-number][tabindex='0'], .stage", ".side button:enabled, .side input", ".text button", ".inspector select, .inspector button"];

const isTyping = (target) => target.closest?.(".cm-editor, textarea, select, dialog") || (target.tagName === "INPUT" && target.type !== "checkbox" && target.type !== "range");

export function listenToKeys() {
  addEventListener("keydown", (event) => { if (app.state?.open && down(event)) event.preventDefault(); });
  addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "b" && app.hold) set({ hold: false }); });
  addEventListener("blur", () => app.hold && set({ hold: false }));
}

function down(event) {
  const { key, target } = event;
  const control = event.ctrlKey || event.metaKey;
  if (control && key.toLowerCase() === "s") { save(); return true; }
  if (key === "F6") return nextRegion(event.shiftKey ? -1 : 1);
  if (key === "Escape" && shutPopup()) return true;
  if (isTyping(target)) {
    if (key === "Escape" && target.closest(".cm-editor")) { picturesNow()?.focus(); return true; }
    return key === "Escape" && Boolean(target.closest(".inspector")) && shutDrawer();
  }
  const step = control ? stepOf(event) : 0;
  if (step) {
    if (!(app.painting && painter.current?.step(step))) undo(step);
    return true;
  }
  if (app.painting && painter.current?.open && target.closest(".stage")) {
    if (key === "Enter") { painter.current.finish(); return true; }
    if (key === "Escape") { painter.current.back(); return true; }
  }
  if (key === "Escape") return back();
  if (app.painting && target.closest(".stage")) {
    if (key === "Enter") { if (!event.repeat) painter.current?.begin(); return true; }
    if (key.startsWith("Arrow") && !event.altKey) return nudge(event, control);
  }
  if (control || event.altKey) return false;
  if (key === "PageUp" || key === "PageDown") { if (!app.painting) page(key === "PageUp" ? -1 : 1); return true; }
  // While a menu is open letters are for it: a name that is typed fast must not mark and add rules.
  return app.single && (!app.menu || key === "?") && letter(key, event);
}

function nudge(event, control) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  painter.current?.nudge(dx, dy, event.shiftKey, control);
  return true;
}

// How many steps of the history a key means: back, on, or none.
function stepOf(event) {
  const key = event.key.toLowerCase();
  if (key === "y") return event.shiftKey ? 0 : 1;
  if (key !== "z") return 0;
  return event.shiftKey ? 1 : -1;
}

function shutPopup() {
  const popup = document.querySelector(".popup");
  if (!popup) return false;
  popup.closest(".menu")?.querySelector("button")?.focus();
  // A name that was refused keeps its popup open by what it says.
  set({ menu: "", ...(popup.querySelector("form") ? { trouble: null } : {}) });
  return true;
}

function shutDrawer() {
  const handle = document.querySelector(".drawer");
  if (!app.drawer || !handle?.checkVisibility()) return false; // on a wide screen nothing is drawn in or out
  handle.focus();
  set({ drawer: false });
  return true;
}

function back() {
  if (app.menu) { set({ menu: "" }); return true; }
  if (shutDrawer()) return true;
  if (app.comparing.length === 2) { set({ comparing: [] }); return true; }
  if (app.painting) { painter.current?.close(); return true; }
  return false;
}

const TOOLS = { p: "brush", e: "eraser", r: "box", o: "ellipse", g: "polygon", v: "move" };

function letter(key, event) {
  if (app.painting && painter.current) {
    const { current } = painter;
    if (TOOLS[key]) { current.setTool(TOOLS[key]); if (key === "r" && event.target.closest(".stage")) current.begin(TOOLS[key]); return true; }
    if (key === "[" || key === "]") { current.setRadius((now) => Math.max(0.5, Math.min(16, now + (key === "[" ? -0.5 : 0.5)))); return true; }
    const role = rolesFor(current.kind).find((each) => each.key === key);
    if (role) { current.mark(role.word); return true; }
    if (key === "k") { current.toggleKeys(); return true; }
  }
  const one = rule();
  switch (key) {
    case "b": if (!app.hold) set({ hold: true }); return true;
    case "t": if (isTextOpen()) shutText(); else focusText(); return true;
    case "j": document.getElementById("range")?.select(); return true;
    case "f": if (!app.painting || !painter.current?.find()) findMore(); return true;
    case "m": paint(app.at); setTimeout(() => document.querySelector(".stage")?.focus()); return true;
    case "n": newRule("rule"); return true;
    case "x": if (one) change({ kind: "switch", target: one.name, on: one.off }); return true;
    case "s": takeSnapshot(); return true;
    case "?": set({ menu: app.menu === "help" ? "" : "help" }); return true;
    default: return false;
  }
}

function nextRegion(by) {
  const seen = (each) => each.checkVisibility({ visibilityProperty: true });
  const places = REGIONS.map((each) => [...document.querySelectorAll(each)].find(seen)).filter(Boolean);
  const here = places.findIndex((each) => { const region = each.closest(".top, .chain, .bar, .sheet, .stage, .side, .text, .inspector"); return region?.contains(document.activeElement); });
  places[(here + by + places.length) % places.length]?.focus();
  return true;
}
