export { h, render, Fragment } from "preact";
export { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
export { html } from "htm/preact";
