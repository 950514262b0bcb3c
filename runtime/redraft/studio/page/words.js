// Words that come from elsewhere, as the page shows them.
import { html } from "./vendor/preact.js";

export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// What stands between backticks is code.
export const coded = (text) => (text ?? "").split(/(`[^`]+`)/).map((part) => (part.startsWith("`") ? html`<code>${part.slice(1, -1)}</code>` : part));
