#include "format/base/format_text.h"
#include "tools/analyze/page_parts.h"
#include "tools/chart/chart_style.h"

namespace qload::analyze {
namespace {

using chart::Theme;

constexpr std::string_view kLight =
    "--ground:#f5f6f8;--accent:#235da4;--shade:#eef1f4;--lit:#dfeaf6;color-scheme:light;";
constexpr std::string_view kDark =
    "--ground:#0d0f12;--accent:#7fb0ff;--shade:#1d2128;--lit:#22304a;color-scheme:dark;";

constexpr std::string_view kRules = R"css(
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--chart-ink);line-height:1.5;
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
header,main,footer{max-width:1040px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:44px 0 12px}
h3{font-size:1.05rem;margin:0 0 4px;overflow-wrap:anywhere}
p{margin:4px 0 12px;max-width:74ch;overflow-wrap:anywhere}
.faint{color:var(--chart-faint)}
.small{font-size:.875rem}
a{color:var(--accent)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:16px 0 0;padding:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:12px;
  margin:20px 0 0;padding:0;list-style:none}
.cards li,figure,.box{background:var(--chart-paper);border:1px solid var(--chart-grid);
  border-radius:8px}
.cards li{padding:12px 16px}
.cards strong{display:block;font-size:1.35rem;line-height:1.3;overflow-wrap:anywhere}
figure{margin:0 0 16px;padding:16px}
.chart{display:block;max-width:100%;height:auto;margin:0 auto}
.narrow{display:none}
@media (max-width:640px){
  .wide{display:none}
  .narrow{display:block}
  figure{padding:12px}
  header,main,footer{padding:0 10px}
  header{padding-top:20px}
  .cards{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}
}
details{margin-top:10px}
summary{cursor:pointer;color:var(--accent)}
.scroll{overflow:auto;max-width:100%;max-height:75vh}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
.box table{width:100%}
th,td{text-align:left;padding:5px 10px;vertical-align:top;border-bottom:1px solid var(--chart-grid)}
th{position:sticky;top:0;background:var(--shade);white-space:nowrap;font-weight:600}
.n{text-align:right;white-space:nowrap}
tbody tr:hover{background:var(--lit)}
td.name{min-width:min(24em,60vw);overflow-wrap:anywhere}
td.form{white-space:nowrap}
button,input,select{font:inherit;color:inherit;background:var(--chart-paper);padding:6px 10px;
  border:1px solid var(--chart-axis);border-radius:6px;max-width:100%}
th button{all:unset;cursor:pointer;font-weight:600}
th button::after{content:"\2195";opacity:.45;padding-left:.35em}
th[aria-sort=ascending] button::after{content:"\2191";opacity:1}
th[aria-sort=descending] button::after{content:"\2193";opacity:1}
:focus-visible,th button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.controls{display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center;margin:0 0 10px}
.controls input{flex:1 1 14em;min-width:0}
[hidden]{display:none!important}
#theme{float:right;margin-left:12px}
#tip{position:fixed;z-index:9;pointer-events:none;max-width:min(340px,90vw);padding:6px 10px;
  border-radius:6px;font-size:.8125rem;background:var(--chart-ink);color:var(--chart-paper);
  overflow-wrap:anywhere}
footer{padding-top:24px;padding-bottom:40px}
dt{font-weight:600}
dd{margin:0 0 8px}
@media print{.controls,#theme,nav{display:none}.scroll{max-height:none;overflow:visible}
  figure{break-inside:avoid}}
)css";

}  // namespace

std::string page_style() {
  const std::string light = text(chart::chart_variables(Theme::kLight), kLight);
  const std::string dark = text(chart::chart_variables(Theme::kDark), kDark);
  return text(":root{", light, "}\n@media (prefers-color-scheme:dark){:root{", dark,
              "}}\n:root[data-theme=light]{", light, "}\n:root[data-theme=dark]{", dark, "}\n",
              chart::chart_page_style(), kRules);
}

}  // namespace qload::analyze
