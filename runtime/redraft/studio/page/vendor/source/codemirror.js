export { EditorState, StateEffect, StateField, Transaction, Annotation } from "@codemirror/state";
export { EditorView, keymap, lineNumbers, highlightActiveLine, hoverTooltip, drawSelection, Decoration } from "@codemirror/view";
export { defaultKeymap } from "@codemirror/commands";
export { StreamLanguage, HighlightStyle, syntaxHighlighting, bracketMatching } from "@codemirror/language";
export { autocompletion, completionKeymap } from "@codemirror/autocomplete";
export { setDiagnostics, lintGutter } from "@codemirror/lint";
export { tags } from "@lezer/highlight";
