// Colours of a recipe for CodeMirror, by the words of the language.
import { HighlightStyle, StreamLanguage, syntaxHighlighting, tags as t } from "./vendor/codemirror.js";

const STATEMENTS = new Set(["edition", "recipe", "use", "param", "model", "latents", "images", "region", "rule", "erase", "zero", "include", "sweep", "expect", "invert", "off", "at", "as", "with"]);
const LINES = new Set(["copy", "paste", "from", "context", "rank", "preserve", "side", "keep", "contrast", "strength", "directions", "solver", "units", "seed", "count", "arch", "weights", "sha256", "truncation", "vary", "over"]);
const INNER = new Set(["box", "ellipse", "polygon", "mask", "all", "radius", "x", "y", "like", "top", "among", "except", "plus", "minus", "within", "each", "bilinear", "in", "of"]);

export const language = StreamLanguage.define({
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/#.*/)) return "comment";
    if (stream.match(/"[^"\n]*"?/)) return "string";
    if (stream.match(/-?\d+(\.(?!\.)\d+)?([eE][+-]?\d+)?%?/)) return "number";
    const word = stream.match(/[A-Za-z][\w-]*/);
    if (!word) { stream.next(); return null; }
    if (STATEMENTS.has(word[0])) return "keyword";
    if (LINES.has(word[0])) return "propertyName";
    return INNER.has(word[0]) ? "typeName" : null;
  },
  languageData: { commentTokens: { line: "#" } },
});

export const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: t.keyword, color: "var(--statement)", fontWeight: "600" }, { tag: t.propertyName, color: "var(--setting)" },
  { tag: t.typeName, color: "var(--inner)" }, { tag: t.number, color: "var(--number)" },
  { tag: t.string, color: "var(--string)" }, { tag: t.comment, color: "var(--soft)" },
]));
