// What is painted, while it is painted: a box, an ellipse, a polygon, or pixels of a mask.

const round = (x) => Math.round(x * 10) / 10;

// As the recipe writes it; an empty string for pixels, which become a file.
export function regionOf(shape) {
  if (shape.text) return shape.text;
  if (shape.kind === "box") return `box(x ${round(shape.x0)}..${round(shape.x1)}, y ${round(shape.y0)}..${round(shape.y1)})`;
  if (shape.kind === "ellipse") {
    const [cx, cy, rx, ry] = [(shape.x0 + shape.x1) / 2, (shape.y0 + shape.y1) / 2, (shape.x1 - shape.x0) / 2, (shape.y1 - shape.y0) / 2].map(round);
    return `ellipse(${cx},${cy} radius ${rx},${ry})`;
  }
  if (shape.kind === "polygon") return `polygon(${shape.points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ")})`;
  return "";
}

export function isWhole(shape) {
  if (!shape) return false;
  if (shape.kind === "polygon") return shape.closed && shape.points.length > 2;
  if (shape.kind === "mask") return shape.touched;
  return shape.x1 - shape.x0 >= 0.5 && shape.y1 - shape.y0 >= 0.5;
}

// A line of the recipe as a shape that can be changed; its outline becomes pixels where it is none.
export function shapeOf(line, width, height) {
  const shape = drawnOf(line, width, height);
  if (shape) shape.text = line.region; // as it is written, until it is changed
  return shape;
}

function drawnOf(line, width, height) {
  const number = "(-?[\\d.]+)";
  const box = new RegExp(`^box\\(\\s*x\\s+${number}\\s*\\.\\.\\s*${number}\\s*,\\s*y\\s+${number}\\s*\\.\\.\\s*${number}\\s*\\)$`).exec(line.region);
  if (box) { const [x0, x1, y0, y1] = box.slice(1).map(Number); return { kind: "box", x0, y0, x1, y1 }; }
  const ellipse = new RegExp(`^ellipse\\(\\s*${number}\\s*,\\s*${number}\\s+radius\\s+${number}\\s*,\\s*${number}\\s*\\)$`).exec(line.region);
  if (ellipse) { const [x, y, rx, ry] = ellipse.slice(1).map(Number); return { kind: "ellipse", x0: x - rx, y0: y - ry, x1: x + rx, y1: y + ry }; }
  const polygon = /^polygon\(([-\d.,\s]+)\)$/.exec(line.region);
  if (polygon) return { kind: "polygon", closed: true, points: polygon[1].trim().replace(/\s*,\s*/g, ",").split(/\s+/).map((pair) => pair.split(",").map(Number)) };
  if (!line.loops?.length) return null;
  const mask = emptyMask(width, height);
  const pen = mask.canvas.getContext("2d");
  pen.scale(mask.scale, mask.scale);
  pen.beginPath();
  for (const loop of line.loops) { loop.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y))); pen.closePath(); }
  pen.fillStyle = "#fff";
  pen.fill("evenodd");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  mask.touched = true;
  return mask;
}

export function emptyMask(width, height) {
  const scale = Math.max(1, Math.floor(256 / Math.max(width, height)));
  const canvas = new OffscreenCanvas(width * scale, height * scale);
  return { kind: "mask", canvas, scale, touched: false };
}

// A grey picture, in which light is inside, as pixels of a mask.
export function maskOf(grey, width, height) {
  const mask = emptyMask(width, height);
  const pen = mask.canvas.getContext("2d");
  pen.imageSmoothingEnabled = grey.width > mask.canvas.width; // grown, its pixels stay whole
  pen.drawImage(grey, 0, 0, mask.canvas.width, mask.canvas.height);
  const pixels = pen.getImageData(0, 0, mask.canvas.width, mask.canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) { pixels.data[at + 3] = pixels.data[at]; pixels.data.fill(255, at, at + 3); }
  pen.putImageData(pixels, 0, 0);
  mask.touched = true;
  return mask;
}

export function copyOf(shape) {
  if (!shape) return null;
  if (shape.kind !== "mask") return { ...structuredClone(shape), text: "" };
  const canvas = new OffscreenCanvas(shape.canvas.width, shape.canvas.height);
  canvas.getContext("2d").drawImage(shape.canvas, 0, 0);
  return { ...shape, canvas, text: "" };
}

// Any shape as pixels, so that a brush can go on from it.
export function asMask(shape, width, height) {
  if (shape?.kind === "mask") return copyOf(shape);
  const mask = emptyMask(width, height);
  if (isWhole(shape)) {
    const pen = mask.canvas.getContext("2d");
    pen.fillStyle = "#fff";
    pen.beginPath();
    trace(pen, shape, mask.scale);
    pen.fill();
    mask.touched = true;
  }
  return mask;
}

export function trace(pen, shape, scale) {
  if (shape.kind === "box") pen.rect(shape.x0 * scale, shape.y0 * scale, (shape.x1 - shape.x0) * scale, (shape.y1 - shape.y0) * scale);
  else if (shape.kind === "ellipse") pen.ellipse(((shape.x0 + shape.x1) / 2) * scale, ((shape.y0 + shape.y1) / 2) * scale, Math.abs(shape.x1 - shape.x0) / 2 * scale, Math.abs(shape.y1 - shape.y0) / 2 * scale, 0, 0, 7);
  else if (shape.kind === "polygon") { shape.points.forEach(([x, y], at) => (at ? pen.lineTo(x * scale, y * scale) : pen.moveTo(x * scale, y * scale))); if (shape.closed) pen.closePath(); }
}

export function stroke(mask, from, to, radius, erase) {
  const pen = mask.canvas.getContext("2d");
  pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
  pen.strokeStyle = "#fff"; pen.lineCap = "round"; pen.lineJoin = "round";
  pen.lineWidth = 2 * radius * mask.scale;
  pen.beginPath();
  pen.moveTo(from[0] * mask.scale, from[1] * mask.scale);
  pen.lineTo(to[0] * mask.scale + 0.01, to[1] * mask.scale);
  pen.stroke();
  mask.touched = true;
}

function boundsOf(shape) {
  if (shape.kind === "polygon") {
    const [xs, ys] = [0, 1].map((axis) => shape.points.map((point) => point[axis]));
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }
  return shape.kind === "mask" ? paintedBounds(shape) : [shape.x0, shape.y0, shape.x1, shape.y1];
}

function paintedBounds({ canvas, scale }) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let y = 0, at = 3; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      if (data[at] === 0) continue;
      x0 = Math.min(x0, x); y0 = Math.min(y0, y); x1 = Math.max(x1, x + 1); y1 = Math.max(y1, y + 1);
    }
  }
  return [x0, y0, x1, y1].map((each) => each / scale);
}

// How far a shape can go each way: to the edge. One that lies outside already can only come back.
export function roomOf(shape, width, height) {
  const [x0, y0, x1, y1] = boundsOf(shape);
  return { left: -Math.max(0, x0), right: Math.max(0, width - x1), up: -Math.max(0, y0), down: Math.max(0, height - y1) };
}

export const within = (room, dx, dy) => [Math.max(room.left, Math.min(room.right, dx)), Math.max(room.up, Math.min(room.down, dy))];

export function moved(shape, dx, dy) {
  if (shape.kind === "polygon") return { ...shape, text: "", points: shape.points.map(([x, y]) => [x + dx, y + dy]) };
  if (shape.kind !== "mask") return { ...shape, text: "", x0: shape.x0 + dx, x1: shape.x1 + dx, y0: shape.y0 + dy, y1: shape.y1 + dy };
  const next = copyOf(shape);
  const pen = next.canvas.getContext("2d");
  pen.clearRect(0, 0, next.canvas.width, next.canvas.height);
  pen.drawImage(shape.canvas, dx * shape.scale, dy * shape.scale);
  return next;
}

export function sized(shape, dx, dy, room) {
  if (shape.kind === "polygon" || shape.kind === "mask") return shape;
  return { ...shape, text: "", x1: Math.max(shape.x0 + 1, shape.x1 + Math.min(room.right, dx)), y1: Math.max(shape.y0 + 1, shape.y1 + Math.min(room.down, dy)) };
}

// The pixels as a grey PNG, in base64: light is inside.
export async function png(mask) {
  const { width, height } = mask.canvas;
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(mask.canvas, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

export async function asked(shape) {
  return shape.kind === "mask" && !shape.text ? { mask: await png(shape) } : { region: regionOf(shape) };
}
