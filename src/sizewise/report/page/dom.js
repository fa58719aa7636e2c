// Elements from data. All text goes in as text nodes: nothing that the data say can become markup.

/** `<tag>` with attributes (functions become listeners) and children (texts, elements, arrays of them). */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Text from the user's data: on its own side of any right-to-left mark. */
function user(text) {
  return h("bdi", { dir: "auto" }, text);
}

/** A candidate's name, which may break behind a `+` or `/`, not within a word. */
function named(name) {
  return h("bdi", { dir: "ltr" }, name.split(/(?<=[+\/])/).flatMap((part) => [part, h("wbr")]));
}

function put(id, ...children) {
  document.getElementById(id).replaceChildren(...children.flat(Infinity).filter(Boolean));
}

function chooser(label, options, value, change) {
  const select = h("select", { change: (event) => change(event.target.value) },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return h("label", {}, label, select);
}

let tables = 0;

/**
 * A table that scrolls in a frame of its own and sorts by the headings' buttons.
 * `columns`: [{title, sort?}], `rows`: [{cells, keys, marks?, find?}]; `keys` are what a column sorts by.
 */
function table(caption, columns, rows, { search = false, most = Infinity } = {}) {
  const body = h("tbody"), status = h("p", { class: "hint", role: "status" });
  let sorted = null, falling = false, wanted = "";
  const show = () => {
    const found = rows.filter((row) => !wanted || row.find.includes(wanted));
    if (sorted !== null) found.sort((a, b) => ordered(a.keys[sorted], b.keys[sorted]) * (falling ? -1 : 1));
    body.replaceChildren(...found.slice(0, most).map((row) => row.element));
    const hidden = found.length - Math.min(found.length, most);
    status.textContent = hidden > 0 ? `${hidden} more; search or sort to see them` : wanted ? `${found.length} found` : "";
  };
  const heads = columns.map((column, at) => {
    const button = column.sort === false ? column.title : h("button", { type: "button", click: () => {
      falling = sorted === at ? !falling : false;
      sorted = at;
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[at].setAttribute("aria-sort", falling ? "descending" : "ascending");
      show();
    } }, column.title);
    return h("th", { scope: "col", class: column.words ? "words" : null }, button);
  });
  for (const row of rows)
    row.element = h("tr", { class: row.marks }, row.cells.map((cell, at) =>
      at === 0 ? h("th", { scope: "row" }, cell) : h("td", { class: columns[at].words ? "words" : null }, cell)));
  show();
  const id = `table-${tables++}`;
  const frame = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": id },
    h("table", { "aria-labelledby": id }, h("thead", {}, h("tr", {}, heads)), body));
  const find = search && h("div", { class: "tools" }, h("label", {}, search,
    h("input", { type: "search", input: (event) => { wanted = event.target.value.toLowerCase(); show(); } })));
  return [h("p", { class: "caption", id }, caption), find || null, frame, status];
}

/** Unknown values last, numbers by size, texts by letter. */
function ordered(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b));
}
