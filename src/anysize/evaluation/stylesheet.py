"""The report's style: light and dark, no external resource."""

from __future__ import annotations

STYLE = """
:root {
  --page: #f6f7f9; --panel: #ffffff; --ink: #1b2230; --muted: #667085; --line: #e3e7ed;
  --accent: #2563eb; --second: #d97706; --warn: #fff6e5; --warn-line: #f0c36d; --bad: #b42318;
  --good: #067647; --heat: 37, 99, 235;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --panel: #1a202a; --ink: #e6e9ef; --muted: #98a2b3; --line: #2d3542;
    --accent: #6ea8fe; --second: #f5b454; --warn: #33290f; --warn-line: #7a5c14; --bad: #ff8f84;
    --good: #5fd39a; --heat: 110, 168, 254;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); line-height: 1.5; font-size: 15px;
  font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
    "Microsoft YaHei", "WenQuanYi Micro Hei", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 0 0 6px; font-weight: 600; }
p { margin: 0 0 12px; }
.muted { color: var(--muted); }
.small { font-size: 13px; }
section {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin-top: 18px;
}
.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px;
  margin-top: 18px;
}
.card {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px;
}
.card .name { color: var(--muted); font-size: 13px; }
.card .value {
  font-size: 25px; font-weight: 650; white-space: nowrap; font-variant-numeric: tabular-nums;
}
.card .note { color: var(--muted); font-size: 12.5px; font-variant-numeric: tabular-nums; }
.notice {
  background: var(--warn); border: 1px solid var(--warn-line); border-radius: 10px;
  padding: 10px 16px; margin-top: 18px; overflow-wrap: anywhere;
}
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); gap: 20px; }
.plot svg { width: 100%; height: auto; display: block; }
.plot svg text { font-family: inherit !important; }
.plot.square { max-width: 620px; }
.scroll { overflow: auto; max-height: 560px; }
.across { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
table.wide { width: 100%; }
table.fit { width: 100%; font-size: 12.5px; }
table.fit th, table.fit td { white-space: normal; overflow-wrap: anywhere; padding: 5px 6px; }
th, td {
  padding: 5px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap;
}
th { font-weight: 600; color: var(--muted); font-size: 13px; }
thead th { position: sticky; top: 0; background: var(--panel); }
.name-cell {
  text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 6em; max-width: 26em;
}
.bar {
  display: inline-block; width: 90px; height: 8px; border-radius: 4px; background: var(--line);
  vertical-align: middle; margin-left: 8px; overflow: hidden;
}
.bar i { display: block; height: 100%; background: var(--accent); }
table.confusion { border-collapse: separate; border-spacing: 2px; }
table.confusion td {
  border: 0; border-radius: 4px; text-align: center; min-width: 44px; padding: 6px 4px;
}
table.confusion th {
  border: 0; max-width: 12em; white-space: normal; overflow-wrap: anywhere; font-size: 12.5px;
}
table.confusion thead th {
  position: static; text-align: center; vertical-align: bottom; color: var(--ink);
}
table.confusion tbody th { text-align: right; color: var(--ink); }
table.confusion .strong { color: #ffffff; }
@media (prefers-color-scheme: dark) { table.confusion .strong { color: #10131a; } }
table.confusion.upright thead th { padding: 2px; }
table.confusion.upright thead th div {
  writing-mode: vertical-rl; transform: rotate(180deg); max-height: 14em; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; margin: 0 auto;
}
table.confusion.upright thead th div.standing { transform: none; margin: 0 auto; }
table.confusion.dense { border-spacing: 1px; }
table.confusion.dense td {
  min-width: 24px; padding: 3px 1px; font-size: 11.5px; border-radius: 2px;
}
.mistakes {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px;
}
.mistakes.texts { grid-template-columns: 1fr; }
.mistake {
  border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-wrap: anywhere;
}
.mistake img {
  display: block; width: 100%; height: 176px; object-fit: contain; margin-bottom: 8px;
  background: var(--page); border-radius: 6px;
}
.mistake img.tiny { image-rendering: pixelated; }
.mistake blockquote {
  margin: 8px 0; padding: 0 0 0 12px; border-left: 3px solid var(--line); white-space: pre-wrap;
}
.wrong { color: var(--bad); font-weight: 600; }
.right { color: var(--good); font-weight: 600; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts dd pre {
  margin: 0; white-space: pre-wrap; font-size: 12.5px;
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
details > summary { cursor: pointer; color: var(--accent); }
@media print { section { break-inside: avoid; } .scroll { max-height: none; } }
@media (max-width: 460px) { .pair { grid-template-columns: 1fr; } }
"""
