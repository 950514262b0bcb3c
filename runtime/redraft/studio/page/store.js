// What the page knows: the server's state, what came of it, and how it is looked at.
import { ask } from "./wire.js";

export const app = {
  connected: false, everConnected: false,
  state: null, status: { event: "" }, progress: null, opening: "",
  language: { operations: [], groups: {}, colours: {} }, located: null, lastRules: [], renamed: {}, keys: {}, renamedAt: -1,
  placed: {}, placedOf: -1, coming: "", leftout: {}, records: {}, matches: null, matchesOf: "", cards: null, trouble: null, running: null,
  chosen: localOf("chosen", ""), view: "after", easel: "before", hold: false, columns: 8, at: 0, painting: null, textOpen: true, textBeside: false,
  menu: "", comparing: [], sheetFilter: "", single: localOf("keys", "on") === "on",
};

const listeners = new Set();
let queued = false;

export function set(patch) {
  Object.assign(app, patch);
  if (queued) return;
  queued = true;
  queueMicrotask(() => { queued = false; for (const each of listeners) each(); });
}

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function localOf(key, otherwise) {
  try { return localStorage.getItem(`studio-${key}`) ?? otherwise; } catch { return otherwise; }
}

export function remember(key, value) {
  try { localStorage.setItem(`studio-${key}`, value); } catch { /* private window */ }
}

// ---- pictures, apart: they change many times a second and redraw themselves ----

const shelves = { before: new Map(), after: new Map() };
const old = new Set();
const watchers = new Map();
export const cards = new Map();
export const snapshots = new Map();
export const layerPictures = new Map();

export function picture(which, number) {
  return shelves[which].get(number) ?? (which === "after" ? shelves.before.get(number) : undefined);
}

export function hasAfter() { return shelves.after.size > 0; }

export function keep(which, numbers, images, settled) {
  numbers.forEach((number, at) => {
    shelves[which].set(number, images[at]);
    if (which === "after") { if (settled !== undefined) old.delete(number); }
    for (const each of watchers.get(number) ?? []) each();
  });
}

export function isOld(number) { return old.has(number); }

export function markOld(numbers) {
  for (const number of numbers) {
    old.add(number);
    for (const each of watchers.get(number) ?? []) each();
  }
}

export function markNew() {
  const all = [...old];
  old.clear();
  for (const number of all) for (const each of watchers.get(number) ?? []) each();
}

export function forget(which) {
  shelves[which].clear();
  for (const list of watchers.values()) for (const each of list) each();
}

// Pictures that are not on the sheet are asked for once somebody shows them.
const missing = new Set();
let asking = 0;

export function need(number) {
  if (shelves.before.has(number) || missing.has(number) || !app.connected) return;
  missing.add(number);
  clearTimeout(asking);
  asking = setTimeout(() => { request({ ask: "see", numbers: [...missing].slice(0, 400) }); missing.clear(); }, 40);
}

export function watch(number, redraw) {
  if (!watchers.has(number)) watchers.set(number, new Set());
  watchers.get(number).add(redraw);
  return () => watchers.get(number)?.delete(redraw);
}

// ---- asking ----

// What the page asks by itself: that it went well says nothing of what a person tried last.
const QUIET = new Set(["see", "look", "cards", "keys", "search"]);

export async function request(body) {
  const { trouble } = app;
  if (renaming) await renaming.end;
  try {
    const found = await ask(addressed(body));
    if (trouble && app.trouble === trouble && !QUIET.has(body.ask)) set({ trouble: null });
    return found;
  } catch (failure) {
    if (!failure.lost) set({ trouble: failure });
    return null;
  }
}

export const change = (changes, drag = "") => request({ ask: "change", changes: Array.isArray(changes) ? changes : [changes], drag });

// ---- rules that are renamed ----

let renaming = null; // what is asked while a rule gets its name waits, and is asked of the new one

export function rename(name, wanted) {
  const under = { name, wanted, followed: false };
  const begun = change({ kind: "rename", target: name, name: wanted });
  under.end = begun.then((found) => {
    if (found) { followName(under, found.revision); set({ renamedAt: found.revision }); }
    if (renaming === under) renaming = null;
    return found;
  });
  renaming = under;
  return under.end;
}

// The state with the new name comes before the answer: what is chosen must not change between them.
export function hearRename(state) {
  const has = (name) => state.rules?.some((each) => each.name === name);
  if (renaming && has(renaming.wanted) && !has(renaming.name)) followName(renaming, state.revision);
}

// What is known of a rule, and what is being tried for it, goes on under its new name.
function followName(under, revision) {
  const { name, wanted } = under;
  if (under.followed) return;
  under.followed = true;
  const moved = (table) => { const { [name]: own, ...rest } = table; return own === undefined ? table : { ...rest, [wanted]: own }; };
  const chosen = app.chosen === name ? wanted : app.chosen;
  set({
    chosen, renamed: { ...app.renamed, [name]: { to: wanted, revision } }, keys: { ...app.keys, [wanted]: keyOf(name), [name]: `${name} ${revision}` },
    located: app.located?.rule === name ? { ...app.located, rule: wanted } : app.located, matchesOf: app.matchesOf === name ? wanted : app.matchesOf,
    placed: moved(app.placed), leftout: moved(app.leftout), records: moved(app.records),
  });
}

// By what the page knows a rule, whatever it is called: a slider that is held stays in the hand.
export const keyOf = (name) => app.keys[name] ?? name;

export function nameNow(name) {
  const names = new Set(app.state?.rules?.map((each) => each.name));
  for (let steps = 0; steps < 20; steps++) {
    const one = app.renamed[name];
    if (!one || (names.has(name) && app.state.revision >= one.revision)) break;
    name = one.to;
  }
  return name;
}

const ADDRESSES = ["rule", "owner", "target", "before", "after"];

function addressed(body) {
  const found = { ...body };
  for (const key of ADDRESSES) {
    const [name] = typeof body[key] === "string" ? body[key].split(".") : [""];
    if (name) found[key] = nameNow(name) + body[key].slice(name.length);
  }
  if (body.changes) found.changes = body.changes.map(addressed);
  return found;
}

export const operation = (kind) => app.language.operations.find((each) => each.word === kind) ?? { word: kind, lines: [], settings: [], meaning: "" };

// What a line says of a place, and the number that gives it: 1 is the copy, 2 the context.
const ROLES = { copy: ["Copy from here", "1"], context: ["It belongs here", "2"], paste: ["Paste here", "3"], from: ["Erase here", "3"] };

export function rolesFor(kind) {
  const { lines } = operation(kind);
  const taken = new Set(lines.map((line) => ROLES[line.word]?.[1]));
  const free = ["1", "2", "3", "4", "5", "6"].filter((key) => !taken.has(key));
  return lines.map((line) => { const [words, key] = ROLES[line.word] ?? [`${line.word[0].toUpperCase()}${line.word.slice(1)} here`, free.shift()]; return { word: line.word, words, key, meaning: line.meaning, line }; })
    .sort((one, other) => one.key - other.key);
}

export const hasMistake = (state) => (state?.problems ?? []).some((each) => each.severity === "error");

// The rules in their order, also those that a mistake in the text has made unreadable, as they were.
export function rulesWithUnread() {
  const { rules, text } = app.state;
  const now = new Map(rules.map((each) => [each.name, each]));
  const stands = (name) => text.split(/[^\w-]+/).includes(name);
  const known = hasMistake(app.state) ? app.lastRules.filter((each) => now.has(each.name) || stands(each.name)) : [];
  const found = known.map((each) => now.get(each.name) ?? { ...each, unread: true });
  return [...found, ...rules.filter((each) => !known.some((one) => one.name === each.name))];
}

// Whether the chosen rule is not there because of a mistake in the text.
export const isUnread = () => app.chosen !== "" && hasMistake(app.state) && !app.state.rules.some((each) => each.name === app.chosen);

export function rule() {
  const rules = app.state?.rules ?? [];
  // Of a rule whose text cannot be read another does not take the place: its settings would be moved.
  return rules.find((each) => each.name === app.chosen) ?? (isUnread() ? null : rules[0] ?? null);
}
