/** The look of the docs page: one sheet, light and dark by the reader's own setting, nothing loaded from elsewhere. */
export const DOCS_STYLE = `
:root {
  color-scheme: light dark;
  --ink: #16202c; --soft: #52606d; --faint: #7b8794; --paper: #fdfdfb; --panel: #f4f3ee; --line: #e2e0d8;
  --accent: #0b5c66; --get: #0b6e4f; --post: #1d4e89; --put: #8a5a00; --patch: #6b3fa0; --delete: #a32020;
  --sans: "Inter", "Segoe UI", system-ui, -apple-system, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6e8ea; --soft: #a9b4bf; --faint: #7f8b97; --paper: #12171d; --panel: #1a2129; --line: #2b343e;
    --accent: #6cc5d0; --get: #67c69a; --post: #7fb2ee; --put: #e0b060; --patch: #bb9be6; --delete: #f08b8b;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1.5rem; }
body { margin: 0; font: 16px/1.6 var(--sans); color: var(--ink); background: var(--paper); }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 3px; }
code, pre { font-family: var(--mono); font-size: 0.86em; }
code { overflow-wrap: anywhere; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: 0.5rem 1rem; z-index: 2; }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 84rem; margin: 0 auto; }
nav { position: sticky; top: 0; align-self: start; height: 100vh; overflow-y: auto; padding: 2rem 1rem 3rem 1.5rem;
  border-right: 1px solid var(--line); font-size: 0.86rem; }
nav .name { font-weight: 650; font-size: 1.15rem; letter-spacing: -0.01em; color: var(--ink); text-decoration: none; }
nav .version { color: var(--faint); margin-left: 0.4rem; }
nav h2 { font-size: 0.72rem; text-transform: uppercase; letter-spacing: 0.08em; color: var(--faint); margin: 1.6rem 0 0.3rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: 0.14rem 0.5rem; margin-left: -0.5rem; border-radius: 5px; color: var(--soft); text-decoration: none; }
nav li a:hover { background: var(--panel); color: var(--ink); }
main { padding: 2.5rem clamp(1.25rem, 4vw, 4rem) 6rem; }
h1 { font-size: 2.1rem; line-height: 1.2; letter-spacing: -0.02em; margin: 0 0 0.8rem; text-wrap: balance; }
main > section > h2 { font-size: 1.4rem; letter-spacing: -0.01em; margin: 4rem 0 1rem; padding-bottom: 0.4rem; border-bottom: 1px solid var(--line); }
p, li { max-width: 68ch; }
.lead { font-size: 1.1rem; color: var(--soft); }
article { margin: 0 0 2.8rem; scroll-margin-top: 1.5rem; }
article h3 { font-size: 1.08rem; margin: 0 0 0.35rem; }
article h4 { font-size: 0.74rem; text-transform: uppercase; letter-spacing: 0.07em; color: var(--faint); margin: 1.2rem 0 0.35rem; }
article p { margin: 0.4rem 0; }
.route { display: flex; flex-wrap: wrap; gap: 0.3rem 0.8rem; align-items: baseline; background: var(--panel);
  border: 1px solid var(--line); border-radius: 8px; padding: 0.5rem 0.8rem; }
.method { font: 650 0.8rem var(--mono); letter-spacing: 0.03em; }
.GET { color: var(--get); } .POST { color: var(--post); } .PUT { color: var(--put); } .PATCH { color: var(--patch); } .DELETE { color: var(--delete); }
.access { color: var(--soft); font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th { text-align: left; font-weight: 600; color: var(--faint); font-size: 0.76rem; }
th, td { padding: 0.35rem 1rem 0.35rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
td:first-child { white-space: nowrap; }
.needed { color: var(--delete); font-size: 0.76rem; margin-left: 0.35rem; }
.type { color: var(--soft); font-family: var(--mono); font-size: 0.82rem; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 0.8rem 1rem; overflow-x: auto; line-height: 1.5; margin: 0.4rem 0; }
details > summary { cursor: pointer; color: var(--soft); font-size: 0.9rem; }
.problems { display: flex; flex-wrap: wrap; gap: 0.3rem 0.7rem; list-style: none; padding: 0; margin: 0.3rem 0; font-size: 0.86rem; max-width: none; }
.status { color: var(--faint); font-family: var(--mono); font-size: 0.82rem; }
@media (max-width: 56rem) {
  .page { display: block; }
  nav { position: static; height: auto; max-height: 45vh; border-right: 0; border-bottom: 1px solid var(--line); }
}
@media print { nav { display: none; } .page { display: block; } }
`
