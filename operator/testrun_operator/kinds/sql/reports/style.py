"""The style sheet of the page: light and dark, wide and narrow, screen and paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1f2328; --quiet: #59636e; --paper: #ffffff; --panel: #f6f8fa; --line: #d1d9e0; --link: #0757ba;
  --good: #116329; --good-back: #e9f7ec; --good-line: #4ac26b;
  --bad: #b3121d; --bad-back: #ffecea; --bad-line: #f1575b;
  --unsure: #7d4e00; --unsure-back: #fff5d6; --unsure-line: #d4a72c;
  --mark: #ffd0cc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6edf3; --quiet: #9da7b3; --paper: #0d1117; --panel: #161b22; --line: #333b45; --link: #7cb7ff;
    --good: #57d274; --good-back: #0f2417; --good-line: #238636;
    --bad: #ff8a83; --bad-back: #2d1214; --bad-line: #da3633;
    --unsure: #e3b341; --unsure-back: #2a2109; --unsure-line: #9e6a03;
    --mark: #6e2428;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2rem) 4rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.25; }
h2, h3, h4, h5, h6 { line-height: 1.3; margin: 1.25rem 0 .5rem; }
h2 { font-size: 1.2rem; } h3 { font-size: 1.3rem; } h4 { font-size: 1.1rem; } h5, h6 { font-size: 1rem; }
p { margin: .5rem 0; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
pre, code, .place span { font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: .875rem; }
pre { margin: .5rem 0; white-space: pre-wrap; }
:not(pre) > code { background: var(--panel); border-radius: .25rem; padding: .1em .3em; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.sign { display: inline-block; min-width: 1.1em; text-align: center; font-weight: bold; }
.passed > .sign, .passed > .corner, tr.passed > td:first-child, .verdict.passed { color: var(--good); }
.failed > .sign, .failed > .corner, tr.failed > td:first-child, .verdict.failed { color: var(--bad); }
.skipped > .sign, tr.skipped > td:first-child { color: var(--quiet); }
.not-run > .sign, tr.not-run > td:first-child, .verdict.not-run { color: var(--unsure); }
.time, .aside, .facts dt { color: var(--quiet); }

.verdict { font-size: 1.15rem; font-weight: 600; margin: 0; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
.facts dd { margin: 0; }
#only-failures { margin: 0 .4rem 0 0; vertical-align: middle; }
label { vertical-align: middle; cursor: pointer; }

table { border-collapse: collapse; display: block; overflow-x: auto; max-width: 100%; margin: .5rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top;
  font-variant-numeric: tabular-nums; white-space: pre-wrap; overflow-wrap: break-word; max-width: 28rem; }
th { background: var(--panel); font-weight: 600; }
tr.passed > td { background: var(--good-back); }
tr.failed > td, tr.notes > td { background: var(--bad-back); }
tr.notes > td { padding: 0; white-space: normal; overflow-wrap: anywhere; max-width: none; }
tr.notes .note { margin: 0; border-radius: 0; position: sticky; left: 0; max-width: calc(100vw - 4rem); }
.overview { display: table; width: 100%; table-layout: fixed; }
.overview td, .overview th { border-width: 0 0 1px; white-space: normal; overflow-wrap: anywhere; max-width: none; }
.overview tr > td { background: none; }
.overview .mark { width: 2.4rem; padding-right: 0; } .overview .result { width: 15rem; }
.overview .took { width: 7rem; text-align: right; white-space: nowrap; }
.overview .name { display: block; color: var(--quiet); font-size: .875rem; }

.case { border: 1px solid var(--line); border-radius: .5rem; margin: 1.5rem 0; }
.case > h2 { margin: 0; padding: .6rem 1rem; background: var(--panel); border-bottom: 1px solid var(--line);
  border-radius: .5rem .5rem 0 0; display: flex; flex-wrap: wrap; gap: 0 .75rem; align-items: baseline; }
.case > h2 .path { flex: 1 1 16rem; } .case > h2 .result { font-size: .9rem; font-weight: normal; }
.case > h2 .result, .overview .result, .overview .took { color: var(--quiet); }
.written { padding: .25rem 1rem 1rem; }
.test { border-left: .25rem solid var(--line); padding: .1rem 0 .25rem 1rem; margin: 1.25rem 0; }
.test > h4:first-of-type { margin-top: 0; }
.test.passed { border-color: var(--good-line); } .test.failed { border-color: var(--bad-line); }
.test.not-run { border-color: var(--unsure-line); }
.test.skipped, .test.other { color: var(--quiet); }
.aside { float: right; margin: 0 0 0 1rem; font-size: .9rem; }
.test.passed > .aside { color: var(--good); } .test.failed > .aside { color: var(--bad); font-weight: 600; }
.test.not-run > .aside { color: var(--unsure); }

.code { position: relative; background: var(--panel); border: 1px solid var(--line); border-left-width: .25rem;
  border-radius: .25rem; padding: .6rem 2.2rem .6rem .8rem; }
.code.passed { border-left-color: var(--good-line); } .code.failed { border-left-color: var(--bad-line); }
.corner { position: absolute; top: .5rem; right: .6rem; }
.comment { color: var(--quiet); font-style: italic; }
mark { background: var(--mark); color: inherit; }
.block.failed { border-left: .25rem solid var(--bad-line); padding-left: .75rem; }
.note { border-left: .25rem solid var(--line); background: var(--panel); border-radius: .25rem; padding: .4rem .8rem;
  margin: .5rem 0; }
.note.failed { border-color: var(--bad-line); background: var(--bad-back); }
.note.not-run { border-color: var(--unsure-line); background: var(--unsure-back); }
.note pre { margin: .15rem 0; }
.note .place { margin: 0; font-size: .875rem; color: var(--quiet); }
.note .place:not(:first-child) { margin-top: .6rem; padding-top: .5rem; border-top: 1px solid var(--line); }
.message { font-weight: 500; }
.values { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: .25rem 0; }
.values pre { margin: 0; } .values dt { color: var(--quiet); font-size: .875rem; }
.values dd { margin: 0; min-width: 0; }
.excerpt { color: var(--quiet); } .excerpt mark { color: var(--ink); }
.number { user-select: none; }
footer { margin-top: 3rem; color: var(--quiet); font-size: .875rem; }

#only-failures:checked ~ .overview tbody tr:not(.failed, .not-run),
#only-failures:checked ~ .case:not(.failed, .not-run),
#only-failures:checked ~ .case > .written > .test:not(.failed, .not-run) { display: none; }

@media (max-width: 40rem) {
  .overview .result { width: 9rem; } .overview .took { display: none; }
  .test { padding-left: .6rem; } .written { padding: .25rem .6rem .6rem; }
}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; }
  #only-failures, #only-failures + label { display: none; }
  table, .overview { overflow: visible; }
  h2, h3, h4, h5, h6, tr.failed, .note .place { break-after: avoid; }
  .code, tr { break-inside: avoid; }
}
"""
