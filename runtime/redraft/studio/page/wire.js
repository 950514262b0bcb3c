// The socket: requests with answers, events, and pictures as bytes.
let socket = null;
let next = 1;
const waiting = new Map();
const hear = { event: () => {}, pictures: () => {}, open: () => {}, close: () => {} };
let tries = 0;

export function connect(handlers) {
  Object.assign(hear, handlers);
  open();
}

export function open() {
  if (socket && socket.readyState < WebSocket.CLOSING) return;
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { tries = 0; hear.open(); };
  socket.onmessage = (message) => {
    if (typeof message.data !== "string") return pictures(message.data);
    const data = JSON.parse(message.data);
    if (data.reply === undefined) return hear.event(data);
    const { good, bad } = waiting.get(data.reply) ?? {};
    waiting.delete(data.reply);
    if (data.failure) bad?.(data.failure); else good?.(data);
  };
  socket.onclose = () => {
    for (const { bad } of waiting.values()) bad({ code: "", message: "the connection was lost", help: "", lost: true });
    waiting.clear();
    hear.close();
    tries += 1;
    setTimeout(open, Math.min(5000, 300 * tries));
  };
}

export function ask(body) {
  return new Promise((good, bad) => {
    if (socket?.readyState !== WebSocket.OPEN) return bad({ code: "", message: "studio is not running", help: "", lost: true });
    const id = next++;
    waiting.set(id, { good, bad });
    socket.send(JSON.stringify({ id, body }));
  });
}

function pictures(data) {
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const { width, height } = head;
  const bytes = new Uint8Array(data, 4 + length);
  const size = width * height * 3;
  const images = head.numbers.map((_, at) => image(bytes.subarray(at * size, (at + 1) * size), width, height));
  hear.pictures(head, images);
}

function image(rgb, width, height) {
  const out = new Uint32Array(width * height);
  for (let from = 0, to = 0; to < out.length; from += 3, to += 1) {
    out[to] = 0xff000000 | (rgb[from + 2] << 16) | (rgb[from + 1] << 8) | rgb[from];
  }
  return new ImageData(new Uint8ClampedArray(out.buffer), width, height);
}

// One request at a time: the latest of those that came meanwhile is sent when the answer is there.
export function latest(send) {
  let busy = false, pending = null;
  const go = async (value) => {
    busy = true;
    try { await send(value); } catch { /* said elsewhere */ }
    busy = false;
    if (pending !== null) { const value = pending; pending = null; go(value); }
  };
  return (value) => { if (busy) pending = value; else go(value); };
}
