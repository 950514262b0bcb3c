// Two snapshots side by side, and the difference of their texts beneath.
import { html, useEffect, useRef } from "./vendor/preact.js";
import { icon } from "./icons.js";
import { app, request, set, snapshots } from "./store.js";
import { draw } from "./pic.js";

export function Compare() {
  const [one, two] = app.comparing;
  const panes = [useRef(null), useRef(null)];
  const scroll = (from) => () => { panes[1 - from].current.scrollTop = panes[from].current.scrollTop; };
  return html`<section class="compare" aria-label="Two snapshots"><div class="bar"><button onClick=${() => set({ comparing: [] })}>${icon("left", 12)} Sheet <kbd>Esc</kbd></button><h2>Snapshots ${one} and ${two}</h2></div>
    <div class="panes">${[one, two].map((number, at) => html`<div key=${number}><header><b>Snapshot ${number}</b><span class="gap"></span><button onClick=${() => { set({ comparing: [] }); request({ ask: "restore", number }); }}>Go back to it</button></header>
      <div class="pane" tabindex="0" role="group" aria-label="Pictures of snapshot ${number}" ref=${panes[at]} onScroll=${scroll(at)}>${[...(snapshots.get(number) ?? [])].map(([image, data]) => html`<${Still} key=${image} number=${image} data=${data}/>`)}</div></div>`)}</div>
    <${Difference} one=${one} two=${two}/></section>`;
}

function Still({ number, data }) {
  const canvas = useRef(null);
  useEffect(() => draw(canvas.current, data), [data]);
  return html`<figure><canvas ref=${canvas} role="img" aria-label="Picture ${number}"></canvas><figcaption>${number}</figcaption></figure>`;
}

function Difference({ one, two }) {
  const text = (number) => app.state.snapshots.find((each) => each.number === number)?.text.split("\n") ?? [];
  const [old, now] = [text(one), text(two)];
  const gone = old.filter((line) => !now.includes(line)), come = now.filter((line) => !old.includes(line));
  return html`<pre class="difference" aria-label="Difference of the texts">${gone.length + come.length === 0 ? "The texts are the same." : ""}${gone.map((line) => html`<del>${`- ${line}\n`}</del>`)}${come.map((line) => html`<ins>${`+ ${line}\n`}</ins>`)}</pre>`;
}
