// Colours of a recipe for CodeMirror, by the words of the language.
import { HighlightStyle, StreamLanguage, syntaxHighlighting, tags as t } from "./vendor/codemirror.js";

import { app } from "./store.js";

const is = (part, word) => app.language.colours[part]?.includes(word);

export const language = StreamLanguage.define({
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/#.*/)) return "comment";
    if (stream.match(/"[^"\n]*"?/)) return "string";
    if (stream.match(/-?\d+(\.(?!\.)\d+)?([eE][+-]?\d+)?%?/)) return "number";
    const word = stream.match(/[A-Za-z][\w-]*/);
    if (!word) { stream.next(); return null; }
    if (is("statement", word[0])) return "keyword";
    if (is("line", word[0])) return "propertyName";
    return is("inner", word[0]) ? "typeName" : null;
  },
  languageData: { commentTokens: { line: "#" } },
});

export const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: t.keyword, color: "var(--statement)", fontWeight: "600" }, { tag: t.propertyName, color: "var(--setting)" },
  { tag: t.typeName, color: "var(--inner)" }, { tag: t.number, color: "var(--number)" },
  { tag: t.string, color: "var(--string)" }, { tag: t.comment, color: "var(--soft)" },
]));
