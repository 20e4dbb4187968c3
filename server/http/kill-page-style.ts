/** The look of a kill link's page: large, on a phone first, light and dark by the reader's own setting. */
export const KILL_PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #16202c; --soft: #4a5763; --paper: #fdfdfb; --panel: #f1f0ea; --line: #d9d6cc;
  --kill: #a81515; --on-kill: #fff; --focus: #0b5c66; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceef0; --soft: #b3bdc7; --paper: #12171d; --panel: #1c242d; --line: #36414c; --kill: #c62828; --focus: #6cc5d0; }
}
* { box-sizing: border-box; }
body { margin: 0; font: 18px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper); }
main { max-width: 40rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; text-wrap: balance; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
dl { margin: 0 0 1.5rem; border-top: 1px solid var(--line); }
dl div { padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
dt { color: var(--soft); font-size: 0.85rem; }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
bdi { unicode-bidi: isolate; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 0.9em; overflow-wrap: anywhere; }
button { display: block; width: 100%; min-height: 3.75rem; padding: 0.8rem 1rem; font: inherit; font-size: 1.25rem; font-weight: 650;
  color: var(--on-kill); background: var(--kill); border: 2px solid var(--kill); border-radius: 10px; cursor: pointer; overflow-wrap: anywhere; }
.again { display: inline-block; min-height: 3rem; padding: 0.6rem 0; color: inherit; text-underline-offset: 3px; }
.soft { color: var(--soft); font-size: 0.9rem; }
form { margin: 0 0 0.8rem; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 3px; }
`
