#include "tools/analyze/page_parts.h"

namespace qload::analyze {
namespace {

constexpr std::string_view kScript = R"js(
(() => {
  'use strict';
  const root = document.documentElement;

  // A choice of theme, from what the reader's system prefers to its opposite and back.
  const theme = document.getElementById('theme');
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : prefersDark.matches;
  const nameTheme = () => { theme.textContent = isDark() ? 'Light theme' : 'Dark theme'; };
  theme.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    nameTheme();
  });
  prefersDark.addEventListener('change', nameTheme);
  nameTheme();
  theme.hidden = false;

  // Notes of shapes, where the pointer is. The titles they come from would show a second time.
  const tip = document.getElementById('tip');
  for (const title of document.querySelectorAll('.chart :not(svg) > title')) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }
  const showTip = (event) => {
    const shape = event.target.closest ? event.target.closest('[data-tip]') : null;
    tip.hidden = !shape;
    if (!shape) return;
    tip.textContent = shape.dataset.tip;
    const room = 12;
    const right = event.clientX + room + tip.offsetWidth > innerWidth;
    const below = event.clientY + room + tip.offsetHeight > innerHeight;
    const x = right ? event.clientX - room - tip.offsetWidth : event.clientX + room;
    const y = below ? event.clientY - room - tip.offsetHeight : event.clientY + room;
    tip.style.left = Math.max(4, Math.min(x, innerWidth - tip.offsetWidth - 4)) + 'px';
    tip.style.top = Math.max(4, y) + 'px';
  };
  document.addEventListener('pointermove', showTip);
  document.addEventListener('pointerdown', showTip);
  addEventListener('scroll', () => { tip.hidden = true; }, true);

  // Rows of the table of tensors, sorted by a click on a title, and filtered.
  const table = document.getElementById('tensors-table');
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column, isNumber) => {
    const cell = row.cells[column];
    return isNumber ? (cell.dataset.v === undefined ? NaN : Number(cell.dataset.v))
                    : cell.textContent;
  };
  const order = (a, b, isNumber) => {
    if (!isNumber) return a < b ? -1 : a > b ? 1 : 0;
    if (Number.isNaN(a) || Number.isNaN(b)) return 0;
    return a - b;
  };
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.textContent = '';
    head.append(button);
    const isNumber = head.classList.contains('n');
    button.addEventListener('click', () => {
      const was = head.getAttribute('aria-sort');
      // Numbers begin with the largest, names with the first.
      const down = was ? was === 'ascending' : isNumber;
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const keyed = [...body.rows].map((row) => [key(row, column, isNumber), row]);
      const isKnown = ([value]) => !Number.isNaN(value);
      const known = keyed.filter(isKnown).sort(([a], [b]) => order(a, b, isNumber));
      if (down) known.reverse();
      const unknown = keyed.filter((entry) => !isKnown(entry));
      body.append(...[...known, ...unknown].map(([, row]) => row));
    });
  });
  const words = document.getElementById('tensors-words');
  const kind = document.getElementById('tensors-kind');
  const shown = document.getElementById('tensors-shown');
  const filter = () => {
    const wanted = words.value.toLowerCase();
    let count = 0;
    for (const row of body.rows) {
      const fits = row.cells[0].textContent.toLowerCase().includes(wanted) &&
          (!kind.value || row.cells[1].textContent === kind.value);
      row.hidden = !fits;
      if (fits) count += 1;
    }
    shown.textContent = count + ' of ' + body.rows.length + ' rows';
  };
  words.addEventListener('input', filter);
  kind.addEventListener('input', filter);
  filter();
  document.getElementById('tensors-controls').hidden = false;
})();
)js";

}  // namespace

std::string_view page_script() { return kScript; }

}  // namespace qload::analyze
