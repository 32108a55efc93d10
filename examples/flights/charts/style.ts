/** The look of the report. Both colour schemes are built from the same names; s0 to s5 run from late to punctual. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #fbfaf6; --panel: #ffffff; --ink: #1b1d22; --soft: #62666f; --grid: #e6e3da; --line: #cfcbc0;
  --land: #eeece4; --accent: #1d639b; --late: #bb4d11; --untold: #f0eee7;
  --s0: #b8480e; --s1: #e08b4c; --s2: #f0c79f; --s3: #bfd5e5; --s4: #6ba2cb; --s5: #1d639b;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Palatino Linotype", Palatino, "Source Serif 4", "Noto Serif", Georgia, serif;
  --sans: Inter, -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121419; --panel: #191c22; --ink: #e9e7e1; --soft: #9a9ea8; --grid: #2a2e37; --line: #3d434e;
    --land: #20242c; --accent: #74b9ea; --late: #f2904f; --untold: #1f232a;
    --s0: #f58a42; --s1: #c4713c; --s2: #835a41; --s3: #3f5d74; --s4: #468fc2; --s5: #82c5f3;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1.125rem/1.6 var(--serif); }
main, header, footer { max-width: 66rem; margin-inline: auto; padding-inline: clamp(1.125rem, 4vw, 2.5rem); }
header { padding-top: clamp(2.5rem, 7vw, 5rem); }
h1, h2 { font-weight: 600; letter-spacing: -0.015em; text-wrap: balance; margin: 0; }
h1 { font-size: clamp(2.25rem, 6vw, 3.75rem); line-height: 1.06; max-width: 17em; }
h2 { font-size: clamp(1.5rem, 3.2vw, 2rem); line-height: 1.2; }
p { max-width: 42rem; margin: 0.9rem 0 0; text-wrap: pretty; hanging-punctuation: first last; }
.kicker { font: 600 0.8125rem/1.4 var(--sans); letter-spacing: 0.09em; text-transform: uppercase; color: var(--accent); margin: 0 0 1rem; }
.lede { font-size: clamp(1.1875rem, 2.2vw, 1.375rem); line-height: 1.5; color: var(--soft); max-width: 40rem; margin-top: 1.25rem; }
.lede strong { color: var(--ink); font-weight: 600; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.5rem 2rem; margin: 2.75rem 0 0; padding: 1.5rem 0; border-block: 1px solid var(--line); }
dl.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
dl.figures dt { font: 0.9375rem/1.4 var(--sans); color: var(--soft); }
dl.figures dd { margin: 0 0 0.25rem; font-size: 2.375rem; line-height: 1.1; letter-spacing: -0.02em; font-variant-numeric: lining-nums tabular-nums; }
section { margin-top: clamp(3.5rem, 8vw, 5.5rem); }
figure { margin: 1.75rem 0 0; }
figcaption { font: 0.875rem/1.55 var(--sans); color: var(--soft); max-width: 46rem; margin-top: 0.75rem; }
.scroll { overflow-x: auto; border-radius: 4px; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
.scroll svg { display: block; width: 100%; min-width: 43rem; height: auto; }
h3 { font: 600 1rem/1.4 var(--sans); margin: 2rem 0 0.75rem; }
.label { font: 13.5px var(--sans); fill: var(--ink); font-variant-numeric: tabular-nums; }
.label.small { font-size: 12px; } .label.soft { fill: var(--soft); } .label.strong { font-weight: 600; }
.label.halo { paint-order: stroke; stroke: var(--page); stroke-width: 3.5px; stroke-linejoin: round; }
.ontime-text { fill: var(--accent); } .late-text { fill: var(--late); }
.grid { stroke: var(--grid); } .axis { stroke: var(--line); }
.reference { stroke: var(--soft); stroke-dasharray: 3 4; }
.trend { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; opacity: 0.45; }
.interval { stroke: var(--soft); stroke-width: 5; stroke-linecap: round; opacity: 0.28; }
.dot { fill: var(--accent); stroke: var(--page); stroke-width: 1.5; }
.land { fill: var(--land); stroke: var(--page); stroke-width: 1; stroke-linejoin: round; }
.routes path { fill: none; stroke: var(--ink); opacity: 0.2; stroke-linecap: round; }
.place { fill: var(--soft); opacity: 0.55; }
.node { fill: var(--panel); stroke: var(--line); }
.edges path { fill: none; stroke: var(--line); stroke-width: 1.2; opacity: 0.8; }
.airports circle { stroke: var(--page); stroke-width: 1; }
.ontime { fill: var(--accent); } .late { fill: var(--late); } .untold { fill: var(--untold); }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); } .s4 { fill: var(--s4); } .s5 { fill: var(--s5); }
details { margin-top: 0.75rem; font: 0.875rem/1.5 var(--sans); }
summary { cursor: pointer; color: var(--accent); width: fit-content; }
table { border-collapse: collapse; margin-top: 0.75rem; font: 0.875rem/1.5 var(--sans); font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 0.5rem; }
th, td { text-align: right; padding: 0.25rem 0 0.25rem 1.75rem; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; } tbody th { font-weight: 400; }
tfoot th, tfoot td { border-bottom: 0; border-top: 1px solid var(--line); font-weight: 600; }
footer { margin-top: clamp(3.5rem, 8vw, 5.5rem); padding-block: 1.75rem 3rem; font: 0.875rem/1.6 var(--sans); color: var(--soft); }
footer p { max-width: 46rem; } a { color: var(--accent); }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
@media print { .scroll { overflow: visible; } section { break-inside: avoid; } details { display: none; } }
`;
