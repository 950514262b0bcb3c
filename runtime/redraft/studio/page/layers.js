// The layer of a rule: by name, or by a picture of each once all of them were tried.
import { html, useEffect, useRef } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, change, layerPictures, request } from "./store.js";
import { around, draw } from "./pic.js";
import { coded, upper } from "./words.js";

const take = (one, layer, settings = {}) => change([
  { kind: "put", owner: one.name, key: "layer", value: layer },
  ...Object.entries(settings).map(([key, value]) => ({ kind: "put", owner: one.name, key, value })),
]);

const LOOK = "Look at the pictures too: figures and looks can disagree.";

const wordsOf = (settings) => Object.entries(settings).map(([key, value]) => `${key} ${value}`).join(", ");

export function Layer({ one }) {
  const found = app.located?.rule === one.name ? app.located : null;
  const stale = found?.layers && JSON.stringify(found.lines) !== JSON.stringify(one.lines.map((line) => line.text));
  const context = one.lines.find((line) => line.word === "context" && line.images?.length) ?? one.lines.find((line) => line.images?.length);
  const ask = () => request({ ask: "locate", rule: one.name, image: context?.images[0] ?? app.state.shown[0] ?? 0 });
  return html`<div class="part layer-part"><h3>Layer <small>${found?.layers ? (stale ? "tried before the rule was changed" : "each tried with this rule") : "where the rule is written"}</small></h3>
    ${found?.layers ? html`<${Pictures} one=${one} found=${found} crop=${around(context?.box)}/>` : html`<${Names} one=${one}/>`}
    <${Trying} found=${found} ask=${ask} able=${Boolean(context)} again=${Boolean(found?.layers)}/>
    ${found?.layers && !found.busy && html`<${Advice} one=${one} found=${found}/>`}</div>`;
}

function Names({ one }) {
  const { layers } = app.state.model;
  return html`<div class="group layers" role="radiogroup" aria-label="Layer">
    ${layers.map((layer) => html`<button key=${layer.name} role="radio" aria-checked=${layer.name === one.layer} class=${layer.name === one.layer ? "chosen" : ""} onClick=${() => take(one, layer.name)}>${layer.name}<small>${layer.keys[0]} × ${layer.keys[1]} keys</small></button>`)}</div>`;
}

function Pictures({ one, found, crop }) {
  const best = found.recommended?.layer;
  return html`<div class="tried" role="radiogroup" aria-label="Layer">${found.layers.map((each) => {
    const figures = each.problem ?? `left-out gain ${each.gain.toFixed(2)}, agreement ${each.agreement.toFixed(2)}, side effect ${each.side.toFixed(2)}`;
    return html`<button key=${each.layer} role="radio" aria-checked=${each.layer === one.layer} class=${each.layer === one.layer ? "chosen" : ""} title=${figures} aria-label="${each.layer}: ${figures}${each.layer === best ? ", best" : ""}" onClick=${() => take(one, each.layer, each.settings)}>
      <${Picture} name=${each.layer} crop=${crop}/><b>${each.layer}</b><small>${each.problem ? "cannot be solved" : `gain ${each.gain.toFixed(2)}`}${each.layer === best ? ", best" : ""}</small></button>`;
  })}</div>`;
}

function Picture({ name, crop }) {
  const canvas = useRef(null);
  const image = layerPictures.get(name);
  useEffect(() => draw(canvas.current, image, crop), [image, crop?.join()]);
  return html`<canvas ref=${canvas} aria-hidden="true"></canvas>`;
}

function Trying({ found, ask, able, again }) {
  if (found?.busy) return html`<p class="soft busy" role="status"><span class="spin"></span> <span class="what">Trying ${found.what}${found.done ? `, ${found.done} of about ${found.total}` : ""}</span> <button onClick=${() => request({ ask: "stop", what: "locate" })}>Stop</button></p>`;
  return html`${found?.failure && html`<div class="remark">${icon("warn")}<div><b>${coded(upper(found.failure.message))}</b><p>${coded(upper(found.failure.help ?? ""))}</p></div></div>`}
    ${found?.stopped && html`<p class="soft">Stopped, nothing changed.</p>`}
    ${!again && html`<button class="try" disabled=${!able} onClick=${ask}>Try every layer <small>some seconds for each</small></button>`}
    ${again && html`<p><button class="link" onClick=${ask}>Try again</button></p>`}`;
}

function Advice({ one, found }) {
  const best = found.recommended;
  if (!best) return html`<p class="soft advice">Nothing is recommended: ${found.reason}.</p>`;
  const settings = Object.fromEntries(Object.entries(best.settings).filter(([key, value]) => String(one.settings[key]?.value) !== value));
  if (best.layer === one.layer && Object.keys(settings).length === 0) return html`<p class="soft advice">The rule has what is recommended. ${LOOK}</p>`;
  return html`<p class="advice"><button class="link" onClick=${() => take(one, best.layer, best.settings)}>Take ${best.layer}${Object.keys(best.settings).length ? ` with ${wordsOf(best.settings)}` : ""}</button> <span class="soft">${found.reason}. ${LOOK}</span></p>`;
}
